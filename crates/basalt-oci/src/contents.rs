//! What is in an image: its layers laid over each other, as a runtime would.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Bound;

use basalt_digest::{Digest, HashingWriter};
use serde::Serialize;

use crate::error::OciError;
use crate::manifest::Descriptor;
use crate::read::{Image, Layout};

/// One path of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileFact {
    /// What it is.
    #[serde(flatten)]
    pub kind: FileKind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
    /// Modification time, seconds since 1970.
    pub mtime: u64,
    /// Which layer it is from, counted from 0 up.
    pub layer: usize,
}

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File {
        /// Length in bytes.
        size: u64,
        /// Digest of its content.
        digest: Digest,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: String,
    },
    /// Another name of a file.
    Hardlink {
        /// The file.
        target: String,
    },
    /// A named pipe or a device.
    Special {
        /// The letter of its tar entry.
        letter: char,
    },
}

/// How much of an image is read at most.
#[derive(Debug, Clone, Copy)]
pub struct ContentLimits {
    /// Uncompressed bytes of all layers.
    pub bytes: u64,
    /// Entries of all layers.
    pub entries: u64,
    /// Bytes of the files that are kept whole.
    pub kept: u64,
}

impl Default for ContentLimits {
    fn default() -> Self {
        Self {
            bytes: 64 << 30,
            entries: 4_000_000,
            kept: 256 << 20,
        }
    }
}

/// An image's files.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// Every path, without a slash in front, sorted.
    pub files: BTreeMap<String, FileFact>,
    /// The content of the files that were asked for.
    pub kept: BTreeMap<String, Vec<u8>>,
    /// Uncompressed length of each layer, from the first up.
    pub layers: Vec<u64>,
}

/// Reads all layers of an image; the content of paths for which `keep` says so is kept.
///
/// # Errors
/// When a layer is not sound, its diff ID is not the config's, or a limit is passed.
pub fn filesystem(
    layout: &Layout,
    image: &Image,
    limits: ContentLimits,
    keep: impl Fn(&str) -> bool,
) -> Result<Content, OciError> {
    let mut content = Content::default();
    let mut left = limits;
    for (number, layer) in image.manifest.layers.iter().enumerate() {
        let limit = left.bytes;
        let mut reader = Counting {
            inner: decompressed(layout.open_blob(layer)?, layer)?,
            writer: HashingWriter::new(io::sink()),
            left: limit,
        };
        let mut archive = tar::Archive::new(&mut reader);
        let broken = |error: io::Error| {
            // A wrong digest is no matter of the layer's content: it keeps its own words.
            if error.get_ref().is_some_and(|inner| inner.is::<OciError>()) {
                return OciError::Io(error);
            }
            OciError::Layer {
                layer: layer.digest,
                cause: error.to_string(),
            }
        };
        let mut upper = BTreeMap::new();
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            left.entries = left.entries.checked_sub(1).ok_or(OciError::TooLarge {
                what: "the image".to_owned(),
                limit: limits.entries,
                unit: "entries",
            })?;
            let Some(path) = plain_path(&entry.path_bytes()) else {
                continue;
            };
            let fact = fact(
                &mut entry,
                number,
                &path,
                &keep,
                &mut left,
                &mut content.kept,
            );
            upper.insert(path, fact.map_err(broken)?);
        }
        // What follows the trailer belongs to the diff ID too.
        io::copy(&mut reader, &mut io::sink()).map_err(broken)?;
        let (_, diff_id, size) = reader.writer.finish();
        left.bytes = limit - size;
        content.layers.push(size);
        let wanted = image.config.rootfs.diff_ids.get(number);
        if wanted.is_some_and(|wanted| *wanted != diff_id) {
            return Err(OciError::Layer {
                layer: layer.digest,
                cause: format!("its diff ID is {diff_id}, not the config's"),
            });
        }
        lay_over(&mut content, upper);
    }
    Ok(content)
}

