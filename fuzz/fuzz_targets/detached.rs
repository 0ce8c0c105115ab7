//! No bytes may break the verification of a Release file with its signature beside it, and no text
//! passes but those that were signed.
#![no_main]

use std::sync::LazyLock;

use basalt_trust::{Keyring, verify_detached};
use libfuzzer_sys::fuzz_target;

/// What the keys below signed.
const SIGNED: [&str; 2] = [
    include_str!("../../crates/basalt-trust/tests/fixtures/Release"),
    "Suite: other\n",
];
const FIRST: &[u8] = include_bytes!("../../crates/basalt-trust/tests/fixtures/several/first.asc");
const SECOND: &[u8] = include_bytes!("../../crates/basalt-trust/tests/fixtures/several/second.asc");
/// A day after they signed.
const NOW: i64 = 1_767_398_400;

static KEYRING: LazyLock<Option<Keyring>> =
    LazyLock::new(|| Keyring::from_bytes(&[FIRST, SECOND].concat()).ok());

/// A text-mode signature does not cover how lines end.
fn lines(text: &str) -> Vec<&str> {
    text.trim_end().lines().collect()
}

fuzz_target!(|bytes: &[u8]| {
    // The length of the signature, the signature, the text.
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let length = usize::from(u16::from_le_bytes(*length));
    let Some((signature, text)) = rest.split_at_checked(length) else {
        return;
    };
    let Some(keyring) = KEYRING.as_ref() else {
        panic!("the keys cannot be read");
    };
    if let Ok(verified) = verify_detached(text, signature, keyring, NOW) {
        assert!(!verified.signers.is_empty());
        let passed = lines(&verified.text);
        assert!(SIGNED.iter().any(|signed| lines(signed) == passed));
    }
});
