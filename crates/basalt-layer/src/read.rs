//! Reading single files back from a fragment, decompressing only the chunks they stand in.

use std::io::{self, Read, Seek, SeekFrom, Write};

use basalt_digest::Digest;
use basalt_tree::{Entry, Kind, TreePath};

use crate::codec::{CHUNK_LENGTH, Codec, Decompressor};
use crate::error::LayerError;
use crate::fragment::{Fragment, FragmentWriter};

/// Reads files from a fragment. It keeps the last chunk, so files read in the order of the fragment
/// cost each chunk once.
pub struct FragmentReader<'f, R> {
    fragment: &'f Fragment,
    reader: R,
    decompressor: Decompressor,
    kept: Option<usize>,
    chunk: Vec<u8>,
    compressed: Vec<u8>,
}

impl<'f, R: Read + Seek> FragmentReader<'f, R> {
    /// Reads from the fragment's compressed bytes, whose first byte is at the reader's position 0.
    ///
    /// # Errors
    /// When the codec cannot be set up.
    pub fn new(fragment: &'f Fragment, reader: R) -> Result<Self, LayerError> {
        Ok(Self {
            fragment,
            reader,
            decompressor: Decompressor::new(fragment.codec)?,
            kept: None,
            chunk: Vec::new(),
            compressed: Vec::new(),
        })
    }

    /// The whole content of a regular file, by its path in the fragment. It is not checked against
    /// a digest: the fragment knows none of single files; [`basalt_tree::Tree::read`] checks.
    ///
    /// # Errors
    /// When the fragment holds no such file or is damaged.
    pub fn read(&mut self, path: &TreePath) -> Result<Vec<u8>, LayerError> {
        let mut reader = self.open(path)?;
        let mut content = Vec::new();
        loop {
            let part = reader.part()?;
            if part.is_empty() {
                return Ok(content);
            }
            content.extend_from_slice(part);
            let length = part.len() as u64;
            reader.at += length;
        }
    }

    /// A reader of a regular file's content, chunk by chunk; else as [`FragmentReader::read`].
    ///
    /// # Errors
    /// When the fragment holds no such file.
    pub fn open(&mut self, path: &TreePath) -> Result<FileReader<'_, 'f, R>, LayerError> {
        let extent = *self
            .fragment
            .files
            .get(path)
            .ok_or_else(|| LayerError::Missing {
                digest: self.fragment.digest,
                path: path.clone(),
            })?;
        let end = extent
            .offset
            .checked_add(extent.size)
            .filter(|end| *end <= self.fragment.uncompressed_size)
            .ok_or_else(|| self.damaged("a file ends behind its end"))?;
        Ok(FileReader {
            at: extent.offset,
            end,
            fragment: self,
        })
    }

    fn load(&mut self, number: usize) -> Result<(), LayerError> {
        if self.kept == Some(number) {
            return Ok(());
        }
        self.kept = None;
        let Some(chunk) = self.fragment.chunks.get(number).copied() else {
            return Err(self.damaged("a chunk is missing"));
        };
        let before: u64 = self.fragment.chunks[..number]
            .iter()
            .map(|chunk| u64::from(chunk.size))
            .sum();
        if chunk.uncompressed_size as usize > CHUNK_LENGTH || chunk.size as usize > 2 * CHUNK_LENGTH
        {
            return Err(self.damaged("a chunk is longer than chunks are"));
        }
        self.reader.seek(SeekFrom::Start(before))?;
        self.compressed.resize(chunk.size as usize, 0);
        self.reader.read_exact(&mut self.compressed)?;
        let length = chunk.uncompressed_size as usize;
        if !self
            .decompressor
            .decompress(&self.compressed, length, &mut self.chunk)
        {
            return Err(self.damaged("a chunk does not decompress"));
        }
        self.kept = Some(number);
        Ok(())
    }

    fn damaged(&self, cause: &'static str) -> LayerError {
        LayerError::Damaged {
            digest: self.fragment.digest,
            cause,
        }
    }
}

/// Reads the content of one file; see [`FragmentReader::open`].
pub struct FileReader<'r, 'f, R> {
    fragment: &'r mut FragmentReader<'f, R>,
    at: u64,
    end: u64,
}

impl<R: Read + Seek> FileReader<'_, '_, R> {
    /// What comes next, as far as one chunk reaches; nothing at the end.
    fn part(&mut self) -> Result<&[u8], LayerError> {
        if self.at >= self.end {
            return Ok(&[]);
        }
        self.fragment
            .load((self.at / CHUNK_LENGTH as u64) as usize)?;
        let chunk = &self.fragment.chunk;
        let start = (self.at % CHUNK_LENGTH as u64) as usize;
        let stop = chunk
            .len()
            .min(start.saturating_add((self.end - self.at) as usize));
        if start >= stop {
            return Err(self.fragment.damaged("a chunk is shorter than recorded"));
        }
        Ok(&chunk[start..stop])
    }
}

impl<R: Read + Seek> Read for FileReader<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let part = self.part().map_err(io::Error::other)?;
        let length = part.len().min(buffer.len());
        buffer[..length].copy_from_slice(&part[..length]);
        self.at += length as u64;
        Ok(length)
    }
}

/// The content of one file of a fragment; see [`FragmentReader::read`].
///
/// # Errors
/// As there.
pub fn read_entry<R: Read + Seek>(
    reader: R,
    fragment: &Fragment,
    path: &TreePath,
) -> Result<Vec<u8>, LayerError> {
    FragmentReader::new(fragment, reader)?.read(path)
}

/// An entry of a fragment that is packed again: where its content is in the former fragment, where
/// it stands now, and as what.
#[derive(Debug, Clone)]
pub struct Repacked {
    /// The path in the former fragment.
    pub from: TreePath,
    /// The path in the new one.
    pub path: TreePath,
    /// The entry as it is to be.
    pub entry: Entry,
}

/// Writes a new fragment with content of a former one: after attributes changed, or files moved or
/// went. Every file is checked against the digest in its entry.
///
/// # Errors
/// When the former fragment lacks a file or is damaged, or as [`FragmentWriter::entry`].
pub fn repack<R: Read + Seek, W: Write>(
    former: &mut FragmentReader<'_, R>,
    entries: &[Repacked],
    codec: Codec,
    out: W,
) -> Result<(Fragment, W), LayerError> {
    let mut writer = FragmentWriter::new(codec, out);
    for Repacked { from, path, entry } in entries {
        let Kind::File { digest, .. } = entry.kind else {
            writer.entry(path, entry, &mut io::empty())?;
            continue;
        };
        if let Some(found) = writer.entry(path, entry, &mut former.open(from)?)? {
            check(path, digest, found)?;
        }
    }
    writer.finish()
}

fn check(path: &TreePath, expected: Digest, found: Digest) -> Result<(), LayerError> {
    if expected == found {
        return Ok(());
    }
    Err(LayerError::Altered {
        path: path.clone(),
        expected,
        found,
    })
}
