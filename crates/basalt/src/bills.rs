//! The bills of materials that an image carries: documents attached as Basalt's builds, `oras attach` and cosign do;
//! in-toto statements around one, signed or not, also in the manifests that BuildKit puts beside an image.

use basalt_attest::media_type::IN_TOTO;
use basalt_attest::{Attached, PREDICATE_TYPE, attached, attached_within};
use basalt_oci::{Descriptor, ImageStore, MADE_BY};
use basalt_sbom::{CYCLONEDX_MEDIA_TYPE, Format, SPDX_MEDIA_TYPE};

use crate::failure::{Failure, Status};

/// The media type that `cosign attach sbom` gives an SPDX document.
const COSIGN_SPDX: &str = "text/spdx+json";

/// A bill that is there to be read.
#[derive(Debug, Clone)]
pub struct Bill {
    /// Its format, as its media type, or that of the statement around it, has it.
    pub format: Format,
    attached: Attached,
}

/// The bills of what `subject` points at: those that a build of Basalt made, then others', then signed ones. `target` is
/// the index that it is in, or itself.
///
/// # Errors
/// When the store cannot be read or a manifest is not sound.
pub fn of(
    store: &dyn ImageStore,
    subject: &Descriptor,
    target: &Descriptor,
) -> Result<Vec<Bill>, Failure> {
    let mut found = attached(store, subject)?;
    if target.is_index() && target.digest != subject.digest {
        found.extend(attached_within(store, target)?);
    }
    found.retain(|one| one.subject == subject.digest);
    let mut bills: Vec<Bill> = found
        .into_iter()
        .filter_map(|attached| {
            let format = format_of(store, &attached)?;
            Some(Bill { format, attached })
        })
        .collect();
    bills.sort_by_key(|Bill { attached, .. }| {
        let is_ours = attached.annotations.contains_key(MADE_BY);
        (attached.is_signed(), !is_ours, attached.layer.digest)
    });
    Ok(bills)
}

fn format_of(store: &dyn ImageStore, attached: &Attached) -> Option<Format> {
    let layer = &attached.layer;
    match layer.media_type.as_str() {
        SPDX_MEDIA_TYPE | COSIGN_SPDX => Some(Format::Spdx),
        CYCLONEDX_MEDIA_TYPE => Some(Format::CycloneDx),
        IN_TOTO => {
            let own = layer.annotations.get(PREDICATE_TYPE);
            predicate_format(own.or_else(|| attached.annotations.get(PREDICATE_TYPE))?)
        }
        // Anyone can attach what is not sound: it is no bill.
        _ if attached.is_signed() => {
            let statement = attached.statement(store).ok()??;
            predicate_format(&statement.predicate_type)
        }
        _ => None,
    }
}

fn predicate_format(predicate_type: &str) -> Option<Format> {
    if predicate_type.starts_with("https://spdx.dev/Document") {
        return Some(Format::Spdx);
    }
    let is_cyclonedx = predicate_type.starts_with("https://cyclonedx.org/bom");
    is_cyclonedx.then_some(Format::CycloneDx)
}

impl Bill {
    /// The document, without the statement around it.
    ///
    /// # Errors
    /// When it is missing, too long, not what its digest says, or no statement.
    pub fn read(&self, store: &dyn ImageStore) -> Result<Vec<u8>, Failure> {
        let attached = &self.attached;
        if attached.is_signed() {
            let statement = attached.statement(store)?;
            return Ok(serde_json::to_vec(&statement.map(|one| one.predicate))?);
        }
        let bytes = attached.read(store)?;
        if attached.layer.media_type != IN_TOTO {
            return Ok(bytes);
        }
        // Not as strictly as what is signed: BuildKit's may have no subject.
        let statement: serde_json::Value = parse(&bytes, &attached.layer)?;
        match statement.get("predicate") {
            Some(predicate) => Ok(serde_json::to_vec(predicate)?),
            None => {
                let message = format!("the statement {} has no predicate", attached.layer.digest);
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
