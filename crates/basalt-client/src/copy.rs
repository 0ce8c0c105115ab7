//! Copies an image from one place to another: its manifests byte for byte, its blobs, and what refers to it.

use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use basalt_digest::Digest;
use basalt_fetch::{Event, Observer};
use basalt_oci::{Descriptor, ImageStore, OciError, Platform, annotation};

use crate::error::ClientError;
use crate::layout_target::LayoutTarget;
use crate::plan::{Node, Plan, Role};
use crate::repository::{Facts, Repository};
use crate::upload::Sent;

/// Where images are copied to.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// A repository of a registry.
    Repository(&'a Repository),
    /// A layout.
    Layout(&'a LayoutTarget),
}

/// What is copied, and how.
pub struct CopyOptions<'a> {
    /// The tag there; without one, the image is there by its digest alone.
    pub tag: Option<&'a str>,
    /// Only the image of this platform, of an index that has several.
    pub platform: Option<&'a Platform>,
    /// Also what refers to it (signatures, SBOMs, …), by the referrers API and by cosign's tags.
    pub referrers: bool,
    /// A repository on the target's own registry which has the blobs.
    pub mount_from: Option<&'a str>,
    /// So many blobs at once.
    pub jobs: usize,
    /// Hears how far it is.
    pub observer: &'a dyn Observer,
}

/// What was copied.
#[derive(Debug, Clone)]
pub struct Copied {
    /// The image: where its tag points.
    pub image: Descriptor,
    /// Manifests and indexes, of the image and of what refers to it.
    pub manifests: usize,
    /// Of these, those that refer to it.
    pub referrers: usize,
    /// Blobs that were there already.
    pub present: usize,
    /// Blobs that the registry took from another of its repositories.
    pub mounted: usize,
    /// Blobs whose bytes were moved.
    pub moved: usize,
    /// How many bytes those have.
    pub moved_bytes: u64,
}

/// Copies an image. Its tag is given last, when all that belongs to it is there.
///
/// # Errors
/// When something is missing or is not what its descriptor says, or a place cannot be read or written.
pub fn copy(
    from: &dyn ImageStore,
    image: &Descriptor,
    to: Target<'_>,
    options: &CopyOptions<'_>,
) -> Result<Copied, OciError> {
    let mut plan = Plan::new(from);
    let image = match options.platform {
        Some(platform) => plan.of_platform(image, platform, 0)?,
        None => image.clone(),
    };
    plan.add(&image, Role::Image, 0)?;
    if options.referrers {
        plan.add_referrers()?;
    }
    let (nodes, blobs) = (plan.nodes, plan.blobs);
    let mut copied = move_blobs(from, blobs.into_values().collect(), to, options)?;
    copied.image = image;
    copied.manifests = nodes.len();
    for node in &nodes {
        copied.referrers += usize::from(matches!(node.role, Role::Referrer | Role::Tagged));
    }
    put_manifests(&nodes, to, options)?;
    Ok(copied)
}

/// Moves the blobs that are not there, several at once.
fn move_blobs(
    from: &dyn ImageStore,
    mut blobs: Vec<Descriptor>,
    to: Target<'_>,
    options: &CopyOptions<'_>,
) -> Result<Copied, OciError> {
    // The largest first: else one that comes last is waited for alone.
    blobs.sort_by_key(|blob| std::cmp::Reverse(blob.size));
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let copied = Mutex::new(Copied {
        image: Descriptor::new("", Digest::of(b""), 0),
        manifests: 0,
        referrers: 0,
        present: 0,
        mounted: 0,
        moved: 0,
        moved_bytes: 0,
    });
    let work = || -> Result<(), OciError> {
        while !failed.load(Ordering::Relaxed) {
            let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) else {
                return Ok(());
            };
            let outcome = move_blob(from, blob, to, options);
            let moved = outcome.inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            let mut copied = copied.lock().unwrap_or_else(PoisonError::into_inner);
            match moved {
                Moved::Present => copied.present += 1,
                Moved::Mounted => copied.mounted += 1,
                Moved::Bytes => {
                    copied.moved += 1;
                    copied.moved_bytes += blob.size;
                }
            }
        }
        Ok(())
    };
    let workers = options.jobs.clamp(1, 64).min(blobs.len().max(1));
    thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        running
            .into_iter()
            .map(|worker| match worker.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect::<Vec<_>>()
    })
    .into_iter()
    .collect::<Result<(), OciError>>()?;
    Ok(copied.into_inner().unwrap_or_else(PoisonError::into_inner))
}

