//! What an ELF object wants of the files around it: library paths, symbol versions, functions, and the
//! names it holds in its read-only data.
//!
//! [`crate::ElfFacts`] are what a build needs of every object; these are read only when somebody asks
//! what an object reaches. They come from the section headers, which all objects of a distribution
//! have; [`ElfLinks::is_complete`] tells when they were taken off.

use std::collections::{BTreeMap, BTreeSet};

use object::elf;
use object::endian::Endianness;
use object::read::StringTable;
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader, SectionHeader, SectionTable, Sym};

use crate::facts::ElfError;
use crate::read::{MAGIC, MAXIMUM_DYNAMIC_ENTRIES, MAXIMUM_SEGMENTS, name_of, unreadable};

/// Most section headers read; the largest real objects have some hundreds.
const MAXIMUM_SECTIONS: usize = 65_536;
/// Most versions kept, needed and defined.
const MAXIMUM_VERSIONS: usize = 65_536;
/// Most functions and variables kept that it takes from others.
const MAXIMUM_IMPORTS: usize = 262_144;
/// Most bytes of read-only data looked through for names.
const MAXIMUM_DATA: usize = 256 << 20;
/// Most names kept.
const MAXIMUM_STRINGS: usize = 262_144;
/// Shortest text that is a name: `a.so`.
const SHORTEST: usize = 3;
/// Longest text that is a name, as `PATH_MAX`.
const LONGEST: usize = 4096;

/// What one ELF object wants of the files around it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ElfLinks {
    /// `DT_RPATH`: searched for what it needs, and what those need, unless it has a `DT_RUNPATH`.
    pub rpath: Option<String>,
    /// `DT_RUNPATH`: searched for what it needs itself.
    pub runpath: Option<String>,
    /// Whether the linker's default directories are not searched for it (`DF_1_NODEFLIB`).
    pub no_default_directories: bool,
    /// Versions of symbols it cannot do without, by the library that must define them.
    pub needed_versions: BTreeMap<String, BTreeSet<String>>,
    /// Versions of symbols it defines.
    pub defined_versions: BTreeSet<String>,
    /// Functions and variables it takes from others.
    pub imports: BTreeSet<String>,
    /// Whether it has the section headers from which versions and imports are read.
    pub is_complete: bool,
}

impl ElfLinks {
    /// Reads them from the whole content of a file; `None` when it is no ELF object.
    ///
    /// # Errors
    /// When its headers, its versions or its symbols cannot be read within their bounds.
    pub fn read(content: &[u8]) -> Result<Option<Self>, ElfError> {
        match class(content) {
            None => Ok(None),
            Some(1) => links::<elf::FileHeader32<Endianness>>(content).map(Some),
            Some(_) => links::<elf::FileHeader64<Endianness>>(content).map(Some),
        }
    }
}

/// The texts in an object's read-only data that `wanted` takes: each once, sorted. Only those that end
/// with a NUL, as C's do, and are printable.
///
/// # Errors
/// When the headers cannot be read, or more texts are taken than are kept.
pub fn strings(
    content: &[u8],
    wanted: &mut dyn FnMut(&str) -> bool,
) -> Result<BTreeSet<String>, ElfError> {
    let parts = match class(content) {
        None => Vec::new(),
        Some(1) => read_only_data::<elf::FileHeader32<Endianness>>(content)?,
        Some(_) => read_only_data::<elf::FileHeader64<Endianness>>(content)?,
    };
    let mut found = BTreeSet::new();
    let mut left = MAXIMUM_DATA;
    for part in parts {
        let part = part.get(..left).unwrap_or(part);
        left -= part.len();
        for text in part.split(|byte| *byte == 0) {
            // Bytes before a text that are no text: a table that ends where it begins.
            let start = text.iter().rposition(|byte| !is_printable(*byte));
            let text = &text[start.map_or(0, |last| last + 1)..];
            if !(SHORTEST..=LONGEST).contains(&text.len()) {
                continue;
            }
            let Ok(text) = std::str::from_utf8(text) else {
                continue;
            };
            if wanted(text) && found.insert(text.to_owned()) && found.len() > MAXIMUM_STRINGS {
                return Err(ElfError(format!(
                    "its read-only data holds more than {MAXIMUM_STRINGS} names"
                )));
            }
        }
    }
    Ok(found)
}

