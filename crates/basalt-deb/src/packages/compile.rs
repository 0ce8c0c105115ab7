//! Compiles a `Packages` file into the form [`super::CompiledIndex`] opens.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Read};

use basalt_digest::Digest;

use super::fields::{self, Outcome, Sound};
use super::wire;
use crate::architecture;
use crate::stanza::{StanzaError, Stanzas};
use crate::version::Version;

/// The most packages taken in one index. Debian's `main` has about 70 000.
pub const MAXIMUM_PACKAGES: usize = 2_000_000;

/// The longest stanza taken in a `Packages` file, in bytes.
const MAXIMUM_STANZA_LENGTH: usize = 4 << 20;

/// The most bytes of records taken: positions in them are kept in 32 bits.
const MAXIMUM_RECORDS_LENGTH: usize = 1 << 30;

/// The most bytes of faults kept.
const MAXIMUM_FAULTS_LENGTH: usize = 64 << 20;

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
    /// There is no stanza in it that can be read.
    #[error("the package index is malformed: {0}")]
    Stanza(#[from] StanzaError),
    /// It is larger than any honest index.
    #[error("the package index is too large: {0}")]
    TooLarge(&'static str),
}

/// Compiles a `Packages` file (not compressed) for one architecture.
///
/// Packages of other architectures than this one and `all` are left out. Equal input gives equal
/// output. Relations are kept as text and parsed when a record is asked for, except `Provides`.
///
/// A stanza that is malformed, or lacks `Version`, `Architecture`, `Filename`, `Size` or a strong
/// digest, or has a bad value in a field that is kept, costs its own package and no other: it becomes a
/// [`Fault`](super::Fault). One without a usable name is passed over.
///
/// # Errors
/// When reading fails, no stanza at all can be read, or it is beyond the bounds.
pub fn compile(mut reader: impl Read, architecture: &str) -> Result<Vec<u8>, CompileError> {
    if !architecture::is_name(architecture) {
        return Err(CompileError::Architecture(
            architecture.chars().take(100).collect(),
        ));
    }
    let mut compiler = Compiler::new(architecture);
    let mut buffer = Vec::with_capacity(2 * READ_LENGTH);
    let mut line = 1;
    // Whether the rest of a stanza that was too long is being passed over.
    let mut skipping = false;
    loop {
        let before = buffer.len();
        (&mut reader)
            .take(READ_LENGTH as u64)
            .read_to_end(&mut buffer)?;
        let at_end = buffer.len() == before;
        if skipping {
            let end = first_blank_line(&buffer);
            skipping = end.is_none() && !at_end;
            let end = end.unwrap_or(if at_end {
                buffer.len()
            } else {
                last_line(&buffer)
            });
            line += count_lines(&buffer[..end]);
            buffer.drain(..end);
            if skipping && buffer.len() > READ_LENGTH {
                // A line without an end; this stands for its beginning.
                buffer = vec![b'#'];
            }
        }
        // Only whole stanzas are handed on; the last one may go on in what is read next.
        let whole = match (at_end, skipping) {
            (_, true) => 0,
            (true, _) => buffer.len(),
            (false, _) => last_blank_line(&buffer).unwrap_or(0),
        };
        compiler.add_all(&buffer[..whole], line)?;
        line += count_lines(&buffer[..whole]);
        buffer.drain(..whole);
        if at_end {
            return compiler.finish();
        }
        if !skipping && buffer.len() > MAXIMUM_STANZA_LENGTH {
            let error = StanzaError {
                line,
                cause: "a stanza is longer than 4 MiB".to_owned(),
            };
            let text = String::from_utf8_lossy(&buffer);
            compiler.take_in(fields::broken(&text, &error, architecture), Some(error))?;
            skipping = true;
        }
    }
}

fn count_lines(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).count()
}

/// Whether nothing stands in a line, as [`Stanzas`] parts stanzas.
fn is_blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}

/// Where the last line begins.
fn last_line(bytes: &[u8]) -> usize {
    memchr::memrchr(b'\n', bytes).map_or(0, |end| end + 1)
}

/// Behind the last whole line in which nothing stands.
fn last_blank_line(bytes: &[u8]) -> Option<usize> {
    let mut end = last_line(bytes);
    while let Some(before) = end.checked_sub(1) {
        let start = last_line(&bytes[..before]);
        if is_blank(&bytes[start..before]) {
            return Some(end);
        }
        end = start;
    }
    None
}

