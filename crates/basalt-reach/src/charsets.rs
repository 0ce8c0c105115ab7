//! The character sets that an object converts with iconv: libc has a few itself, the others are modules.
//!
//! Which are asked for is mostly known only at run time. Those whose names stand in the object's
//! read-only data are reached; the rest is a question.

use std::collections::{BTreeMap, BTreeSet};

use basalt_elf::{ElfFacts, strings};
use basalt_tree::TreePath;

use crate::error::ReachError;
use crate::reason::Reason;
use crate::services;
use crate::walk::Walk;

/// Most lines of the tables that are read.
const MAXIMUM_LINES: usize = 100_000;

/// What `gconv-modules` and its kin say.
#[derive(Default)]
struct Tables {
    /// From another name to the one that modules use.
    aliases: BTreeMap<String, String>,
    /// The files of the modules, by character set.
    modules: BTreeMap<String, BTreeSet<String>>,
}

impl Tables {
    fn add(&mut self, text: &str) {
        for line in text.lines().take(MAXIMUM_LINES) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["alias", from, to, ..] => {
                    self.aliases.insert(name(from), name(to));
                }
                ["module", from, to, file, ..] => {
                    for set in [from, to] {
                        let files = self.modules.entry(name(set)).or_default();
                        files.insert(file.to_owned());
                    }
                }
                _ => {}
            }
        }
    }

    /// The files for a name, whatever its letters' case is.
    fn files(&self, text: &str) -> Option<&BTreeSet<String>> {
        let name = name(text);
        let name = self.aliases.get(&name).unwrap_or(&name);
        // `INTERNAL` is the middle of every way.
        self.modules.get(name).filter(|_| name != "INTERNAL")
    }
}

/// A character set's name without the slashes behind it.
fn name(text: &str) -> String {
    let end = text.find("//").unwrap_or(text.len());
    text[..end].to_ascii_uppercase()
}

/// Reaches the tables, and the modules of the sets that an object names.
pub(crate) fn of_object(
    walk: &mut Walk<'_>,
    path: &TreePath,
    content: &[u8],
    facts: &ElfFacts,
) -> Result<(), ReachError> {
    let reason = Reason::CharacterSets;
    for directory in walk.linker.directories(facts.machine).to_vec() {
        let Ok(folder) = directory.join("gconv") else {
            continue;
        };
        let is_table = |path: &TreePath| !path.name().ends_with(".so");
        let files: Vec<TreePath> = walk
            .tree
            .iter_within(&folder)
            .filter(|(_, placed)| !placed.entry.is_directory())
            .map(|(path, _)| path.clone())
            .collect();
        if files.is_empty() {
            continue;
        }
        let mut tables = Tables::default();
        for table in files.iter().filter(|path| is_table(path)) {
            services::link_to(walk, path, &table.absolute(), &reason)?;
            if !table.name().ends_with(".cache")
                && let Some(text) = walk.read_text(table)?
            {
                tables.add(&text);
            }
        }
        let mut wanted = BTreeSet::new();
        let found = strings(content, &mut |text| {
            text.len() < 64 && tables.files(text).is_some()
        });
        for text in found.unwrap_or_default() {
            wanted.extend(tables.files(&text).into_iter().flatten().cloned());
        }
        for file in &wanted {
            let file = format!("{folder}/{}.so", file.trim_end_matches(".so"));
            services::link_to(walk, path, &file, &reason)?;
        }
        let text = format!(
            "which character sets does it convert? Of {folder} only those that it names are reached"
        );
        walk.ask(text, Some(folder), path)?;
    }
    Ok(())
}
