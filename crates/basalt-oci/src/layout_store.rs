//! A layout as a place of images: read, and added to while it stands.
//!
//! What refers to a manifest is an entry of `index.json` without a tag, as `oras` has it; an index under the tag
//! `sha256-<hex>` (OCI distribution specification 1.1, *Referrers Tag Schema*) is read too.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use basalt_digest::Digest;
use basalt_manifest::Document;
use fs_err as fs;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::annotation::REFERENCE_NAME;
use crate::error::OciError;
use crate::layout::blob_path;
use crate::layout_lock::lock_layout;
use crate::manifest::{Descriptor, Index, read_document, read_listed};
use crate::read::{Layout, MAXIMUM_DOCUMENT, open_regular};
use crate::staging::{Staging, sync_folder};
use crate::store::ImageStore;

/// Longest manifest that is written: what every registry takes.
const MAXIMUM_WRITTEN: usize = 4 << 20;
/// Most entries of an index that are looked through.
const MAXIMUM_ENTRIES: usize = 10_000;

/// A layout's folder, or (only to be read) an archive of one. It is read anew each time: others may add to it.
#[derive(Debug)]
pub struct LayoutStore {
    path: PathBuf,
}

/// The type of artifact (OCI distribution specification, *Listing Referrers*): its own, else its config's.
fn artifact_type(document: &Document) -> Option<String> {
    let config = document.config.as_ref();
    let config = config.map(|config| config.media_type.clone());
    document.artifact_type.clone().or(config)
}

fn read(digest: &Digest, bytes: &[u8]) -> Result<Document, OciError> {
    read_document(|| format!("manifest {digest}"), bytes)
}

/// Whether a document refers to this one.
fn is_about(document: &Document, subject: &Digest) -> bool {
    let own = document.subject.as_ref();
    own.is_some_and(|own| own.digest == subject.to_string())
}

impl LayoutStore {
    /// Opens a layout: a folder, or an uncompressed tar archive of one.
    ///
    /// # Errors
    /// When the path holds neither.
    pub fn open(path: &Path) -> Result<Self, OciError> {
        Layout::open(path)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// The path it was opened with.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn layout(&self) -> Result<Layout, OciError> {
        let layout = Layout::open(&self.path)?;
        if layout.index().manifests.len() > MAXIMUM_ENTRIES {
            return Err(OciError::TooLarge {
                what: self.place(),
                limit: MAXIMUM_ENTRIES as u64,
                unit: "entries",
            });
        }
        Ok(layout)
    }

    fn refuse(&self, cause: String) -> OciError {
        OciError::NotALayout {
            path: self.path.clone(),
            cause,
        }
    }

    /// Only a folder is written to.
    fn writable(&self) -> Result<(), OciError> {
        match fs::metadata(&self.path)?.is_dir() {
            true => Ok(()),
            false => Err(OciError::ReadOnly {
                path: self.path.clone(),
            }),
        }
    }

    /// Puts a file of the layout in place whole, on the disk.
    fn write(&self, target: &Path, bytes: &[u8]) -> Result<(), OciError> {
        let blobs = self.path.join("blobs/sha256");
        fs::create_dir_all(&blobs)?;
        // Not in the layout's own folder, which holds nothing but a layout at any moment.
        let staging = Staging::beside(&self.path.join("blobs/new"))?;
        let path = staging.path.join("file");
        let mut file = fs::File::create(&path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&path, target)?;
        sync_folder(target.parent().unwrap_or(&self.path))?;
        Ok(())
    }

