//! The compressions of Debian's archives: gzip, xz, Zstandard, or none.

use std::io::{self, BufReader, Read};

use liblzma::stream::{CONCATENATED, Stream};

/// The most memory an xz stream may ask for. `xz -9` needs 65 MiB.
pub const MAXIMUM_XZ_MEMORY: u64 = 256 << 20;

/// The largest window a Zstandard frame may ask for, as a power of two: 128 MiB.
const MAXIMUM_ZSTD_WINDOW: u32 = 27;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// xz.
    Xz,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Compression {
    /// By the suffix of a file's name: `gz`, `xz`, `zst`, or none.
    pub fn of_suffix(suffix: &str) -> Option<Self> {
        match suffix {
            "" => Some(Self::None),
            "gz" => Some(Self::Gzip),
            "xz" => Some(Self::Xz),
            "zst" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// By the name of a file: `Packages.xz`.
    pub fn of_name(name: &str) -> Self {
        name.rsplit_once('.')
            .and_then(|(_, suffix)| Self::of_suffix(suffix))
            .unwrap_or(Self::None)
    }

    /// Reads what is compressed so. Memory is bounded; the length of what comes out is the caller's
    /// to bound.
    ///
    /// # Errors
    /// When the decoder cannot be set up.
    pub fn reader<'r>(self, reader: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
        Ok(match self {
            Self::None => Box::new(reader),
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(reader)),
            Self::Xz => {
                let stream = Stream::new_stream_decoder(MAXIMUM_XZ_MEMORY, CONCATENATED)?;
                let reader = BufReader::with_capacity(1 << 16, reader);
                Box::new(liblzma::bufread::XzDecoder::new_stream(reader, stream))
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(reader)?;
                decoder.window_log_max(MAXIMUM_ZSTD_WINDOW)?;
                Box::new(decoder)
            }
        })
    }
}