fn is_printable(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte)
}

/// The class of an ELF object, as its fifth byte says: 1 for 32-bit, 2 for 64-bit.
fn class(content: &[u8]) -> Option<u8> {
    let rest = content.strip_prefix(MAGIC)?;
    rest.first().copied()
}

fn sections<'c, H: FileHeader<Endian = Endianness>>(
    header: &H,
    endian: Endianness,
    content: &'c [u8],
) -> Result<SectionTable<'c, H>, ElfError> {
    let sections = header
        .sections(endian, content)
        .map_err(unreadable("its section headers"))?;
    if sections.len() > MAXIMUM_SECTIONS {
        return Err(ElfError(format!(
            "it has {} section headers, more than {MAXIMUM_SECTIONS}",
            sections.len()
        )));
    }
    Ok(sections)
}

fn links<H: FileHeader<Endian = Endianness>>(content: &[u8]) -> Result<ElfLinks, ElfError> {
    let header = H::parse(content).map_err(unreadable("its header"))?;
    let endian = header.endian().map_err(unreadable("its byte order"))?;
    let sections = sections(header, endian, content)?;
    let mut links = ElfLinks {
        is_complete: !sections.is_empty(),
        ..ElfLinks::default()
    };
    search_paths(&mut links, &sections, endian, content)?;
    needed_versions(&mut links, &sections, endian, content)?;
    defined_versions(&mut links, &sections, endian, content)?;
    imports(&mut links, &sections, endian, content)?;
    Ok(links)
}

