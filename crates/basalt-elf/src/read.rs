//! Reading the facts of an ELF object out of its bytes.
//!
//! The bytes come from packages, so nothing in them is believed: `object`
//! checks every offset, and the number of headers, dynamic entries and names,
//! and the length of each name, are bounded here. Of a large object only the
//! parts that matter are read.

use std::io::{Read, Seek};
use std::ops::Range;

use object::elf;
use object::endian::Endianness;
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader};
use object::read::{ReadCache, ReadRef, StringTable};

use crate::facts::{ElfError, ElfFacts, ElfKind, Machine};

/// Most program headers read; real objects have about a dozen.
pub(crate) const MAXIMUM_SEGMENTS: usize = 1024;
/// Most entries of the dynamic section read.
pub(crate) const MAXIMUM_DYNAMIC_ENTRIES: usize = 65_536;
/// Most `DT_NEEDED` names kept.
const MAXIMUM_NEEDED: usize = 4096;
/// Longest name or path, in bytes, as `PATH_MAX` is.
const MAXIMUM_NAME: usize = 4096;
/// Most bytes of an object read at once: the longest dynamic section that is read.
const MAXIMUM_READ: u64 = 1 << 20;
/// Most notes and properties read.
const MAXIMUM_NOTES: usize = 1024;

/// The first four bytes of every ELF object.
pub(crate) const MAGIC: &[u8; 4] = b"\x7fELF";

impl ElfFacts {
    /// Reads the facts of the ELF object that `content` (a whole file) holds.
    ///
    /// Gives `None` when the content does not begin with the ELF magic.
    ///
    /// # Errors
    ///
    /// [`ElfError`] when the magic is there but the headers, the segments or
    /// the dynamic section cannot be read within their bounds.
    ///
    /// ```
    /// use basalt_elf::ElfFacts;
    ///
    /// assert_eq!(ElfFacts::read(b"#!/bin/sh\n"), Ok(None));
    /// assert!(ElfFacts::read(b"\x7fELF").is_err());
    /// ```
    pub fn read(content: &[u8]) -> Result<Option<Self>, ElfError> {
        read(content)
    }

    /// Reads the facts of an object that is too large to be held in memory:
    /// as [`ElfFacts::read`], of which only a few pages are read.
    ///
    /// # Errors
    ///
    /// As [`ElfFacts::read`]; also when a part of it that must be read whole is longer than 1 MiB.
    pub fn read_from(content: impl Read + Seek) -> Result<Option<Self>, ElfError> {
        let cache = ReadCache::new(content);
        read(Bounded(&cache))
    }
}

/// An object whose parts are read when they are asked for, none longer than [`MAXIMUM_READ`]:
/// headers that lie about lengths cost no memory.
struct Bounded<'c, R: Read + Seek>(&'c ReadCache<R>);

impl<R: Read + Seek> Clone for Bounded<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: Read + Seek> Copy for Bounded<'_, R> {}

impl<'c, R: Read + Seek> ReadRef<'c> for Bounded<'c, R> {
    fn len(self) -> Result<u64, ()> {
        self.0.len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'c [u8], ()> {
        if size > MAXIMUM_READ {
            return Err(());
        }
        self.0.read_bytes_at(offset, size)
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'c [u8], ()> {
        let end = range.end.min(range.start.saturating_add(MAXIMUM_READ));
        self.0.read_bytes_at_until(range.start..end, delimiter)
    }
}

fn read<'c>(content: impl ReadRef<'c>) -> Result<Option<ElfFacts>, ElfError> {
    if content.read_bytes_at(0, MAGIC.len() as u64) != Ok(MAGIC) {
        return Ok(None);
    }
    match content.read_bytes_at(MAGIC.len() as u64, 1) {
        Ok([1]) => read_class::<elf::FileHeader32<Endianness>>(content).map(Some),
        Ok([2]) => read_class::<elf::FileHeader64<Endianness>>(content).map(Some),
        Ok([class, ..]) => Err(ElfError(format!(
            "its class is {class}, neither 32-bit (1) nor 64-bit (2)"
        ))),
        _ => Err(ElfError("it ends within its first five bytes".to_owned())),
    }
}

