//! Fragments: one owner's entries as a canonical tar run, compressed in chunks.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::sync::mpsc::Receiver;

use basalt_digest::{Digest, Hasher, HashingWriter};
use basalt_tree::{Entry, Kind, TreePath};
use serde::{Deserialize, Serialize};

use crate::codec::{CHUNK_LENGTH, Codec, Compressor};
use crate::error::LayerError;
use crate::pool::{CompressionPool, Done};
use crate::tar;

/// How many chunks of one fragment may be at the pool at once: bounds memory.
const MAXIMUM_WAITING: usize = 3;

/// A chunk of a run: one gzip member or Zstandard frame. Chunks follow each other without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Compressed length in bytes.
    pub size: u32,
    /// Uncompressed length in bytes: [`CHUNK_LENGTH`] for all but the last.
    pub uncompressed_size: u32,
}

/// Where a file's content stands in the uncompressed run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// First byte.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
}

/// What is known of a fragment: all but its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragment {
    /// How it is compressed.
    pub codec: Codec,
    /// Digest of its compressed bytes.
    pub digest: Digest,
    /// Compressed length in bytes.
    pub size: u64,
    /// Uncompressed length in bytes: a multiple of 512.
    pub uncompressed_size: u64,
    /// Its chunks in order; none when it holds no entries.
    pub chunks: Vec<Chunk>,
    /// Its regular files.
    pub files: BTreeMap<TreePath, Extent>,
}

/// Writes a fragment. Entries are written in the order given, so the caller gives a fixed order.
pub struct FragmentWriter<'p, W: Write> {
    codec: Codec,
    out: HashingWriter<W>,
    pool: Option<&'p CompressionPool>,
    compressor: Option<Compressor>,
    chunk: Vec<u8>,
    spare: Vec<Vec<u8>>,
    compressed: Vec<u8>,
    waiting: VecDeque<Waiting>,
    chunks: Vec<Chunk>,
    uncompressed_size: u64,
    files: BTreeMap<TreePath, Extent>,
    others: BTreeMap<TreePath, ()>,
    with_directories: bool,
}

enum Waiting {
    Ready(Vec<u8>, u32),
    Pool(Receiver<Done>, u32),
}

impl<'p, W: Write> FragmentWriter<'p, W> {
    /// Begins a fragment whose compressed bytes go to `out`.
    pub fn new(codec: Codec, out: W) -> Self {
        Self {
            codec,
            out: HashingWriter::new(out),
            pool: None,
            compressor: None,
            chunk: Vec::new(),
            spare: Vec::new(),
            compressed: Vec::new(),
            waiting: VecDeque::new(),
            chunks: Vec::new(),
            uncompressed_size: 0,
            files: BTreeMap::new(),
            others: BTreeMap::new(),
            with_directories: false,
        }
    }

    /// Lets idle threads of a pool compress chunks. The bytes written are the same.
    #[must_use]
    pub fn with_pool(mut self, pool: &'p CompressionPool) -> Self {
        self.pool = Some(pool);
        self
    }

    /// For the runs that a layer writes itself: directories are allowed.
    pub(crate) fn with_directories(mut self) -> Self {
        self.with_directories = true;
        self
    }

    /// Writes an entry. For a regular file, exactly its size is read from `content` and the digest
    /// of that is returned (the digest in `entry` is not looked at); for all else `content` is not
    /// read.
    ///
    /// # Errors
    /// When content is shorter or longer than promised, the path was written before, a hard link
    /// stands before its file, or the entry is a directory or no tar header can carry it.
    pub fn entry(
        &mut self,
        path: &TreePath,
        entry: &Entry,
        content: &mut dyn Read,
    ) -> Result<Option<Digest>, LayerError> {
        if self.files.contains_key(path) || self.others.contains_key(path) {
            return Err(LayerError::Duplicate { path: path.clone() });
        }
        match &entry.kind {
            Kind::Directory if !self.with_directories => {
                return Err(LayerError::Directory { path: path.clone() });
            }
            Kind::Hardlink { target } if !self.files.contains_key(target) => {
                return Err(LayerError::HardlinkTarget {
                    path: path.clone(),
                    target: target.clone(),
                });
            }
            _ => {}
        }
        let mut header = Vec::with_capacity(tar::BLOCK);
        tar::header(path, entry, &mut header)?;
        self.write(&header)?;
        let Kind::File { size, .. } = entry.kind else {
            self.others.insert(path.clone(), ());
            return Ok(None);
        };
        let offset = self.uncompressed_size;
        let digest = self.content(path, size, content)?;
        self.files.insert(path.clone(), Extent { offset, size });
        self.write(&[0; tar::BLOCK][..tar::padding(size)])?;
        Ok(Some(digest))
    }

