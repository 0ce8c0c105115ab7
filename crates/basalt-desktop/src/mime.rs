//! The database of file types, made of packages' XML files as `update-mime-database` does.
//!
//! That program leaves out what it does not understand, with a remark. Here, it is an error.

mod cache;
mod magic;
mod read;
mod suffixes;
mod text;
mod types;

use std::collections::BTreeMap;

use crate::hash_order::{Map, TooMany};
use magic::{Magic, TreeMagic};

/// The namespace of the XML files.
const NAMESPACE: &str = "http://www.freedesktop.org/standards/shared-mime-info";
/// The pattern that says that earlier patterns of a type do not count.
const NO_GLOBS: &str = "__NOGLOBS__";

/// Why a database cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MimeError {
    /// A file is not understood.
    #[error("{file}: {cause}")]
    File {
        /// Its name.
        file: String,
        /// What is wrong.
        cause: String,
    },
    /// The compiled form cannot be written.
    #[error("the compiled database of file types cannot be written: {0}")]
    Write(&'static str),
    /// Too many names.
    #[error(transparent)]
    TooMany(#[from] TooMany),
}

/// A pattern of file names.
#[derive(Debug, Clone)]
struct Glob {
    pattern: String,
    weight: u32,
    kind: String,
    is_reset: bool,
    is_case_sensitive: bool,
}

/// All that the files say.
#[derive(Debug, Default)]
struct Database {
    /// For each type, the elements that its own file has, as XML.
    types: Map<types::Description>,
    globs: Map<Vec<Glob>>,
    /// Types by `namespace name` of a root element.
    namespaces: Map<String>,
    magic: Vec<Magic>,
    tree_magic: Vec<TreeMagic>,
    parents: Map<Vec<String>>,
    aliases: Map<String>,
    icons: Map<String>,
    generic_icons: Map<String>,
}

/// Two parts of a type's name, by which types are sorted.
fn parts(kind: &str) -> (&str, &str) {
    kind.split_once('/').unwrap_or((kind, ""))
}

/// The files of the database by path below its folder, made of the `*.xml` in `packages` by name. `version` is that of
/// shared-mime-info.
///
/// # Errors
/// When a file is not understood, or there is too much of something.
pub fn database(
    packages: &[(String, String)],
    version: &str,
) -> Result<BTreeMap<String, Vec<u8>>, MimeError> {
    let mut sorted: Vec<&(String, String)> = packages
        .iter()
        .filter(|(name, _)| {
            name.strip_suffix(".xml")
                .is_some_and(|stem| !stem.is_empty())
        })
        .collect();
    // One name has the last word.
    sorted.sort_by_key(|(name, _)| (name == "Override.xml", name));
    let mut database = Database::default();
    for (name, text) in sorted {
        read::read(text, &mut database).map_err(|cause| MimeError::File {
            file: name.clone(),
            cause,
        })?;
    }
    database
        .magic
        .sort_by(|left, right| left.rank().cmp(&right.rank()));
    database
        .tree_magic
        .sort_by(|left, right| left.rank().cmp(&right.rank()));
    let mut files = BTreeMap::new();
    for (kind, description) in database.types.in_order()? {
        files.insert(
            format!("{}.xml", kind.to_ascii_lowercase()),
            description.to_xml(kind),
        );
    }
    text::write(&database, &mut files)?;
    files.insert("mime.cache".to_owned(), cache::write(&database)?);
    files.insert("version".to_owned(), format!("{version}\n").into_bytes());
    Ok(files)
}
