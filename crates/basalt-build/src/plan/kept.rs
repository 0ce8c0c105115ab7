//! What minimized images have of their packages.

use std::collections::BTreeMap;

use basalt_lock::LockedImage;
use basalt_slice::{Filter, REACHABLE, Sliced};

use crate::error::BuildError;

/// What an image that is minimized has of its packages: all of each until effects are applied, then what
/// the lock keeps.
pub(crate) fn of_image(image: &LockedImage) -> Result<BTreeMap<String, Sliced>, BuildError> {
    image
        .packages
        .iter()
        .map(|package| {
            let patterns = image.kept.get(package).map_or(&[][..], Vec::as_slice);
            let filter = Filter::reachable(patterns).map_err(|cause| {
                BuildError::Spec(format!("what the lock keeps of {package}: {cause}"))
            })?;
            let sliced = Sliced {
                slices: vec![REACHABLE.to_owned()],
                filter,
                ..Sliced::default()
            };
            Ok((package.clone(), sliced))
        })
        .collect()
}
