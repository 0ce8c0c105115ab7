//! What a package says of itself, compared with what the signed index promised.
//!
//! The index names a package by its digest, so a repository that mixes its files up, or one that is made to
//! harm, can name the bytes of another package or of a former version. Nothing of such a package is used.

use std::collections::BTreeMap;

use basalt_deb::deb::Control;
use basalt_deb::stanza::Stanza;
use basalt_tree::TreePath;

use crate::error::BuildError;

/// What dpkg reads in a `triggers` member (deb-triggers(5)).
const DIRECTIVES: [&str; 6] = [
    "interest",
    "interest-await",
    "interest-noawait",
    "activate",
    "activate-await",
    "activate-noawait",
];

/// How much of a text an error shows, in characters.
const MAXIMUM_SHOWN: usize = 80;

/// What a package must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Promised<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub architecture: &'a str,
}

impl Promised<'_> {
    /// Refuses a control member that says another name, version or architecture, or whose parts are not as
    /// dpkg has them.
    pub(crate) fn check(&self, control: &Control) -> Result<(), BuildError> {
        let malformed = |cause: String| BuildError::Package {
            package: self.name.to_owned(),
            version: self.version.to_owned(),
            cause,
        };
        let stanza = Stanza::parse(&control.stanza)
            .map_err(|error| malformed(format!("its control file: {error}")))?;
        for (field, promised) in [
            ("Package", self.name),
            ("Version", self.version),
            ("Architecture", self.architecture),
        ] {
            let Some(said) = stanza.get(field) else {
                return Err(malformed(format!(
                    "its control file has no field `{field}`"
                )));
            };
            if said != promised {
                let (said, promised) = (shown(said), shown(promised));
                return Err(malformed(format!(
                    "its control file says `{field}: {said}`, the signed index `{field}: {promised}`: these are the bytes of \
                     another package"
                )));
            }
        }
        members(&control.members).map_err(malformed)
    }
}

/// Looks at the members whose lines name paths: what stands there becomes a path of the image.
fn members(members: &BTreeMap<String, Vec<u8>>) -> Result<(), String> {
    let lines = |name: &str| {
        let bytes = members.get(name).map_or(&[][..], Vec::as_slice);
        let lines = bytes.split(|byte| *byte == b'\n').enumerate();
        let lines = lines.map(|(index, line)| (index + 1, line.trim_ascii()));
        lines.filter(|(_, line)| !line.is_empty())
    };
    for (number, line) in lines("conffiles") {
        let path = line
            .strip_prefix(b"remove-on-upgrade ")
            .unwrap_or(line)
            .trim_ascii();
        let text = std::str::from_utf8(path).unwrap_or_default();
        if !text.starts_with('/') || TreePath::new(text).is_err() {
            return Err(format!(
                "line {number} of its conffiles, `{}`, is no absolute path",
                shown(&String::from_utf8_lossy(line))
            ));
        }
    }
    for (number, line) in lines("triggers") {
        let text = String::from_utf8_lossy(line);
        let words: Vec<&str> = text
            .split('#')
            .next()
            .unwrap_or_default()
            .split_ascii_whitespace()
            .collect();
        let is_sound = match words.as_slice() {
            [] => true,
            [directive, trigger] => DIRECTIVES.contains(directive) && is_trigger(trigger),
            _ => false,
        };
        if !is_sound {
            return Err(format!(
                "line {number} of its triggers, `{}`, is none of deb-triggers(5)",
                shown(&text)
            ));
        }
    }
    Ok(())
}

/// Whether dpkg may file a trigger by this name: a path, or a word that is one file's name.
fn is_trigger(name: &str) -> bool {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_graphic());
    let is_name = match name.starts_with('/') {
        true => TreePath::new(name).is_ok(),
        false => !name.contains('/') && name != "." && name != ".." && name.len() <= 255,
    };
    is_plain && is_name
}

/// The beginning of a text, as a terminal may show it.
fn shown(text: &str) -> String {
    let start = text.chars().take(MAXIMUM_SHOWN);
    start.flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMISED: Promised<'_> = Promised {
        name: "tool",
        version: "1.0-2",
        architecture: "amd64",
    };

    fn said(stanza: &str, files: &[(&str, &str)]) -> Result<(), BuildError> {
        let members = files.iter();
        PROMISED.check(&Control {
            stanza: stanza.to_owned(),
            members: members
                .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
                .collect(),
            date: 0,
        })
    }

    const HONEST: &str = "Package: tool\nVersion: 1.0-2\nArchitecture: amd64\n";

    fn refused(stanza: &str, files: &[(&str, &str)], words: &[&str]) {
        let Err(BuildError::Package { cause, .. }) = said(stanza, files) else {
            panic!("{stanza:?} {files:?} is taken");
        };
        for word in words {
            assert!(cause.contains(word), "{cause}");
        }
    }

    #[test]
    fn a_package_is_what_the_index_says_it_is() {
        assert!(said(HONEST, &[]).is_ok());
        for (from, to) in [
            ("Package: tool", "Package: other"),
            ("Version: 1.0-2", "Version: 1.0-1"),
            ("Version: 1.0-2", "Version: 1:1.0-2"),
            ("Architecture: amd64", "Architecture: all"),
            ("Architecture: amd64", "Architecture: arm64"),
        ] {
            refused(&HONEST.replace(from, to), &[], &[from, to]);
        }
        refused(
            "Package: tool\nVersion: 1.0-2\n",
            &[],
            &["no field `Architecture`"],
        );
        refused(&format!("{HONEST}\n{HONEST}"), &[], &["only one stanza"]);
        refused("", &[], &["control file"]);
        refused("Package tool\n", &[], &["line 1"]);
        refused(
            &HONEST.replace("tool", "\u{1b}[2Jtool"),
            &[],
            &["\\u{1b}[2Jtool"],
        );
    }

    #[test]
    fn what_becomes_a_path_of_the_image_is_one() {
        for conffiles in ["/etc/a\n\n/etc/b\n", "remove-on-upgrade /etc/old\n", ""] {
            assert!(
                said(HONEST, &[("conffiles", conffiles)]).is_ok(),
                "{conffiles}"
            );
        }
        for conffiles in [
            "etc/a\n",
            "/etc/../../a\n",
            "/etc/a\u{7}\n",
            "remove /etc/a\n",
        ] {
            refused(HONEST, &[("conffiles", conffiles)], &["conffiles"]);
        }
        let good = "# a remark\ninterest /usr/share/x\nactivate-noawait ldconfig # why\n\n";
        assert!(said(HONEST, &[("triggers", good)]).is_ok());
        for triggers in [
            "interest ../../etc/passwd\n",
            "interest a/b\n",
            "interest /usr/../x\n",
            "interest\n",
            "interest a b\n",
            "wish a\n",
            "interest a\u{1b}\n",
        ] {
            refused(HONEST, &[("triggers", triggers)], &["triggers"]);
        }
    }
}
