#![no_main]
//! A copyright file from anywhere: what it states, if anything, is an expression whose licences all have a text.

use basalt_sbom::Copyright;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(copyright) = Copyright::parse(bytes) {
        let licence = copyright.licence;
        assert!(!licence.expression.is_empty());
        for one in &licence.extracted {
            assert!(licence.expression.contains(&one.id));
            assert!(!one.text.is_empty());
        }
    }
});