enum Moved {
    Present,
    Mounted,
    Bytes,
}

fn move_blob(
    from: &dyn ImageStore,
    blob: &Descriptor,
    to: Target<'_>,
    options: &CopyOptions<'_>,
) -> Result<Moved, OciError> {
    let name = blob.digest.to_string();
    let tell = |event| options.observer.event(event);
    let started = || {
        tell(Event::DownloadStarted {
            name: name.clone(),
            size: Some(blob.size),
        });
    };
    let finished = || {
        tell(Event::DownloadFinished {
            name: name.clone(),
            size: blob.size,
        });
    };
    let progress = |bytes| {
        tell(Event::DownloadProgress {
            name: name.clone(),
            bytes,
        });
    };
    let open = || -> Result<Box<dyn Read + Send>, OciError> { from.blob(blob) };
    match to {
        Target::Layout(layout) => {
            if layout.has_blob(blob)? {
                return Ok(Moved::Present);
            }
            started();
            layout.take_blob(blob, Watched(open()?, &progress))?;
            finished();
            Ok(Moved::Bytes)
        }
        Target::Repository(repository) => {
            let at = |error: ClientError| error.at(repository.name().to_owned());
            if repository.has_blob(&blob.digest).map_err(at)? {
                return Ok(Moved::Present);
            }
            started();
            let sent = repository
                .send_blob(blob, options.mount_from, &open, &progress)
                .map_err(at)?;
            finished();
            Ok(match sent {
                Sent::Mounted => Moved::Mounted,
                Sent::Uploaded => Moved::Bytes,
            })
        }
    }
}

/// Tells how many bytes are read through it.
struct Watched<'a, R>(R, &'a dyn Fn(u64));

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.read(buffer)?;
        (self.1)(count as u64);
        Ok(count)
    }
}

/// Puts the manifests in their order, and the image's tag at the end.
fn put_manifests(
    nodes: &[Node],
    to: Target<'_>,
    options: &CopyOptions<'_>,
) -> Result<(), OciError> {
    let image = nodes.iter().find(|node| node.role == Role::Image);
    let companions = nodes.iter().any(Node::is_companion);
    for node in nodes {
        match to {
            Target::Layout(layout) => {
                let entries = entries(node, options.tag);
                layout.put_manifest(&node.descriptor, &node.bytes, entries)?;
            }
            Target::Repository(repository) => {
                // Alone, the image is put under its tag at once, below.
                let later = node.role == Role::Image && options.tag.is_some() && !companions;
                if node.tags.is_empty() && !later {
                    put(repository, node, None)?;
                }
                for tag in &node.tags {
                    put(repository, node, Some(tag))?;
                }
            }
        }
    }
    if let (Target::Repository(repository), Some(image), Some(tag)) = (to, image, options.tag) {
        put(repository, image, Some(tag))?;
    }
    Ok(())
}

fn put(repository: &Repository, node: &Node, tag: Option<&str>) -> Result<(), OciError> {
    repository
        .add_manifest(&node.descriptor.media_type, &node.bytes, tag)
        .map(|_| ())
        .map_err(|error| error.at(repository.name().to_owned()))
}

/// How a layout's own index lists a manifest: under each of its names, or without one.
fn entries(node: &Node, tag: Option<&str>) -> Vec<Descriptor> {
    let mut plain = node.descriptor.clone();
    if node.role == Role::Referrer {
        let facts = Facts::of(&node.bytes).unwrap_or_default();
        plain.artifact_type = facts.kind();
        plain.annotations = facts.annotations;
    }
    let named = |name: &str| {
        let mut entry = plain.clone();
        let key = annotation::REFERENCE_NAME.to_owned();
        entry.annotations.insert(key, name.to_owned());
        entry
    };
    let own = tag.filter(|_| node.role == Role::Image).into_iter();
    let tags = own.chain(node.tags.iter().map(String::as_str));
    let mut entries: Vec<Descriptor> = tags.map(named).collect();
    let is_listed = matches!(node.role, Role::Image | Role::Referrer);
    if entries.is_empty() && is_listed {
        entries.push(plain);
    }
    entries
}
