//! Manifests that are copies of an upstream's. What they need may not be here: it is had when it is asked for.

use super::{ManifestHead, Moment, NewManifest};
use crate::digest::Digest;

/// A copy that is to be kept.
#[derive(Debug, Clone)]
pub struct NewCopy {
    /// The manifest, with the tags that name it upstream.
    pub manifest: NewManifest,
    /// What it lists, each with its platform if the index says one.
    pub children: Vec<(Digest, Option<String>)>,
    /// Until when it is kept if nobody asks for it.
    pub ends: Moment,
}

/// What is known of a manifest in a repository that is an upstream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRecord {
    /// What it is.
    pub head: ManifestHead,
    /// When the upstream said last that the tag names it; nothing for a digest, and for what was pushed here.
    pub checked: Option<Moment>,
    /// Until when it is kept if nobody asks for it; nothing when it was pushed here.
    pub ends: Option<Moment>,
}
