//! No apt source may break the search for mirrors.
#![no_main]

use basalt_fetch::sources::{parse_lines, parse_stanzas};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    parse_lines(text);
    parse_stanzas(text);
});
