//! Whatever is to be shown, nothing of it that a terminal obeys or that hides text gets through; a JSON
//! document keeps its value.
#![no_main]

use basalt_escape::is_hidden;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let is_shown = |letter: char| !is_hidden(letter) || matches!(letter, '\n' | '\t');
    let text = basalt_escape::text(bytes);
    assert!(text.chars().all(is_shown));
    assert_eq!(basalt_escape::text(text.as_bytes()), text);
    assert!(!basalt_escape::line(&text).chars().any(is_hidden));
    let json = basalt_escape::json(bytes);
    assert!(json.chars().all(is_shown));
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        let again: Value = serde_json::from_str(&json).expect("it is JSON still");
        assert_eq!(again, value);
    }
});
