//! Which paths of packages are left out before anything is packed.

use serde::{Deserialize, Serialize};

use crate::path::TreePath;

/// Which documentation and translations of packages are kept. It decides by path alone and is part
/// of a fragment's key, so it can be applied while a package is being read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathPolicy {
    /// Keep `/usr/share/doc` whole. Copyright files are kept either way, as licences demand.
    pub documentation: bool,
    /// Keep manual and info pages.
    pub manuals: bool,
    /// Locales kept of `/usr/share/locale`, sorted: `de` keeps `de` and all `de_*`, `de.*`, `de@*`.
    pub locales: Vec<String>,
    /// Keep all locales.
    pub all_locales: bool,
}

impl Default for PathPolicy {
    /// Nothing but copyright files is kept.
    fn default() -> Self {
        Self::minimal()
    }
}

/// Directories that serve people who build, check or report on packages.
const FOR_MAINTAINERS: [&str; 6] = [
    "usr/share/apport",
    "usr/share/bug",
    "usr/share/doc-base",
    "usr/share/linda",
    "usr/share/lintian",
    "usr/share/reportbug",
];

/// Directories of documentation besides `usr/share/doc`.
const DOCUMENTATION: [&str; 4] = [
    "usr/share/gnome/help",
    "usr/share/gtk-doc",
    "usr/share/help",
    "usr/share/omf",
];

const MANUALS: [&str; 3] = ["usr/share/info", "usr/share/man", "usr/local/man"];

/// Names in `usr/share/locale` that are no locales.
const NO_LOCALES: [&str; 2] = ["locale.alias", "all_languages"];

impl PathPolicy {
    /// Leaves out all documentation, manuals and translations, but for copyright files.
    pub fn minimal() -> Self {
        Self {
            documentation: false,
            manuals: false,
            locales: Vec::new(),
            all_locales: false,
        }
    }

    /// Leaves nothing out.
    pub fn everything() -> Self {
        Self {
            documentation: true,
            manuals: true,
            locales: Vec::new(),
            all_locales: true,
        }
    }

    /// Whether a package's path is kept, by the path as it stands in the package. The directories
    /// above a kept path are kept.
    pub fn keeps(&self, path: &TreePath) -> bool {
        let text = path.as_str();
        let Some(below_share) = text.strip_prefix("usr/") else {
            return true;
        };
        if !below_share.starts_with("share/") && !below_share.starts_with("local/") {
            return true;
        }
        let below = |directories: &[&str]| {
            directories
                .iter()
                .any(|directory| rest_below(text, directory).is_some())
        };
        if !self.documentation {
            if below(&FOR_MAINTAINERS) || below(&DOCUMENTATION) {
                return false;
            }
            if let Some(rest) = rest_below(text, "usr/share/doc") {
                return is_copyright(rest);
            }
        }
        if !self.manuals && below(&MANUALS) {
            return false;
        }
        match rest_below(text, "usr/share/locale") {
            Some(rest) if !self.all_locales && !rest.is_empty() => self.keeps_locale(rest),
            _ => true,
        }
    }

    fn keeps_locale(&self, rest: &str) -> bool {
        let name = rest.split('/').next().unwrap_or(rest);
        NO_LOCALES.contains(&name)
            || self.locales.iter().any(|kept| {
                name.strip_prefix(kept.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '.', '@']))
            })
    }
}

/// What follows a directory in a path: empty for the directory itself.
fn rest_below<'t>(text: &'t str, directory: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(directory)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix('/')
}

/// `PACKAGE/copyright` and the directories above it. A directory of documentation can be a link to
/// another package's (policy 12.3); the path alone cannot tell it from a directory, so both are kept.
fn is_copyright(rest: &str) -> bool {
    match rest.split_once('/') {
        None => true,
        Some((_, file)) => file == "copyright",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps(policy: &PathPolicy, text: &str) -> bool {
        policy.keeps(&TreePath::new(text).expect("a path"))
    }

    #[test]
    fn licences_are_always_kept() {
        let policy = PathPolicy::minimal();
        for kept in [
            "usr/share/doc/bash/copyright",
            "usr/share/doc/bash",
            "usr/share/doc",
            "usr/share/common-licenses/GPL-3",
        ] {
            assert!(keeps(&policy, kept), "{kept}");
        }
    }

    #[test]
    fn documentation_and_translations_are_left_out_unless_asked_for() {
        for left_out in [
            "usr/share/doc/bash/README.gz",
            "usr/share/doc/bash/examples/copyright",
            "usr/share/man/man1/bash.1.gz",
            "usr/share/info/dir",
            "usr/share/lintian/overrides/bash",
            "usr/share/bug/bash",
            "usr/share/doc-base/bash",
            "usr/share/linda/overrides/x",
            "usr/share/help/C/x",
            "usr/share/locale/de/LC_MESSAGES/bash.mo",
        ] {
            assert!(!keeps(&PathPolicy::minimal(), left_out), "{left_out}");
            assert!(keeps(&PathPolicy::everything(), left_out), "{left_out}");
        }
    }

    #[test]
    fn a_locale_is_kept_with_its_territories() {
        let policy = PathPolicy {
            locales: vec!["de".to_owned()],
            ..PathPolicy::minimal()
        };
        for kept in ["de/x", "de_AT/x", "de@latin/x", "locale.alias"] {
            assert!(
                keeps(&policy, &format!("usr/share/locale/{kept}")),
                "{kept}"
            );
        }
        assert!(!keeps(&policy, "usr/share/locale/den/x"));
    }

    #[test]
    fn nothing_else_is_touched() {
        for kept in [
            "usr/bin/man",
            "usr/share/manual",
            "usr/lib/doc/x",
            "etc/man/x",
            "usr/share/docs/a",
        ] {
            assert!(keeps(&PathPolicy::minimal(), kept), "{kept}");
        }
    }
}
