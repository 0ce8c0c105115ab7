//! Reads manifests, indexes and image configs, and tells what of them could be run.
//!
//! A container engine may read a document otherwise than whoever verified it: Go's `encoding/json` takes `Manifests` for
//! `manifests`, lets the last of two equal keys win, and replaces what is not UTF-8. So there is one reader for all that
//! Basalt does with such documents, and it refuses whatever two readers could take for different things. What it accepts
//! has one meaning.
//!
//! On top of it, [`runnable`] finds every manifest below a digest that an engine could unpack and run. It goes by what the
//! bytes are, not by what a descriptor, an annotation or a tag calls them.

mod attached;
mod config;
mod document;
mod fold;
mod json;
mod media_type;
mod runnable;

pub use attached::{is_attached_type, is_document};
pub use config::{Config, begins_object, read_config};
pub use document::{
    Descriptor, Document, Kind, MAXIMUM_DESCRIPTORS, MAXIMUM_DOCUMENT, Platform, read,
};
pub use json::{Malformed, check};
pub use media_type::is_layer;
pub use runnable::{Covered, Image, Limits, Refusal, Source, runnable};
