//! Facts and links of an ELF file, whatever its headers claim.
#![no_main]

use basalt_elf::{ElfFacts, ElfLinks, strings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = ElfFacts::read(bytes);
    let _ = ElfLinks::read(bytes);
    let _ = strings(bytes, &mut |_| true);
});
