//! Software bills of materials: what an image holds, as one model that is written as SPDX 2.3, CycloneDX 1.6 and
//! SPDX 3.0; readers of such documents, also of those that other tools made; and the licences that Debian's
//! copyright files state.
//!
//! The same model always gives the same bytes: everything is sorted, the date is the image's, and what names a
//! document is derived from digests.

mod copyright;
mod cyclonedx;
mod index;
mod licence;
mod model;
mod path;
mod purl;
mod spdx2;
mod spdx2_write;
mod spdx3;
mod summary;

pub use copyright::{Copyright, MAXIMUM_COPYRIGHT};
pub use cyclonedx::write as cyclonedx;
pub use index::{
    ImageDocument, ImageIndex, cyclonedx as cyclonedx_of_index, spdx as spdx_of_index,
};
pub use licence::{Extracted, Licence};
pub use model::{
    File, FileOwner, Image, LeftOut, Link, OperatingSystem, Original, Package, Sbom, Sha1,
    Sha1Hasher, Source, Tool,
};
pub use path::{PackageRecord, PathRecord, path_record};
pub use purl::{of_binary, of_debian, of_image};
pub use spdx2_write::write as spdx;
pub use spdx3::from_spdx as spdx3_of_spdx;
pub use summary::{
    Format, MAXIMUM_DOCUMENT, SbomError, Summary, SummaryComponent, read as read_summary,
};

/// The media type of an SPDX document in JSON.
pub const SPDX_MEDIA_TYPE: &str = "application/spdx+json";

/// The media type of a CycloneDX document in JSON.
pub const CYCLONEDX_MEDIA_TYPE: &str = "application/vnd.cyclonedx+json";

/// Seconds since 1970 as RFC 3339 has them, in UTC.
fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_string()
}
