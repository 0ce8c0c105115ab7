//! How a package is read.

use std::collections::BTreeMap;

use basalt_layer::Codec;
use basalt_slice::{Filter, Sliced};
use basalt_spec::LOCALES;
use basalt_tree::{PathPolicy, TreePath};
use serde::{Deserialize, Serialize};

use crate::error::BuildError;
use crate::plan::job::Job;

/// How a package's entries are changed before they are packed, whatever else is in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadPolicy {
    /// Which paths are left out.
    pub paths: PathPolicy,
    /// Which of the rest its slices keep; all of it when it is whole.
    pub slices: Option<Filter>,
    /// The one compiled locale that is taken of the package; all that it has when there is none.
    pub locale: Option<String>,
    /// Files that keep their set-user-ID and set-group-ID bits; all others lose them.
    pub keep_setuid: Vec<TreePath>,
    /// How the fragment is compressed.
    pub codec: Codec,
    /// The lock's compatibility number.
    pub compatibility: u32,
}

/// How a package of an image, or of one that it is laid over, is read; `sliced` is what that one has of
/// its packages.
pub(crate) fn policy(
    job: &Job<'_>,
    sliced: &BTreeMap<String, Sliced>,
    package: &str,
) -> Result<ReadPolicy, BuildError> {
    let keep = &job.image.keep;
    let all = keep.locales.iter().any(|locale| locale == "*");
    let mut locales: Vec<String> = keep
        .locales
        .iter()
        .filter(|locale| *locale != "*")
        .cloned()
        .collect();
    locales.sort();
    let mut keep_setuid = Vec::new();
    for path in &keep.setuid {
        keep_setuid.push(TreePath::new(path)?.usr_merged());
    }
    Ok(ReadPolicy {
        paths: PathPolicy {
            documentation: keep.documentation,
            manuals: keep.manuals,
            locales,
            all_locales: all,
        },
        slices: sliced
            .get(package)
            .map(|sliced| sliced.filter.clone())
            .filter(|filter| !filter.passes_everything()),
        locale: job
            .image
            .locale
            .clone()
            .filter(|locale| package == LOCALES && locale != "C.UTF-8"),
        keep_setuid,
        codec: job.codec,
        compatibility: job.lock.compatibility,
    })
}
