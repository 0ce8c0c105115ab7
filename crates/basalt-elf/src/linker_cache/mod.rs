//! The dynamic linker's cache, `/etc/ld.so.cache`, byte for byte as
//! `ldconfig` of glibc 2.36 to 2.41 writes it, and the links `ldconfig` makes.
//!
//! Nothing here reads a file system: the caller says which directories are
//! searched, in which order ([`search_directories`]), and what is in each.
//!
//! Two parts of `ldconfig` are left out, for no Debian release since bookworm
//! ships anything they would touch: hardware-capability directories of the
//! former kind (`tls`, `haswell`), and the cache's old formats.

mod configuration;
mod order;
mod strings;
mod write;

pub use configuration::{ConfigurationError, search_directories};

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{ElfFacts, ElfKind, Machine};

/// Where `ldconfig` keeps the subdirectories for newer processors.
pub const HARDWARE_DIRECTORY: &str = "glibc-hwcaps";

/// What `ldconfig` calls itself in the cache, made from the version of the
/// package `libc-bin`: `2.41-12+deb13u5` gives
/// `ldconfig (Debian GLIBC 2.41-12+deb13u5) stable release version 2.41`.
///
/// ```
/// assert_eq!(
///     basalt_elf::linker_cache::generator("2.41-12+deb13u5"),
///     "ldconfig (Debian GLIBC 2.41-12+deb13u5) stable release version 2.41",
/// );
/// ```
#[must_use]
pub fn generator(package_version: &str) -> String {
    let upstream = package_version
        .rsplit_once('-')
        .map_or(package_version, |(upstream, _)| upstream);
    // glibc's own number ends where the letters of a snapshot begin.
    let number: String = upstream
        .chars()
        .take_while(|letter| letter.is_ascii_digit() || *letter == '.')
        .collect();
    format!("ldconfig (Debian GLIBC {package_version}) stable release version {number}")
}

/// Whether `ldconfig` looks at a file of this name at all.
///
/// ```
/// use basalt_elf::linker_cache::is_candidate;
///
/// assert!(is_candidate("libc.so.6"));
/// assert!(is_candidate("ld-linux-x86-64.so.2"));
/// assert!(!is_candidate("pam_unix.so"));
/// assert!(!is_candidate("libc.a"));
/// ```
#[must_use]
pub fn is_candidate(file_name: &str) -> bool {
    let is_library =
        (file_name.starts_with("lib") || file_name.starts_with("ld-")) && file_name.contains(".so");
    is_library || file_name.starts_with("ld.so.") || file_name.starts_with("ld64.so.")
}

/// What a name in a library directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A regular ELF file.
    File(ElfFacts),
    /// A symbolic link that ends at an ELF file with these facts.
    Link(ElfFacts),
    /// A symbolic link that ends nowhere.
    Dangling,
}

/// One name in a library directory. Files that are not ELF are not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// The name within the directory.
    pub file_name: String,
    /// The path of the file itself, all links followed: how two names are
    /// known to be one file.
    pub resolved: String,
    /// What it is.
    pub target: Target,
}

/// A link `ldconfig` makes, replacing a link of that name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SonameLink {
    /// The directory, as given by `resolved` to [`LinkerCache::add_directory`].
    pub directory: String,
    /// The name of the link.
    pub name: String,
    /// What it points to, a name in the same directory.
    pub target: String,
}

/// What an entry is, kept for sorting and writing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CacheEntry {
    soname: String,
    path: String,
    flags: u32,
    isa_level: u32,
    hardware: Option<String>,
}

/// The cache being put together.
#[derive(Debug, Clone)]
pub struct LinkerCache {
    machine: Machine,
    generator: String,
    entries: Vec<CacheEntry>,
    seen: BTreeSet<String>,
    links: BTreeSet<SonameLink>,
    removals: BTreeSet<(String, String)>,
}

impl LinkerCache {
    /// An empty cache for `ldconfig` built for `machine`; `generator` is from
    /// [`generator`].
    #[must_use]
    pub fn new(machine: Machine, generator: impl Into<String>) -> Self {
        Self {
            machine,
            generator: generator.into(),
            entries: Vec::new(),
            seen: BTreeSet::new(),
            links: BTreeSet::new(),
            removals: BTreeSet::new(),
        }
    }

    /// Adds one directory, in the order of [`search_directories`]; each is
    /// followed by those under its `glibc-hwcaps`.
    ///
    /// `path` is the path as configured (it is what the cache says) and
    /// `resolved` the same with all links followed. A directory seen before
    /// under another path is passed over, as `ldconfig` does.
    pub fn add_directory(&mut self, path: &str, resolved: &str, libraries: Vec<Library>) {
        if !self.seen.insert(resolved.to_owned()) {
            return;
        }
        self.add(path, resolved, None, libraries);
    }

    /// Adds the directory `glibc-hwcaps/NAME` of a library directory; `path`
    /// and `resolved` are those of the whole.
    pub fn add_hardware_directory(
        &mut self,
        path: &str,
        resolved: &str,
        name: &str,
        libraries: Vec<Library>,
    ) {
        // A colon cannot be looked up by the dynamic linker, and hidden
        // directories are passed over.
        if name.contains(':') || name.starts_with('.') || !self.seen.insert(resolved.to_owned()) {
            return;
        }
        self.add(path, resolved, Some(name), libraries);
    }

