//! What images have of packages that are not whole in them.

use std::collections::BTreeMap;

use basalt_lock::{Lock, LockedBelow, LockedImage};
use basalt_slice::{Library, Sliced, Target};

use crate::error::BuildError;

/// What a locked image has of each package that is not whole in it.
pub(crate) fn of_image(
    library: &Library,
    lock: &Lock,
    image: &LockedImage,
) -> Result<BTreeMap<String, Sliced>, BuildError> {
    let target = Target {
        release: &lock.release,
        architecture: &image.architecture,
    };
    Ok(library.select(&image.slices, target)?)
}

/// What the images that one is laid over have of each package that is not whole in them: as the image
/// itself, `sliced`, but for those of which the lock says otherwise.
pub(crate) fn of_below(
    library: &Library,
    lock: &Lock,
    image: &LockedImage,
    sliced: &BTreeMap<String, Sliced>,
) -> Result<Vec<BTreeMap<String, Sliced>>, BuildError> {
    let target = Target {
        release: &lock.release,
        architecture: &image.architecture,
    };
    let of_one = |below: &LockedBelow| {
        let names = image.layers.iter().take(below.layers).flatten();
        let mut all: BTreeMap<String, Sliced> = names
            .filter_map(|name| Some((name.clone(), sliced.get(name)?.clone())))
            .collect();
        all.extend(library.select(&below.slices, target)?);
        Ok(all)
    };
    image.below.iter().map(of_one).collect()
}
