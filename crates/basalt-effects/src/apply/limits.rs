//! How much packages may declare: whatever takes more than a moment to apply is refused, with its package.

use super::error::ApplyError;
use super::work::Step;
use crate::effect::Effect;

/// More effects are not applied to one image.
const MAXIMUM_EFFECTS: usize = 200_000;

/// More effects that each change a whole file (accounts, lists of lines) are not applied to one image.
const MAXIMUM_CHANGES: usize = 5_000;

/// More lines of `sysusers.d` are not applied to one image.
pub(super) const MAXIMUM_SYSTEM_USERS: usize = 4_000;

/// More lines of `tmpfiles.d` are not applied to one image.
pub(super) const MAXIMUM_TEMPORARY_FILES: usize = 20_000;

/// How many paths the patterns of `tmpfiles.d` may be compared with in one image.
pub(super) const MAXIMUM_COMPARED: usize = 20_000_000;

/// How many links one alternative may have, over all that can be chosen.
pub(super) const MAXIMUM_LINKS: usize = 100_000;

/// Refuses effects that are too many.
pub(super) fn check(steps: &[Step<'_>]) -> Result<(), ApplyError> {
    let changes = steps.iter().filter(|step| {
        matches!(
            step.effect,
            Effect::Lines { .. }
                | Effect::Group { .. }
                | Effect::User { .. }
                | Effect::Member { .. }
                | Effect::Shell { .. }
                | Effect::Configuration { .. }
                | Effect::ChangedConfiguration { .. }
        )
    });
    let what = "changes of accounts and lists";
    exceeds(steps.iter(), MAXIMUM_EFFECTS, "effects")?;
    exceeds(changes, MAXIMUM_CHANGES, what)
}

fn exceeds<'a>(
    mut steps: impl Iterator<Item = &'a Step<'a>>,
    maximum: usize,
    what: &str,
) -> Result<(), ApplyError> {
    match steps.nth(maximum) {
        Some(step) => Err(too_many(step.package, maximum, what)),
        None => Ok(()),
    }
}

/// The error of a package with which there are too many of something.
pub(super) fn too_many(package: &str, maximum: usize, what: &str) -> ApplyError {
    ApplyError::TooMany {
        package: package.to_owned(),
        what: what.to_owned(),
        maximum,
    }
}
