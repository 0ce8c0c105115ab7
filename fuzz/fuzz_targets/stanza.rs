//! Stanzas that are read and written out are read again alike.
#![no_main]

use basalt_deb::stanza::{Stanza, Stanzas};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for stanza in Stanzas::new(text) {
        let Ok(stanza) = stanza else { return };
        let written: String = stanza
            .fields()
            .iter()
            .map(|field| format!("{}: {}\n", field.name, field.value))
            .collect();
        let Ok(again) = Stanza::parse(&written) else {
            panic!("{written:?} cannot be read again");
        };
        assert_eq!(stanza.fields().len(), again.fields().len());
        for (before, after) in stanza.fields().iter().zip(again.fields()) {
            assert_eq!((before.name, before.value), (after.name, after.value));
        }
    }
});
