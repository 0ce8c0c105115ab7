//! The dynamic linker's cache of the tree, as `ldconfig` of the image's libc would write it.

use basalt_elf::Machine;
use basalt_elf::linker_cache::{
    ConfigurationError, Library, LinkerCache, Target, generator, is_candidate, search_directories,
};
use basalt_tree::{Kind, Owner, TreePath};

use super::error::ApplyError;
use super::patterns::matching;
use super::work::{Work, owned, place};

/// The packages whose version `ldconfig` shows as its own: it is in the first, built from one
/// source with the second.
const LIBC: [&str; 2] = ["libc-bin", "libc6"];

/// Writes `/etc/ld.so.cache` and makes the links named by SONAME.
pub(super) fn apply(work: &mut Work<'_>, package: &str) -> Result<(), ApplyError> {
    let owner = owned(package, "linker cache");
    let machine = match work.context.architecture.as_str() {
        "amd64" => Machine::Amd64,
        "arm64" => Machine::Arm64,
        "i386" => Machine::I386,
        "armhf" => Machine::Arm,
        other => {
            return Err(ApplyError::Linker {
                cause: format!("the architecture `{other}` has no known library directories"),
            });
        }
    };
    let Some(version) = LIBC
        .iter()
        .find_map(|name| work.context.versions.get(*name))
    else {
        return Err(ApplyError::Linker {
            cause: "neither libc-bin nor libc6 is in the image".to_owned(),
        });
    };
    let mut cache = LinkerCache::new(machine, generator(version));
    let mut unreadable = None;
    let directories = search_directories(
        machine,
        &mut |path| match work.read_text(path, &owner) {
            Ok(text) => text,
            Err(error) => {
                unreadable.get_or_insert(error);
                None
            }
        },
        &mut |pattern| matching(work, pattern, false),
    );
    if let Some(error) = unreadable {
        return Err(error);
    }
    let directories = directories.map_err(|error: ConfigurationError| ApplyError::Linker {
        cause: error.to_string(),
    })?;
    for path in directories {
        if !work.exists(&path) {
            continue;
        }
        let resolved = work.real(&path, &owner)?;
        let found = libraries(work, &resolved, &owner)?;
        cache.add_directory(&path, &resolved, found);
        let hardware = format!("{resolved}/glibc-hwcaps");
        let real_hardware = place(&hardware, &owner)?;
        let names: Vec<String> = work
            .tree
            .children(&real_hardware)
            .filter(|(_, placed)| placed.entry.is_directory())
            .map(|(path, _)| path.name().to_owned())
            .collect();
        for name in names {
            let resolved = format!("{hardware}/{name}");
            let found = libraries(work, &resolved, &owner)?;
            let path = format!("{path}/glibc-hwcaps/{name}");
            cache.add_hardware_directory(&path, &resolved, &name, found);
        }
    }
    for (directory, name) in cache.removals().clone() {
        let path = place(&format!("{directory}/{name}"), &owner)?;
        work.tree.remove(&path);
    }
    for link in cache.links().clone() {
        work.link(
            &format!("{}/{}", link.directory, link.name),
            &link.target,
            &owner,
        )?;
    }
    work.write("/etc/ld.so.cache", cache.to_bytes(), 0o644, &owner)
}

/// The ELF files, and the links, of a library directory.
fn libraries(work: &Work<'_>, directory: &str, owner: &Owner) -> Result<Vec<Library>, ApplyError> {
    let directory = place(directory, owner)?;
    let mut libraries = Vec::new();
    for (path, placed) in work.tree.children(&directory) {
        if !is_candidate(path.name()) {
            continue;
        }
        let is_link = matches!(placed.entry.kind, Kind::Symlink { .. });
        let (resolved, target) = match work.tree.file(path) {
            Ok((real, file)) => {
                let Some(facts) = file.entry.elf.as_deref() else {
                    continue;
                };
                let facts = facts.clone();
                let target = if is_link {
                    Target::Link(facts)
                } else {
                    Target::File(facts)
                };
                (real, target)
            }
            Err(_) if is_link && is_dangling(work, path) => (path.clone(), Target::Dangling),
            Err(_) => continue,
        };
        libraries.push(Library {
            file_name: path.name().to_owned(),
            resolved: resolved.absolute(),
            target,
        });
    }
    Ok(libraries)
}

fn is_dangling(work: &Work<'_>, path: &TreePath) -> bool {
    work.tree.get_resolved(path).is_err()
}
