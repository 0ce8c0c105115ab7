//! Layers: a run of directories, fragments end to end, and the end of the archive.

use std::io::{Read, Write};

use basalt_digest::{Digest, Hasher, HashingWriter};
use basalt_tree::{Entry, TreePath};
use serde::{Deserialize, Serialize};

use crate::codec::{CHUNK_LENGTH, Codec, Decompressor};
use crate::error::LayerError;
use crate::fragment::{Chunk, Fragment, FragmentWriter};

/// What an image's config and manifest say of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerInfo {
    /// How it is compressed.
    pub codec: Codec,
    /// Digest of its compressed bytes.
    pub digest: Digest,
    /// Compressed length in bytes.
    pub size: u64,
    /// Digest of its uncompressed bytes.
    pub diff_id: Digest,
    /// Uncompressed length in bytes.
    pub uncompressed_size: u64,
}

/// A fragment with a reader of its compressed bytes.
pub struct FragmentSource<'f, R> {
    /// What is known of it.
    pub fragment: &'f Fragment,
    /// Its compressed bytes.
    pub reader: R,
}

/// Writes a layer. Fragments are copied as they are, checked against their digest, and decompressed
/// once for the diff ID.
pub struct LayerWriter<W: Write> {
    codec: Codec,
    out: HashingWriter<W>,
    plain: Hasher,
    decompressor: Decompressor,
    compressed: Vec<u8>,
    chunk: Vec<u8>,
}

impl<W: Write> LayerWriter<W> {
    /// Begins a layer whose compressed bytes go to `out`.
    ///
    /// # Errors
    /// When the codec cannot be set up.
    pub fn new(codec: Codec, out: W) -> Result<Self, LayerError> {
        Ok(Self {
            codec,
            out: HashingWriter::new(out),
            plain: Hasher::new(),
            decompressor: Decompressor::new(codec)?,
            compressed: Vec::new(),
            chunk: Vec::new(),
        })
    }

    /// Writes a run of entries without content: the layer's directories, parents first.
    ///
    /// # Errors
    /// As [`FragmentWriter::entry`].
    pub fn directories<'e>(
        &mut self,
        directories: impl IntoIterator<Item = (&'e TreePath, &'e Entry)>,
    ) -> Result<(), LayerError> {
        let mut run = FragmentWriter::new(self.codec, Vec::new()).with_directories();
        for (path, entry) in directories {
            run.entry(path, entry, &mut std::io::empty())?;
        }
        let (fragment, bytes) = run.finish()?;
        self.fragment(&fragment, bytes.as_slice())
    }

    /// Copies a fragment.
    ///
    /// # Errors
    /// When it is of another codec, or its bytes are not those that were written.
    pub fn fragment(
        &mut self,
        fragment: &Fragment,
        mut reader: impl Read,
    ) -> Result<(), LayerError> {
        let damaged = |cause| LayerError::Damaged {
            digest: fragment.digest,
            cause,
        };
        if fragment.codec != self.codec {
            return Err(LayerError::CodecMismatch {
                fragment: fragment.codec,
                layer: self.codec,
            });
        }
        let mut hasher = Hasher::new();
        for &Chunk {
            size,
            uncompressed_size,
        } in &fragment.chunks
        {
            let length = uncompressed_size as usize;
            if length > CHUNK_LENGTH || size as usize > 2 * CHUNK_LENGTH {
                return Err(damaged("a chunk is longer than chunks are"));
            }
            self.compressed.resize(size as usize, 0);
            reader
                .read_exact(&mut self.compressed)
                .map_err(|cause| match cause.kind() {
                    std::io::ErrorKind::UnexpectedEof => damaged("it is shorter than recorded"),
                    _ => LayerError::Io(cause),
                })?;
            hasher.update(&self.compressed);
            if !self
                .decompressor
                .decompress(&self.compressed, length, &mut self.chunk)
            {
                return Err(damaged("a chunk does not decompress"));
            }
            self.plain.update(&self.chunk);
            self.out.write_all(&self.compressed)?;
        }
        if reader.read(&mut [0])? != 0 {
            return Err(damaged("it is longer than recorded"));
        }
        if hasher.finish() != fragment.digest {
            return Err(damaged("its digest differs"));
        }
        Ok(())
    }

    /// Ends the layer; returns what is to be said of it, and the writer.
    ///
    /// # Errors
    /// When the end could not be written.
    pub fn finish(mut self) -> Result<(LayerInfo, W), LayerError> {
        let mut run = FragmentWriter::new(self.codec, Vec::new());
        run.end_of_archive()?;
        let (end, bytes) = run.finish()?;
        self.fragment(&end, bytes.as_slice())?;
        self.out.flush()?;
        let uncompressed_size = self.plain.length();
        let diff_id = self.plain.finish();
        let (out, digest, size) = self.out.finish();
        let info = LayerInfo {
            codec: self.codec,
            digest,
            size,
            diff_id,
            uncompressed_size,
        };
        Ok((info, out))
    }
}

/// Writes a whole layer: its directories, its fragments in order (generated files are a fragment
/// too), the end.
///
/// # Errors
/// As [`LayerWriter`].
pub fn write_layer<'e, R: Read, W: Write>(
    directories: impl IntoIterator<Item = (&'e TreePath, &'e Entry)>,
    parts: impl IntoIterator<Item = FragmentSource<'e, R>>,
    codec: Codec,
    out: W,
) -> Result<(LayerInfo, W), LayerError> {
    let mut layer = LayerWriter::new(codec, out)?;
    layer.directories(directories)?;
    for part in parts {
        layer.fragment(part.fragment, part.reader)?;
    }
    layer.finish()
}
