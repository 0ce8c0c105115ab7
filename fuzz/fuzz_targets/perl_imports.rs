//! Imports of a Perl source, whatever its text is.
#![no_main]

use basalt_reach::perl::scan::scan;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = scan(text);
});