/// A path of a layer without `./`, slashes at its ends or empty parts; none for the root.
fn plain_path(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn fact(
    entry: &mut tar::Entry<'_, impl Read>,
    layer: usize,
    path: &str,
    keep: &impl Fn(&str) -> bool,
    left: &mut ContentLimits,
    kept: &mut BTreeMap<String, Vec<u8>>,
) -> io::Result<FileFact> {
    let target = |entry: &tar::Entry<'_, _>| {
        let bytes = entry.link_name_bytes().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let kind = match entry.header().entry_type() {
        tar::EntryType::Directory => FileKind::Directory,
        tar::EntryType::Symlink => FileKind::Symlink {
            target: target(entry),
        },
        tar::EntryType::Link => FileKind::Hardlink {
            target: plain_path(target(entry).as_bytes()).unwrap_or_default(),
        },
        other if other.is_file() => {
            let size = entry.size();
            let digest = if keep(path) && size <= left.kept {
                left.kept -= size;
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                let digest = Digest::of(&bytes);
                kept.insert(path.to_owned(), bytes);
                digest
            } else {
                let mut writer = HashingWriter::new(io::sink());
                io::copy(entry, &mut writer)?;
                writer.finish().1
            };
            FileKind::File { size, digest }
        }
        other => FileKind::Special {
            letter: char::from(other.as_byte()),
        },
    };
    let header = entry.header();
    Ok(FileFact {
        kind,
        mode: header.mode()? & 0o7777,
        uid: header.uid()?,
        gid: header.gid()?,
        mtime: header.mtime()?,
        layer,
    })
}

/// Lays a layer over those below: whiteouts first, as they concern only what is below (OCI image
/// specification, *Image Layer Filesystem Changeset*).
fn lay_over(content: &mut Content, upper: BTreeMap<String, FileFact>) {
    for path in upper.keys() {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(hidden) = name.strip_prefix(".wh.") else {
            continue;
        };
        let join = |name: &str| {
            if folder.is_empty() {
                name.to_owned()
            } else {
                format!("{folder}/{name}")
            }
        };
        if hidden == ".wh..opq" {
            remove_below(content, folder);
        } else {
            let path = join(hidden);
            remove_below(content, &path);
            content.files.remove(&path);
        }
    }
    for (path, fact) in upper {
        let name = path
            .rsplit_once('/')
            .map_or(path.as_str(), |(_, name)| name);
        if name.starts_with(".wh.") {
            continue;
        }
        if fact.kind != FileKind::Directory {
            remove_below(content, &path);
        }
        content.files.insert(path, fact);
    }
}

fn remove_below(content: &mut Content, folder: &str) {
    if folder.is_empty() {
        content.files.clear();
        return;
    }
    // `0` is the character after `/`.
    let (from, to) = (format!("{folder}/"), format!("{folder}0"));
    let range = (Bound::Included(from), Bound::Excluded(to));
    let gone: Vec<String> = content
        .files
        .range(range)
        .map(|(path, _)| path.clone())
        .collect();
    for path in gone {
        content.files.remove(&path);
    }
}

/// The tar of a layer: many gzip members or zstd frames may follow each other.
pub(crate) fn decompressed<'a>(
    blob: impl Read + 'a,
    layer: &Descriptor,
) -> Result<Box<dyn BufRead + 'a>, OciError> {
    let media_type = layer.media_type.as_str();
    let blob = BufReader::with_capacity(1 << 16, blob);
    if media_type.ends_with("gzip") {
        let plain = flate2::bufread::MultiGzDecoder::new(blob);
        Ok(Box::new(BufReader::with_capacity(1 << 17, plain)))
    } else if media_type.ends_with("zstd") {
        let mut plain = zstd::Decoder::with_buffer(blob)?;
        // 128 MiB: what `zstd -d` itself takes without being asked for more.
        plain.window_log_max(27)?;
        Ok(Box::new(BufReader::with_capacity(1 << 17, plain)))
    } else if media_type.ends_with("tar") {
        Ok(Box::new(blob))
    } else {
        Err(OciError::MediaType {
            what: format!("layer {}", layer.digest),
            media_type: media_type.to_owned(),
        })
    }
}

/// Hashes and bounds what is read through it.
struct Counting<'a> {
    inner: Box<dyn BufRead + 'a>,
    writer: HashingWriter<io::Sink>,
    left: u64,
}

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "the image has more uncompressed bytes than are read",
            )
        })?;
        io::Write::write_all(&mut self.writer, &buffer[..count])?;
        Ok(count)
    }
}
