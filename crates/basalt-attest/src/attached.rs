//! What is attached to an image, in every form that is met: referrers (OCI distribution specification 1.1), cosign's
//! tags, and BuildKit's manifests within the index.

use std::collections::BTreeMap;
use std::io::Read;

use basalt_digest::Digest;
use basalt_manifest::Document;
use basalt_oci::{Descriptor, ImageStore, Manifest, read_document};

use crate::bundle::is_bundle;
use crate::claim::{Claim, SignedClaim};
use crate::error::AttestError;
use crate::statement::{Statement, media_type};

/// The annotation that has a signature of cosign's older format.
pub(crate) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The annotation that has an unsigned statement's type of predicate.
pub const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";
/// BuildKit's annotation of what a manifest in an index is.
const BUILDKIT_TYPE: &str = "vnd.docker.reference.type";
/// What it says of a manifest of statements.
const BUILDKIT_ATTESTATION: &str = "attestation-manifest";
/// BuildKit's annotation of the manifest that the statements are about.
const BUILDKIT_SUBJECT: &str = "vnd.docker.reference.digest";

/// Longest document that is read.
const MAXIMUM_DOCUMENT: u64 = 192 << 20;
/// Most things attached to one manifest that are looked at.
const MAXIMUM_ATTACHED: usize = 2000;

/// In which form something is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// A Sigstore bundle, as a referrer: cosign 3.
    Bundle,
    /// A signature under the tag `sha256-….sig`: cosign's older format.
    LegacySignature,
    /// An envelope under the tag `sha256-….att`, or as a referrer.
    Envelope,
    /// A document that nobody signed: a referrer, or under the tag `sha256-….sbom`.
    Document,
    /// A statement that nobody signed, in a manifest within the index: BuildKit.
    BuildKit,
}

/// Something that is attached to an image. Nothing about it has been verified but its digest.
#[derive(Debug, Clone)]
pub struct Attached {
    /// In which form.
    pub form: Form,
    /// The manifest it is attached to.
    pub subject: Digest,
    /// The manifest it is in.
    pub manifest: Digest,
    /// The annotations of that manifest.
    pub annotations: BTreeMap<String, String>,
    /// The layer that it is.
    pub layer: Descriptor,
}

/// The tag of cosign's older format for a manifest: `sha256-….sig`.
pub(crate) fn legacy_tag(digest: &Digest, suffix: &str) -> String {
    format!("sha256-{}.{suffix}", digest.hex())
}

/// All that is attached to a manifest, or, within an index, by BuildKit to one that it lists.
///
/// # Errors
/// When the place cannot be read, or there is too much.
pub fn attached(
    store: &dyn ImageStore,
    subject: &Descriptor,
) -> Result<Vec<Attached>, AttestError> {
    let mut found = Vec::new();
    for referrer in store.referrers(&subject.digest)? {
        // An index may refer to an image too, but holds no document itself.
        if referrer.is_manifest() {
            add(store, &referrer.digest, subject.digest, None, &mut found)?;
        }
    }
    for (suffix, form) in [
        ("sig", Some(Form::LegacySignature)),
        ("att", Some(Form::Envelope)),
        ("sbom", None),
    ] {
        if let Some(tagged) = store.resolve(&legacy_tag(&subject.digest, suffix))? {
            add(store, &tagged.digest, subject.digest, form, &mut found)?;
        }
    }
    if subject.is_index() {
        found.extend(attached_within(store, subject)?);
    }
    Ok(found)
}

