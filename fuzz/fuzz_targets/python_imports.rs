//! Imports of a Python source, whatever its text is.
#![no_main]

use basalt_reach::python::scan::scan;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = scan(text);
});
