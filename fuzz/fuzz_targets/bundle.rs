//! A bundle or a legacy signature that is attached to an image is verified or refused: by a key and an identity that signed nothing,
//! always refused.
#![no_main]

use std::sync::LazyLock;

use basalt_attest::{
    Attached, Authority, Bundle, Form, Identity, PrivateKey, Signer, TrustedRoot, media_type,
    verify,
};
use basalt_digest::Digest;
use basalt_oci::Descriptor;
use libfuzzer_sys::fuzz_target;

static AUTHORITIES: LazyLock<Vec<Authority>> = LazyLock::new(|| {
    let key = PrivateKey::generate().expect("a key");
    let identity = Identity {
        subject: "nobody@example.com".to_owned(),
        issuer: "https://example.com".to_owned(),
    };
    vec![
        Authority::Key(key.public_key().clone()),
        Authority::Identity(identity),
    ]
});
static ROOT: LazyLock<TrustedRoot> = LazyLock::new(|| {
    let text = include_str!("../../crates/basalt-attest/tests/fixtures/trusted-root.json");
    TrustedRoot::read(text).expect("a trusted root")
});

fuzz_target!(|bytes: &[u8]| {
    let _ = Bundle::read(bytes);
    for form in [Form::Bundle, Form::Envelope] {
        let attached = Attached {
            form,
            subject: Digest::of(b"image"),
            manifest: Digest::of(b"manifest"),
            annotations: std::collections::BTreeMap::new(),
            layer: Descriptor::of(media_type::BUNDLE, bytes),
        };
        assert!(verify(&attached, bytes, &AUTHORITIES, Some(&ROOT)).is_err());
    }
});
