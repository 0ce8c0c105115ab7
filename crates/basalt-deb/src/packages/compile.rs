//! Compiles a `Packages` file into the form [`super::CompiledIndex`] opens.

use std::collections::HashMap;
use std::io::{self, Read};

use basalt_digest::Digest;

use super::record::{MultiArch, Priority};
use super::wire;
use crate::architecture;
use crate::relation::{RelationError, is_package_name, parse_provides};
use crate::stanza::{Stanza, StanzaError, Stanzas};
use crate::version::{Version, VersionError};

/// The most packages taken in one index. Debian's `main` has about 70 000.
pub const MAXIMUM_PACKAGES: usize = 2_000_000;

/// The longest stanza taken in a `Packages` file, in bytes.
const MAXIMUM_STANZA_LENGTH: usize = 4 << 20;

/// The most bytes of records taken: positions in them are kept in 32 bits.
const MAXIMUM_RECORDS_LENGTH: usize = 1 << 30;

/// How much is read at a time.
const READ_LENGTH: usize = 256 << 10;

/// A `Packages` file that cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The file cannot be read or decompressed.
    #[error("the package index cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The target is not an architecture's name.
    #[error("`{0}` is not the name of an architecture")]
    Architecture(String),
    /// The text is not UTF-8.
    #[error("the package index is not UTF-8 near line {line}")]
    NotUtf8 {
        /// The line the stanza begins on.
        line: usize,
    },
    /// A stanza is malformed.
    #[error("the package index is malformed: {0}")]
    Stanza(#[from] StanzaError),
    /// A package lacks a field.
    #[error("the package at line {line} of the index lacks the field `{field}`")]
    Lacks {
        /// The line the stanza begins on.
        line: usize,
        /// The field that is not there.
        field: &'static str,
    },
    /// A field of a package makes no sense.
    #[error("the package `{package}` at line {line} of the index has a bad `{field}`: {cause}")]
    Field {
        /// The package.
        package: String,
        /// The line the stanza begins on.
        line: usize,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// It is larger than any honest index.
    #[error("the package index is too large: {0}")]
    TooLarge(&'static str),
}

/// Compiles a `Packages` file (not compressed) for one architecture.
///
/// Packages of other architectures than this one and `all` are left out. Equal input gives equal
/// output. Relations are kept as text and parsed when a record is asked for, except `Provides`.
///
/// # Errors
/// When reading fails, a stanza is malformed or lacks `Package`, `Version`, `Architecture`,
/// `Filename`, `Size` or `SHA256`, or it is beyond the bounds.
pub fn compile(mut reader: impl Read, architecture: &str) -> Result<Vec<u8>, CompileError> {
    if !architecture::is_name(architecture) {
        return Err(CompileError::Architecture(
            architecture.chars().take(100).collect(),
        ));
    }
    let mut compiler = Compiler::new(architecture);
    let mut buffer = Vec::with_capacity(2 * READ_LENGTH);
    let mut line = 1;
    loop {
        let before = buffer.len();
        (&mut reader)
            .take(READ_LENGTH as u64)
            .read_to_end(&mut buffer)?;
        let at_end = buffer.len() == before;
        // Only whole stanzas are handed on; the last one may go on in what is read next.
        let whole = if at_end {
            buffer.len()
        } else {
            let from = before.saturating_sub(1);
            memchr::memmem::rfind(&buffer[from..], b"\n\n").map_or(0, |place| from + place + 2)
        };
        let text =
            std::str::from_utf8(&buffer[..whole]).map_err(|error| CompileError::NotUtf8 {
                line: line + count_lines(&buffer[..error.valid_up_to()]),
            })?;
        for stanza in Stanzas::from_line(text, line) {
            compiler.add(&stanza?)?;
        }
        line += count_lines(text.as_bytes());
        buffer.drain(..whole);
        if at_end {
            return compiler.finish();
        }
        if buffer.len() > MAXIMUM_STANZA_LENGTH {
            return Err(CompileError::TooLarge("a stanza is longer than 4 MiB"));
        }
    }
}

fn count_lines(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).count()
}

/// The fields of a stanza that are kept.
#[derive(Default)]
struct Kept<'a> {
    name: Option<&'a str>,
    version: Option<&'a str>,
    architecture: Option<&'a str>,
    source: Option<&'a str>,
    multi_arch: Option<&'a str>,
    essential: Option<&'a str>,
    protected: Option<&'a str>,
    important: Option<&'a str>,
    priority: Option<&'a str>,
    section: Option<&'a str>,
    installed_size: Option<&'a str>,
    filename: Option<&'a str>,
    size: Option<&'a str>,
    sha256: Option<&'a str>,
    provides: Option<&'a str>,
    /// `Depends`, `Pre-Depends`, `Recommends`, `Conflicts`, `Breaks`, `Replaces`.
    relations: [&'a str; 6],
}

impl<'a> Kept<'a> {
    fn of(stanza: &Stanza<'a>) -> Self {
        let mut kept = Self::default();
        let mut lower = [0; 16];
        for field in stanza.fields() {
            let name = field.name.as_bytes();
            let Some(lower) = lower.get_mut(..name.len()) else {
                continue;
            };
            lower.copy_from_slice(name);
            lower.make_ascii_lowercase();
            let value = Some(field.value);
            match &*lower {
                b"package" => kept.name = value,
                b"version" => kept.version = value,
                b"architecture" => kept.architecture = value,
                b"source" => kept.source = value,
                b"multi-arch" => kept.multi_arch = value,
                b"essential" => kept.essential = value,
                b"protected" => kept.protected = value,
                b"important" => kept.important = value,
                b"priority" => kept.priority = value,
                b"section" => kept.section = value,
                b"installed-size" => kept.installed_size = value,
                b"filename" => kept.filename = value,
                b"size" => kept.size = value,
                b"sha256" => kept.sha256 = value,
                b"provides" => kept.provides = value,
                b"depends" => kept.relations[0] = field.value,
                b"pre-depends" => kept.relations[1] = field.value,
                b"recommends" => kept.relations[2] = field.value,
                b"conflicts" => kept.relations[3] = field.value,
                b"breaks" => kept.relations[4] = field.value,
                b"replaces" => kept.relations[5] = field.value,
                _ => {}
            }
        }
        kept
    }
}

/// A record already written, as far as sorting needs it.
struct Written {
    start: u32,
    end: u32,
    name: (u32, u32),
    version: (u32, u32),
    mark: u8,
}

struct Compiler<'a> {
    architecture: &'a str,
    records: Vec<u8>,
    written: Vec<Written>,
    /// Virtual names and the records, by their place in `written`, that provide them.
    virtuals: HashMap<String, Vec<u32>>,
}