    /// The index with this manifest in it. Entries of others stay byte for byte what they are.
    fn with_entry(
        &self,
        layout: &Layout,
        facts: &Document,
        added: &Descriptor,
        tag: Option<&str>,
    ) -> Result<Vec<u8>, OciError> {
        let path = self.path.join("index.json");
        let json = |cause| OciError::Json {
            what: path.display().to_string(),
            cause,
        };
        let bytes = read_index(&path)?;
        let mut index: Value = serde_json::from_slice(&bytes).map_err(json)?;
        let Some(entries) = index.get_mut("manifests").and_then(Value::as_array_mut) else {
            return Err(self.refuse("its `index.json` lists no manifests".to_owned()));
        };
        let name_of = |entry: &Value| {
            let name = entry.get("annotations")?.get(REFERENCE_NAME)?;
            name.as_str().map(str::to_owned)
        };
        let is_added = |entry: &Value| {
            entry.get("digest").and_then(Value::as_str) == Some(&added.digest.to_string())
        };
        if let Some(tag) = tag {
            // The tag moves: what had it stays only if it refers to something, without the tag.
            let mut kept = Vec::new();
            for mut entry in std::mem::take(entries) {
                if name_of(&entry).as_deref() == Some(tag) && !is_added(&entry) {
                    if !refers(layout, &entry)? {
                        continue;
                    }
                    if let Some(annotations) =
                        entry.get_mut("annotations").and_then(Value::as_object_mut)
                    {
                        annotations.shift_remove(REFERENCE_NAME);
                    }
                }
                kept.push(entry);
            }
            *entries = kept;
        }
        let mut entry = added.clone();
        if facts.subject.is_some() || facts.artifact_type.is_some() {
            entry.artifact_type = artifact_type(facts);
            entry.annotations = facts.annotations.clone();
        }
        if let Some(tag) = tag {
            let name = REFERENCE_NAME.to_owned();
            entry.annotations.insert(name, tag.to_owned());
        }
        let there = entries.iter_mut().find(|one| {
            is_added(one)
                && match (tag, name_of(one)) {
                    (None, _) | (_, None) => true,
                    (Some(tag), Some(name)) => name == tag,
                }
        });
        match there {
            None => entries.push(serde_json::to_value(&entry).map_err(json)?),
            Some(one) => {
                if let (Some(tag), None) = (tag, name_of(one)) {
                    match one.get_mut("annotations").and_then(Value::as_object_mut) {
                        Some(annotations) => {
                            annotations.insert(REFERENCE_NAME.to_owned(), json!(tag));
                        }
                        None => *one = serde_json::to_value(&entry).map_err(json)?,
                    }
                }
            }
        }
        crate::to_bytes(&index)
    }
}

/// Whether an entry's manifest has a subject.
fn refers(layout: &Layout, entry: &Value) -> Result<bool, OciError> {
    let Ok(entry) = Descriptor::deserialize(entry) else {
        return Ok(false);
    };
    let facts = read(&entry.digest, &layout.read_blob(&entry)?)?;
    Ok(facts.subject.is_some())
}

impl ImageStore for LayoutStore {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn resolve(&self, tag: &str) -> Result<Option<Descriptor>, OciError> {
        let layout = self.layout()?;
        let named = |entry: &&Descriptor| {
            entry.annotations.get(REFERENCE_NAME).map(String::as_str) == Some(tag)
        };
        let mut found = layout.index().manifests.iter().filter(named);
        let first = found.next();
        match first {
            Some(first) if found.any(|other| other.digest != first.digest) => {
                Err(OciError::Ambiguous {
                    path: self.path.clone(),
                    tag: tag.to_owned(),
                })
            }
            _ => Ok(first.cloned()),
        }
    }

    fn tags(&self) -> Result<Vec<String>, OciError> {
        let layout = self.layout()?;
        let names = layout.index().manifests.iter();
        let tags: BTreeSet<&String> = names
            .filter_map(|entry| entry.annotations.get(REFERENCE_NAME))
            .collect();
        Ok(tags.into_iter().cloned().collect())
    }

