//! The images that are asked for: what is made of which packages, and how each is read.

use std::collections::BTreeMap;

use basalt_digest::Digest;
use basalt_layer::Codec;
use basalt_lock::{Lock, LockedImage};
use basalt_slice::Sliced;
use basalt_spec::{Compression, ImageSpec};

use crate::error::BuildError;
use crate::plan::request::BuildRequest;
use crate::plan::{kept, slices};
use crate::project::project::Project;
use crate::project::slice_library::Slices;
use crate::run::session::Session;

/// One image to be built, with all that the stages need to know of it.
pub(crate) struct Job<'a> {
    pub project: &'a Project,
    pub lock: &'a Lock,
    pub locked: &'a LockedImage,
    pub image: &'a ImageSpec,
    /// What it is called in messages.
    pub title: String,
    pub epoch: i64,
    pub codec: Codec,
    pub key: Digest,
    /// What it has of each package that is not whole in it.
    pub sliced: BTreeMap<String, Sliced>,
    /// What the images that it is laid over have of those packages, in the order of the lock.
    pub below: Vec<BTreeMap<String, Sliced>>,
}

/// The images of a request.
///
/// # Errors
/// When the spec has no such variant or architecture, or the lock lacks one.
pub(crate) fn jobs<'a>(
    session: &Session,
    project: &'a Project,
    lock: &'a Lock,
    request: &BuildRequest,
) -> Result<Vec<Job<'a>>, BuildError> {
    let spec = &project.spec;
    let image = spec.image(&request.variant).ok_or_else(|| {
        let known: Vec<&str> = spec.variants.keys().map(String::as_str).collect();
        BuildError::Spec(format!(
            "{} has no variant `{}`; it has: {}",
            spec.path.display(),
            request.variant,
            known.join(", ")
        ))
    })?;
    for architecture in &request.architectures {
        if !image.architectures.contains(architecture) {
            return Err(BuildError::Spec(format!(
                "{} is not for {architecture}; it is for: {}",
                spec.path.display(),
                image.architectures.join(", ")
            )));
        }
    }
    let codec = match request.compression.unwrap_or(image.compression) {
        Compression::Gzip => Codec::Gzip,
        Compression::Zstd => Codec::Zstd,
        Compression::GzipSmallest => Codec::GzipSmallest,
        Compression::ZstdSmallest => Codec::ZstdSmallest,
    };
    let program = program_identity();
    image
        .architectures
        .iter()
        .filter(|one| request.architectures.is_empty() || request.architectures.contains(one))
        .map(|architecture| {
            let title = project.title(architecture, &request.variant);
            let locked = lock.image(architecture, &request.variant).ok_or_else(|| {
                BuildError::LockMoved {
                    path: project.lock_path.clone(),
                    why: format!("it lacks {}", title),
                }
            })?;
            if image.minimize.is_some() == locked.kept.is_empty() {
                return Err(BuildError::LockMoved {
                    path: project.lock_path.clone(),
                    why: format!("it does not say what is kept of {}", title),
                });
            }
            let newest = lock.packages_of(locked).map(|package| package.date).max();
            let epoch = session.options.source_date_epoch.or(newest).unwrap_or(0);
            let packages: Vec<&Digest> = lock
                .packages_of(locked)
                .map(|package| &package.sha256)
                .collect();
            let below: Vec<(Digest, usize, &Slices)> = locked
                .below
                .iter()
                .map(|below| (below.spec, below.layers, &below.slices))
                .collect();
            let key = postcard::to_stdvec(&(
                (program, lock.compatibility, lock.spec, codec, epoch),
                (&lock.users, &lock.groups, &lock.files),
                (architecture, &request.variant, &locked.layers, packages),
                (&locked.slices, &locked.kept, &lock.slice_definitions),
                below,
            ));
            let key = Digest::of(&key.map_err(BuildError::record)?);
            let sliced = match locked.kept.is_empty() {
                true => slices::of_image(&project.library, lock, locked)?,
                false => kept::of_image(locked)?,
            };
            Ok(Job {
                project,
                lock,
                title,
                below: slices::of_below(&project.library, lock, locked, &sliced)?,
                locked,
                image,
                epoch,
                codec,
                key,
                sliced,
            })
        })
        .collect()
}

/// What tells this program from any other build of it: what another one remembers may be otherwise.
fn program_identity() -> (u64, u128) {
    let file = std::env::current_exe().and_then(std::fs::metadata);
    let changed = |file: &std::fs::Metadata| {
        file.modified()
            .ok()?
            .duration_since(std::time::UNIX_EPOCH)
            .ok()
    };
    file.map_or((0, 0), |file| {
        (
            file.len(),
            changed(&file).map_or(0, |since| since.as_nanos()),
        )
    })
}
