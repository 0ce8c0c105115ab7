//! The common licence texts that copyright files name.
//!
//! Debian policy 12.5 lets a copyright file name a text in `/usr/share/common-licenses` rather than hold it.

use std::collections::BTreeSet;

use basalt_tree::TreePath;

/// Where the texts are.
pub(crate) const COMMON: &str = "usr/share/common-licenses/";

/// Whether a path of a package is its copyright file.
pub(crate) fn is_copyright(path: &TreePath) -> bool {
    let below = path.as_str().strip_prefix("usr/share/doc/");
    below.is_some_and(|below| {
        below
            .split_once('/')
            .is_some_and(|(_, name)| name == "copyright")
    })
}

/// Which texts a copyright file names; an empty name where it names the folder alone, and so all of them.
pub(crate) fn named(copyright: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(copyright);
    let folder = COMMON.trim_end_matches('/');
    let folder = folder.rsplit('/').next().unwrap_or(folder);
    let mut found = BTreeSet::new();
    for after in text.split(folder).skip(1) {
        let Some(after) = after.strip_prefix('/') else {
            found.insert(String::new());
            continue;
        };
        let several = after
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'));
        match several {
            Some((names, _)) => found.extend(names.split(',').map(first_name)),
            None => {
                found.insert(first_name(after));
            }
        }
    }
    found
}

/// The file name that a text begins with; empty if none.
fn first_name(text: &str) -> String {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "+-._".contains(letter);
    let end = text.find(|letter| !is_part(letter)).unwrap_or(text.len());
    text[..end].trim_end_matches(['.', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        named(text.as_bytes()).into_iter().collect()
    }

    #[test]
    fn a_text_is_named_by_its_path_however_the_sentence_ends() {
        assert_eq!(
            names("can be found in `/usr/share/common-licenses/GPL-2'."),
            ["GPL-2"]
        );
        assert_eq!(
            names(
                "see /usr/share/common-licenses/LGPL-2.1.\n and /usr/share/common-licenses/GPL-3,"
            ),
            ["GPL-3", "LGPL-2.1"]
        );
        assert_eq!(names("(/usr/share/common-licenses/GPL-1+)"), ["GPL-1+"]);
        assert_eq!(
            names("`/usr/share/common-licenses/{MPL-1.1,GPL-2,LGPL-2.1}'."),
            ["GPL-2", "LGPL-2.1", "MPL-1.1"]
        );
        assert!(names("A licence of its own, whole.").is_empty());
    }

    #[test]
    fn the_folder_alone_names_all_of_its_texts() {
        for text in [
            "in the directory /usr/share/common-licenses.",
            "/usr/share/common-licenses/ has them",
            "/usr/share/common-licenses",
            "/usr/share/common-licenses/*",
            "/usr/share/common-licenses/{GPL-2,*}",
        ] {
            assert!(named(text.as_bytes()).contains(""), "{text}");
        }
    }

    #[test]
    fn only_the_file_of_a_folder_of_documentation_is_a_copyright_file() {
        let is = |path: &str| is_copyright(&TreePath::new(path).expect("a path"));
        assert!(is("usr/share/doc/bash/copyright"));
        assert!(!is("usr/share/doc/bash/copyright/more"));
        assert!(!is("usr/share/doc/copyright"));
        assert!(!is("usr/share/bash/copyright"));
    }
}