impl<'a> Compiler<'a> {
    fn new(architecture: &'a str) -> Self {
        Self {
            architecture,
            records: Vec::new(),
            written: Vec::new(),
            virtuals: HashMap::new(),
        }
    }

    fn add(&mut self, stanza: &Stanza<'_>) -> Result<(), CompileError> {
        let line = stanza.fields().first().map_or(0, |field| field.line);
        let kept = Kept::of(stanza);
        let lacks = |field| CompileError::Lacks { line, field };
        let name = kept.name.ok_or(lacks("Package"))?;
        let bad = |field, cause: String| CompileError::Field {
            package: name.chars().take(100).collect(),
            line,
            field,
            cause,
        };
        if !is_package_name(name) {
            return Err(bad("Package", "it is not a package's name".to_owned()));
        }
        let all = match kept.architecture.ok_or(lacks("Architecture"))? {
            "all" => true,
            other if other == self.architecture => false,
            _ => return Ok(()),
        };
        let bad_version = |field| move |error: VersionError| bad(field, error.to_string());
        let version_text = kept.version.ok_or(lacks("Version"))?;
        let version = Version::new(version_text).map_err(bad_version("Version"))?;
        let (source, source_version) = split_source(kept.source.unwrap_or_default());
        if !source.is_empty() && !is_package_name(source) {
            return Err(bad("Source", "it is not a package's name".to_owned()));
        }
        if !source_version.is_empty() {
            Version::new(source_version).map_err(bad_version("Source"))?;
        }
        let number = |field, text: &str| {
            text.parse::<u64>()
                .map_err(|_| bad(field, format!("`{text}` is not a number")))
        };
        let size = number("Size", kept.size.ok_or(lacks("Size"))?)?;
        let installed = match kept.installed_size {
            Some(text) => number("Installed-Size", text)?.saturating_add(1),
            None => 0,
        };
        let sha256 = Digest::from_hex(kept.sha256.ok_or(lacks("SHA256"))?)
            .map_err(|error| bad("SHA256", error.to_string()))?;
        let filename = kept.filename.ok_or(lacks("Filename"))?;
        check_filename(filename).map_err(|cause| bad("Filename", cause.to_owned()))?;
        let multi_arch = match kept.multi_arch {
            None => MultiArch::No,
            Some(text) => MultiArch::parse(text)
                .ok_or_else(|| bad("Multi-Arch", format!("`{text}` is none of its values")))?,
        };

        let yes = |value: Option<&str>| value.is_some_and(|text| text.eq_ignore_ascii_case("yes"));
        let mut flags = wire::multi_arch_flag(multi_arch);
        flags |= if all { wire::FLAG_ALL } else { 0 };
        if yes(kept.protected) || yes(kept.important) {
            flags |= wire::FLAG_IMPORTANT;
        }
        let tail = wire::pool_tail(
            if source.is_empty() { name } else { source },
            name,
            version.without_epoch(),
            if all { "all" } else { self.architecture },
        );
        let kept_filename = match filename.strip_suffix(tail.as_str()) {
            Some(head) => {
                flags |= wire::FLAG_POOL;
                head
            }
            None => filename,
        };
        let priority = kept.priority.map(Priority::parse).unwrap_or_default();
        let mut mark = wire::priority_mark(priority);
        if yes(kept.essential) {
            mark |= wire::ESSENTIAL;
        }

        let out = &mut self.records;
        let start = out.len();
        out.extend_from_slice(&[flags, mark]);
        let name_at = put_and_place(out, name);
        let version_at = put_and_place(out, version.as_str());
        wire::put_text(out, source);
        wire::put_text(out, source_version);
        wire::put_text(out, kept.section.unwrap_or_default());
        wire::put_number(out, installed);
        wire::put_number(out, size);
        out.extend_from_slice(sha256.as_bytes());
        wire::put_text(out, kept_filename);
        for relation in kept.relations {
            wire::put_text(out, relation);
        }
        wire::put_text(out, kept.provides.unwrap_or_default());
        if out.len() > MAXIMUM_RECORDS_LENGTH {
            return Err(CompileError::TooLarge("its records exceed 1 GiB"));
        }
        if self.written.len() == MAXIMUM_PACKAGES {
            return Err(CompileError::TooLarge(
                "it holds more than 2 000 000 packages",
            ));
        }
        let place = self.written.len() as u32;
        self.written.push(Written {
            start: start as u32,
            end: out.len() as u32,
            name: name_at,
            version: version_at,
            mark,
        });
        let provides = parse_provides(kept.provides.unwrap_or_default(), self.architecture)
            .map_err(|error: RelationError| bad("Provides", error.to_string()))?;
        for provide in provides {
            let providers = self.virtuals.entry(provide.name).or_default();
            if providers.last() != Some(&place) {
                providers.push(place);
            }
        }
        Ok(())
    }

