//! The ar archive around a package (deb(5)): members in a fixed order, each with a short header.

use std::io::{self, Read};

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER_LENGTH: usize = 60;

/// One member's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name.
    pub name: String,
    /// Its modification time, in seconds since 1970.
    pub date: i64,
    /// Its length in bytes.
    pub size: u64,
}

/// Reads members one after the other.
pub(crate) struct Archive<R> {
    reader: R,
    left: u64,
    padded: bool,
}

fn malformed(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}

impl<R: Read> Archive<R> {
    pub(crate) fn open(mut reader: R) -> io::Result<Self> {
        let mut magic = [0; 8];
        reader.read_exact(&mut magic)?;
        if &magic != MAGIC {
            return Err(malformed("it is no ar archive"));
        }
        Ok(Self {
            reader,
            left: 0,
            padded: false,
        })
    }

    /// The next member's header; its content is then read from the archive itself.
    pub(crate) fn next(&mut self) -> io::Result<Option<Member>> {
        io::copy(&mut (&mut *self).take(u64::MAX), &mut io::sink())?;
        if self.padded {
            let mut padding = [0];
            if self.reader.read(&mut padding)? == 1 && padding[0] != b'\n' {
                return Err(malformed(
                    "a member of the ar archive is not padded by a line end",
                ));
            }
        }
        let mut header = Vec::with_capacity(HEADER_LENGTH);
        self.reader
            .by_ref()
            .take(HEADER_LENGTH as u64)
            .read_to_end(&mut header)?;
        if header.is_empty() {
            return Ok(None);
        }
        if header.len() < HEADER_LENGTH || &header[58..] != b"`\n" {
            return Err(malformed("a header of the ar archive is cut or malformed"));
        }
        let field = |range: std::ops::Range<usize>| {
            std::str::from_utf8(&header[range])
                .map(|text| text.trim_end_matches(' '))
                .map_err(|_| malformed("a header of the ar archive is no text"))
        };
        let name = field(0..16)?;
        let size = field(48..58)?;
        let size: u64 = size
            .parse()
            .ok()
            // A sign is no digit, though Rust would read it.
            .filter(|_| size.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or_else(|| malformed("a member of the ar archive has no size"))?;
        let member = Member {
            name: name.strip_suffix('/').unwrap_or(name).to_owned(),
            date: field(16..28)?
                .parse()
                .map_err(|_| malformed("a member of the ar archive has no date"))?,
            size,
        };
        self.left = size;
        self.padded = size % 2 == 1;
        Ok(Some(member))
    }

    /// Whether the current member has been read to its end.
    pub(crate) fn at_end(&self) -> bool {
        self.left == 0
    }
}

impl<R: Read> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let wanted = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.reader.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a member of the ar archive is shorter than its header says",
            ));
        }
        self.left -= count as u64;
        Ok(count)
    }
}
