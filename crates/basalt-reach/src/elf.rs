//! What an ELF object reaches.

use basalt_elf::{ElfFacts, ElfKind, ElfLinks, strings};
use basalt_tree::TreePath;

use crate::error::ReachError;
use crate::names;
use crate::python;
use crate::reason::Reason;
use crate::services;
use crate::walk::{Step, Walk};

/// Longest object that is read.
const MAXIMUM_OBJECT: u64 = 1 << 30;

pub(crate) fn visit(
    walk: &mut Walk<'_>,
    path: &TreePath,
    size: u64,
    facts: &ElfFacts,
) -> Result<(), ReachError> {
    if facts.kind == ElfKind::Other {
        return Ok(());
    }
    if size > MAXIMUM_OBJECT {
        let text = format!("what does {path} reach? it is too large to be read");
        return walk.ask(text, None, path);
    }
    let content = walk.read(path)?;
    let links = match ElfLinks::read(&content) {
        Ok(Some(links)) => links,
        Ok(None) => return Ok(()),
        Err(error) => {
            let text = format!("what does {path} reach? {error}");
            return walk.ask(text, None, path);
        }
    };
    if !links.is_complete && facts.is_dynamic {
        let text = format!(
            "which versions and functions does {path} need? its section headers were taken off"
        );
        walk.ask(text, None, path)?;
    }
    if let Some(linker) = &facts.interpreter {
        interpreter(walk, path, linker)?;
    }
    for name in &facts.needed {
        needed(walk, path, name, facts, &links)?;
    }
    names_in_data(walk, path, &content, facts, &links)?;
    services::of_object(walk, path, &content, facts, &links)?;
    python::of_object(walk, path, facts)
}

fn interpreter(walk: &mut Walk<'_>, path: &TreePath, linker: &str) -> Result<(), ReachError> {
    let step = Step {
        reason: Reason::Linker,
        from: Some(path),
        certain: true,
    };
    let found = match TreePath::new(linker) {
        Ok(linker) => walk.mark(&linker, step)?,
        Err(_) => None,
    };
    if found.is_none() {
        fail(
            walk,
            path,
            format!("{path} wants the dynamic linker {linker}, which is not in the image"),
        )?;
    }
    for file in walk.linker.configuration.clone() {
        let step = Step {
            reason: Reason::LinkerConfiguration,
            from: Some(path),
            certain: true,
        };
        walk.mark(&file, step)?;
    }
    Ok(())
}

fn needed(
    walk: &mut Walk<'_>,
    path: &TreePath,
    name: &str,
    facts: &ElfFacts,
    links: &ElfLinks,
) -> Result<(), ReachError> {
    let found = walk.linker.find(walk.tree, name, path, facts, links);
    if found.is_empty() {
        let text = format!("{path} needs the library {name}, which no directory of the linker has");
        return fail(walk, path, text);
    }
    let handed_down = walk.linker.handed_down(walk.tree, path, links);
    for library in found {
        let step = Step {
            reason: Reason::Needed(name.to_owned()),
            from: Some(path),
            certain: true,
        };
        let Some(file) = walk.mark(&library, step)? else {
            continue;
        };
        if !handed_down.is_empty() {
            let inherited = walk.linker.inherited.entry(file.clone());
            inherited.or_insert_with(|| handed_down.clone());
        }
        if let Some(versions) = links.needed_versions.get(name) {
            let content = walk.read(&file)?;
            let Ok(Some(theirs)) = ElfLinks::read(&content) else {
                continue;
            };
            // Of a library without any version the linker says so, and goes on.
            if theirs.defined_versions.is_empty() {
                continue;
            }
            for version in versions.difference(&theirs.defined_versions) {
                let text =
                    format!("{path} needs the version {version} of {name}, which {file} lacks");
                fail(walk, path, text)?;
            }
        }
    }
    Ok(())
}

/// What is certain to be used and cannot be loaded is an error; else it is a question.
fn fail(walk: &mut Walk<'_>, path: &TreePath, text: String) -> Result<(), ReachError> {
    let certain = walk
        .reached
        .get(path)
        .is_some_and(|reached| reached.certain);
    if certain {
        walk.broken.insert(text);
        return Ok(());
    }
    walk.ask(format!("is {path} used? {text}"), Some(path.clone()), path)
}

/// Libraries that an object may open itself, and paths.
fn names_in_data(
    walk: &mut Walk<'_>,
    path: &TreePath,
    content: &[u8],
    facts: &ElfFacts,
    links: &ElfLinks,
) -> Result<(), ReachError> {
    let found = strings(content, &mut |text| {
        names::is_library(text) || names::is_path(text) || names::is_pattern(text)
    });
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            let text = format!("which files does {path} name? {error}");
            return walk.ask(text, None, path);
        }
    };
    let opens = ["dlopen", "dlmopen"]
        .iter()
        .any(|function| links.imports.contains(*function));
    let mut opened = false;
    for text in &found {
        if names::is_pattern(text) {
            if opens || facts.soname.as_deref() == Some("libc.so.6") {
                let asked =
                    format!("what does it open by the name `{text}`, put together at run time?");
                walk.ask(asked, None, path)?;
            }
        } else if names::is_path(text) {
            names::path(walk, path, text, Reason::Named(text.clone()))?;
        } else {
            let libraries = walk.linker.find(walk.tree, text, path, facts, links);
            if libraries.is_empty() && opens {
                walk.lacks(text, path);
            }
            for library in libraries {
                opened = true;
                let step = Step {
                    reason: Reason::Named(text.clone()),
                    from: Some(path),
                    certain: false,
                };
                walk.mark(&library, step)?;
            }
        }
    }
    let asks = found.iter().any(|text| names::is_pattern(text));
    if opens && !opened && !asks {
        let text = "what does it open with dlopen? no library is named in it".to_owned();
        walk.ask(text, None, path)?;
    }
    Ok(())
}
