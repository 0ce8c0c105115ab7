//! A key from anywhere, in PEM or DER, or a URI of one in a token, is read or refused. No password is tried: that is slow by design.
#![no_main]

use basalt_attest::{KeyError, PrivateKey, PublicKey, TokenUri};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = PublicKey::from_der(bytes) {
        assert!(!key.verify(b"message", bytes));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(key) = PublicKey::from_pem(text) {
            let again = key.to_pem().expect("a key is PEM");
            assert_eq!(PublicKey::from_pem(&again).expect("it is read again"), key);
        }
        let _ = PrivateKey::from_pem(text, || Err(KeyError::Password));
        let _ = TokenUri::parse(text);
    }
});
