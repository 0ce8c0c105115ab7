//! What slices make in a tree, and what they take away again once effects are applied.

use std::collections::{BTreeMap, BTreeSet};

use basalt_slice::{Filter, Keep, Made, MadeKind, Pattern, Sliced};
use basalt_tree::{Attributes, Contents, Entry, Kind, Owner, Source, Tree, TreePath};

use crate::error::BuildError;
use crate::read::package::ReadPackage;

fn owner(package: &str, slice: &str) -> Owner {
    Owner::Effect {
        package: package.to_owned(),
        effect: format!("slice {slice}"),
    }
}

/// Makes what slices make: directories first, then files, links and copies; and gives kept paths
/// the modes that slices say.
pub(crate) fn place(
    tree: &mut Tree,
    contents: &dyn Contents,
    packages: &BTreeMap<String, ReadPackage>,
    sliced: &BTreeMap<String, Sliced>,
) -> Result<(), BuildError> {
    for directories in [true, false] {
        for (package, sliced) in sliced {
            for made in &sliced.made {
                if (made.kind == MadeKind::Directory) == directories {
                    place_one(tree, contents, package, made)?;
                }
            }
        }
    }
    for (package, sliced) in sliced.iter().filter(|(_, sliced)| !sliced.modes.is_empty()) {
        for (path, placed) in of_package(tree, packages, package) {
            let hit = |(pattern, _): &&(basalt_slice::Pattern, u32)| {
                pattern.matches(&path, placed == Kind::Directory)
            };
            if let Some((_, mode)) = sliced.modes.iter().find(hit) {
                let mode = Some(*mode);
                tree.set_attributes(
                    &path,
                    &Attributes {
                        mode,
                        ..Attributes::default()
                    },
                )?;
            }
        }
    }
    Ok(())
}

fn place_one(
    tree: &mut Tree,
    contents: &dyn Contents,
    package: &str,
    made: &Made,
) -> Result<(), BuildError> {
    let path = TreePath::new(&made.path)?;
    let owner = owner(package, &made.slice);
    let (entry, bytes) = match &made.kind {
        MadeKind::Directory => {
            let entry = Entry::new(Kind::Directory, made.mode.unwrap_or(0o755), 0);
            tree.overwrite_generated(&tree.resolve(&path)?, entry, Vec::new(), owner)?;
            return Ok(());
        }
        MadeKind::Symlink(target) => {
            let target = target.clone();
            (Entry::new(Kind::Symlink { target }, 0o777, 0), Vec::new())
        }
        MadeKind::Text(text) => (file(made.mode.unwrap_or(0o644)), text.clone().into_bytes()),
        MadeKind::Copy(from) => {
            let (_, placed) = tree.file(&TreePath::new(from)?)?;
            let mode = made.mode.unwrap_or(placed.entry.mode);
            let bytes = tree.read(&TreePath::new(from)?, contents)?;
            (file(mode), bytes)
        }
    };
    // Slices of several packages may make one thing.
    let there = tree
        .resolve_parent(&path)
        .ok()
        .and_then(|place| tree.get(&place));
    let same = there.is_some_and(|there| {
        let same_bytes = matches!(&there.source, Source::Inline(inline) if **inline == *bytes);
        let same_link = entry.kind == there.entry.kind;
        there.entry.mode == entry.mode && (same_bytes || same_link)
    });
    if !same {
        tree.insert_generated(&path, entry, bytes, owner)?;
    }
    Ok(())
}

/// A regular file, whose size and digest are filled in when it is placed.
fn file(mode: u32) -> Entry {
    let kind = Kind::File {
        size: 0,
        digest: basalt_digest::Digest::from_bytes([0; 32]),
    };
    Entry::new(kind, mode, 0)
}

