//! What keys promise.

use basalt_attest::{KeyError, PrivateKey, PublicKey, Signer, TokenUri};
use proptest::prelude::*;
use zeroize::Zeroizing;

/// Made by cosign 3.1.1 for this test alone, with the password `secret`.
const OF_COSIGN: &str = include_str!("fixtures/cosign.key");
const PUBLIC_OF_COSIGN: &str = include_str!("fixtures/cosign.pub");
/// Made by OpenSSL 3.0 for this test alone: SEC 1, PKCS #8, and public halves.
const P256_SEC1: &str = include_str!("fixtures/p256-sec1.key");
const P384: &str = include_str!("fixtures/p384.key");
const ED25519: &str = include_str!("fixtures/ed25519.key");
const RSA_PUBLIC: &str = include_str!("fixtures/rsa.pub");
const RSA_SMALL_PUBLIC: &str = include_str!("fixtures/rsa-1024.pub");
const MESSAGE: &[u8] = b"message\n";

fn never() -> Result<Zeroizing<Vec<u8>>, KeyError> {
    panic!("no password is needed")
}

fn password(text: &str) -> impl FnOnce() -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let bytes = text.as_bytes().to_vec();
    || Ok(Zeroizing::new(bytes))
}

#[test]
fn cosigns_key_is_opened_by_its_password_and_no_other() {
    let key = PrivateKey::from_pem(OF_COSIGN, password("secret")).expect("the password opens it");
    assert_eq!(key.public_key().to_pem().expect("PEM"), PUBLIC_OF_COSIGN);
    let older = OF_COSIGN.replace("SIGSTORE", "COSIGN");
    PrivateKey::from_pem(&older, password("secret")).expect("the older label is read too");
    let error = PrivateKey::from_pem(OF_COSIGN, password("Secret")).expect_err("another password");
    assert!(matches!(error, KeyError::Password), "{error}");
}

#[test]
fn a_key_comes_back_from_its_encrypted_form() {
    let key = PrivateKey::generate().expect("a key");
    let sealed = key.to_encrypted_pem(b"word").expect("PEM");
    assert!(sealed.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"));
    let again = PrivateKey::from_pem(&sealed, password("word")).expect("it opens");
    assert_eq!(again.public_key(), key.public_key());
    let signature = again.sign(MESSAGE).expect("signed");
    assert!(key.public_key().verify(MESSAGE, &signature));
    assert!(!key.public_key().verify(b"another", &signature));
    // The same message, the same signature; another encryption each time.
    assert_eq!(signature, key.sign(MESSAGE).expect("signed"));
    assert_ne!(sealed, key.to_encrypted_pem(b"word").expect("PEM"));
}

#[test]
fn every_algorithm_signs_and_verifies() {
    for text in [P256_SEC1, P384, ED25519] {
        let key = PrivateKey::from_pem(text, never).expect("a key");
        let public = PublicKey::from_pem(&key.public_key().to_pem().expect("PEM")).expect("a key");
        let mut signature = key.sign(MESSAGE).expect("signed");
        assert!(public.verify(MESSAGE, &signature), "{public:?}");
        let last = signature.last_mut().expect("bytes");
        *last ^= 1;
        assert!(!public.verify(MESSAGE, &signature), "{public:?}");
        assert!(!public.verify(MESSAGE, &[]), "{public:?}");
    }
}

#[test]
fn a_signature_of_openssl_holds() {
    for (public, signature) in [
        (RSA_PUBLIC, &include_bytes!("fixtures/rsa.sig")[..]),
        (
            include_str!("fixtures/p384.pub"),
            &include_bytes!("fixtures/p384-sha256.sig")[..],
        ),
        (
            include_str!("fixtures/p384.pub"),
            &include_bytes!("fixtures/p384-sha384.sig")[..],
        ),
    ] {
        let key = PublicKey::from_pem(public).expect("a key");
        assert!(key.verify(MESSAGE, signature), "{key:?}");
        assert!(!key.verify(b"another", signature), "{key:?}");
    }
}

#[test]
fn what_is_weak_or_no_key_is_refused() {
    let error = PublicKey::from_pem(RSA_SMALL_PUBLIC).expect_err("1024 bits");
    assert!(error.to_string().contains("1024 bits"), "{error}");
    assert!(matches!(
        PublicKey::from_pem(OF_COSIGN),
        Err(KeyError::Private)
    ));
    assert!(matches!(
        PrivateKey::from_pem(PUBLIC_OF_COSIGN, never),
        Err(KeyError::Public)
    ));
    for text in [
        "",
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
        "x",
    ] {
        assert!(PublicKey::from_pem(text).is_err(), "{text}");
        assert!(PrivateKey::from_pem(text, never).is_err(), "{text}");
    }
}

#[test]
fn a_cost_that_would_take_all_memory_is_refused_before_the_password_is_asked_for() {
    let body = r#"{"kdf":{"name":"scrypt","params":{"N":1073741824,"r":8,"p":1},"salt":"AAAA"},"cipher":{"name":"nacl/secretbox","nonce":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},"ciphertext":"AAAA"}"#;
    let text = format!(
        "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n{}\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, body)
    );
    let error = PrivateKey::from_pem(&text, never).expect_err("too dear");
    assert!(error.to_string().contains("1073741824"), "{error}");
}

#[test]
fn nothing_shows_a_private_key() {
    let key = PrivateKey::from_pem(ED25519, never).expect("a key");
    let shown = format!("{key:?}");
    assert!(shown.starts_with("PrivateKey(of PublicKey(Ed25519, sha256:"));
    assert!(shown.len() < 140, "{shown}");
}

#[test]
fn a_token_is_named_by_a_uri_that_leaves_nothing_open() {
    let uri = TokenUri::parse(
        "pkcs11:token=My%20token;object=key;id=%01%ff;slot-id=7;type=private?module-path=/lib/x.so&pin-source=file:/run/pin",
    )
    .expect("a URI");
    assert_eq!(uri.token.as_deref(), Some("My token"));
    assert_eq!(uri.id.as_deref(), Some(&[1, 255][..]));
    assert_eq!(uri.slot, Some(7));
    assert_eq!(uri.pin_file.as_deref(), Some("/run/pin".as_ref()));
    for (text, cause) in [
        ("pkcs11:token=x", "names no key"),
        ("pkcs11:object=x;object=y", "stands twice"),
        ("pkcs11:object=x;colour=blue", "not understood"),
        ("pkcs11:object=x?pin-value=1234", "seen by everybody"),
        ("pkcs11:object=%4", "two hex digits"),
        ("pkcs11:object", "no attribute"),
        ("file:x", "does not begin"),
    ] {
        let error = TokenUri::parse(text).expect_err(text).to_string();
        assert!(error.contains(cause), "{text}: {error}");
        assert!(!error.contains("1234"), "a PIN is never shown");
    }
}

proptest! {
    #[test]
    fn no_text_brings_a_reader_to_panic(text: String, label in "(ENCRYPTED SIGSTORE |EC |)(PRIVATE|PUBLIC) KEY", body in "[A-Za-z0-9+/=\n]{0,200}") {
        let _ = PublicKey::from_pem(&text);
        let _ = PrivateKey::from_pem(&text, password(""));
        let _ = TokenUri::parse(&format!("pkcs11:{text}"));
        let framed = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        let _ = PublicKey::from_pem(&framed);
        let _ = PrivateKey::from_pem(&framed, password(""));
    }
}
