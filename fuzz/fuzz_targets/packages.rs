//! What compiles opens, and answers for every name in it; what does not is refused.
#![no_main]

use basalt_deb::packages::{CompiledIndex, compile};
use basalt_digest::Digest;
use libfuzzer_sys::fuzz_target;

fn ask(index: &CompiledIndex) {
    for name in index.iter_names() {
        let _ = index.records(name);
        let _ = index.providers(name);
    }
    for fault in index.faults() {
        let found = index.find(&fault.package);
        assert!(found.is_ok_and(|found| found.faults.contains(fault)));
    }
    let _ = index.essential();
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(compiled) = compile(bytes, "amd64") {
        let index = CompiledIndex::open(compiled.clone());
        let Ok(index) = index else {
            panic!("what was compiled does not open: {index:?}");
        };
        ask(&index);
        assert_eq!(compile(bytes, "amd64").ok(), Some(compiled));
    }
    // A damaged index whose digest is right all the same.
    let mut damaged = bytes.to_vec();
    damaged.extend_from_slice(Digest::of(bytes).as_bytes());
    if let Ok(index) = CompiledIndex::open(damaged) {
        ask(&index);
    }
});