/// Says what could not be read, with what `object` says of it.
pub(crate) fn unreadable(what: &str) -> impl FnOnce(object::read::Error) -> ElfError + '_ {
    move |error| ElfError(format!("{what}: {error}"))
}

fn read_class<'c, H: FileHeader<Endian = Endianness>>(
    content: impl ReadRef<'c>,
) -> Result<ElfFacts, ElfError> {
    let header = H::parse(content).map_err(unreadable("its header"))?;
    let endian = header.endian().map_err(unreadable("its byte order"))?;
    let kind = match header.e_type(endian) {
        elf::ET_EXEC => ElfKind::Executable,
        elf::ET_DYN => ElfKind::Shared,
        _ => ElfKind::Other,
    };
    let machine = match header.e_machine(endian) {
        elf::EM_X86_64 => Machine::Amd64,
        elf::EM_AARCH64 => Machine::Arm64,
        elf::EM_386 => Machine::I386,
        elf::EM_ARM => Machine::Arm,
        other => Machine::Other(other.0),
    };
    let mut facts = ElfFacts {
        kind,
        machine,
        is_64: header.is_class_64(),
        flags: header.e_flags(endian).0,
        soname: None,
        needed: Vec::new(),
        interpreter: None,
        runpath: None,
        is_dynamic: false,
        isa_level: 0,
    };
    if kind == ElfKind::Other {
        // Relocatable objects and cores have nothing the dynamic linker reads.
        return Ok(facts);
    }
    let segments = header
        .program_headers(endian, content)
        .map_err(unreadable("its program headers"))?;
    if segments.len() > MAXIMUM_SEGMENTS {
        return Err(ElfError(format!(
            "it has {} program headers, more than {MAXIMUM_SEGMENTS}",
            segments.len()
        )));
    }
    for segment in segments {
        if facts.interpreter.is_none()
            && let Some(interpreter) = segment
                .interpreter(endian, content)
                .map_err(unreadable("its interpreter"))?
        {
            facts.interpreter = Some(name_of(interpreter, "its interpreter")?);
        }
        if facts.isa_level == 0 && matches!(machine, Machine::Amd64 | Machine::I386) {
            facts.isa_level = isa_level::<H>(segment, endian, content);
        }
    }
    for segment in segments {
        if let Some(entries) = segment
            .dynamic(endian, content)
            .map_err(unreadable("its dynamic section"))?
        {
            read_dynamic::<H>(&mut facts, entries, segments, endian, content)?;
            break;
        }
    }
    Ok(facts)
}