    fn manifest(&self, digest: &Digest) -> Result<Option<(Descriptor, Vec<u8>)>, OciError> {
        let layout = self.layout()?;
        let size = match layout.size_of(digest) {
            Err(OciError::Missing { .. }) => return Ok(None),
            other => other?,
        };
        // An index may list blobs (a cache of BuildKit's does). As a registry does, a layout says that these are no manifests.
        if size > MAXIMUM_DOCUMENT {
            return Ok(None);
        }
        let bytes = layout.read_blob(&Descriptor::new("", *digest, size))?;
        if !basalt_manifest::begins_object(&bytes) {
            return Ok(None);
        }
        let facts = read(digest, &bytes)?;
        let mut descriptor = Descriptor::new(facts.media_type(), *digest, size);
        descriptor.artifact_type = facts.artifact_type.clone();
        Ok(Some((descriptor, bytes)))
    }

    fn blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, OciError> {
        Ok(Box::new(self.layout()?.open_blob(blob)?))
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, OciError> {
        let layout = self.layout()?;
        let mut candidates = layout.index().manifests.clone();
        let fallback = format!("sha256-{}", subject.hex());
        for entry in &layout.index().manifests {
            let tagged = entry.annotations.get(REFERENCE_NAME) == Some(&fallback);
            if tagged && entry.is_index() {
                let document = read_listed(entry, &layout.read_blob(entry)?)?;
                let listed = Index::of(document)?.map(|index| index.manifests);
                let room = MAXIMUM_ENTRIES.saturating_sub(candidates.len());
                candidates.extend(listed.unwrap_or_default().into_iter().take(room));
            }
        }
        let mut found = BTreeMap::new();
        for entry in candidates {
            if !entry.is_manifest() && !entry.is_index() || found.contains_key(&entry.digest) {
                continue;
            }
            let facts = match read(&entry.digest, &layout.read_blob(&entry)?) {
                // It refers to nothing of which two readers would agree.
                Err(OciError::Malformed { .. }) => continue,
                other => other?,
            };
            if !is_about(&facts, subject) {
                continue;
            }
            let mut own = Descriptor::new(&entry.media_type, entry.digest, entry.size);
            own.artifact_type = artifact_type(&facts);
            own.annotations = facts.annotations;
            found.insert(own.digest, own);
        }
        Ok(found.into_values().collect())
    }

    fn put_blob(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor, OciError> {
        self.writable()?;
        let descriptor = Descriptor::of(media_type, bytes);
        let target = blob_path(&self.path, &descriptor.digest);
        // One that is there and is not what its name says is put right.
        let limit = bytes.len() as u64;
        if !basalt_file::read(&target, limit).is_ok_and(|former| former == bytes) {
            self.write(&target, bytes)?;
        }
        Ok(descriptor)
    }

    fn put_manifest(
        &self,
        media_type: &str,
        bytes: &[u8],
        tag: Option<&str>,
    ) -> Result<Descriptor, OciError> {
        self.writable()?;
        if bytes.len() > MAXIMUM_WRITTEN {
            return Err(OciError::TooLarge {
                what: "the manifest".to_owned(),
                limit: MAXIMUM_WRITTEN as u64,
                unit: "bytes",
            });
        }
        let added = Descriptor::of(media_type, bytes);
        let facts = read(&added.digest, bytes)?;
        // A build that puts a new layout here waits for this, and this for it.
        let _lock = lock_layout(&self.path)?;
        let layout = self.layout()?;
        for blob in facts.config.iter().chain(&facts.layers) {
            layout.size_of(&Descriptor::try_from(blob.clone())?.digest)?;
        }
        self.put_blob(media_type, bytes)?;
        let index = self.with_entry(&layout, &facts, &added, tag)?;
        let path = self.path.join("index.json");
        if read_index(&path)? != index {
            self.write(&path, &index)?;
        }
        Ok(added)
    }
}

/// The index of a layout, as its file has it.
fn read_index(path: &Path) -> Result<Vec<u8>, OciError> {
    let bytes = basalt_file::bounded(open_regular(path)?, MAXIMUM_DOCUMENT);
    Ok(bytes.map_err(|cause| basalt_file::named(path, cause))?)
}
