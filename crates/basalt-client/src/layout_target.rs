//! A layout as a place that images are copied to: made anew beside the former one and put in its place at the end,
//! with what the former one had and the new images do not replace.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use basalt_digest::Digest;
use basalt_oci::{Descriptor, Index, Layout, LayoutWriter, OciError, Written, annotation};

use crate::plan::Children;
use crate::repository::Facts;

/// How deep indexes may stand in indexes.
const MAXIMUM_DEPTH: u32 = 4;
/// How long chains of referrers (the signature of an SBOM, …) may be.
const MAXIMUM_CHAIN: u32 = 16;

/// A layout that is written.
#[derive(Debug)]
pub struct LayoutTarget {
    writer: LayoutWriter,
    former: Option<Layout>,
    added: Mutex<Vec<Descriptor>>,
    /// Every manifest that was put, listed or not.
    manifests: Mutex<BTreeSet<Digest>>,
}

impl LayoutTarget {
    /// Begins a layout at `target`; nothing changes there before [`LayoutTarget::finish`].
    ///
    /// # Errors
    /// When the target exists and holds anything but a layout, or the folder beside it cannot be made.
    pub fn create(target: &Path) -> Result<Self, OciError> {
        let writer = LayoutWriter::create(target, true)?;
        let former = match target.is_dir() && target.join("oci-layout").exists() {
            true => Some(Layout::open(target)?),
            false => None,
        };
        Ok(Self {
            writer,
            former,
            added: Mutex::default(),
            manifests: Mutex::default(),
        })
    }

    /// The path, for messages.
    pub fn place(&self) -> String {
        self.writer.target().display().to_string()
    }

    /// Whether the blob is there, or was in the former layout and has been taken over.
    pub(crate) fn has_blob(&self, blob: &Descriptor) -> Result<bool, OciError> {
        self.writer.keep(blob.digest, blob.size)
    }

    /// Takes a blob from a reader that checks it.
    pub(crate) fn take_blob(&self, blob: &Descriptor, mut from: impl Read) -> Result<(), OciError> {
        let mut file = self.writer.create_blob()?;
        basalt_digest::copy(&mut from, &mut file)?;
        let found = file.size();
        if found != blob.size {
            return Err(OciError::WrongSize {
                digest: blob.digest,
                size: blob.size,
                found,
            });
        }
        self.writer.commit(file, blob.digest)
    }

    /// Adds a manifest; `entries` say how the layout's own index is to list it, if it is to.
    pub(crate) fn put_manifest(
        &self,
        descriptor: &Descriptor,
        bytes: &[u8],
        entries: Vec<Descriptor>,
    ) -> Result<(), OciError> {
        self.writer.add_bytes(&descriptor.media_type, bytes)?;
        self.manifests().insert(descriptor.digest);
        self.added().extend(entries);
        Ok(())
    }

    fn added(&self) -> MutexGuard<'_, Vec<Descriptor>> {
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn manifests(&self) -> MutexGuard<'_, BTreeSet<Digest>> {
        self.manifests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the layout in place.
    ///
    /// # Errors
    /// When the former one is not sound, or the disk says no.
    pub fn finish(self) -> Result<Written, OciError> {
        let mut entries = self.kept()?;
        entries.extend(self.added().drain(..));
        self.writer.finish(&Index::new(entries))
    }

    /// The entries of the former layout that stay, with all that they lead to: but those whose tag is given anew, and
    /// those that refer to manifests that are gone.
    fn kept(&self) -> Result<Vec<Descriptor>, OciError> {
        let Some(former) = &self.former else {
            return Ok(Vec::new());
        };
        let added = self.added();
        let tag_of =
            |entry: &Descriptor| entry.annotations.get(annotation::REFERENCE_NAME).cloned();
        let new_tags: BTreeSet<Option<String>> = added.iter().map(tag_of).collect();
        let new: BTreeSet<Digest> = added.iter().map(|entry| entry.digest).collect();
        // What is there: the new images, and below what is kept of the former ones.
        let mut reached = self.manifests().clone();
        let mut kept = Vec::new();
        let mut waiting = Vec::new();
        for entry in &former.index().manifests {
            let tag = tag_of(entry);
            let replaced = match &tag {
                Some(_) => new_tags.contains(&tag),
                None => new.contains(&entry.digest),
            };
            if replaced {
                continue;
            }
            let subject = match tag.as_deref().and_then(subject_of_tag) {
                Some(subject) => Some(subject),
                None => facts(former, entry)?.subject.map(|subject| subject.digest),
            };
            match subject {
                Some(subject) => waiting.push((subject, entry)),
                None => {
                    self.walk(former, entry, 0, &mut reached)?;
                    kept.push(entry.clone());
                }
            }
        }
        for _ in 0..MAXIMUM_CHAIN {
            let (ready, rest): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .partition(|(subject, _)| reached.contains(subject));
            waiting = rest;
            if ready.is_empty() {
                break;
            }
            for (_, entry) in ready {
                self.walk(former, entry, 0, &mut reached)?;
                kept.push(entry.clone());
            }
        }
        Ok(kept)
    }

    /// Takes over an entry of the former layout with all that it leads to; notes its manifests.
    fn walk(
        &self,
        former: &Layout,
        entry: &Descriptor,
        depth: u32,
        reached: &mut BTreeSet<Digest>,
    ) -> Result<(), OciError> {
        if depth > MAXIMUM_DEPTH {
            return Err(OciError::TooLarge {
                what: "the nesting of indexes".to_owned(),
                limit: u64::from(MAXIMUM_DEPTH),
                unit: "levels",
            });
        }
        // However often it is listed, it leads to the same.
        if !reached.insert(entry.digest) && self.writer.has(&entry.digest) {
            return Ok(());
        }
        if !self.writer.keep(entry.digest, entry.size)? {
            // Some layouts hold one platform of an index alone; they stay so.
            return Ok(());
        }
        if !entry.is_index() && !entry.is_manifest() {
            return Ok(());
        }
        let bytes = former.read_blob(entry)?;
        let children = Children::of(entry, &bytes)?;
        for blob in &children.blobs {
            self.writer.keep(blob.digest, blob.size)?;
        }
        for manifest in &children.manifests {
            self.walk(former, manifest, depth + 1, reached)?;
        }
        Ok(())
    }
}

fn facts(layout: &Layout, entry: &Descriptor) -> Result<Facts, OciError> {
    if !entry.is_index() && !entry.is_manifest() {
        return Ok(Facts::default());
    }
    Ok(Facts::of(&layout.read_blob(entry)?).unwrap_or_default())
}

/// The manifest that a tag of cosign's (`sha256-<hex>.sig`), or a list of referrers, belongs to.
fn subject_of_tag(tag: &str) -> Option<Digest> {
    let hex = tag.strip_prefix("sha256-")?.get(..64)?;
    Digest::from_hex(hex).ok()
}
