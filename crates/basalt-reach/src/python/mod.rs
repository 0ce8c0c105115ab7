//! Python: where modules stand on Debian, what a source imports, what the interpreter itself does.

mod modules;
pub mod scan;
mod table;
mod tokens;

use std::collections::BTreeSet;

use basalt_elf::ElfFacts;
use basalt_tree::{Tree, TreePath};

use crate::error::ReachError;
use crate::names;
use crate::reason::Reason;
use crate::walk::{Step, Walk};
use modules::{import, import_from, package_of};
use scan::{Dynamic, scan};

/// Directories of modules that are one for all versions.
const SHARED: [&str; 2] = [
    "usr/lib/python3/dist-packages",
    "usr/local/lib/python3/dist-packages",
];

/// Where modules are looked for.
#[derive(Debug, Default)]
pub(crate) struct Python {
    /// Directories of modules, in the order of the search.
    directories: Vec<TreePath>,
    /// Versions whose directories are in the search: `3.13`.
    versions: BTreeSet<String>,
    /// Built-in parts of the interpreter that were met.
    builtin: BTreeSet<String>,
    /// Directories of packages that were reached.
    packages: BTreeSet<TreePath>,
}

impl Python {
    /// The directories of all versions that the tree has.
    pub fn new(tree: &Tree) -> Self {
        let mut python = Self::default();
        let Ok(parent) = TreePath::new("usr/lib") else {
            return python;
        };
        let versions: BTreeSet<String> = tree
            .iter_within(&parent)
            .filter_map(|(path, _)| {
                let rest = path.as_str().strip_prefix("usr/lib/python")?;
                let version = rest.split('/').next()?;
                is_version(version).then(|| version.to_owned())
            })
            .collect();
        for version in &versions {
            python.add(version);
        }
        python
    }

    fn add(&mut self, version: &str) {
        if !self.versions.insert(version.to_owned()) {
            return;
        }
        let own = [
            format!("usr/lib/python{version}"),
            format!("usr/lib/python{version}/lib-dynload"),
            format!("usr/local/lib/python{version}/dist-packages"),
        ];
        for directory in own.iter().map(String::as_str).chain(SHARED) {
            if let Ok(directory) = TreePath::new(directory)
                && !self.directories.contains(&directory)
            {
                self.directories.push(directory);
            }
        }
    }

    /// An interpreter that runs something.
    pub fn found(&mut self, interpreter: &TreePath) {
        if let Some(version) = version_of(interpreter) {
            self.add(version);
        }
    }

    /// Whether modules are looked for in a directory: what is used of it is known by imports.
    pub fn searches(&self, directory: &TreePath) -> bool {
        self.directories.contains(directory)
    }

    /// Whether a file is a module's source, or a list of paths that the interpreter reads when it starts.
    pub fn is_source(&self, path: &TreePath) -> bool {
        let name = path.name();
        name.ends_with(".py") || (name.ends_with(".pth") && self.is_site(path))
    }

    fn is_site(&self, path: &TreePath) -> bool {
        path.parent()
            .is_some_and(|parent| self.searches(&parent) && parent.name() == "dist-packages")
    }
}

/// Whether a path is that of an interpreter: `/usr/bin/python3.13`.
pub(crate) fn is_interpreter(path: &TreePath) -> bool {
    version_of(path).is_some()
}

fn version_of(path: &TreePath) -> Option<&str> {
    let version = path.name().strip_prefix("python")?;
    is_version(version).then_some(version)
}

