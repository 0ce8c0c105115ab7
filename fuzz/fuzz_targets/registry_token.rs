//! No text from anywhere is a token of ours.
#![no_main]

use std::sync::LazyLock;

use basalt_registry::access::{Claims, new_key, sign, verify, verifying};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    static KEY: LazyLock<basalt_registry::metadata::SigningKey> = LazyLock::new(|| new_key(0));
    static GOOD: LazyLock<String> =
        LazyLock::new(|| sign(&KEY, &Claims::new("here", "me", Vec::new(), 0, [0; 16])));
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
