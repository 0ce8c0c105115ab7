//! No text from anywhere is a token of ours.
#![no_main]

use std::sync::LazyLock;

use basalt_registry::access::{Caller, Claims, Unverified, new_key, sign, verify, verifying};
use libfuzzer_sys::fuzz_target;

fn claims() -> Claims {
    Claims::new(
        "here",
        &Caller::User("me".to_owned()),
        Vec::new(),
        0,
        [0; 16],
    )
}

fuzz_target!(|text: &str| {
    static KEY: LazyLock<basalt_registry::metadata::SigningKey> = LazyLock::new(|| new_key(0));
    static GOOD: LazyLock<String> = LazyLock::new(|| sign(&KEY, &claims()));
    // One of an issuer may be read, but is not believed by that.
    let _ = Unverified::read(text);
    let keys = [verifying(&KEY)];
    assert!(verify(text, &keys, "here", 0).is_err());
    // Nor is a good one with something else in its place.
    for part in 0..3 {
        let mut parts: Vec<&str> = GOOD.split('.').collect();
        if parts[part] != text {
            parts[part] = text;
            assert!(verify(&parts.join("."), &keys, "here", 0).is_err());
        }
    }
});
