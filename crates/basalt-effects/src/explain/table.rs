//! The curated table: what scripts that had to be read by a person do.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use basalt_digest::Digest;
use serde::Deserialize;

use crate::Effect;

/// One entry of the table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The binary package.
    pub package: String,
    /// The control member: `preinst`, `postinst` or `config`.
    pub script: String,
    /// Versions in which the script was read: for people.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "kept for the readers of the table")
    )]
    pub seen: Vec<String>,
    /// The digests of what is left of the script without debhelper's snippets, as hex.
    pub digests: Vec<String>,
    /// The digests of those of debhelper's snippets that only make sense within the script, as hex:
    /// the effects are theirs too.
    #[serde(default)]
    pub snippets: Vec<String>,
    /// Debconf's questions whose answers the effects heed, whatever they are.
    #[serde(default)]
    pub answers: Vec<String>,
    /// Why the effects are these.
    pub why: String,
    /// What a fresh install does.
    #[serde(default)]
    pub effects: Vec<Effect>,
}

impl Entry {
    /// Whether the effects are those of any answer to this question.
    pub(crate) fn heeds(&self, question: &str) -> bool {
        self.answers.iter().any(|one| one == question)
    }
}

/// The files of the table, by subject.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("base.yaml", include_str!("../../table/base.yaml")),
    ("caches.yaml", include_str!("../../table/caches.yaml")),
    ("common.yaml", include_str!("../../table/common.yaml")),
    ("databases.yaml", include_str!("../../table/databases.yaml")),
    ("desktop.yaml", include_str!("../../table/desktop.yaml")),
    ("important.yaml", include_str!("../../table/important.yaml")),
    (
        "management.yaml",
        include_str!("../../table/management.yaml"),
    ),
    ("python.yaml", include_str!("../../table/python.yaml")),
    ("servers.yaml", include_str!("../../table/servers.yaml")),
    ("services.yaml", include_str!("../../table/services.yaml")),
    ("shared.yaml", include_str!("../../table/shared.yaml")),
];

/// An error in the table itself. A test makes sure that there is none.
#[derive(Debug, Clone, thiserror::Error)]
#[error("crates/basalt-effects/table/{file}: {cause}")]
pub struct TableError {
    file: &'static str,
    cause: String,
}

/// The whole table, parsed.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: Vec<Entry>,
    by_digest: BTreeMap<(String, String, Digest), usize>,
}

impl Table {
    /// The table that is compiled in, parsed once.
    ///
    /// # Errors
    /// When a file of the table is malformed, which a test rules out.
    pub(crate) fn get() -> Result<&'static Self, TableError> {
        static TABLE: OnceLock<Result<Table, TableError>> = OnceLock::new();
        TABLE
            .get_or_init(Self::parse)
            .as_ref()
            .map_err(Clone::clone)
    }

    fn parse() -> Result<Self, TableError> {
        let mut table = Self::default();
        for (file, text) in FILES {
            let fail = |cause: String| TableError { file, cause };
            let entries: Vec<Entry> =
                serde_saphyr::from_str(text).map_err(|error| fail(error.to_string()))?;
            for entry in entries {
                for digest in &entry.digests {
                    let digest = Digest::from_hex(digest)
                        .map_err(|error| fail(format!("{}: {error}", entry.package)))?;
                    let key = (entry.package.clone(), entry.script.clone(), digest);
                    if table.by_digest.insert(key, table.entries.len()).is_some() {
                        return Err(fail(format!("{}: {digest} stands twice", entry.package)));
                    }
                }
                table.entries.push(entry);
            }
        }
        Ok(table)
    }

    /// The entry for this script, if a person has read it.
    pub(crate) fn find(&self, package: &str, script: &str, digest: Digest) -> Option<&Entry> {
        let key = (package.to_owned(), script.to_owned(), digest);
        self.entries.get(*self.by_digest.get(&key)?)
    }

    /// All entries.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_that_is_compiled_in_is_well_formed() {
        let table = Table::get().expect("the table parses");
        for entry in table.entries() {
            assert!(
                matches!(entry.script.as_str(), "preinst" | "postinst" | "config"),
                "{}: {} is not a script that a fresh install calls",
                entry.package,
                entry.script
            );
            assert!(!entry.seen.is_empty(), "{}: no version", entry.package);
            assert!(!entry.digests.is_empty(), "{}: no digest", entry.package);
            assert!(entry.why.len() > 10, "{}: say why", entry.package);
            for effect in &entry.effects {
                for path in paths(effect) {
                    assert!(
                        path.starts_with('/') && !path.contains("//") && !path.ends_with('/'),
                        "{}: `{path}` is not an absolute path",
                        entry.package
                    );
                }
            }
        }
    }

    fn paths(effect: &Effect) -> Vec<&str> {
        match effect {
            Effect::Directory { path, .. }
            | Effect::File { path, .. }
            | Effect::Symlink { path, .. }
            | Effect::Remove { path }
            | Effect::Lines { path, .. }
            | Effect::Attributes { path, .. }
            | Effect::Capabilities { path, .. }
            | Effect::Shell { path } => vec![path],
            Effect::Copy { from, to, .. }
            | Effect::Configuration { from, to, .. }
            | Effect::ChangedConfiguration { from, to, .. }
            | Effect::Diversion { from, to, .. } => vec![from, to],
            Effect::Alternative { link, path, .. } => vec![link, path],
            _ => Vec::new(),
        }
    }
}