    /// Two zero blocks: the end of a layer.
    pub(crate) fn end_of_archive(&mut self) -> Result<(), LayerError> {
        self.write(&[0; 2 * tar::BLOCK])
    }

    fn content(
        &mut self,
        path: &TreePath,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<Digest, LayerError> {
        let failed = |cause| LayerError::Content {
            path: path.clone(),
            cause,
        };
        let mut hasher = Hasher::new();
        let mut left = size;
        while left > 0 {
            let start = self.chunk.len();
            let room = (CHUNK_LENGTH - start) as u64;
            let wanted = left.min(room);
            // Read::take grows the chunk only by what comes, so a false size costs no memory.
            let read = Read::take(&mut *content, wanted)
                .read_to_end(&mut self.chunk)
                .map_err(failed)?;
            if read == 0 {
                return Err(LayerError::Length {
                    path: path.clone(),
                    expected: size,
                    found: "shorter",
                });
            }
            hasher.update(&self.chunk[start..]);
            left -= read as u64;
            self.uncompressed_size += read as u64;
            if self.chunk.len() == CHUNK_LENGTH {
                self.end_chunk()?;
            }
        }
        let mut beyond = [0];
        loop {
            match content.read(&mut beyond) {
                Ok(0) => return Ok(hasher.finish()),
                Ok(_) => {
                    return Err(LayerError::Length {
                        path: path.clone(),
                        expected: size,
                        found: "longer",
                    });
                }
                Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(failed(cause)),
            }
        }
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), LayerError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_LENGTH - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            self.uncompressed_size += now.len() as u64;
            bytes = later;
            if self.chunk.len() == CHUNK_LENGTH {
                self.end_chunk()?;
            }
        }
        Ok(())
    }

    /// Compresses the chunk that is full (or the last), here or in the pool.
    fn end_chunk(&mut self) -> Result<(), LayerError> {
        let length = self.chunk.len() as u32;
        let mut chunk = std::mem::take(&mut self.chunk);
        if let Some(pool) = self.pool {
            match pool.offer(self.codec, chunk) {
                Ok(receiver) => {
                    self.waiting.push_back(Waiting::Pool(receiver, length));
                    while self.waiting.len() > MAXIMUM_WAITING {
                        self.write_first()?;
                    }
                    self.chunk = self.spare.pop().unwrap_or_default();
                    return Ok(());
                }
                Err(back) => chunk = back,
            }
        }
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            None => self.compressor.insert(Compressor::new(self.codec)?),
        };
        compressor.compress(&chunk, &mut self.compressed)?;
        chunk.clear();
        self.chunk = chunk;
        if self.waiting.is_empty() {
            self.out.write_all(&self.compressed)?;
            self.chunks.push(Chunk {
                size: self.compressed.len() as u32,
                uncompressed_size: length,
            });
        } else {
            let compressed = std::mem::take(&mut self.compressed);
            self.waiting.push_back(Waiting::Ready(compressed, length));
            while self.waiting.len() > MAXIMUM_WAITING {
                self.write_first()?;
            }
        }
        Ok(())
    }

    fn write_first(&mut self) -> Result<(), LayerError> {
        let (compressed, uncompressed_size) = match self.waiting.pop_front() {
            None => return Ok(()),
            Some(Waiting::Ready(compressed, length)) => (compressed, length),
            Some(Waiting::Pool(receiver, length)) => {
                let done = receiver.recv().map_err(|_| LayerError::Codec {
                    codec: self.codec,
                    cause: "its thread ended".to_owned(),
                })?;
                let mut chunk = done.chunk;
                chunk.clear();
                self.spare.push(chunk);
                (done.compressed?, length)
            }
        };
        self.out.write_all(&compressed)?;
        self.chunks.push(Chunk {
            size: compressed.len() as u32,
            uncompressed_size,
        });
        Ok(())
    }

    /// Ends the fragment; returns what is known of it, and the writer.
    ///
    /// # Errors
    /// When the last chunk could not be compressed or written.
    pub fn finish(mut self) -> Result<(Fragment, W), LayerError> {
        if !self.chunk.is_empty() {
            self.end_chunk()?;
        }
        while !self.waiting.is_empty() {
            self.write_first()?;
        }
        self.out.flush()?;
        let (out, digest, size) = self.out.finish();
        let fragment = Fragment {
            codec: self.codec,
            digest,
            size,
            uncompressed_size: self.uncompressed_size,
            chunks: self.chunks,
            files: self.files,
        };
        Ok((fragment, out))
    }
}
