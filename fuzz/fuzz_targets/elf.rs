//! Facts of an ELF file, whatever its headers claim.
#![no_main]

use basalt_elf::ElfFacts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = ElfFacts::read(bytes);
});
