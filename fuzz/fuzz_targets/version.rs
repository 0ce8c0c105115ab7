//! A version is shown as it was written, and the order of three is an order.
#![no_main]

use std::cmp::Ordering;

use basalt_deb::version::Version;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let versions: Vec<Version> = text
        .split('\n')
        .take(3)
        .filter_map(|line| Version::new(line).ok())
        .collect();
    for version in &versions {
        assert_eq!(
            Version::new(version.as_str()).map(|again| again.to_string()),
            Ok(version.to_string())
        );
        assert_eq!(version.cmp(version), Ordering::Equal);
    }
    if let [first, second, third] = versions.as_slice() {
        assert_eq!(first.cmp(second), second.cmp(first).reverse());
        if first <= second && second <= third {
            assert!(first <= third);
        }
    }
});
