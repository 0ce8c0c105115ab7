//! The compressions of Debian's archives: gzip, xz, Zstandard, bzip2, LZMA, or none.

use std::io::{self, BufRead, BufReader, Read};

use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

/// The most memory an xz or LZMA stream may ask for, in bytes. `xz -9` needs 65 MiB.
pub const MAXIMUM_XZ_MEMORY: u64 = 256 << 20;

/// The largest window a Zstandard frame may ask for, as a power of two: 128 MiB.
const MAXIMUM_ZSTD_WINDOW: u32 = 27;

/// How much compressed input is read at a time, in bytes.
const BUFFER_LENGTH: usize = 1 << 16;

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
    /// bzip2. Its memory is bounded by the format: at most 4 MiB.
    Bzip2,
    /// The format of LZMA Utils (`.lzma`), which came before xz.
    Lzma,
}

impl Compression {
    /// By the suffix of a file's name: `gz`, `xz`, `zst`, `bz2`, `lzma`, or none.
    pub fn of_suffix(suffix: &str) -> Option<Self> {
        match suffix {
            "" => Some(Self::None),
            "gz" => Some(Self::Gzip),
            "xz" => Some(Self::Xz),
            "zst" => Some(Self::Zstd),
            "bz2" => Some(Self::Bzip2),
            "lzma" => Some(Self::Lzma),
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
    /// to bound. Input that ends early, is damaged, or goes on behind its end is an error of a read.
    ///
    /// # Errors
    /// When the decoder cannot be set up.
    pub fn reader<'r>(self, reader: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
        Ok(match self {
            Self::None => Box::new(reader),
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(reader)),
            Self::Xz => {
                let stream = Stream::new_stream_decoder(MAXIMUM_XZ_MEMORY, CONCATENATED)?;
                let reader = BufReader::with_capacity(BUFFER_LENGTH, reader);
                Box::new(XzDecoder::new_stream(reader, stream))
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(reader)?;
                decoder.window_log_max(MAXIMUM_ZSTD_WINDOW)?;
                Box::new(decoder)
            }
            Self::Bzip2 => {
                let reader = BufReader::with_capacity(BUFFER_LENGTH, reader);
                Box::new(bzip2::bufread::MultiBzDecoder::new(reader))
            }
            Self::Lzma => {
                let stream = Stream::new_lzma_decoder(MAXIMUM_XZ_MEMORY)?;
                let reader = BufReader::with_capacity(BUFFER_LENGTH, reader);
                Box::new(LzmaReader(XzDecoder::new_stream(reader, stream)))
            }
        })
    }
}

/// Reads one LZMA stream and nothing behind it: unlike the other formats it cannot be concatenated,
/// so its decoder stops at the end without a look at what follows.
struct LzmaReader<R>(XzDecoder<R>);

impl<R: BufRead> Read for LzmaReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        if count == 0 && !buffer.is_empty() && !self.0.get_mut().fill_buf()?.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "something follows the end of the LZMA stream",
            ));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const TEXT: &[u8] = b"Package: a\nVersion: 1\n\n";

    /// What each program of the format makes of a text (`gzip -n`, `xz --format=lzma`, …).
    fn compressed(compression: Compression, text: &[u8]) -> Vec<u8> {
        let write = |mut encoder: Box<dyn Write + '_>| encoder.write_all(text).expect("a write");
        let mut out = Vec::new();
        match compression {
            Compression::None => out.extend_from_slice(text),
            Compression::Gzip => write(Box::new(flate2::write::GzEncoder::new(
                &mut out,
                flate2::Compression::fast(),
            ))),
            Compression::Xz => write(Box::new(liblzma::write::XzEncoder::new(&mut out, 0))),
            Compression::Zstd => out = zstd::encode_all(text, 1).expect("a frame"),
            Compression::Bzip2 => write(Box::new(bzip2::write::BzEncoder::new(
                &mut out,
                bzip2::Compression::fast(),
            ))),
            Compression::Lzma => {
                let options = liblzma::stream::LzmaOptions::new_preset(0).expect("a preset");
                let stream = Stream::new_lzma_encoder(&options).expect("an encoder");
                write(Box::new(liblzma::write::XzEncoder::new_stream(
                    &mut out, stream,
                )));
            }
        }
        out
    }

    fn plain(compression: Compression, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        compression.reader(bytes)?.read_to_end(&mut out)?;
        Ok(out)
    }

    const PACKED: [(&str, Compression); 5] = [
        ("gz", Compression::Gzip),
        ("xz", Compression::Xz),
        ("zst", Compression::Zstd),
        ("bz2", Compression::Bzip2),
        ("lzma", Compression::Lzma),
    ];

    #[test]
    fn every_compression_of_an_archive_is_read_by_its_suffix() {
        for (suffix, compression) in PACKED {
            assert_eq!(Compression::of_suffix(suffix), Some(compression));
            assert_eq!(
                Compression::of_name(&format!("Packages.{suffix}")),
                compression
            );
            for text in [TEXT, b"", &TEXT.repeat(100_000)] {
                let bytes = compressed(compression, text);
                assert_eq!(plain(compression, &bytes).expect(suffix), text, "{suffix}");
            }
        }
        assert_eq!(Compression::of_suffix("lz4"), None);
        assert_eq!(plain(Compression::None, TEXT).expect("as it is"), TEXT);
    }

    #[test]
    fn a_cut_or_damaged_stream_is_an_error_and_never_a_shorter_text() {
        for (suffix, compression) in PACKED {
            let bytes = compressed(compression, &TEXT.repeat(100));
            for end in 1..bytes.len() {
                assert!(
                    plain(compression, &bytes[..end]).is_err(),
                    "{suffix}, {end}"
                );
            }
        }
    }

    #[test]
    fn nothing_may_follow_the_end_of_a_stream() {
        for (suffix, compression) in PACKED {
            let mut bytes = compressed(compression, TEXT);
            bytes.extend_from_slice(b"another thing, which nobody would see");
            assert!(plain(compression, &bytes).is_err(), "{suffix}");
        }
    }

    #[test]
    fn streams_that_may_be_concatenated_are_read_to_the_last() {
        for (suffix, compression) in PACKED {
            let one = compressed(compression, TEXT);
            let both = plain(compression, &[one.as_slice(), &one].concat());
            match compression {
                Compression::Lzma => assert!(both.is_err()),
                _ => assert_eq!(both.expect(suffix), TEXT.repeat(2), "{suffix}"),
            }
        }
    }

    #[test]
    fn a_stream_that_wants_all_memory_is_refused() {
        // An LZMA header with a dictionary of 4 GiB - 1 (properties, dictionary, unknown length).
        let mut bytes = vec![0x5d, 0xff, 0xff, 0xff, 0xff];
        bytes.extend_from_slice(&[0xff; 8]);
        bytes.extend_from_slice(&[0; 32]);
        assert!(plain(Compression::Lzma, &bytes).is_err());
    }
}
