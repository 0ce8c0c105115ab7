//! What is asked of a build.

use std::path::PathBuf;

use basalt_spec::Compression;

/// What to build of a spec.
#[derive(Debug, Clone, Default)]
pub struct BuildRequest {
    /// Where the layout is to stand.
    pub output: PathBuf,
    /// The variant; empty for the image without one.
    pub variant: String,
    /// Only these of the spec's architectures; all when empty.
    pub architectures: Vec<String>,
    /// How layers are compressed, if not as the spec says.
    pub compression: Option<Compression>,
    /// Whether a lock that does not fit the spec is an error, rather than made anew.
    pub locked: bool,
    /// A URI that names who builds, for the provenance; someone with this program, if not given.
    pub builder: Option<String>,
}

impl BuildRequest {
    /// For one image, looked into and not written; how it is compressed does not change what stands
    /// in it.
    pub(crate) fn of_one(architecture: &str, variant: &str) -> Self {
        Self {
            variant: variant.to_owned(),
            architectures: vec![architecture.to_owned()],
            compression: Some(Compression::Gzip),
            ..Self::default()
        }
    }
}
