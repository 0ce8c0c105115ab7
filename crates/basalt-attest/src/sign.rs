//! Signing an image, or a statement about it, and attaching that to it, in both of cosign's formats.

use std::collections::BTreeMap;

use basalt_digest::Digest;
use basalt_oci::{Descriptor, ImageStore, Manifest, annotation};
use serde_json::json;

use crate::attached::{SIGNATURE, legacy_tag, manifest};
use crate::bundle::Bundle;
use crate::encoding;
use crate::envelope::{Envelope, Signature, pre_authentication_encoding};
use crate::error::AttestError;
use crate::key::Signer;
use crate::simple_signing::SimpleSigning;
use crate::statement::{ResourceDescriptor, Statement, media_type, predicate_type};

/// In which format a signature is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A Sigstore bundle, as a referrer: cosign 3.
    Bundle,
    /// Under a tag made of the digest: all versions of cosign.
    Legacy,
}

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The manifest or index.
    pub descriptor: &'a Descriptor,
    /// The name of the image, without tag and digest.
    pub name: &'a str,
}

/// Signs an image, and attaches the signature. Returns the manifest that it is in.
///
/// # Errors
/// When the key does not sign, or the place cannot be written.
pub fn sign(
    store: &dyn ImageStore,
    subject: Subject<'_>,
    date: i64,
    signer: &dyn Signer,
    format: Format,
) -> Result<Descriptor, AttestError> {
    let digest = subject.descriptor.digest;
    match format {
        Format::Bundle => {
            let about = ResourceDescriptor::of_digest("", &digest);
            let predicate = json!({"timestamp": basalt_oci::date(date)});
            let statement = Statement::new(vec![about], predicate_type::COSIGN_SIGN, &predicate)?;
            attest(
                store,
                subject,
                &crate::to_bytes(&statement)?,
                date,
                signer,
                format,
            )
        }
        Format::Legacy => {
            let payload = crate::to_bytes(&SimpleSigning::new(subject.name, digest, date))?;
            let signature = encoding::encode(&signer.sign(&payload)?);
            let layer = store.put_blob(media_type::SIMPLE_SIGNING, &payload)?;
            let annotations = BTreeMap::from([(SIGNATURE.to_owned(), signature)]);
            let layer = Descriptor {
                annotations,
                ..layer
            };
            put_under_tag(store, &legacy_tag(&digest, "sig"), layer)
        }
    }
}

/// Signs a statement, given as the bytes that are to be signed, and attaches it to the image that it is about. Returns
/// the manifest that it is in.
///
/// # Errors
/// When it is no statement about this image, the key does not sign, or the place cannot be written.
pub fn attest(
    store: &dyn ImageStore,
    subject: Subject<'_>,
    statement: &[u8],
    date: i64,
    signer: &dyn Signer,
    format: Format,
) -> Result<Descriptor, AttestError> {
    let digest = subject.descriptor.digest;
    let read = Statement::read(statement)?;
    if !read.is_about(&digest) {
        return Err(AttestError::malformed(
            "the in-toto statement",
            format!("it is not about {digest}"),
        ));
    }
    let predicate_type = read.predicate_type;
    let message = pre_authentication_encoding(media_type::IN_TOTO, statement);
    let envelope = Envelope {
        payload: statement.to_vec(),
        payload_type: media_type::IN_TOTO.to_owned(),
        signatures: vec![Signature {
            sig: signer.sign(&message)?,
            keyid: String::new(),
        }],
    };
    match format {
        Format::Bundle => {
            let bundle = Bundle::new(envelope, signer.public_key().hint());
            let layer = store.put_blob(media_type::BUNDLE, &crate::to_bytes(&bundle)?)?;
            let annotations = BTreeMap::from([
                (annotation::CREATED.to_owned(), basalt_oci::date(date)),
                (
                    "dev.sigstore.bundle.content".to_owned(),
                    "dsse-envelope".to_owned(),
                ),
                (
                    "dev.sigstore.bundle.predicateType".to_owned(),
                    predicate_type,
                ),
            ]);
            attach(store, subject.descriptor, layer, annotations)
        }
        Format::Legacy => {
            let layer = store.put_blob(media_type::DSSE, &crate::to_bytes(&envelope)?)?;
            let annotations = BTreeMap::from([
                (SIGNATURE.to_owned(), String::new()),
                ("predicateType".to_owned(), predicate_type),
            ]);
            let layer = Descriptor {
                annotations,
                ..layer
            };
            put_under_tag(store, &legacy_tag(&digest, "att"), layer)
        }
    }
}

/// Attaches a blob to a manifest as a referrer (OCI image specification 1.1, *Guidelines for Artifact Usage*), whose
/// type is that of the blob. The same blob with the same annotations gives the same referrer.
///
/// # Errors
/// When the place cannot be written.
pub fn attach(
    store: &dyn ImageStore,
    subject: &Descriptor,
    layer: Descriptor,
    annotations: BTreeMap<String, String>,
) -> Result<Descriptor, AttestError> {
    let config = store.put_blob(media_type::EMPTY, b"{}")?;
    let mut manifest = Manifest::new(config, Vec::new());
    manifest.artifact_type = Some(layer.media_type.clone());
    manifest.subject = Some(Descriptor::new(
        &subject.media_type,
        subject.digest,
        subject.size,
    ));
    manifest.annotations = annotations;
    manifest.layers.push(layer);
    let bytes = basalt_oci::to_bytes(&manifest)?;
    Ok(store.put_manifest(basalt_oci::media_type::MANIFEST, &bytes, None)?)
}

/// Adds a layer to the manifest under a tag of cosign's older format, beside those that are there.
fn put_under_tag(
    store: &dyn ImageStore,
    tag: &str,
    layer: Descriptor,
) -> Result<Descriptor, AttestError> {
    let mut layers = match store.resolve(tag)? {
        Some(former) => manifest(store, &former.digest)?.layers,
        None => Vec::new(),
    };
    if !layers.contains(&layer) {
        layers.push(layer);
    }
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.digest).collect();
    // cosign reads it by a library for images, and takes the config for an image's.
    let config = json!({
        "architecture": "",
        "os": "",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = store.put_blob(
        basalt_oci::media_type::CONFIG,
        &basalt_oci::to_bytes(&config)?,
    )?;
    let bytes = basalt_oci::to_bytes(&Manifest::new(config, layers))?;
    Ok(store.put_manifest(basalt_oci::media_type::MANIFEST, &bytes, Some(tag))?)
}
