//! Reading a layout, from a folder or from a tar archive of one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use basalt_digest::{Digest, Hasher};
use basalt_manifest::{Kind, Limits, Source as Judged};
use fs_err as fs;

use crate::attached::subject_of_tag;
use crate::config::ImageConfig;
use crate::error::OciError;
use crate::layout::blob_path;
use crate::manifest::{Descriptor, Index, Manifest, read_document, read_listed};
use crate::platform::Platform;

/// Longest JSON document that is read: registries allow 4 MiB for a manifest.
pub(crate) const MAXIMUM_DOCUMENT: u64 = 16 << 20;
/// Most members of an archive.
const MAXIMUM_MEMBERS: usize = 100_000;
/// Most manifests in all indexes of one layout.
const MAXIMUM_MANIFESTS: usize = 4096;
/// How deep indexes may stand in indexes.
const MAXIMUM_DEPTH: u32 = 4;

/// An OCI layout that is read.
#[derive(Debug)]
pub struct Layout {
    path: PathBuf,
    source: Source,
    index: Index,
}

#[derive(Debug)]
enum Source {
    Folder,
    /// Place and length of each member.
    Archive(BTreeMap<String, (u64, u64)>),
}

/// What an entry of an index leads to.
enum Listed {
    Index(Index),
    Manifest(Box<Manifest>),
}

/// A walk through the indexes of a layout.
#[derive(Default)]
struct Walk {
    found: Vec<(Descriptor, Manifest, Option<String>)>,
    seen: BTreeSet<(Digest, Option<String>)>,
}

/// A layout as that reads it which tells what could be run.
struct Reader<'l>(&'l Layout);

