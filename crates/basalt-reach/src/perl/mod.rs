//! Perl: where modules stand on Debian, and what a source takes in.

pub mod scan;

use std::collections::BTreeSet;

use basalt_tree::{Tree, TreePath};

use crate::error::ReachError;
use crate::reason::Reason;
use crate::walk::{Step, Walk};
use scan::{Wanted, scan};

/// What Perl's own modules take in on Linux by names that they compute, by the end of their paths.
const COMPUTED: [(&str, &str); 2] = [
    ("/File/Spec.pm", "File::Spec::Unix"),
    ("/Math/BigInt.pm", "Math::BigInt::Calc"),
];

/// Where modules are looked for.
#[derive(Debug, Default)]
pub(crate) struct Perl {
    /// Directories of modules, in the order of Debian's `@INC`.
    directories: Vec<TreePath>,
}

impl Perl {
    /// The directories that the tree has.
    pub fn new(tree: &Tree) -> Self {
        let mut found: BTreeSet<(u8, TreePath)> = BTreeSet::new();
        for directory in ["etc", "usr"] {
            let Ok(directory) = TreePath::new(directory) else {
                continue;
            };
            let within = tree.iter_within(&directory);
            found.extend(within.filter_map(|(path, _)| Some((rank(path)?, path.clone()))));
        }
        Self {
            directories: found.into_iter().map(|(_, path)| path).collect(),
        }
    }

    /// Whether a file is a source that other sources take in.
    pub fn is_source(&self, path: &TreePath) -> bool {
        let ends = [".pm", ".pl", ".al", ".ix"];
        !self.directories.is_empty() && ends.iter().any(|end| path.name().ends_with(end))
    }
}

/// The place of a directory in `@INC`; none when it is not there. Versions are those that the
/// interpreter asks for, `5.40`: a link to the full version.
fn rank(path: &TreePath) -> Option<u8> {
    let parts: Vec<&str> = path.as_str().split('/').collect();
    let is_version = |text: &str| {
        text.strip_prefix("5.")
            .is_some_and(|minor| minor.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match parts.as_slice() {
        ["etc", "perl"] => Some(0),
        ["usr", "local", "lib", _, "perl", version] if is_version(version) => Some(1),
        ["usr", "local", "share", "perl", version] if is_version(version) => Some(2),
        ["usr", "lib", _, "perl5", version] if is_version(version) => Some(3),
        ["usr", "share", "perl5"] => Some(4),
        ["usr", "lib", _, "perl-base"] => Some(5),
        ["usr", "lib", _, "perl", version] if is_version(version) => Some(6),
        ["usr", "share", "perl", version] if is_version(version) => Some(7),
        _ => None,
    }
}

/// Whether a path is that of an interpreter: `/usr/bin/perl`, `/usr/bin/perl5.40.1`.
pub(crate) fn is_interpreter(path: &TreePath) -> bool {
    path.name()
        .strip_prefix("perl")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("5."))
}

/// Follows what a source takes in.
pub(crate) fn visit(walk: &mut Walk<'_>, path: &TreePath, text: &str) -> Result<(), ReachError> {
    let found = scan(text);
    for import in &found.imports {
        let (name, file) = match &import.wanted {
            Wanted::Module(name) => (name, format!("{}.pm", name.replace("::", "/"))),
            Wanted::File(file) => (file, file.clone()),
        };
        let step = Step {
            reason: Reason::Import {
                module: name.clone(),
                line: import.line,
            },
            from: Some(path),
            certain: import.certain,
        };
        if file.starts_with('/') {
            if let Ok(file) = TreePath::new(&file) {
                walk.mark(&file, step)?;
            }
            continue;
        }
        let is_found = mark_first(walk, &file, &step)?;
        if !is_found && import.certain {
            walk.lacks(name, path);
        }
        if is_found && matches!(import.wanted, Wanted::Module(_)) {
            mark_parts(walk, &name.replace("::", "/"), &step)?;
        }
    }
    if let Some(line) = found.computed {
        let known = COMPUTED
            .iter()
            .find(|(end, _)| path.absolute().ends_with(end));
        if let Some((_, module)) = known {
            let step = Step {
                reason: Reason::Import {
                    module: (*module).to_owned(),
                    line,
                },
                from: Some(path),
                certain: false,
            };
            mark_first(walk, &format!("{}.pm", module.replace("::", "/")), &step)?;
            return Ok(());
        }
        let text = format!("which modules does line {line} require? their names are computed");
        walk.ask(text, None, path)?;
    }
    Ok(())
}

/// Marks a file in the first directory that has it.
fn mark_first(walk: &mut Walk<'_>, file: &str, step: &Step<'_>) -> Result<bool, ReachError> {
    for directory in walk.perl.directories.clone() {
        if let Ok(file) = TreePath::new(&format!("{directory}/{file}"))
            && walk.mark(&file, step.clone())?.is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Marks what belongs to a module and is not Perl, or is Perl in pieces: `auto/List/Util/Util.so`.
fn mark_parts(walk: &mut Walk<'_>, module: &str, step: &Step<'_>) -> Result<(), ReachError> {
    for directory in walk.perl.directories.clone() {
        let Ok(parts) = TreePath::new(&format!("{directory}/auto/{module}")) else {
            continue;
        };
        let names: Vec<String> = match walk.tree.get_resolved(&parts) {
            Ok((real, _)) => walk
                .tree
                .iter_within(&real)
                .filter(|(path, _)| path.parent().as_ref() == Some(&real))
                .map(|(path, _)| path.name().to_owned())
                .collect(),
            Err(_) => continue,
        };
        for name in names {
            if let Ok(part) = parts.join(&name) {
                walk.mark(&part, step.clone())?;
            }
        }
    }
    Ok(())
}
