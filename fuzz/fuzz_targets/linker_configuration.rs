//! `ld.so.conf` whose every file and include is this text: followed within bounds, or refused.
#![no_main]

use basalt_elf::Machine;
use basalt_elf::linker_cache::search_directories;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut reads = 0;
    let mut read = |_: &str| {
        reads += 1;
        (reads < 64).then(|| text.to_owned())
    };
    let mut expand = |pattern: &str| vec![pattern.to_owned()];
    let _ = search_directories(Machine::Amd64, &mut read, &mut expand);
});