impl Reader<'_> {
    fn whole(&self, digest: &str, limit: u64) -> Result<Option<Vec<u8>>, OciError> {
        let Ok(digest) = digest.parse() else {
            return Ok(None);
        };
        let size = match self.0.size_of(&digest) {
            Err(OciError::Missing { .. }) => return Ok(None),
            other => other?,
        };
        if size > limit {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let blob = self.0.open_blob(&Descriptor::new("", digest, size))?;
        blob.take(limit).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

impl Judged for Reader<'_> {
    type Error = OciError;

    fn document(&mut self, digest: &str) -> Result<Option<Vec<u8>>, OciError> {
        self.whole(digest, MAXIMUM_DOCUMENT)
    }

    fn blob(
        &mut self,
        blob: &basalt_manifest::Descriptor,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, OciError> {
        self.whole(&blob.digest, limit)
    }
}

/// One image of a layout.
#[derive(Debug, Clone)]
pub struct Image {
    /// What points at its manifest.
    pub descriptor: Descriptor,
    /// Its manifest.
    pub manifest: Manifest,
    /// Its config.
    pub config: ImageConfig,
    /// The tag, from the entry of the layout's own index that leads to it.
    pub reference: Option<String>,
}

impl Layout {
    /// Opens a layout: a folder, or an uncompressed tar archive of one.
    ///
    /// # Errors
    /// When the path holds neither, or its `oci-layout` or `index.json` is not sound.
    pub fn open(path: &Path) -> Result<Self, OciError> {
        let facts = fs::metadata(path).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => OciError::Absent {
                path: path.to_owned(),
            },
            _ => cause.into(),
        })?;
        let source = if facts.is_dir() {
            Source::Folder
        } else {
            Source::Archive(members(path)?)
        };
        let mut layout = Self {
            path: path.to_owned(),
            source,
            index: Index::new(Vec::new()),
        };
        let marker: serde_json::Value = serde_json::from_slice(&layout.own("oci-layout")?)
            .map_err(|cause| OciError::Json {
                what: format!("oci-layout of {}", layout.path.display()),
                cause,
            })?;
        let version = marker.get("imageLayoutVersion");
        if version.and_then(|version| version.as_str()) != Some("1.0.0") {
            return Err(layout.refuse("its imageLayoutVersion is not `1.0.0`"));
        }
        let what = || format!("index.json of {}", layout.path.display());
        let index = read_document(what, &layout.own("index.json")?)?;
        layout.index = Index::of(index)?
            .ok_or_else(|| layout.refuse("its `index.json` lists no manifests"))?;
        Ok(layout)
    }

    /// The path it was opened with.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its entry point.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Length in bytes of a blob.
    ///
    /// # Errors
    /// When it is not there.
    pub fn size_of(&self, digest: &Digest) -> Result<u64, OciError> {
        let missing = || OciError::Missing {
            path: self.path.clone(),
            digest: *digest,
        };
        match &self.source {
            Source::Folder => match open_regular(&blob_path(&self.path, digest)) {
                Ok(file) => Ok(file.metadata()?.len()),
                Err(OciError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                    Err(missing())
                }
                Err(error) => Err(error),
            },
            Source::Archive(members) => members
                .get(&format!("blobs/sha256/{}", digest.hex()))
                .map(|(_, size)| *size)
                .ok_or_else(missing),
        }
    }

    /// Opens a blob. Reading it to its end fails when its digest is not the descriptor's.
    ///
    /// # Errors
    /// When it is missing or has another size.
    pub fn open_blob(&self, blob: &Descriptor) -> Result<impl Read + use<>, OciError> {
        let found = self.size_of(&blob.digest)?;
        if found != blob.size {
            return Err(OciError::WrongSize {
                digest: blob.digest,
                size: blob.size,
                found,
            });
        }
        let (file, size) = self.member(&format!("blobs/sha256/{}", blob.digest.hex()))?;
        Ok(Verifying {
            inner: file.take(size),
            hasher: Some(Hasher::new()),
            digest: blob.digest,
        })
    }

    /// A small blob, whole.
    ///
    /// # Errors
    /// When it is missing, larger than 16 MiB, or not what its descriptor says.
    pub fn read_blob(&self, blob: &Descriptor) -> Result<Vec<u8>, OciError> {
        if blob.size > MAXIMUM_DOCUMENT {
            return Err(OciError::TooLarge {
                what: format!("document {}", blob.digest),
                limit: MAXIMUM_DOCUMENT,
                unit: "bytes",
            });
        }
        let mut bytes = Vec::new();
        self.open_blob(blob)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The manifests of all indexes, each with the tag of the entry that leads to it. What is
    /// neither an index nor a manifest is passed over.
    ///
    /// # Errors
    /// When an index is not sound, or indexes stand too deep or hold too much.
    pub fn manifests(&self) -> Result<Vec<(Descriptor, Manifest, Option<String>)>, OciError> {
        self.manifests_from(&self.index.manifests)
    }

    fn manifests_from(
        &self,
        entries: &[Descriptor],
    ) -> Result<Vec<(Descriptor, Manifest, Option<String>)>, OciError> {
        let mut walk = Walk::default();
        for entry in entries {
            let tag = entry
                .annotations
                .get(crate::annotation::REFERENCE_NAME)
                .cloned();
            self.collect(entry, &tag, 0, &mut walk)?;
        }
        Ok(walk.found)
    }

    fn collect(
        &self,
        entry: &Descriptor,
        tag: &Option<String>,
        depth: u32,
        walk: &mut Walk,
    ) -> Result<(), OciError> {
        let too_large = |what: &str, limit: u64, unit| OciError::TooLarge {
            what: what.to_owned(),
            limit,
            unit,
        };
        if depth > MAXIMUM_DEPTH {
            let limit = u64::from(MAXIMUM_DEPTH);
            return Err(too_large("the nesting of indexes", limit, "levels"));
        }
        // The same may stand in several indexes, and under several tags; under one it counts once.
        if !walk.seen.insert((entry.digest, tag.clone())) {
            return Ok(());
        }
        if walk.seen.len() > MAXIMUM_MANIFESTS {
            let limit = MAXIMUM_MANIFESTS as u64;
            return Err(too_large("the layout", limit, "manifests"));
        }
        match self.listed(entry)? {
            Some(Listed::Index(index)) => {
                for inner in &index.manifests {
                    self.collect(inner, tag, depth + 1, walk)?;
                }
            }
            Some(Listed::Manifest(manifest)) => {
                walk.found.push((entry.clone(), *manifest, tag.clone()));
            }
            None => {}
        }
        Ok(())
    }

    /// The entries that lead to images: what is attached to them is left out.
    ///
    /// # Errors
    /// When a manifest is not sound.
    pub fn image_entries(&self) -> Result<Vec<Descriptor>, OciError> {
        let mut found = Vec::new();
        for entry in &self.index.manifests {
            let tag = entry.annotations.get(crate::annotation::REFERENCE_NAME);
            let is_attached = entry.artifact_type.is_some()
                || tag.is_some_and(|tag| subject_of_tag(tag).is_some());
            if is_attached {
                continue;
            }
            if let Some(Listed::Manifest(manifest)) = self.listed(entry)?
                && (manifest.subject.is_some() || !self.is_image(entry)?)
            {
                continue;
            }
            found.push(entry.clone());
        }
        Ok(found)
    }

    /// The images, in the order of the index; artifacts (signatures, SBOMs) are passed over.
    ///
    /// # Errors
    /// When a manifest or config is not sound.
    pub fn images(&self) -> Result<Vec<Image>, OciError> {
        let mut images = Vec::new();
        for (descriptor, manifest, reference) in self.manifests()? {
            if !self.is_image(&descriptor)? {
                continue;
            }
            let config = ImageConfig::read(&manifest.config, &self.read_blob(&manifest.config)?)?;
            images.push(Image {
                descriptor,
                manifest,
                config,
                reference,
            });
        }
        Ok(images)
    }

    /// The image of this platform; a platform without a variant takes any.
    ///
    /// # Errors
    /// When there is none, or an image is not sound.
    pub fn image(&self, platform: &Platform) -> Result<Image, OciError> {
        let images = self.images()?;
        let fits = |image: &&Image| {
            let own = &image.config.platform;
            own.architecture == platform.architecture
                && own.os == platform.os
                && (platform.variant.is_none()
                    || own.variant.is_none()
                    || own.variant == platform.variant)
        };
        match images.iter().find(fits) {
            Some(image) => Ok(image.clone()),
            None => Err(OciError::NoImage {
                wanted: platform.to_string(),
                present: names(&images),
            }),
        }
    }

    /// Descriptors of every blob the index leads to, each once, sorted by digest.
    ///
    /// # Errors
    /// When an index or manifest is not sound.
    pub fn blobs(&self) -> Result<Vec<Descriptor>, OciError> {
        self.blobs_of(&self.index.manifests)
    }

    /// Likewise of some entries.
    pub(crate) fn blobs_of(&self, entries: &[Descriptor]) -> Result<Vec<Descriptor>, OciError> {
        let mut seen = BTreeSet::new();
        let mut all = Vec::new();
        let mut add = |descriptor: &Descriptor| {
            if seen.insert(descriptor.digest) {
                all.push(descriptor.clone());
            }
        };
        let mut indexes: Vec<(Descriptor, u32)> =
            entries.iter().map(|one| (one.clone(), 0)).collect();
        while let Some((entry, depth)) = indexes.pop() {
            add(&entry);
            // `manifests` below refuses what is deeper.
            if depth <= MAXIMUM_DEPTH
                && let Some(Listed::Index(index)) = self.listed(&entry)?
            {
                indexes.extend(index.manifests.into_iter().map(|one| (one, depth + 1)));
            }
        }
        for (descriptor, manifest, _) in self.manifests_from(entries)? {
            add(&descriptor);
            add(&manifest.config);
            manifest.layers.iter().for_each(&mut add);
        }
        all.sort_by_key(|one| one.digest);
        Ok(all)
    }

    /// What an entry of an index leads to, by what it is: also where its media type is that of neither a manifest nor an index,
    /// as engines do not go by that. Nothing when it is neither.
    fn listed(&self, entry: &Descriptor) -> Result<Option<Listed>, OciError> {
        let is_said = entry.is_index() || entry.is_manifest();
        if !is_said && (entry.size > MAXIMUM_DOCUMENT || !self.begins_object(entry)?) {
            return Ok(None);
        }
        let document = match read_listed(entry, &self.read_blob(entry)?) {
            // Something else in JSON, as the layout's own entries may be.
            Err(OciError::Malformed { .. }) if !is_said => return Ok(None),
            other => other?,
        };
        Ok(match document.kind {
            Kind::Index => Index::of(document)?.map(Listed::Index),
            Kind::Manifest => {
                Manifest::of(document)?.map(|manifest| Listed::Manifest(Box::new(manifest)))
            }
        })
    }

    /// Whether a blob that is there begins as a JSON object does.
    fn begins_object(&self, entry: &Descriptor) -> Result<bool, OciError> {
        let mut first = [0];
        let count = match self.open_blob(entry) {
            Err(OciError::Missing { .. }) => 0,
            other => other?.read(&mut first)?,
        };
        Ok(first.get(..count) == Some(b"{"))
    }

    /// Whether an engine could run a manifest of this layout.
    fn is_image(&self, entry: &Descriptor) -> Result<bool, OciError> {
        let covered = basalt_manifest::runnable(
            &entry.digest.to_string(),
            Limits::default(),
            &mut Reader(self),
        );
        match covered {
            Ok(covered) => Ok(!covered.images.is_empty()),
            Err(refusal) => Err(crate::refused(&entry.digest, refusal)),
        }
    }

    /// The bytes of a document of the layout itself.
    fn own(&self, name: &str) -> Result<Vec<u8>, OciError> {
        let (file, size) = match self.member(name) {
            Err(OciError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Err(self.refuse(&format!("it has no `{name}`")));
            }
            other => other?,
        };
        if size > MAXIMUM_DOCUMENT {
            return Err(OciError::TooLarge {
                what: name.to_owned(),
                limit: MAXIMUM_DOCUMENT,
                unit: "bytes",
            });
        }
        let mut bytes = Vec::new();
        file.take(size).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// A member, open at its beginning, and its length.
    fn member(&self, name: &str) -> Result<(File, u64), OciError> {
        match &self.source {
            Source::Folder => {
                let file = open_regular(&self.path.join(name))?;
                let length = file.metadata()?.len();
                Ok((file, length))
            }
            Source::Archive(members) => {
                let (offset, size) = *members
                    .get(name)
                    .ok_or_else(|| self.refuse(&format!("it has no `{name}`")))?;
                let mut file = open_regular(&self.path)?;
                file.seek(SeekFrom::Start(offset))?;
                Ok((file, size))
            }
        }
    }

    fn refuse(&self, cause: &str) -> OciError {
        OciError::NotALayout {
            path: self.path.clone(),
            cause: cause.to_owned(),
        }
    }
}

/// Opens a file of a layout, or an archive of one.
///
/// # Errors
/// When it cannot be opened, or is not a regular file.
pub(crate) fn open_regular(path: &Path) -> Result<File, OciError> {
    basalt_file::open(path).map_err(|cause| match cause.kind() {
        io::ErrorKind::InvalidInput
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::NotADirectory => OciError::NotAFile {
            path: path.to_owned(),
            cause,
        },
        _ => basalt_file::named(path, cause).into(),
    })
}

/// The platforms of these images, for a message.
fn names(images: &[Image]) -> String {
    let names: Vec<String> = images
        .iter()
        .map(|image| image.config.platform.to_string())
        .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// Where each regular member of a tar archive is.
fn members(path: &Path) -> Result<BTreeMap<String, (u64, u64)>, OciError> {
    let refuse = |cause: String| OciError::NotALayout {
        path: path.to_owned(),
        cause,
    };
    let mut file = open_regular(path)?;
    let mut magic = [0; 6];
    let count = file.read(&mut magic)?;
    for (start, name) in [
        (&b"\x1f\x8b"[..], "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\xfd7zXZ\0", "xz"),
    ] {
        if magic
            .get(..count)
            .is_some_and(|seen| seen.starts_with(start))
        {
            return Err(refuse(format!(
                "it is compressed with {name}; decompress it first"
            )));
        }
    }
    file.seek(SeekFrom::Start(0))?;
    let length = file.metadata()?.len();
    let mut found = BTreeMap::new();
    let mut archive = tar::Archive::new(file);
    let entries = archive
        .entries_with_seek()
        .map_err(|error| refuse(error.to_string()))?;
    for entry in entries {
        let entry = entry.map_err(|error| refuse(format!("it is no tar archive: {error}")))?;
        if found.len() >= MAXIMUM_MEMBERS {
            return Err(OciError::TooLarge {
                what: path.display().to_string(),
                limit: MAXIMUM_MEMBERS as u64,
                unit: "members",
            });
        }
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let place = (entry.raw_file_position(), entry.size());
        if place.0.checked_add(place.1).is_none_or(|end| end > length) {
            return Err(refuse("it is cut off".to_owned()));
        }
        let name = entry.path_bytes();
        let name = String::from_utf8_lossy(name.strip_prefix(b"./").unwrap_or(&name)).into_owned();
        found.insert(name, place);
    }
    if found.contains_key("manifest.json") && !found.contains_key("oci-layout") {
        return Err(refuse(
            "it is a docker archive without an OCI layout".to_owned(),
        ));
    }
    Ok(found)
}

/// Compares the digest when the end is reached.
struct Verifying<R> {
    inner: io::Take<R>,
    hasher: Option<Hasher>,
    digest: Digest,
}

impl<R: Read> Read for Verifying<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(buffer)?;
        if count > 0 {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&buffer[..count]);
            }
        } else if let Some(hasher) = self.hasher.take() {
            let found = hasher.finish();
            if found != self.digest {
                let digest = self.digest;
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    OciError::WrongDigest { digest, found },
                ));
            }
        }
        Ok(count)
    }
}