fn search_paths<H: FileHeader<Endian = Endianness>>(
    links: &mut ElfLinks,
    sections: &SectionTable<'_, H>,
    endian: Endianness,
    content: &[u8],
) -> Result<(), ElfError> {
    let Some((entries, strings)) = sections
        .dynamic(endian, content)
        .map_err(unreadable("its dynamic section"))?
    else {
        return Ok(());
    };
    let strings = sections
        .strings(endian, content, strings)
        .map_err(unreadable("the names of its dynamic section"))?;
    for entry in entries.iter().take(MAXIMUM_DYNAMIC_ENTRIES) {
        let value: u64 = entry.d_val(endian).into();
        match entry.d_tag(endian) {
            elf::DT_NULL => break,
            elf::DT_FLAGS_1 => {
                links.no_default_directories = value & elf::DF_1_NODEFLIB.0 != 0;
            }
            tag @ (elf::DT_RPATH | elf::DT_RUNPATH) => {
                let path = u32::try_from(value)
                    .map_err(|_| ElfError(format!("a search path at {value:#x} is nowhere")))?;
                let path = text(strings, path, "a search path")?;
                if tag == elf::DT_RPATH {
                    links.rpath = Some(path);
                } else {
                    links.runpath = Some(path);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn needed_versions<H: FileHeader<Endian = Endianness>>(
    links: &mut ElfLinks,
    sections: &SectionTable<'_, H>,
    endian: Endianness,
    content: &[u8],
) -> Result<(), ElfError> {
    let unreadable = || unreadable("the versions it needs");
    let Some((mut needs, strings)) = sections
        .gnu_verneed(endian, content)
        .map_err(unreadable())?
    else {
        return Ok(());
    };
    let strings = sections
        .strings(endian, content, strings)
        .map_err(unreadable())?;
    let mut count = 0;
    while let Some((need, mut versions)) = needs.next().map_err(unreadable())? {
        let file = text(strings, need.vn_file.get(endian), "a library it needs")?;
        let mine = links.needed_versions.entry(file).or_default();
        while let Some(version) = versions.next().map_err(unreadable())? {
            count += 1;
            if count > MAXIMUM_VERSIONS {
                return Err(too_many_versions());
            }
            // A weak one may be missing (ld.so goes on then).
            if version.vna_flags.get(endian).0 & elf::VER_FLG_WEAK.0 == 0 {
                mine.insert(text(strings, version.vna_name.get(endian), "a version")?);
            }
        }
    }
    Ok(())
}

fn defined_versions<H: FileHeader<Endian = Endianness>>(
    links: &mut ElfLinks,
    sections: &SectionTable<'_, H>,
    endian: Endianness,
    content: &[u8],
) -> Result<(), ElfError> {
    let unreadable = || unreadable("the versions it defines");
    let Some((mut definitions, strings)) =
        sections.gnu_verdef(endian, content).map_err(unreadable())?
    else {
        return Ok(());
    };
    let strings = sections
        .strings(endian, content, strings)
        .map_err(unreadable())?;
    let mut count = 0;
    while let Some((definition, mut names)) = definitions.next().map_err(unreadable())? {
        count += 1;
        if count > MAXIMUM_VERSIONS {
            return Err(too_many_versions());
        }
        // The first names the version, the others its parents; the base is the library itself.
        if definition.vd_flags.get(endian).0 & elf::VER_FLG_BASE.0 == 0
            && let Some(name) = names.next().map_err(unreadable())?
        {
            let name = text(strings, name.vda_name.get(endian), "a version")?;
            links.defined_versions.insert(name);
        }
    }
    Ok(())
}

fn too_many_versions() -> ElfError {
    ElfError(format!("it has more than {MAXIMUM_VERSIONS} versions"))
}

fn imports<H: FileHeader<Endian = Endianness>>(
    links: &mut ElfLinks,
    sections: &SectionTable<'_, H>,
    endian: Endianness,
    content: &[u8],
) -> Result<(), ElfError> {
    let symbols = sections
        .symbols(endian, content, elf::SHT_DYNSYM)
        .map_err(unreadable("its dynamic symbols"))?;
    for symbol in symbols.iter().filter(|symbol| symbol.is_undefined(endian)) {
        if links.imports.len() >= MAXIMUM_IMPORTS {
            return Err(ElfError(format!(
                "it takes more than {MAXIMUM_IMPORTS} symbols from others"
            )));
        }
        let name = text(symbols.strings(), symbol.st_name(endian), "a symbol")?;
        if !name.is_empty() {
            links.imports.insert(name);
        }
    }
    Ok(())
}

fn text(strings: StringTable<'_>, place: u32, what: &str) -> Result<String, ElfError> {
    let bytes = strings
        .get(place)
        .map_err(|()| ElfError(format!("{what} at {place:#x} is outside its string table")))?;
    name_of(bytes, what)
}

/// The parts of an object that hold constants: by section where it has sections, else every segment
/// that cannot be written to.
fn read_only_data<H: FileHeader<Endian = Endianness>>(
    content: &[u8],
) -> Result<Vec<&[u8]>, ElfError> {
    let header = H::parse(content).map_err(unreadable("its header"))?;
    let endian = header.endian().map_err(unreadable("its byte order"))?;
    let sections = sections(header, endian, content)?;
    let mut parts = Vec::new();
    for section in sections.iter() {
        let flags = section.sh_flags(endian).0;
        let has = |flag: elf::SectionFlags| flags & flag.0 != 0;
        if section.sh_type(endian) == elf::SHT_PROGBITS
            && has(elf::SHF_ALLOC)
            && !has(elf::SHF_WRITE)
            && !has(elf::SHF_EXECINSTR)
        {
            parts.push(
                section
                    .data(endian, content)
                    .map_err(unreadable("a section of constants"))?,
            );
        }
    }
    if !sections.is_empty() {
        return Ok(parts);
    }
    let segments = header
        .program_headers(endian, content)
        .map_err(unreadable("its program headers"))?;
    for segment in segments.iter().take(MAXIMUM_SEGMENTS) {
        if segment.p_type(endian) == elf::PT_LOAD
            && segment.p_flags(endian).0 & elf::PF_W.0 == 0
            && let Ok(part) = segment.data(endian, content)
        {
            parts.push(part);
        }
    }
    Ok(parts)
}