fn read_dynamic<'c, H: FileHeader<Endian = Endianness>>(
    facts: &mut ElfFacts,
    entries: &[<H as FileHeader>::Dyn],
    segments: &[H::ProgramHeader],
    endian: Endianness,
    content: impl ReadRef<'c>,
) -> Result<(), ElfError> {
    // A detached debug file keeps the segment but none of its bytes.
    facts.is_dynamic = !entries.is_empty();
    let entries = entries.get(..MAXIMUM_DYNAMIC_ENTRIES).unwrap_or(entries);
    let mut table_address = None;
    let mut table_size = 0u64;
    let mut names = Vec::new();
    for entry in entries {
        let value: u64 = entry.d_val(endian).into();
        match entry.d_tag(endian) {
            elf::DT_NULL => break,
            elf::DT_STRTAB => table_address = Some(value),
            elf::DT_STRSZ => table_size = value,
            tag @ (elf::DT_SONAME | elf::DT_NEEDED | elf::DT_RPATH | elf::DT_RUNPATH) => {
                if names.len() >= MAXIMUM_NEEDED {
                    return Err(ElfError(format!(
                        "its dynamic section names more than {MAXIMUM_NEEDED} libraries"
                    )));
                }
                names.push((tag, value));
            }
            _ => {}
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    let Some(address) = table_address else {
        return Err(ElfError(
            "its dynamic section names libraries but has no string table".to_owned(),
        ));
    };
    let offset = file_offset::<H>(address, segments, endian).ok_or_else(|| {
        ElfError(format!(
            "no segment holds its string table at address {address:#x}"
        ))
    })?;
    let end = offset
        .checked_add(table_size)
        .filter(|end| content.len().is_ok_and(|length| *end <= length))
        .ok_or_else(|| ElfError("its string table reaches past the end of the file".to_owned()))?;
    let strings = StringTable::new(content, offset, end);
    let mut rpath = None;
    for (tag, position) in names {
        let bytes = u32::try_from(position)
            .ok()
            .and_then(|position| strings.get(position).ok())
            .ok_or_else(|| {
                ElfError(format!(
                    "a name at {position:#x} is outside its string table"
                ))
            })?;
        let name = name_of(bytes, "a name in its dynamic section")?;
        match tag {
            elf::DT_SONAME => facts.soname = Some(name),
            elf::DT_NEEDED => facts.needed.push(name),
            elf::DT_RUNPATH => facts.runpath = Some(name),
            _ => rpath = Some(name),
        }
    }
    // `DT_RPATH` counts only where no `DT_RUNPATH` is (ld.so(8)).
    facts.runpath = facts.runpath.take().or(rpath);
    Ok(())
}

/// Where in the file a virtual address lies.
fn file_offset<H: FileHeader<Endian = Endianness>>(
    address: u64,
    segments: &[H::ProgramHeader],
    endian: Endianness,
) -> Option<u64> {
    segments
        .iter()
        .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
        .find_map(|segment| {
            let start: u64 = segment.p_vaddr(endian).into();
            let size: u64 = segment.p_filesz(endian).into();
            let offset: u64 = segment.p_offset(endian).into();
            let within = address.checked_sub(start)?;
            (within < size).then(|| offset.checked_add(within))?
        })
}

/// The highest instruction-set level the object says it needs.
///
/// `GNU_PROPERTY_X86_ISA_1_NEEDED` is a set of bits: baseline, v2, v3, v4.
/// `ldconfig` records the number of the highest bit. A malformed note is as no
/// note, as it is to `ldconfig`.
fn isa_level<'c, H: FileHeader<Endian = Endianness>>(
    segment: &H::ProgramHeader,
    endian: Endianness,
    content: impl ReadRef<'c>,
) -> u32 {
    if segment.p_type(endian) != elf::PT_NOTE {
        return 0;
    }
    let Ok(Some(mut notes)) = segment.notes(endian, content) else {
        return 0;
    };
    for _ in 0..MAXIMUM_NOTES {
        let Ok(Some(note)) = notes.next() else { break };
        let Some(mut properties) = note.gnu_properties(endian) else {
            continue;
        };
        for _ in 0..MAXIMUM_NOTES {
            let Ok(Some(property)) = properties.next() else {
                break;
            };
            if property.pr_type() == elf::GNU_PROPERTY_X86_ISA_1_NEEDED {
                return property
                    .data_u32(endian)
                    .ok()
                    .and_then(u32::checked_ilog2)
                    .unwrap_or(0);
            }
        }
    }
    0
}

pub(crate) fn name_of(bytes: &[u8], what: &str) -> Result<String, ElfError> {
    if bytes.len() > MAXIMUM_NAME {
        return Err(ElfError(format!(
            "{what} is {} bytes long, more than {MAXIMUM_NAME}",
            bytes.len()
        )));
    }
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| ElfError(format!("{what} is not UTF-8: {}", bytes.escape_ascii())))
}
