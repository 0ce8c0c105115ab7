//! That the parts of a lock agree: every later stage relies on it.

use std::collections::HashSet;

use crate::lock::{Lock, LockError, LockedImage, LockedPackage};

/// Checks order, uniqueness, paths and references.
pub(crate) fn consistent(lock: &Lock) -> Result<(), LockError> {
    if lock.name.is_empty() {
        return fail("name", "it is empty");
    }
    for (place, pair) in lock.archives.windows(2).enumerate() {
        if (&pair[0].archive, &pair[0].suite) >= (&pair[1].archive, &pair[1].suite) {
            return fail(
                format_args!("archives[{}]", place + 1),
                "it is out of order or there twice",
            );
        }
    }
    for (place, pair) in lock.packages.windows(2).enumerate() {
        if (&pair[0].name, &pair[0].architecture) >= (&pair[1].name, &pair[1].architecture) {
            return fail(
                format_args!("packages[{}] ({})", place + 1, pair[1].name),
                "it is out of order or there twice",
            );
        }
    }
    for (place, package) in lock.packages.iter().enumerate() {
        if let Err(cause) = package_is_sound(lock, package) {
            return fail(format_args!("packages[{place}] ({})", package.name), cause);
        }
    }
    for (place, pair) in lock.images.windows(2).enumerate() {
        if (&pair[0].architecture, &pair[0].variant) >= (&pair[1].architecture, &pair[1].variant) {
            return fail(
                format_args!("images[{}]", place + 1),
                "it is out of order or there twice",
            );
        }
    }
    for (place, image) in lock.images.iter().enumerate() {
        if let Err(cause) = image_is_sound(lock, image) {
            return fail(
                format_args!("images[{place}] ({} {})", image.architecture, image.variant),
                cause,
            );
        }
    }
    Ok(())
}

fn fail(place: impl ToString, cause: impl ToString) -> Result<(), LockError> {
    Err(LockError::Inconsistent {
        place: place.to_string(),
        cause: cause.to_string(),
    })
}

fn package_is_sound(lock: &Lock, package: &LockedPackage) -> Result<(), String> {
    if package.name.is_empty() || package.version.is_empty() || package.architecture.is_empty() {
        return Err("its name, version or architecture is empty".to_owned());
    }
    let path = &package.path;
    // A path is joined to a mirror's address, and to a folder of a vendor store.
    let relative = !path.is_empty()
        && !path.starts_with('/')
        && !path.contains(['\\', '\0'])
        && path
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..");
    if !relative {
        return Err(format!("`{path}` is not a plain path within an archive"));
    }
    if lock.snapshot(&package.archive, &package.suite).is_none() {
        return Err(format!(
            "no snapshot of archive `{}`, suite `{}` is listed",
            package.archive, package.suite
        ));
    }
    Ok(())
}

fn image_is_sound(lock: &Lock, image: &LockedImage) -> Result<(), String> {
    if image.packages.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err("its packages are out of order or there twice".to_owned());
    }
    for name in &image.packages {
        if lock.package(name, &image.architecture).is_none() {
            return Err(format!(
                "its package `{name}` is not among the lock's packages for {}",
                image.architecture
            ));
        }
    }
    for (name, slices) in &image.slices {
        if image.packages.binary_search(name).is_err() {
            return Err(format!(
                "it has slices of `{name}`, which is not its package"
            ));
        }
        if slices.is_empty() || !lock.slice_definitions.contains_key(name) {
            return Err(format!(
                "it has no slices of `{name}`, or no definition of them"
            ));
        }
    }
    for (name, patterns) in &image.kept {
        if image.packages.binary_search(name).is_err() {
            return Err(format!(
                "it keeps files of `{name}`, which is not its package"
            ));
        }
        if patterns.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(format!(
                "the files that it keeps of `{name}` are out of order or there twice"
            ));
        }
    }
    let mut placed = HashSet::with_capacity(image.packages.len());
    for name in image.layers.iter().flatten() {
        if image.packages.binary_search(name).is_err() {
            return Err(format!(
                "its layers hold `{name}`, which is not its package"
            ));
        }
        if !placed.insert(name.as_str()) {
            return Err(format!("its layers hold `{name}` twice"));
        }
    }
    let mut shared = 0;
    for below in &image.below {
        if below.layers <= shared || below.layers > image.layers.len() {
            return Err(format!(
                "it shares {} layers with `{}`, which cannot be",
                below.layers, below.name
            ));
        }
        shared = below.layers;
    }
    if placed.len() != image.packages.len() {
        let missing = image
            .packages
            .iter()
            .find(|name| !placed.contains(name.as_str()));
        return Err(format!(
            "its package `{}` is in no layer",
            missing.map_or("", String::as_str)
        ));
    }
    Ok(())
}