fn is_version(text: &str) -> bool {
    text.strip_prefix("3.")
        .is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What an interpreter, its library or an extension module imports without a source that says so.
pub(crate) fn of_object(
    walk: &mut Walk<'_>,
    path: &TreePath,
    facts: &ElfFacts,
) -> Result<(), ReachError> {
    let library = facts
        .soname
        .as_deref()
        .and_then(|soname| soname.strip_prefix("libpython")?.split(".so").next())
        .filter(|version| is_version(version));
    if let Some(version) = library.or_else(|| version_of(path)) {
        let version = version.to_owned();
        walk.python.add(&version);
        for module in table::ALWAYS {
            let reason = Reason::Builtin {
                module: (*module).to_owned(),
                by: "the interpreter".to_owned(),
            };
            import(walk, path, module, &reason, true)?;
        }
        path_lists(walk, path)?;
        if !facts.interpreter.as_deref().unwrap_or_default().is_empty() {
            let text =
                "which modules do your own programs import? name them, or the programs, as roots";
            walk.ask(text.to_owned(), None, path)?;
        }
        return Ok(());
    }
    let is_extension = path.parent().is_some_and(|parent| {
        walk.python
            .directories
            .iter()
            .any(|directory| parent.is_within(directory))
    });
    if is_extension {
        let module = path.name().split('.').next().unwrap_or_default().to_owned();
        imported_from_c(walk, path, &module)?;
    }
    Ok(())
}

/// The `.pth` files that the interpreter reads when it starts.
fn path_lists(walk: &mut Walk<'_>, path: &TreePath) -> Result<(), ReachError> {
    let lists: Vec<TreePath> = walk
        .python
        .directories
        .iter()
        .flat_map(|directory| walk.tree.children(directory))
        .filter(|(path, _)| path.name().ends_with(".pth") && walk.python.is_site(path))
        .map(|(path, _)| path.clone())
        .collect();
    for list in lists {
        let step = Step {
            reason: Reason::Builtin {
                module: list.name().to_owned(),
                by: "site".to_owned(),
            },
            from: Some(path),
            certain: true,
        };
        walk.mark(&list, step)?;
    }
    Ok(())
}

/// What a part of the interpreter written in C imports.
fn imported_from_c(walk: &mut Walk<'_>, path: &TreePath, module: &str) -> Result<(), ReachError> {
    if !walk.python.builtin.insert(module.to_owned()) {
        return Ok(());
    }
    for target in table::imported_from_c(module) {
        let reason = Reason::Builtin {
            module: (*target).to_owned(),
            by: module.to_owned(),
        };
        import(walk, path, target, &reason, false)?;
    }
    Ok(())
}

/// Follows what a source imports and names.
pub(crate) fn visit(walk: &mut Walk<'_>, path: &TreePath, text: &str) -> Result<(), ReachError> {
    let is_list = path.name().ends_with(".pth");
    let code: String;
    let text = if is_list {
        // Each line that begins with `import` is run; any other is a directory to search.
        let run = |line: &str| line.starts_with("import ") || line.starts_with("import\t");
        let adds = text
            .lines()
            .any(|line| !run(line) && !line.trim().is_empty() && !line.starts_with('#'));
        if adds {
            walk.ask(
                "which modules are in the directories that it adds?".to_owned(),
                None,
                path,
            )?;
        }
        code = text
            .lines()
            .map(|line| if run(line) { line } else { "" })
            .collect::<Vec<_>>()
            .join("\n");
        &code
    } else {
        text
    };
    let found = match scan(text) {
        Ok(found) => found,
        Err(error) => {
            let text = format!("what does it import? {error}");
            return walk.ask(text, None, path);
        }
    };
    // A root, or a script, is run; what is imported has another `__name__`.
    let is_run = text.starts_with("#!")
        || walk
            .reached
            .get(path)
            .is_some_and(|reached| reached.from.is_none());
    for one in found.imports.iter().filter(|one| is_run || !one.is_main) {
        import_from(walk, path, one)?;
    }
    for (line, dynamic) in &found.dynamic {
        dynamically(walk, path, *line, dynamic)?;
    }
    for (line, codec) in &found.codecs {
        let module = format!("encodings.{}", table::codec(codec));
        let reason = Reason::Codec {
            name: codec.clone(),
            line: *line,
        };
        import(walk, path, &module, &reason, false)?;
    }
    for (line, text) in &found.paths {
        names::path(walk, path, text, Reason::Text(*line))?;
    }
    for (line, name) in &found.libraries {
        library(walk, path, *line, name)?;
    }
    for target in table::known(walk.tree, path) {
        let step = Step {
            reason: Reason::Builtin {
                module: target.name().to_owned(),
                by: path.name().to_owned(),
            },
            from: Some(path),
            certain: false,
        };
        walk.mark(&target, step)?;
    }
    Ok(())
}

fn dynamically(
    walk: &mut Walk<'_>,
    path: &TreePath,
    line: usize,
    dynamic: &Dynamic,
) -> Result<(), ReachError> {
    match dynamic {
        Dynamic::Named(name) => {
            let level = name.bytes().take_while(|byte| *byte == b'.').count();
            let module = &name[level..];
            let full = match level {
                0 => Some(module.to_owned()),
                level => package_of(walk, path, level).map(|package| match module {
                    "" => package,
                    module => format!("{package}.{module}"),
                }),
            };
            if let Some(module) = full {
                let reason = Reason::Import {
                    module: module.clone(),
                    line,
                };
                import(walk, path, &module, &reason, false)?;
            }
            Ok(())
        }
        Dynamic::Unknown(_) if table::is_known(path) => Ok(()),
        Dynamic::Unknown(function) => {
            let text = format!("which modules does {function} in line {line} of {path} import?");
            walk.ask(text, None, path)
        }
    }
}

/// A library that a source names, for `ctypes`: found as the interpreter's own libraries are.
fn library(
    walk: &mut Walk<'_>,
    path: &TreePath,
    line: usize,
    name: &str,
) -> Result<(), ReachError> {
    let interpreter = walk
        .reached
        .keys()
        .find(|path| is_interpreter(path))
        .cloned();
    let facts = interpreter
        .and_then(|path| walk.tree.get(&path))
        .and_then(|placed| placed.entry.elf.clone());
    let Some(facts) = facts else {
        return Ok(());
    };
    let links = basalt_elf::ElfLinks::default();
    for library in walk.linker.find(walk.tree, name, path, &facts, &links) {
        let step = Step {
            reason: Reason::Text(line),
            from: Some(path),
            certain: false,
        };
        walk.mark(&library, step)?;
    }
    Ok(())
}

/// Files beside modules that are no modules: a package may read them, and nothing says so.
pub(crate) fn ask_about_data(walk: &mut Walk<'_>) -> Result<(), ReachError> {
    for package in walk.python.packages.clone() {
        let open: Vec<TreePath> = walk
            .tree
            .children(&package)
            .filter(|(path, placed)| {
                let name = path.name();
                !placed.entry.is_directory()
                    && !name.ends_with(".py")
                    && !name.ends_with(".so")
                    && !walk.reached.contains_key(*path)
            })
            .map(|(path, _)| path.clone())
            .collect();
        if let (Some(first), Ok(seen)) = (open.first(), package.join("__init__.py")) {
            let rest = match open.len() {
                1 => "is not reached".to_owned(),
                count => format!("and {} more are not reached", count - 1),
            };
            let text = format!("does the package read the files beside it? {first} {rest}");
            walk.ask(text, Some(package.clone()), &seen)?;
        }
    }
    Ok(())
}
