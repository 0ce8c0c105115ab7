//! Image config, manifest, index, OCI layout and archives, as the OCI image specification 1.1
//! has them.
//!
//! The types are Basalt's own, so that the same image always gives the same JSON bytes: fields
//! in the order of the specification, maps sorted, nothing written that is empty. Reading takes
//! what other tools write, and checks each blob's digest and size.

mod archive;
mod attached;
mod config;
mod contents;
mod error;
mod layout;
mod layout_lock;
mod layout_store;
mod manifest;
mod platform;
mod read;
mod runnable;
mod staging;
mod store;

pub use archive::{
    stream_docker_archive, stream_oci_archive, write_docker_archive, write_oci_archive,
};
pub use attached::{MADE_BY, subject_of_tag};
pub use config::{Empty, History, ImageConfig, RootFilesystem, RuntimeConfig};
pub use contents::{Content, ContentLimits, FileFact, FileKind, filesystem};
pub use error::OciError;
pub use layout::{BlobFile, LayoutWriter, Written, is_current};
pub use layout_store::LayoutStore;
pub use manifest::{
    Descriptor, Index, Manifest, annotation, media_type, read_document, read_listed,
};
pub use platform::{Platform, PlatformError};
pub use read::{Image, Layout};
pub use runnable::{Covered, covered, refused};
pub use staging::{clear_unfinished, write_file};
pub use store::ImageStore;

/// The document as the bytes a digest is taken of: compact JSON, fields in a fixed order.
///
/// # Errors
/// When the document cannot be JSON, which the types of this crate rule out.
pub fn to_bytes<T: serde::Serialize>(document: &T) -> Result<Vec<u8>, OciError> {
    serde_json::to_vec(document).map_err(|cause| OciError::Json {
        what: "a document to be written".to_owned(),
        cause,
    })
}

/// Seconds since 1970 as the specification writes dates: RFC 3339, UTC.
pub fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_string()
}
