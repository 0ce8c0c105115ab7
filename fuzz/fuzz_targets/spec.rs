//! A spec from anywhere is read, or refused with an error that points into it.
#![no_main]

use std::path::Path;

use basalt_spec::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = parse(Path::new("image.yaml"), text) {
        let _ = error.render(false);
    }
});