    /// The links to make, sorted.
    #[must_use]
    pub fn links(&self) -> &BTreeSet<SonameLink> {
        &self.links
    }

    /// Links that end nowhere, which `ldconfig` removes: directory and name.
    #[must_use]
    pub fn removals(&self) -> &BTreeSet<(String, String)> {
        &self.removals
    }

    /// The bytes of `/etc/ld.so.cache`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        write::to_bytes(&self.generator, &self.entries)
    }

    fn add(
        &mut self,
        path: &str,
        resolved: &str,
        hardware: Option<&str>,
        mut libraries: Vec<Library>,
    ) {
        libraries.sort_by(|left, right| left.file_name.cmp(&right.file_name));
        let files: BTreeMap<String, (bool, String)> = libraries
            .iter()
            .map(|library| {
                let is_link = !matches!(library.target, Target::File(_));
                (
                    library.file_name.clone(),
                    (is_link, library.resolved.clone()),
                )
            })
            .collect();
        let mut chosen: BTreeMap<String, Chosen> = BTreeMap::new();
        for library in libraries {
            let is_file = matches!(library.target, Target::File(_));
            if !is_candidate(&library.file_name) && (is_file || hardware.is_none()) {
                continue;
            }
            let (facts, is_link) = match library.target {
                Target::File(facts) => (facts, false),
                Target::Link(facts) => (facts, true),
                Target::Dangling => {
                    if library.file_name.contains(".so.") {
                        self.removals
                            .insert((resolved.to_owned(), library.file_name));
                    }
                    continue;
                }
            };
            let Some(flags) = flags(self.machine, &facts) else {
                continue;
            };
            let name = library.file_name;
            let soname = facts.soname.unwrap_or_else(|| name.clone());
            // A link counts as one only when it has the SONAME as its name, or
            // is the SONAME up to `.so` (what the compiler links with);
            // any other link is as good as a file.
            let is_link =
                is_link && (name == soname || (name.ends_with(".so") && soname.starts_with(&name)));
            let soname = if is_link { name.clone() } else { soname };
            let candidate = Chosen {
                name,
                is_link,
                flags,
                isa_level: facts.isa_level,
                resolved: library.resolved,
            };
            match chosen.get_mut(&soname) {
                None => {
                    chosen.insert(soname, candidate);
                }
                Some(former) => {
                    // A file is better than a link; else the later version.
                    let is_better = (!candidate.is_link && former.is_link)
                        || (candidate.is_link == former.is_link
                            && order::compare_names(&former.name, &candidate.name).is_lt());
                    if is_better {
                        *former = candidate;
                    }
                }
            }
        }
        for (soname, library) in chosen {
            let file_name = if hardware.is_some() {
                library.name
            } else {
                if !library.is_link {
                    self.add_link(resolved, &soname, &library, &files);
                }
                soname.clone()
            };
            self.entries.push(CacheEntry {
                path: format!("{path}/{file_name}"),
                soname,
                flags: library.flags,
                isa_level: library.isa_level,
                hardware: hardware.map(str::to_owned),
            });
        }
    }

    /// Makes a link unless the name is there already: as the same file, or as
    /// another regular file, which is not replaced.
    fn add_link(
        &mut self,
        directory: &str,
        soname: &str,
        library: &Chosen,
        files: &BTreeMap<String, (bool, String)>,
    ) {
        if soname == library.name || soname.contains('/') || soname.is_empty() {
            return;
        }
        if let Some((is_link, resolved)) = files.get(soname)
            && (!is_link || *resolved == library.resolved)
        {
            return;
        }
        self.removals
            .remove(&(directory.to_owned(), soname.to_owned()));
        self.links.insert(SonameLink {
            directory: directory.to_owned(),
            name: soname.to_owned(),
            target: library.name.clone(),
        });
    }
}

/// The library chosen for a SONAME in one directory.
struct Chosen {
    name: String,
    is_link: bool,
    flags: u32,
    isa_level: u32,
    resolved: String,
}

/// The flags `ldconfig` built for `machine` gives an object, or `None` where
/// it passes the object over.
fn flags(machine: Machine, facts: &ElfFacts) -> Option<u32> {
    /// `FLAG_ELF_LIBC6`.
    const LIBC6: u32 = 0x0003;
    /// `EF_ARM_ABI_FLOAT_HARD` and `EF_ARM_ABI_FLOAT_SOFT`.
    const ARM_HARD: u32 = 0x400;
    const ARM_SOFT: u32 = 0x200;
    if facts.kind != ElfKind::Shared || !facts.is_dynamic {
        return None;
    }
    let own = match (machine, facts.machine, facts.is_64) {
        (Machine::Amd64 | Machine::I386, Machine::Amd64, true) => 0x0300,
        (Machine::Amd64 | Machine::I386, Machine::Amd64, false) => 0x0800,
        (Machine::Amd64 | Machine::I386, Machine::I386, false) => 0,
        (Machine::Arm64 | Machine::Arm, Machine::Arm64, true) => 0x0a00,
        (Machine::Arm64 | Machine::Arm, Machine::Arm, false) => {
            if facts.flags & ARM_HARD != 0 {
                0x0900
            } else if facts.flags & ARM_SOFT != 0 {
                0x0b00
            } else {
                0
            }
        }
        _ => return None,
    };
    Some(own | LIBC6)
}
