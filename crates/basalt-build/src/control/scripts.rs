//! What packages' maintainer scripts do, with what the spec declares about them.

use basalt_effects::{Explanation, PackageScripts};
use basalt_spec::ImageSpec;

use crate::error::BuildError;

/// Explains a package's scripts, with what the spec declares about it.
pub(crate) fn explain(scripts: &PackageScripts<'_>, image: &ImageSpec) -> Explanation {
    let declared = image.effects.get(scripts.package).map(Vec::as_slice);
    basalt_effects::explain_answered(scripts, &image.debconf, declared)
}

/// Fails when any script has lines that nothing explains.
pub(crate) fn refuse_unexplained<'e>(
    explanations: impl Iterator<Item = &'e Explanation>,
) -> Result<(), BuildError> {
    let texts: Vec<String> = explanations
        .filter_map(Explanation::unexplained)
        .map(|unexplained| unexplained.to_string())
        .collect();
    match texts.is_empty() {
        true => Ok(()),
        false => Err(BuildError::Unexplained(texts.join("\n"))),
    }
}
