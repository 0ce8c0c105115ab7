//! No bytes may break the verification of InRelease; nothing unsigned passes.
#![no_main]

use std::sync::LazyLock;

use basalt_trust::{Keyring, verify_inline};
use libfuzzer_sys::fuzz_target;

static KEYRING: LazyLock<Option<Keyring>> = LazyLock::new(|| Keyring::debian("trixie").ok());

fuzz_target!(|bytes: &[u8]| {
    if let Some(keyring) = KEYRING.as_ref() {
        let _ = verify_inline(bytes, keyring, 1_800_000_000);
    }
    let _ = Keyring::from_bytes(bytes);
});
