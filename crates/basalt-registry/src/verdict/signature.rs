//! Who signed an image, and what they attest of it: verified as `basalt verify` does it.

use basalt_attest::policy::{Evidence, Judged, Policy, Signers};
use basalt_attest::{Attached, AttestError, Form, attached, verify};
use basalt_oci::Descriptor;

use super::image::{Image, Target};
use super::judge::Unmet;
use super::shelf::{Shelf, verified_form};

/// The most documents that are verified for one image: as many as may be attached to a manifest, so that nobody who pushes
/// many can hide one.
const MAXIMUM_DOCUMENTS: usize = 2000;
/// The longest document that has a signature and nothing besides, in bytes.
const MAXIMUM_SIGNATURE: u64 = 1 << 20;
/// How many of the indexes that lead to an image are asked whether they are signed.
pub(super) const PARENTS: u64 = 500;
/// What bundles are annotated with: the type of what they state.
const BUNDLE_TYPE: &str = "dev.sigstore.bundle.predicateType";
/// What cosign's signature states.
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

/// Who must have signed.
#[derive(Debug)]
pub(super) struct Signatures {
    pub policy: Policy,
    pub signers: Signers,
}

impl Signatures {
    /// Why an image is not signed as it must be. A signature of an index is one of all that it leads to: also of an image or
    /// an index that is asked for by its own digest.
    pub fn unmet(&self, shelf: &Shelf, target: &Target, now: i64) -> Option<Unmet> {
        let Some(own) = descriptor(target) else {
            return Some(self.not_verified(target));
        };
        let images = match target.is_index {
            true => target.images.iter().map(of_image).collect(),
            false => Some(Vec::new()),
        };
        let Some(images) = images else {
            return Some(self.not_verified(target));
        };
        let unmet = self.judge(shelf, &own, &images, now)?;
        for parent in shelf.indexes_over(&target.digest, PARENTS) {
            let Some(record) = shelf.record(&parent) else {
                continue;
            };
            let Some(digest) = verified_form(&parent) else {
                continue;
            };
            let index = Descriptor::new(&record.head.media_type, digest, record.head.size);
            // One that is met is enough.
            self.judge(shelf, &index, &[], now)?;
        }
        Some(unmet)
    }

    fn judge(
        &self,
        shelf: &Shelf,
        target: &Descriptor,
        images: &[Descriptor],
        now: i64,
    ) -> Option<Unmet> {
        let judged = Judged {
            target,
            images,
            uncovered: &[],
        };
        let found = evidence(shelf, &judged, &self.signers, SIGNED, MAXIMUM_SIGNATURE);
        let unmet = match found {
            Ok(found) => self.policy.judge(&judged, &self.signers, &found, now),
            Err(error) => {
                return Some(Unmet {
                    digest: target.digest.to_string(),
                    found: format!("what is attached cannot be read: {error}"),
                    wanted: self.wanted(),
                });
            }
        };
        let unmet = unmet.into_iter().next()?;
        Some(Unmet {
            digest: unmet.digest.to_string(),
            found: unmet.problem,
            wanted: unmet.remedy,
        })
    }

    fn not_verified(&self, target: &Target) -> Unmet {
        Unmet {
            digest: target.digest.to_string(),
            found: "signatures are verified here of images whose digests are of SHA-256 alone"
                .to_owned(),
            wanted: self.wanted(),
        }
    }

    fn wanted(&self) -> String {
        let names: Vec<&str> = self
            .signers
            .named
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        format!("a signature by {}", names.join(", "))
    }
}

/// What verification calls a target.
pub(super) fn descriptor(target: &Target) -> Option<Descriptor> {
    let digest = verified_form(&target.digest)?;
    Some(Descriptor::new(&target.media_type, digest, target.size))
}

/// What verification calls an image.
pub(super) fn of_image(image: &Image) -> Option<Descriptor> {
    let digest = verified_form(&image.digest)?;
    Some(Descriptor::new(&image.media_type, digest, image.size))
}

/// Verifies what is signed, states something of this type, and is attached to an image or the images within it: the
/// shortest first, which signatures are, so that they are not lost among what else is there. Of anything but signatures all
/// must be read, lest an old statement counts for one that is left out.
///
/// # Errors
/// When what is attached cannot be listed, or read where it must be, or is too much.
pub(super) fn evidence(
    shelf: &Shelf,
    judged: &Judged<'_>,
    signers: &Signers,
    kind: &str,
    limit: u64,
) -> Result<Vec<Evidence>, AttestError> {
    let authorities: Vec<_> = signers.named.iter().map(|(_, one)| one.clone()).collect();
    let mut documents: Vec<Attached> = Vec::new();
    for subject in std::iter::once(judged.target).chain(judged.images) {
        documents.extend(attached(shelf, subject)?);
    }
    documents.retain(|one| may_state(one, kind));
    let all = documents.len();
    documents.retain(|one| one.layer.size <= limit);
    documents.sort_by_key(|one| one.layer.size);
    documents.truncate(MAXIMUM_DOCUMENTS);
    let must_be_whole = kind != SIGNED;
    if must_be_whole && documents.len() < all {
        return Err(AttestError::TooLarge {
            what: "what is attached to the image",
            limit: MAXIMUM_DOCUMENTS as u64,
            unit: "documents, or one of them is too long",
        });
    }
    let mut found = Vec::with_capacity(documents.len());
    for attached in documents {
        let bytes = match attached.read(shelf) {
            Ok(bytes) => bytes,
            Err(error) if must_be_whole => return Err(error),
            // A signature that cannot be read counts for nothing, as one that is not sound.
            Err(_) => continue,
        };
        let outcome = verify(&attached, &bytes, &authorities, signers.root.as_ref());
        found.push(Evidence { attached, outcome });
    }
    Ok(found)
}

/// Whether something attached may be signed and state something of this type. Who annotates it wrongly has only their own
/// passed over.
fn may_state(attached: &Attached, kind: &str) -> bool {
    let annotated = [BUNDLE_TYPE, "predicateType"]
        .iter()
        .find_map(|name| attached.annotations.get(*name));
    match attached.form {
        Form::LegacySignature => kind == SIGNED,
        Form::Bundle | Form::Envelope => annotated.is_none_or(|one| one == kind),
        Form::Document | Form::BuildKit => false,
    }
}
