//! What is learnt of a file while its content passes on its way into a fragment: no file is held
//! in memory for it.

use std::io::{self, Read, Seek, Write};
use std::path::Path;

use basalt_elf::ElfFacts;
use basalt_sbom::{Sha1, Sha1Hasher};
use md5::Digest as _;
use tempfile::SpooledTempFile;

use crate::run::documented::DOCUMENTED;

/// What an ELF object begins with.
const MAGIC: [u8; 4] = *b"\x7fELF";

/// Up to this many bytes of an ELF object are kept in memory until its facts are read; a longer
/// one goes to a file.
const IN_MEMORY: usize = 8 << 20;

/// Longest text that is kept, in bytes; the longest copyright file of Debian has half of it.
const MAXIMUM_TEXT: usize = 4 << 20;

/// The MD5 digest in hex of all that is read.
pub(crate) fn md5_of(content: &mut dyn Read) -> io::Result<String> {
    let mut md5 = md5::Md5::new();
    let mut buffer = [0; 16 << 10];
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(hex(md5)),
            length => md5.update(&buffer[..length]),
        }
    }
}

fn hex(md5: md5::Md5) -> String {
    md5.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Hands content through, and watches it.
pub(crate) struct Passing<'c> {
    content: &'c mut dyn Read,
    begin: io::Cursor<Vec<u8>>,
    object: Option<SpooledTempFile>,
    md5: Option<md5::Md5>,
    text: Option<Vec<u8>>,
    sha1: Sha1Hasher,
}

/// What is to be learnt of a file besides its ELF facts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wish {
    /// Its MD5 digest.
    pub md5: bool,
    /// Its content, as far as [`MAXIMUM_TEXT`].
    pub text: bool,
}

impl<'c> Passing<'c> {
    /// Begins with the content's first bytes. `folder` is for temporary files.
    pub(crate) fn new(content: &'c mut dyn Read, wish: Wish, folder: &Path) -> io::Result<Self> {
        let mut begin = Vec::new();
        Read::take(&mut *content, MAGIC.len() as u64).read_to_end(&mut begin)?;
        Ok(Self {
            content,
            object: (begin == MAGIC).then(|| SpooledTempFile::new_in(IN_MEMORY, folder)),
            begin: io::Cursor::new(begin),
            md5: wish.md5.then(md5::Md5::new),
            text: wish.text.then(Vec::new),
            sha1: Sha1Hasher::default(),
        })
    }

    /// What was learnt, once all has passed.
    pub(crate) fn learnt(self) -> io::Result<Learnt> {
        let elf = match self.object {
            // What looks like ELF and is not (a test file of a debugger) is a file like any other.
            Some(mut object) => {
                object.rewind()?;
                ElfFacts::read_from(object).ok().flatten()
            }
            None => None,
        };
        let md5 = self.md5.map(hex);
        Ok(Learnt {
            elf,
            md5,
            text: self.text,
            sha1: self.sha1.finish(),
        })
    }
}

/// What [`Passing`] learnt.
pub(crate) struct Learnt {
    /// What the dynamic linker wants to know, of an ELF object.
    pub elf: Option<ElfFacts>,
    /// The MD5 digest in hex, if it was asked for.
    pub md5: Option<String>,
    /// Its content, if it was asked for; the beginning of one that is too long.
    pub text: Option<Vec<u8>>,
    /// Its SHA-1 digest.
    pub sha1: Sha1,
}

impl Read for Passing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.begin.read(buffer)? {
            0 => self.content.read(buffer)?,
            count => count,
        };
        let passed = &buffer[..count];
        if DOCUMENTED {
            self.sha1.update(passed);
        }
        if let Some(object) = &mut self.object {
            object.write_all(passed)?;
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(passed);
        }
        if let Some(text) = &mut self.text {
            let room = MAXIMUM_TEXT.saturating_sub(text.len());
            text.extend(passed.iter().take(room));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(content: &[u8]) -> (Vec<u8>, Learnt) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut content = content;
        let wish = Wish {
            md5: true,
            text: true,
        };
        let mut passing = Passing::new(&mut content, wish, folder.path()).expect("it begins");
        let mut passed = Vec::new();
        passing.read_to_end(&mut passed).expect("it passes");
        (passed, passing.learnt().expect("something is learnt"))
    }

    #[test]
    fn what_passes_is_not_changed_and_its_digest_is_learnt() {
        for content in [
            "",
            "abc",
            "\x7fELF",
            "a longer text, of more than four bytes",
        ] {
            let (passed, learnt) = pass(content.as_bytes());
            assert_eq!(passed, content.as_bytes());
            assert!(learnt.elf.is_none());
            assert_eq!(learnt.text.as_deref(), Some(content.as_bytes()));
            assert_eq!(learnt.sha1, Sha1::of(content.as_bytes()));
            let expected = match content {
                "abc" => Some("900150983cd24fb0d6963f7d28e17f72"),
                "" => Some("d41d8cd98f00b204e9800998ecf8427e"),
                _ => None,
            };
            if expected.is_some() {
                assert_eq!(learnt.md5.as_deref(), expected);
            }
        }
    }

    #[test]
    fn the_facts_of_an_object_larger_than_memory_allows_are_learnt() {
        let program = std::env::current_exe().expect("this program has a path");
        let mut content = std::fs::read(program).expect("this program can be read");
        let facts = ElfFacts::read(&content).expect("it is ELF");
        content.resize(content.len() + IN_MEMORY, 0);
        let (passed, learnt) = pass(&content);
        assert!(passed == content);
        let text = learnt.text.expect("it was asked for");
        assert_eq!(text.len(), MAXIMUM_TEXT, "no longer than is kept");
        assert_eq!(learnt.elf, facts);
    }
}
