//! No path of a `Release` leads out of the archive; its dates are in the range of four-digit years.
#![no_main]

use basalt_deb::release::{Release, parse_date};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(release) = Release::parse(text) {
        for path in release.files.keys() {
            assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."));
        }
    }
    if let Ok(seconds) = parse_date(text) {
        assert!((-86_400..=253_402_387_200).contains(&seconds));
    }
});
