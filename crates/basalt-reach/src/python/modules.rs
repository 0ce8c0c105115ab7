//! From a module's name to its files.

use basalt_tree::TreePath;

use super::{imported_from_c, scan::Import};
use crate::error::ReachError;
use crate::reason::Reason;
use crate::walk::{Step, Walk};

/// Names of systems in extension modules' names.
const TRIPLETS: [&str; 7] = [
    "x86_64-linux-gnu",
    "aarch64-linux-gnu",
    "i386-linux-gnu",
    "arm-linux-gnueabihf",
    "powerpc64le-linux-gnu",
    "riscv64-linux-gnu",
    "s390x-linux-gnu",
];
/// Deepest name of a module that is followed.
const DEEPEST: usize = 64;

/// What a part of a module's name is.
enum Found {
    /// A file.
    File(TreePath),
    /// A package with a file of its own.
    Package(TreePath, TreePath),
    /// A directory that is a package without a file.
    Namespace(TreePath),
}

/// Follows one import statement.
pub(super) fn import_from(
    walk: &mut Walk<'_>,
    path: &TreePath,
    statement: &Import,
) -> Result<(), ReachError> {
    let module = match statement.level {
        0 => statement.module.clone(),
        level => match package_of(walk, path, level) {
            None => return Ok(()),
            Some(package) if statement.module.is_empty() => package,
            Some(package) if package.is_empty() => statement.module.clone(),
            Some(package) => format!("{package}.{}", statement.module),
        },
    };
    let reason = |module: &str| Reason::Import {
        module: module.to_owned(),
        line: statement.line,
    };
    if !module.is_empty() {
        import(walk, path, &module, &reason(&module), false)?;
    }
    for name in &statement.names {
        let full = match module.as_str() {
            "" => name.clone(),
            module => format!("{module}.{name}"),
        };
        // What is no module of the package is a name that the package defines.
        if is_module(walk, path, &full) {
            import(walk, path, &full, &reason(&full), false)?;
        }
    }
    if statement.is_star && is_package(walk, path, &module) {
        let text = format!(
            "which modules does `from {module} import *` bring? `__all__` of the package says so"
        );
        walk.ask(text, None, path)?;
    }
    Ok(())
}

/// The name of the package that a relative import begins at.
pub(super) fn package_of(walk: &Walk<'_>, path: &TreePath, level: usize) -> Option<String> {
    let text = path.as_str();
    let root = walk
        .python
        .directories
        .iter()
        .filter(|directory| path.is_within(directory))
        .max_by_key(|directory| directory.as_str().len())?;
    let rest = text.get(root.as_str().len() + 1..)?;
    let mut parts: Vec<&str> = rest.split('/').collect();
    // The file's own name, and one package more for each dot but the first.
    for _ in 0..level {
        parts.pop()?;
    }
    Some(parts.join("."))
}

/// Reaches a module and the packages it is in. A name that is no file is noted.
pub(super) fn import(
    walk: &mut Walk<'_>,
    path: &TreePath,
    module: &str,
    reason: &Reason,
    certain: bool,
) -> Result<(), ReachError> {
    let mut directories = search(walk, path);
    for (depth, part) in module.split('.').enumerate() {
        if depth >= DEEPEST || !is_name(part) {
            return Ok(());
        }
        let Some(found) = find(walk, &directories, part) else {
            if depth == 0 {
                imported_from_c(walk, path, part)?;
            }
            walk.lacks(module, path);
            return Ok(());
        };
        let (file, next) = match found {
            Found::File(file) => (Some(file), None),
            Found::Package(directory, file) => {
                walk.python.packages.insert(directory.clone());
                (Some(file), Some(directory))
            }
            Found::Namespace(directory) => (None, Some(directory)),
        };
        if let Some(file) = file {
            let step = Step {
                reason: reason.clone(),
                from: Some(path),
                certain,
            };
            walk.mark(&file, step)?;
        }
        directories = next.into_iter().collect();
    }
    Ok(())
}

fn is_module(walk: &Walk<'_>, path: &TreePath, module: &str) -> bool {
    end_of(walk, path, module).is_some()
}

fn is_package(walk: &Walk<'_>, path: &TreePath, module: &str) -> bool {
    matches!(
        end_of(walk, path, module),
        Some(Found::Package(..) | Found::Namespace(_))
    )
}

fn end_of(walk: &Walk<'_>, path: &TreePath, module: &str) -> Option<Found> {
    let mut directories = search(walk, path);
    let mut last = None;
    for part in module.split('.').take(DEEPEST) {
        let found = find(walk, &directories, part)?;
        directories = match &found {
            Found::File(_) => Vec::new(),
            Found::Package(directory, _) | Found::Namespace(directory) => vec![directory.clone()],
        };
        last = Some(found);
    }
    last
}

/// The directories in which a file's absolute imports are looked for: a script's own comes first.
fn search(walk: &Walk<'_>, path: &TreePath) -> Vec<TreePath> {
    let mut list = walk.python.directories.clone();
    let is_module = list.iter().any(|directory| path.is_within(directory));
    if !is_module && let Some(parent) = path.parent() {
        list.insert(0, parent);
    }
    list
}

fn is_name(part: &str) -> bool {
    !part.is_empty() && !part.contains(|letter: char| letter == '/' || letter.is_control())
}

/// What a name is in the first directory that has it; a directory without a file counts only when no
/// other has one.
fn find(walk: &Walk<'_>, directories: &[TreePath], part: &str) -> Option<Found> {
    if !is_name(part) {
        return None;
    }
    let is_file = |path: &TreePath| walk.tree.file(path).is_ok();
    let mut namespace = None;
    for directory in directories {
        let Ok(inner) = directory.join(part) else {
            continue;
        };
        if let Ok(init) = inner.join("__init__.py")
            && is_file(&init)
        {
            return Some(Found::Package(inner, init));
        }
        for name in file_names(walk, part) {
            if let Ok(file) = directory.join(&name)
                && is_file(&file)
            {
                return Some(Found::File(file));
            }
        }
        if namespace.is_none()
            && walk
                .tree
                .get_resolved(&inner)
                .is_ok_and(|(_, placed)| placed.entry.is_directory())
        {
            namespace = Some(Found::Namespace(inner));
        }
    }
    namespace
}

/// The names a module's file can have, in the order of the search.
fn file_names(walk: &Walk<'_>, part: &str) -> Vec<String> {
    let mut names = Vec::new();
    for version in &walk.python.versions {
        let number = version.replace('.', "");
        for triplet in TRIPLETS {
            names.push(format!("{part}.cpython-{number}-{triplet}.so"));
        }
    }
    names.push(format!("{part}.abi3.so"));
    names.push(format!("{part}.so"));
    names.push(format!("{part}.py"));
    names
}