    fn text(&self, (start, end): (u32, u32)) -> &[u8] {
        &self.records[start as usize..end as usize]
    }

    /// Sorts what was added: by name, then the newest first, then as they came.
    fn sorted(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.written.len() as u32).collect();
        let version = |written: &Written| {
            std::str::from_utf8(self.text(written.version))
                .ok()
                .and_then(|text| Version::new(text).ok())
        };
        order.sort_by(|left, right| {
            let (left, right) = (
                &self.written[*left as usize],
                &self.written[*right as usize],
            );
            self.text(left.name)
                .cmp(self.text(right.name))
                .then_with(|| version(right).cmp(&version(left)))
        });
        order
    }

    fn finish(self) -> Result<Vec<u8>, CompileError> {
        let order = self.sorted();
        // Records are written out in their new order, so a position moves with its record.
        let mut new_place = vec![0u32; order.len()];
        let mut offsets = Vec::with_capacity(order.len() + 1);
        let mut length = 0u32;
        for (place, old) in order.iter().enumerate() {
            new_place[*old as usize] = place as u32;
            offsets.push(length);
            let written = &self.written[*old as usize];
            length += written.end - written.start;
        }
        offsets.push(length);

        let mut names: Vec<[u32; 3]> = Vec::new();
        let mut last_name: &[u8] = &[];
        for (place, old) in order.iter().enumerate() {
            let written = &self.written[*old as usize];
            let name = self.text(written.name);
            if name != last_name {
                let start = offsets[place] + (written.name.0 - written.start);
                names.push([start, name.len() as u32, place as u32]);
                last_name = name;
            }
        }

        let mut sorted_virtuals: Vec<(&String, &Vec<u32>)> = self.virtuals.iter().collect();
        sorted_virtuals.sort();
        let mut virtuals: Vec<[u32; 3]> = Vec::with_capacity(sorted_virtuals.len());
        let mut providers: Vec<u32> = Vec::new();
        let mut virtual_names = Vec::new();
        for (name, olds) in sorted_virtuals {
            virtuals.push([
                length + virtual_names.len() as u32,
                name.len() as u32,
                providers.len() as u32,
            ]);
            virtual_names.extend_from_slice(name.as_bytes());
            let mut places: Vec<u32> = olds.iter().map(|old| new_place[*old as usize]).collect();
            places.sort_unstable();
            providers.append(&mut places);
        }
        let records_length = self.records.len() + virtual_names.len();
        if records_length > 2 * MAXIMUM_RECORDS_LENGTH {
            return Err(CompileError::TooLarge("its virtual names exceed 1 GiB"));
        }

        let mut out = Vec::with_capacity(
            records_length
                + wire::ROW_LENGTH * (names.len() + virtuals.len())
                + 5 * order.len()
                + 4 * providers.len()
                + 1024,
        );
        out.extend_from_slice(wire::MAGIC);
        for count in [
            names.len(),
            order.len(),
            virtuals.len(),
            providers.len(),
            self.architecture.len(),
            records_length,
        ] {
            out.extend_from_slice(&(count as u32).to_le_bytes());
        }
        let put_all = |out: &mut Vec<u8>, numbers: &[u32]| {
            for number in numbers {
                out.extend_from_slice(&number.to_le_bytes());
            }
        };
        put_all(&mut out, names.as_flattened());
        put_all(&mut out, &offsets);
        put_all(&mut out, virtuals.as_flattened());
        put_all(&mut out, &providers);
        out.extend(order.iter().map(|old| self.written[*old as usize].mark));
        out.extend_from_slice(self.architecture.as_bytes());
        for old in &order {
            let written = &self.written[*old as usize];
            out.extend_from_slice(self.text((written.start, written.end)));
        }
        out.extend_from_slice(&virtual_names);
        let digest = Digest::of(&out);
        out.extend_from_slice(digest.as_bytes());
        Ok(out)
    }
}

/// Writes a text and says where it stands.
fn put_and_place(out: &mut Vec<u8>, text: &str) -> (u32, u32) {
    wire::put_text(out, text);
    ((out.len() - text.len()) as u32, out.len() as u32)
}

/// Parts `bash (5.2.15-2)` into name and version; the version is empty where there is none.
fn split_source(text: &str) -> (&str, &str) {
    match text.split_once('(') {
        Some((name, version)) => (name.trim(), version.trim_end_matches(')').trim()),
        None => (text.trim(), ""),
    }
}

/// A filename must stay inside the archive, whatever it is joined to.
fn check_filename(filename: &str) -> Result<(), &'static str> {
    if filename.len() > 4096 {
        return Err("it is longer than 4096 bytes");
    }
    if filename
        .bytes()
        .any(|byte| byte <= b' ' || byte == 0x7f || byte == b'\\')
    {
        return Err("it holds a blank, a backslash or a control character");
    }
    let relative = filename.strip_prefix("./").unwrap_or(filename);
    if relative
        .split('/')
        .any(|part| part.is_empty() || part == "." || part == "..")
    {
        return Err("it is not a plain relative path");
    }
    Ok(())
}
