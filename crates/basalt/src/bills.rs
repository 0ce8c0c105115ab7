//! The bills of materials that an image carries: referrers with such a document as their layer, those that Basalt's builds
//! and `oras attach` make; in-toto statements around one, also in the manifests that BuildKit puts beside an image.

use std::collections::BTreeMap;
use std::io::Read;

use basalt_attest::media_type::IN_TOTO;
use basalt_attest::{BUILDKIT_ATTESTATION, BUILDKIT_SUBJECT, BUILDKIT_TYPE, PREDICATE_TYPE};
use basalt_oci::{Descriptor, ImageStore, Index, MADE_BY, Manifest};
use basalt_sbom::{CYCLONEDX_MEDIA_TYPE, Format, MAXIMUM_DOCUMENT, SPDX_MEDIA_TYPE};

use crate::failure::{Failure, Status};

/// A bill that is there to be read.
#[derive(Debug, Clone)]
pub struct Bill {
    /// Its format, as its media type has it.
    pub format: Format,
    /// Its bytes, or those of the statement around it.
    pub layer: Descriptor,
    is_ours: bool,
}

/// The bills of what `subject` points at, those that a build of Basalt made first. `beside` is the index that it is in.
///
/// # Errors
/// When the store cannot be read or a manifest is not sound.
pub fn of(
    store: &dyn ImageStore,
    subject: &Descriptor,
    beside: Option<&Index>,
) -> Result<Vec<Bill>, Failure> {
    let mut holders = store.referrers(&subject.digest)?;
    let wanted = subject.digest.to_string();
    let from_buildkit = |entry: &&Descriptor| {
        let says = |key, value| entry.annotations.get(key).is_some_and(|one| one == value);
        says(BUILDKIT_TYPE, BUILDKIT_ATTESTATION) && says(BUILDKIT_SUBJECT, wanted.as_str())
    };
    let entries = beside.iter().flat_map(|index| &index.manifests);
    holders.extend(entries.filter(from_buildkit).cloned());
    let mut bills = Vec::new();
    for holder in holders.iter().filter(|holder| holder.is_manifest()) {
        let Some((_, bytes)) = store.manifest(&holder.digest)? else {
            continue;
        };
        let manifest: Manifest = parse(&bytes, holder)?;
        for layer in manifest.layers {
            if let Some(format) = format_of(&layer, &manifest.annotations) {
                let is_ours = manifest.annotations.contains_key(MADE_BY);
                bills.push(Bill {
                    format,
                    layer,
                    is_ours,
                });
            }
        }
    }
    bills.sort_by_key(|bill| (!bill.is_ours, bill.layer.digest));
    Ok(bills)
}

fn format_of(layer: &Descriptor, annotations: &BTreeMap<String, String>) -> Option<Format> {
    match layer.media_type.as_str() {
        SPDX_MEDIA_TYPE => Some(Format::Spdx),
        CYCLONEDX_MEDIA_TYPE => Some(Format::CycloneDx),
        IN_TOTO => {
            let own = layer.annotations.get(PREDICATE_TYPE);
            let kind = own.or_else(|| annotations.get(PREDICATE_TYPE))?;
            let is = |base: &str| kind.starts_with(base);
            if is("https://spdx.dev/Document") {
                Some(Format::Spdx)
            } else {
                is("https://cyclonedx.org/bom").then_some(Format::CycloneDx)
            }
        }
        _ => None,
    }
}

impl Bill {
    /// The document, without the statement around it.
    ///
    /// # Errors
    /// When it is missing, too long, not what its digest says, or no statement.
    pub fn read(&self, store: &dyn ImageStore) -> Result<Vec<u8>, Failure> {
        if self.layer.size > MAXIMUM_DOCUMENT as u64 {
            let message = format!(
                "the bill of materials {} has {} bytes; at most {MAXIMUM_DOCUMENT} are read",
                self.layer.digest, self.layer.size
            );
            return Err(Failure::new(Status::Failed, message));
        }
        let mut bytes = Vec::new();
        store.blob(&self.layer)?.read_to_end(&mut bytes)?;
        if self.layer.media_type != IN_TOTO {
            return Ok(bytes);
        }
        let statement: serde_json::Value = parse(&bytes, &self.layer)?;
        match statement.get("predicate") {
            Some(predicate) => Ok(serde_json::to_vec(predicate)?),
            None => {
                let message = format!("the statement {} has no predicate", self.layer.digest);
                Err(Failure::new(Status::Failed, message))
            }
        }
    }
}

/// A manifest or an index, or the document that a descriptor points at.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    descriptor: &Descriptor,
) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        let message = format!("{} is not sound: {error}", descriptor.digest);
        Failure::new(Status::Failed, message)
    })
}
