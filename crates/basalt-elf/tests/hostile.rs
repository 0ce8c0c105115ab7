//! No bytes whatever make the reader panic.

use std::io::Cursor;

use basalt_elf::ElfFacts;
use proptest::prelude::*;

/// A small real object to spoil: the test program's own first pages.
fn own_program() -> Vec<u8> {
    let path = std::env::current_exe().expect("the test program has a path");
    let mut content = std::fs::read(path).expect("the test program can be read");
    content.truncate(1 << 20);
    content
}

/// Both ways of reading give the same facts, or both refuse.
fn agree(content: &[u8]) {
    let parts = ElfFacts::read_from(Cursor::new(content));
    assert_eq!(parts.ok(), ElfFacts::read(content).ok());
}

proptest! {
    #[test]
    fn reads_any_bytes_without_a_panic(rest in proptest::collection::vec(any::<u8>(), 0..512), class in 1u8..=2, order in 1u8..=2) {
        let mut content = vec![0x7f, b'E', b'L', b'F', class, order, 1];
        content.extend(rest);
        agree(&content);
    }

    #[test]
    fn reads_a_spoiled_program_without_a_panic(changes in proptest::collection::vec((0usize..4096, any::<u8>()), 1..40)) {
        let mut content = own_program();
        for (position, value) in changes {
            if position > 3 && let Some(byte) = content.get_mut(position) {
                *byte = value;
            }
        }
        agree(&content);
    }
}

#[test]
fn reads_the_facts_of_a_program() {
    let path = std::env::current_exe().expect("the test program has a path");
    let content = std::fs::read(path).expect("the test program can be read");
    let facts = ElfFacts::read(&content)
        .expect("it is readable")
        .expect("it is ELF");
    assert!(facts.is_dynamic);
    assert!(
        facts.needed.iter().any(|name| name == "libc.so.6"),
        "{facts:?}"
    );
    assert!(facts.interpreter.is_some());
    agree(&content);
}
