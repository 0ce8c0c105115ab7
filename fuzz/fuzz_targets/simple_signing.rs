//! The payload of a legacy signature, and the signature beside it, are read or refused.
#![no_main]

use basalt_attest::{Attached, Form, SignedClaim, SimpleSigning, media_type};
use basalt_digest::Digest;
use basalt_oci::Descriptor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &str)| {
    let (bytes, signature) = input;
    if let Ok(payload) = SimpleSigning::read(bytes) {
        let _ = (payload.digest(), payload.name(), payload.date());
    }
    let mut layer = Descriptor::of(media_type::SIMPLE_SIGNING, bytes);
    let name = "dev.cosignproject.cosign/signature".to_owned();
    layer.annotations.insert(name, signature.to_owned());
    let attached = Attached {
        form: Form::LegacySignature,
        subject: Digest::of(b"image"),
        manifest: Digest::of(b"manifest"),
        annotations: std::collections::BTreeMap::new(),
        layer,
    };
    let _ = SignedClaim::read(&attached, bytes);
});