/// Behind the first whole line in which nothing stands.
fn first_blank_line(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        if is_blank(&bytes[start..end]) {
            return Some(end + 1);
        }
        start = end + 1;
    }
    None
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
    /// The faults, as they are written, and how many there are.
    faults: Vec<u8>,
    fault_count: u32,
    /// Whether any stanza could be read, be it for another architecture.
    any: bool,
    /// The first error of a stanza that is nobody's.
    nameless: Option<StanzaError>,
}

impl<'a> Compiler<'a> {
    fn new(architecture: &'a str) -> Self {
        Self {
            architecture,
            records: Vec::new(),
            written: Vec::new(),
            virtuals: HashMap::new(),
            faults: Vec::new(),
            fault_count: 0,
            any: false,
            nameless: None,
        }
    }

    /// Takes in whole stanzas; `line` is the number of the first line.
    fn add_all(&mut self, bytes: &[u8], line: usize) -> Result<(), CompileError> {
        let text = String::from_utf8_lossy(bytes);
        let replaced = matches!(text, Cow::Owned(_));
        let mut stanzas = Stanzas::from_line(&text, line);
        while let Some(stanza) = stanzas.next() {
            match stanza {
                Ok(stanza) => {
                    self.any = true;
                    let outcome = fields::check(&stanza, self.architecture, replaced);
                    self.take_in(outcome, None)?;
                }
                Err(error) => {
                    let text = stanzas.last_text();
                    let outcome = fields::broken(text, &error, self.architecture);
                    self.take_in(outcome, Some(error))?;
                }
            }
        }
        Ok(())
    }

    fn take_in(
        &mut self,
        outcome: Outcome<'_>,
        error: Option<StanzaError>,
    ) -> Result<(), CompileError> {
        match outcome {
            Outcome::Sound(sound) => self.add(&sound),
            Outcome::Faulty(fault) => {
                fault.put(&mut self.faults);
                self.fault_count += 1;
                match self.faults.len() > MAXIMUM_FAULTS_LENGTH {
                    true => Err(CompileError::TooLarge(
                        "its stanzas that cannot be read exceed 64 MiB",
                    )),
                    false => Ok(()),
                }
            }
            Outcome::Nothing => {
                self.nameless = self.nameless.take().or(error);
                Ok(())
            }
        }
    }

    fn add(&mut self, sound: &Sound<'_>) -> Result<(), CompileError> {
        let mut flags = wire::multi_arch_flag(sound.multi_arch);
        flags |= if sound.all { wire::FLAG_ALL } else { 0 };
        if sound.important {
            flags |= wire::FLAG_IMPORTANT;
        }
        let tail = wire::pool_tail(
            if sound.source.is_empty() {
                sound.name
            } else {
                sound.source
            },
            sound.name,
            sound.version.without_epoch(),
            if sound.all { "all" } else { self.architecture },
        );
        let kept_filename = match sound.filename.strip_suffix(tail.as_str()) {
            Some(head) => {
                flags |= wire::FLAG_POOL;
                head
            }
            None => &sound.filename,
        };
        let (sha256, sha512) = (sound.digest.sha256(), sound.digest.sha512());
        if sha256.is_some() {
            flags |= wire::FLAG_SHA256;
        }
        if sha512.is_some() {
            flags |= wire::FLAG_SHA512;
        }
        let mut mark = wire::priority_mark(sound.priority);
        if sound.essential {
            mark |= wire::ESSENTIAL;
        }
        let installed = sound
            .installed_size
            .map_or(0, |size| size.saturating_add(1));

        let out = &mut self.records;
        let start = out.len();
        out.extend_from_slice(&[flags, mark]);
        let name_at = put_and_place(out, sound.name);
        let version_at = put_and_place(out, sound.version.as_str());
        wire::put_text(out, sound.source);
        wire::put_text(out, sound.source_version);
        wire::put_text(out, sound.section);
        wire::put_number(out, installed);
        wire::put_number(out, sound.size);
        out.extend_from_slice(sha256.as_ref().map_or(&[], |digest| digest.as_bytes()));
        out.extend_from_slice(sha512.as_ref().map_or(&[], |digest| digest.as_bytes()));
        wire::put_text(out, kept_filename);
        for relation in sound.relations {
            wire::put_text(out, relation);
        }
        wire::put_text(out, sound.provides_text);
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
        for provide in &sound.provides {
            let providers = self.virtuals.entry(provide.name.clone()).or_default();
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

    fn finish(mut self) -> Result<Vec<u8>, CompileError> {
        if let Some(error) = self.nameless.take()
            && !self.any
            && self.fault_count == 0
        {
            return Err(error.into());
        }
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
                + self.faults.len()
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
            self.faults.len(),
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
        out.extend_from_slice(&self.faults);
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