/// What BuildKit attached to the images of an index.
///
/// # Errors
/// When the place cannot be read, or there is too much.
pub fn attached_within(
    store: &dyn ImageStore,
    target: &Descriptor,
) -> Result<Vec<Attached>, AttestError> {
    let mut found = Vec::new();
    for inner in document(store, &target.digest)?.manifests {
        let about = inner.annotations.get(BUILDKIT_SUBJECT);
        let is_attestation =
            inner.annotations.get(BUILDKIT_TYPE).map(String::as_str) == Some(BUILDKIT_ATTESTATION);
        let (true, Some(about)) = (is_attestation, about) else {
            continue;
        };
        // What names another digest than one of SHA-256 is about nothing that is verified here.
        if let (Ok(about), Ok(digest)) = (about.parse(), inner.digest.parse()) {
            add(store, &digest, about, Some(Form::BuildKit), &mut found)?;
        }
    }
    Ok(found)
}

/// The manifest of this digest.
pub(crate) fn manifest(store: &dyn ImageStore, digest: &Digest) -> Result<Manifest, AttestError> {
    let document = document(store, digest)?;
    Manifest::of(document)?.ok_or_else(|| AttestError::OtherKind {
        digest: *digest,
        wanted: "an image manifest",
    })
}

/// The manifest or index of this digest.
fn document(store: &dyn ImageStore, digest: &Digest) -> Result<Document, AttestError> {
    let (_, bytes) = store
        .manifest(digest)?
        .ok_or_else(|| AttestError::Missing {
            place: store.place(),
            digest: *digest,
        })?;
    Ok(read_document(|| digest.to_string(), &bytes)?)
}

/// Adds the layers of a manifest.
fn add(
    store: &dyn ImageStore,
    digest: &Digest,
    subject: Digest,
    form: Option<Form>,
    found: &mut Vec<Attached>,
) -> Result<(), AttestError> {
    let manifest = manifest(store, digest)?;
    for layer in manifest.layers {
        if found.len() >= MAXIMUM_ATTACHED {
            return Err(AttestError::TooLarge {
                what: "what is attached to the image",
                limit: MAXIMUM_ATTACHED as u64,
                unit: "documents",
            });
        }
        let form = match form {
            Some(form) => form,
            None if is_bundle(&layer.media_type) => Form::Bundle,
            None if layer.media_type == media_type::DSSE => Form::Envelope,
            None if layer.media_type == media_type::SIMPLE_SIGNING => Form::LegacySignature,
            None => Form::Document,
        };
        found.push(Attached {
            form,
            subject,
            manifest: *digest,
            annotations: manifest.annotations.clone(),
            layer,
        });
    }
    Ok(())
}

impl Attached {
    /// Its bytes, compared with their digest.
    ///
    /// # Errors
    /// When they are missing, too many, or others.
    pub fn read(&self, store: &dyn ImageStore) -> Result<Vec<u8>, AttestError> {
        if self.layer.size > MAXIMUM_DOCUMENT {
            return Err(AttestError::TooLarge {
                what: "the attached document",
                limit: MAXIMUM_DOCUMENT,
                unit: "bytes",
            });
        }
        let mut bytes = Vec::new();
        store
            .blob(&self.layer)?
            .read_to_end(&mut bytes)
            .map_err(|error| AttestError::Store(error.into()))?;
        Ok(bytes)
    }

    /// The statement that it is, or that is signed in it; none when it is something else.
    ///
    /// # Errors
    /// When it cannot be read, or is not sound.
    pub fn statement(&self, store: &dyn ImageStore) -> Result<Option<Statement>, AttestError> {
        match self.form {
            Form::LegacySignature => Ok(None),
            Form::Document | Form::BuildKit => match self.layer.media_type.as_str() {
                media_type::IN_TOTO => Statement::read(&self.read(store)?).map(Some),
                _ => Ok(None),
            },
            Form::Bundle | Form::Envelope => {
                match SignedClaim::read(self, &self.read(store)?)?.claim {
                    Claim::Statement(statement) => Ok(Some(statement)),
                    Claim::Signature(_) => Ok(None),
                }
            }
        }
    }

    /// Whether somebody signed it; whether the signature is good is another matter.
    pub fn is_signed(&self) -> bool {
        !matches!(self.form, Form::Document | Form::BuildKit)
    }
}
