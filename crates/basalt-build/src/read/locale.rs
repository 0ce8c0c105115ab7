//! One locale out of the package that has all of them compiled.
//!
//! Nothing is run to build an image, so no locale is compiled. `locales-all` has each as a folder below
//! `/usr/lib/locale`, where files that are alike in several are links to one of them: of one locale the
//! folder is kept, and what its links lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use basalt_deb::deb::{self, DataEntry, DataKind, DebError};
use basalt_tree::TreePath;

/// Where compiled locales are.
const FOLDER: &str = "usr/lib/locale";

/// How many locales of the same language an error names.
const MAXIMUM_NAMED: usize = 12;

/// What is kept of the compiled locales.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    kept: BTreeSet<TreePath>,
}

impl Chosen {
    /// Finds a locale in a package.
    ///
    /// # Errors
    /// When the package cannot be read; the inner error says that it has no such locale, and which of
    /// that language it has.
    pub(crate) fn find(package: impl Read, locale: &str) -> Result<Result<Self, String>, DebError> {
        // Each file with where it leads, if it is a link.
        let mut files: BTreeMap<TreePath, Option<TreePath>> = BTreeMap::new();
        let mut visit = |data: &DataEntry, _: &mut dyn Read| -> io::Result<()> {
            let path = TreePath::new(&data.path).map_err(io::Error::other)?;
            let target = match &data.kind {
                DataKind::Directory => return Ok(()),
                DataKind::Symlink { target } => {
                    Some(path.link_target(target).map_err(io::Error::other)?)
                }
                DataKind::Hardlink { target } => {
                    Some(TreePath::new(target).map_err(io::Error::other)?)
                }
                _ => None,
            };
            if below(&path).is_some() {
                files.insert(path, target);
            }
            Ok(())
        };
        deb::read(package, &deb::Limits::default(), &mut visit)?;
        Ok(Self::among(&files, locale))
    }

    fn among(files: &BTreeMap<TreePath, Option<TreePath>>, locale: &str) -> Result<Self, String> {
        let names: BTreeSet<&str> = files.keys().filter_map(below).collect();
        let Some(name) = folders(locale)
            .into_iter()
            .find(|name| names.contains(name.as_str()))
        else {
            return Err(missing(&names, locale));
        };
        let of_it = files.keys().filter(|path| below(path) == Some(&name));
        let mut waiting: Vec<&TreePath> = of_it.collect();
        let mut kept = BTreeSet::new();
        while let Some(path) = waiting.pop() {
            if let Some(target) = files.get(path)
                && kept.insert(path.clone())
            {
                waiting.extend(target);
            }
        }
        Ok(Self { kept })
    }

    /// Whether a path of the package, that of a directory or not, is kept.
    pub(crate) fn keeps(&self, path: &TreePath, is_directory: bool) -> bool {
        if below(path).is_none() {
            return true;
        }
        match is_directory {
            false => self.kept.contains(path),
            true => self.kept.iter().any(|kept| kept.is_within(path)),
        }
    }
}

/// The name of the locale that a path below the folder is of.
fn below(path: &TreePath) -> Option<&str> {
    let rest = path.as_str().strip_prefix(FOLDER)?.strip_prefix('/')?;
    rest.split('/').next()
}

/// The folders in which glibc looks for a locale, in order: the character set is written in lower case and
/// without other marks, and may be left out where a territory has but one.
fn folders(locale: &str) -> Vec<String> {
    let (rest, modifier) = match locale.split_once('@') {
        Some((rest, modifier)) => (rest, format!("@{modifier}")),
        None => (locale, String::new()),
    };
    match rest.split_once('.') {
        None => vec![format!("{rest}{modifier}")],
        Some((place, codeset)) => {
            let codeset: String = codeset
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|letter| letter.to_ascii_lowercase())
                .collect();
            let mut folders = vec![format!("{place}.{codeset}{modifier}")];
            if codeset == "utf8" {
                folders.push(format!("{place}{modifier}"));
            }
            folders
        }
    }
}

fn missing(names: &BTreeSet<&str>, locale: &str) -> String {
    let language = locale.split(['_', '.', '@']).next().unwrap_or_default();
    let near: Vec<String> = names
        .iter()
        .filter(|name| name.split(['_', '.', '@']).next() == Some(language))
        .take(MAXIMUM_NAMED)
        .map(|name| format!("`{}`", name.replace(".utf8", ".UTF-8")))
        .collect();
    match near.is_empty() {
        true => format!("it has none of the language `{language}`"),
        false => format!("of that language it has {}", near.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(locale: &str) -> Result<Vec<String>, String> {
        let path = |text: &str| TreePath::new(&format!("usr/lib/locale/{text}")).expect("a path");
        let files = [
            ("de_AT.utf8/LC_CTYPE", None),
            ("de_AT.utf8/LC_TIME", None),
            ("de_DE.utf8/LC_TIME", None),
            ("de_DE.utf8/LC_CTYPE", Some("de_AT.utf8/LC_CTYPE")),
            ("de_DE.utf8/LC_PAPER", Some("de_BE.utf8/LC_PAPER")),
            ("de_BE.utf8/LC_PAPER", Some("aa_DJ.utf8/LC_PAPER")),
            ("aa_DJ.utf8/LC_PAPER", None),
            ("de_DE@euro/LC_TIME", None),
            ("agr_PE/LC_TIME", None),
            ("ring/LC_TIME", Some("ring/LC_NAME")),
            ("ring/LC_NAME", Some("ring/LC_TIME")),
        ];
        let files = files.map(|(from, to)| (path(from), to.map(path)));
        let chosen = Chosen::among(&BTreeMap::from(files), locale)?;
        let names = chosen.kept.iter();
        Ok(names
            .map(|path| path.as_str()["usr/lib/locale/".len()..].to_owned())
            .collect())
    }

    #[test]
    fn a_locale_is_its_folder_and_what_its_links_lead_to() {
        assert_eq!(
            chosen("de_DE.UTF-8").expect("it is there"),
            [
                "aa_DJ.utf8/LC_PAPER",
                "de_AT.utf8/LC_CTYPE",
                "de_BE.utf8/LC_PAPER",
                "de_DE.utf8/LC_CTYPE",
                "de_DE.utf8/LC_PAPER",
                "de_DE.utf8/LC_TIME",
            ]
        );
        assert_eq!(chosen("de_DE@euro").expect("there"), ["de_DE@euro/LC_TIME"]);
        assert_eq!(chosen("agr_PE.UTF-8").expect("there"), ["agr_PE/LC_TIME"]);
        assert_eq!(chosen("ring").expect("there").len(), 2);
    }

    #[test]
    fn a_locale_that_is_not_there_is_answered_by_those_of_its_language() {
        let why = chosen("de_LU.UTF-8").expect_err("it is not there");
        assert_eq!(
            why,
            "of that language it has `de_AT.UTF-8`, `de_BE.UTF-8`, `de_DE.UTF-8`, `de_DE@euro`"
        );
        let why = chosen("xx_XX.UTF-8").expect_err("it is not there");
        assert_eq!(why, "it has none of the language `xx`");
        // Another character set is another locale.
        assert!(chosen("agr_PE.ISO-8859-1").is_err());
    }
}
