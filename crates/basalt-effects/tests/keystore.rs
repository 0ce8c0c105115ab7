//! Java's store of certificates, byte by byte. `tests/peers/catalogue` has `keytool` read one.

use std::collections::BTreeMap;

use basalt_effects::apply::keystore;

#[test]
fn the_store_has_the_documented_form_and_is_the_same_each_time() {
    let certificates = BTreeMap::from([("debian:ő.pem".to_owned(), vec![0x30, 0x00])]);
    let store = keystore(&certificates, 1).expect("a store");
    assert_eq!(store, keystore(&certificates, 1).expect("a store"));
    let mut expected = vec![0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
    expected.extend([0, 13]);
    expected.extend("debian:ő.pem".as_bytes());
    expected.extend(1000_i64.to_be_bytes());
    expected.extend([0, 5]);
    expected.extend(b"X.509");
    expected.extend([0, 0, 0, 2, 0x30, 0x00]);
    assert_eq!(store[..store.len() - 20], expected);
}

#[test]
fn a_name_that_is_too_long_is_refused() {
    let certificates = BTreeMap::from([("a".repeat(70_000), Vec::new())]);
    assert!(keystore(&certificates, 0).is_err());
}
