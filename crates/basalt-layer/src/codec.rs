//! The codecs and their pinned settings.

use std::fmt;

use libdeflater::{CompressionLvl, Compressor as Deflate, Decompressor as Inflate};
use serde::{Deserialize, Serialize};

use crate::error::LayerError;

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Codec {
    /// gzip (RFC 1952): every runtime reads it.
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// gzip, with all the time that it takes.
    GzipSmallest,
    /// Zstandard, likewise.
    ZstdSmallest,
}

impl Codec {
    /// The media type of a layer compressed so (OCI image specification, *Layer media types*).
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Gzip | Self::GzipSmallest => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd | Self::ZstdSmallest => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::GzipSmallest => "gzip-smallest",
            Self::ZstdSmallest => "zstd-smallest",
        })
    }
}

/// Uncompressed length of every chunk but the last of a run, in bytes. As the levels and the versions of
/// the codecs, it decides a layer's bytes: another one is another compatibility number of the lock.
pub const CHUNK_LENGTH: usize = 1 << 20;

/// libdeflate's level for compatibility 1 and 2. Measured on binaries of the Essential set: level 6 is
/// 0.5 % smaller and 14 % slower, level 4 2 % larger and 25 % faster.
const GZIP_LEVEL: i32 = 5;

/// libdeflate's last level. Measured on the layers of `python`: 4 % smaller than level 5.
const SMALLEST_GZIP_LEVEL: i32 = 12;

/// Zstandard's level for compatibility 1 and 2.
const ZSTD_LEVEL: i32 = 3;

/// Zstandard's last level before those that need more memory to decompress.
const SMALLEST_ZSTD_LEVEL: i32 = 19;

/// Compresses one chunk at a time; each result is a whole gzip member or Zstandard frame.
pub(crate) struct Compressor {
    codec: Codec,
    state: State,
}

enum State {
    Gzip(Deflate),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Compressor {
    pub(crate) fn new(codec: Codec) -> Result<Self, LayerError> {
        let gzip = |level| {
            let level =
                CompressionLvl::new(level).map_err(|cause| failure(codec, format!("{cause:?}")))?;
            Ok(State::Gzip(Deflate::new(level)))
        };
        let zstd = |level| {
            let compressor = zstd::bulk::Compressor::new(level)
                .map_err(|cause| failure(codec, cause.to_string()))?;
            Ok(State::Zstd(compressor))
        };
        let state: Result<State, LayerError> = match codec {
            Codec::Gzip => gzip(GZIP_LEVEL),
            Codec::GzipSmallest => gzip(SMALLEST_GZIP_LEVEL),
            Codec::Zstd => zstd(ZSTD_LEVEL),
            Codec::ZstdSmallest => zstd(SMALLEST_ZSTD_LEVEL),
        };
        Ok(Self {
            codec,
            state: state?,
        })
    }

    /// Compresses a chunk into `output`, whose former content goes.
    pub(crate) fn compress(
        &mut self,
        chunk: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<(), LayerError> {
        let codec = self.codec;
        output.clear();
        match &mut self.state {
            State::Gzip(deflate) => {
                output.resize(deflate.gzip_compress_bound(chunk.len()), 0);
                let length = deflate
                    .gzip_compress(chunk, output)
                    .map_err(|cause| failure(codec, cause.to_string()))?;
                output.truncate(length);
            }
            State::Zstd(compressor) => {
                output.reserve(zstd::zstd_safe::compress_bound(chunk.len()));
                compressor
                    .compress_to_buffer(chunk, output)
                    .map_err(|cause| failure(codec, cause.to_string()))?;
            }
        }
        Ok(())
    }
}

fn failure(codec: Codec, cause: String) -> LayerError {
    LayerError::Codec { codec, cause }
}

/// Takes chunks apart again.
pub(crate) enum Decompressor {
    Gzip(Inflate),
    Zstd(zstd::bulk::Decompressor<'static>),
}

impl Decompressor {
    pub(crate) fn new(codec: Codec) -> Result<Self, LayerError> {
        Ok(match codec {
            Codec::Gzip | Codec::GzipSmallest => Self::Gzip(Inflate::new()),
            Codec::Zstd | Codec::ZstdSmallest => Self::Zstd(
                zstd::bulk::Decompressor::new()
                    .map_err(|cause| failure(codec, cause.to_string()))?,
            ),
        })
    }

    /// Decompresses a chunk that is exactly `length` bytes long into `output`; false when it is
    /// damaged or of another length.
    pub(crate) fn decompress(&mut self, chunk: &[u8], length: usize, output: &mut Vec<u8>) -> bool {
        match self {
            Self::Gzip(inflate) => {
                output.resize(length, 0);
                inflate.gzip_decompress(chunk, output) == Ok(length)
            }
            Self::Zstd(decompressor) => {
                output.clear();
                output.reserve(length);
                matches!(decompressor.decompress_to_buffer(chunk, output), Ok(found) if found == length)
            }
        }
    }
}