/// Takes away what is there only until effects are applied, be it of the package or made by its own effects, and the
/// links that effects made to it.
pub(crate) fn take_away(
    tree: &mut Tree,
    packages: &BTreeMap<String, ReadPackage>,
    sliced: &BTreeMap<String, Sliced>,
) -> Result<(), BuildError> {
    let mut gone: BTreeSet<TreePath> = BTreeSet::new();
    for (package, sliced) in sliced
        .iter()
        .filter(|(_, one)| !one.filter.passing.is_empty())
    {
        let mut there = of_package(tree, packages, package);
        // Where only what is reached is kept, that is what a package brings; what effects make stays.
        if !sliced.filter.passes_everything() {
            there.extend(by_effects(tree, package));
        }
        for (path, kind) in &there {
            let is_directory = *kind == Kind::Directory;
            if !is_directory && sliced.filter.keeps(path, false) == Keep::Passes {
                gone.insert(path.clone());
            }
        }
        must_match(packages.get(package), &there, &sliced.filter, package)?;
    }
    for made in sliced.values().flat_map(|one| &one.made) {
        if made.passes {
            gone.insert(tree.resolve_parent(&TreePath::new(&made.path)?)?);
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    while !gone.is_empty() {
        for path in &gone {
            tree.remove(path);
        }
        let dangles = |tree: &Tree, path: &TreePath| {
            tree.resolve(path).is_ok_and(|real| gone.contains(&real))
        };
        let links = tree.iter().filter(|(path, placed)| {
            let is_link = matches!(placed.entry.kind, Kind::Symlink { .. });
            is_link && matches!(placed.owner, Owner::Effect { .. }) && dangles(tree, path)
        });
        let next = links.map(|(path, _)| path.clone()).collect();
        remove_empty_directories(tree, packages, sliced, &gone);
        gone = next;
    }
    Ok(())
}

/// A pattern that matched nothing is a slip of the pen.
fn must_match(
    read: Option<&ReadPackage>,
    there: &[(TreePath, Kind)],
    filter: &Filter,
    package: &str,
) -> Result<(), BuildError> {
    let listed = |pattern: &Pattern| {
        let mut entries = read.iter().flat_map(|read| &read.listing.entries);
        entries.any(|(path, entry)| pattern.matches(&path.usr_merged(), entry.is_directory()))
    };
    let made = |pattern: &Pattern| {
        let mut there = there.iter();
        there.any(|(path, kind)| pattern.matches(path, *kind == Kind::Directory))
    };
    let mut wanted = filter.passing.iter().filter(|one| !one.optional);
    match wanted.find(|one| !listed(&one.pattern) && !made(&one.pattern)) {
        None => Ok(()),
        Some(missed) => Err(BuildError::Spec(format!(
            "the slice {package}_{} wants {} until effects are applied, and neither {package} nor its effects have anything there; \
             correct its definition",
            missed.slice, missed.pattern
        ))),
    }
}

/// Directories that stood only for what is gone.
fn remove_empty_directories(
    tree: &mut Tree,
    packages: &BTreeMap<String, ReadPackage>,
    sliced: &BTreeMap<String, Sliced>,
    gone: &BTreeSet<TreePath>,
) {
    let wanted = |path: &TreePath| {
        let whole = packages
            .iter()
            .filter(|(name, _)| !sliced.contains_key(*name));
        let mut of_whole = whole.flat_map(|(_, read)| &read.listing.entries);
        let kept = |one: &Sliced| {
            one.filter
                .kept
                .iter()
                .any(|one| one.pattern.matches(path, true))
        };
        let made = |one: &Sliced| {
            let is_it = |made: &Made| TreePath::new(&made.path).is_ok_and(|made| made == *path);
            one.made.iter().any(is_it)
        };
        sliced.values().any(|one| kept(one) || made(one))
            || of_whole.any(|(listed, _)| listed.usr_merged() == *path)
    };
    let mut directories: BTreeSet<TreePath> = BTreeSet::new();
    for path in gone {
        directories.extend(path.ancestors());
    }
    // The deepest first.
    for directory in directories.iter().rev() {
        let is_empty = tree.children(directory).next().is_none();
        if is_empty && tree.contains(directory) && !wanted(directory) {
            tree.remove(directory);
        }
    }
}

/// Where the entries of a package stand, with what they are.
fn of_package(
    tree: &Tree,
    packages: &BTreeMap<String, ReadPackage>,
    package: &str,
) -> Vec<(TreePath, Kind)> {
    let listed = packages.get(package).map(|read| &read.listing.entries);
    listed
        .into_iter()
        .flatten()
        .map(|(path, _)| path.usr_merged())
        .filter_map(|path| {
            let placed = tree.get(&path)?;
            let own = matches!(&placed.owner, Owner::Package(name) if name == package);
            own.then(|| (path, placed.entry.kind.clone()))
        })
        .collect()
}

/// What a package's effects made, with what it is.
fn by_effects(tree: &Tree, package: &str) -> Vec<(TreePath, Kind)> {
    let made = tree.iter().filter(
        |(_, placed)| matches!(&placed.owner, Owner::Effect { package: of, .. } if of == package),
    );
    made.map(|(path, placed)| (path.clone(), placed.entry.kind.clone()))
        .collect()
}
