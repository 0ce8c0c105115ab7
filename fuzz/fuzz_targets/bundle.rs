//! A bundle or a legacy signature that is attached to an image is verified or refused: by a key that signed nothing,
//! always refused.
#![no_main]

use std::sync::LazyLock;

use basalt_attest::{Attached, Bundle, Form, PrivateKey, PublicKey, Signer, media_type, verify};
use basalt_digest::Digest;
use basalt_oci::Descriptor;
use libfuzzer_sys::fuzz_target;

static KEYS: LazyLock<Vec<PublicKey>> = LazyLock::new(|| {
    let key = PrivateKey::generate().expect("a key");
    vec![key.public_key().clone()]
});

fuzz_target!(|bytes: &[u8]| {
    let _ = Bundle::read(bytes);
    for form in [Form::Bundle, Form::Envelope] {
        let attached = Attached {
            form,
            subject: Digest::of(b"image"),
            manifest: Digest::of(b"manifest"),
            layer: Descriptor::of(media_type::BUNDLE, bytes),
        };
        assert!(verify(&attached, bytes, &KEYS).is_err());
    }
});
