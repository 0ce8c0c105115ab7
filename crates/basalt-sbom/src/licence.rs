//! Licences: Debian's short names (copyright format 1.0, *License specification*) as SPDX licence expressions
//! (SPDX 2.3, annex D).

use std::collections::BTreeMap;

use basalt_digest::Digest;
use serde::{Deserialize, Serialize};

/// The identifiers of the SPDX licence list that are not deprecated, one a line.
const IDENTIFIERS: &str = include_str!("spdx-licences.txt");

/// Longest name that is shown in an identifier of our own, in characters.
const SHOWN: usize = 48;

/// What stands where a copyright file names a licence and says no more.
const NO_TEXT: &str = "The copyright file names this licence and does not give its text.";

/// The licence of a package, as its copyright file states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Licence {
    /// An SPDX licence expression.
    pub expression: String,
    /// The licences in it that are not on SPDX's list, sorted by identifier.
    pub extracted: Vec<Extracted>,
}

/// A licence that is not on SPDX's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extracted {
    /// `LicenseRef-…`, derived from name and text.
    pub id: String,
    /// The name that the copyright file gives it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Short names that SPDX spells otherwise, in lower case. What is ambiguous (`GPL`, `Artistic`, `BSD`) or no licence
/// (`public-domain`) is not here, and keeps the text that the copyright file gives.
const SPELLINGS: &[(&str, &str)] = &[
    ("agpl-3", "AGPL-3.0-only"),
    ("agpl-3+", "AGPL-3.0-or-later"),
    ("apache-2", "Apache-2.0"),
    ("cc0", "CC0-1.0"),
    ("expat", "MIT"),
    ("fsf-unlimited", "FSFUL"),
    ("mpl-2", "MPL-2.0"),
    ("openldap-2.8", "OLDAP-2.8"),
    ("psf-2", "PSF-2.0"),
];

/// Families of licences that have versions: Debian's prefix in lower case, SPDX's, and what SPDX puts after the
/// version (`-no-invariants`).
const FAMILIES: &[(&str, &str, &str)] = &[
    ("agpl-", "AGPL-", ""),
    ("gfdl-niv-", "GFDL-", "-no-invariants"),
    ("gfdl-", "GFDL-", ""),
    ("gpl-", "GPL-", ""),
    ("gplv", "GPL-", ""),
    ("lgpl-", "LGPL-", ""),
    ("lgplv", "LGPL-", ""),
];

/// Exceptions that SPDX lists, by Debian's words for them in lower case.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("bison", "Bison-exception-2.2"),
    ("classpath", "Classpath-exception-2.0"),
    ("font", "Font-exception-2.0"),
    ("gcc-runtime", "GCC-exception-3.1"),
    ("libtool", "Libtool-exception"),
    ("linux-syscall-note", "Linux-syscall-note"),
    ("llvm", "LLVM-exception"),
];

/// The SPDX identifier of a short name, if it surely means that licence.
pub(crate) fn identifier(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    if let Some((_, id)) = SPELLINGS.iter().find(|(spelling, _)| *spelling == lower) {
        return Some((*id).to_owned());
    }
    for (prefix, family, suffix) in FAMILIES {
        if let Some(version) = lower.strip_prefix(prefix) {
            let (version, later) = match version.strip_suffix('+') {
                Some(version) => (version, "-or-later"),
                None => (version, "-only"),
            };
            let full = if version.contains('.') {
                version.to_owned()
            } else {
                format!("{version}.0")
            };
            if let Some(id) = listed(&format!("{family}{full}{suffix}{later}")) {
                return Some(id.to_owned());
            }
        }
    }
    listed(name).map(str::to_owned)
}

/// SPDX's spelling of an identifier; case does not count (annex D.2).
fn listed(id: &str) -> Option<&'static str> {
    IDENTIFIERS.lines().find(|one| one.eq_ignore_ascii_case(id))
}

/// A statement of licences.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Statement {
    One(String),
    All(Vec<Statement>),
    Any(Vec<Statement>),
}

impl Statement {
    /// Reads `GPL-2+ or Artistic, and BSD-3-clause`: `and` binds closer than `or`, a comma before either less than
    /// both.
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        parse_at(
            &text,
            &[
                (", or ", Self::Any),
                (", and ", Self::All),
                (" or ", Self::Any),
                (" and ", Self::All),
            ],
        )
    }

    /// All of these at once, each once.
    pub(crate) fn all(statements: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for statement in statements {
            match statement {
                Self::All(parts) => flat.extend(parts),
                one => flat.push(one),
            }
        }
        flat.sort();
        flat.dedup();
        match flat.len() {
            1 => flat.remove(0),
            _ => Self::All(flat),
        }
    }

    /// As an SPDX expression. `texts` gives the text of a name; what is not on SPDX's list is noted.
    pub(crate) fn expression(
        &self,
        texts: &dyn Fn(&str) -> Option<String>,
        extracted: &mut BTreeMap<String, Extracted>,
    ) -> String {
        let mut join = |parts: &[Self], word: &str| {
            let mut written: Vec<String> = Vec::with_capacity(parts.len());
            for part in parts {
                let text = part.expression(texts, extracted);
                let text = match part {
                    Self::One(_) => text,
                    _ => format!("({text})"),
                };
                if !written.contains(&text) {
                    written.push(text);
                }
            }
            written.join(word)
        };
        match self {
            Self::All(parts) => join(parts, " AND "),
            Self::Any(parts) => join(parts, " OR "),
            Self::One(name) => one(name).unwrap_or_else(|| {
                let own = own(name, texts(name));
                let id = own.id.clone();
                extracted.insert(id.clone(), own);
                id
            }),
        }
    }
}

/// How parts become a statement.
type Join = fn(Vec<Statement>) -> Statement;

/// Splits a text at the first of these words that is in it, and its parts at the rest of them.
fn parse_at(text: &str, words: &[(&str, Join)]) -> Statement {
    let Some(((word, join), rest)) = words.split_first() else {
        return Statement::One(text.trim().trim_end_matches(',').to_owned());
    };
    let parts: Vec<Statement> = text.split(word).map(|part| parse_at(part, rest)).collect();
    match <[Statement; 1]>::try_from(parts) {
        Ok([one]) => one,
        Err(parts) => join(parts),
    }
}

/// A name, with an exception or without, as SPDX has it.
fn one(name: &str) -> Option<String> {
    if let Some(id) = identifier(name) {
        return Some(id);
    }
    let (licence, exception) = name.split_once(" with ")?;
    let id = identifier(licence)?;
    let exception = exception.to_ascii_lowercase();
    let exception = exception.strip_suffix(" exception").unwrap_or(&exception);
    let known = match (exception, id.as_str()) {
        ("autoconf", "GPL-2.0-or-later" | "GPL-2.0-only") => "Autoconf-exception-2.0",
        ("autoconf", "GPL-3.0-or-later" | "GPL-3.0-only") => "Autoconf-exception-3.0",
        _ => EXCEPTIONS.iter().find(|(words, _)| *words == exception)?.1,
    };
    Some(format!("{id} WITH {known}"))
}

/// A licence under an identifier of our own, which tells it from any other of that name.
fn own(name: &str, text: Option<String>) -> Extracted {
    let text = text.unwrap_or_else(|| NO_TEXT.to_owned());
    let digest = Digest::of(format!("{name}\0{text}").as_bytes()).hex();
    let shown: String = name
        .chars()
        .take(SHOWN)
        .map(|one| {
            if one.is_ascii_alphanumeric() || one == '.' {
                one
            } else {
                '-'
            }
        })
        .collect();
    let name = if name.is_empty() {
        "without a name"
    } else {
        name
    };
    Extracted {
        id: format!("LicenseRef-{}-{}", shown.trim_matches('-'), &digest[..12]),
        name: name.to_owned(),
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(text: &str) -> String {
        Statement::parse(text).expression(&|_| None, &mut BTreeMap::new())
    }

    #[test]
    fn short_names_become_the_identifiers_of_spdx() {
        for (name, id) in [
            ("GPL-2+", "GPL-2.0-or-later"),
            ("GPL-2", "GPL-2.0-only"),
            ("GPLv3+", "GPL-3.0-or-later"),
            ("LGPL-2.1+", "LGPL-2.1-or-later"),
            ("GPL-2.0+", "GPL-2.0-or-later"),
            ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
            ("Expat", "MIT"),
            ("BSD-3-clause", "BSD-3-Clause"),
            ("zlib", "Zlib"),
            (
                "Apache-2.0 with LLVM exception",
                "Apache-2.0 WITH LLVM-exception",
            ),
            (
                "GPL-2+ with Autoconf exception",
                "GPL-2.0-or-later WITH Autoconf-exception-2.0",
            ),
        ] {
            assert_eq!(expression(name), id, "{name}");
        }
    }

    #[test]
    fn what_is_not_sure_keeps_its_own_name() {
        for name in [
            "GPL",
            "Artistic",
            "public-domain",
            "BSD",
            "GPL-2+ with OpenSSL exception",
            "GPL-9",
            "",
        ] {
            let text = expression(name);
            assert!(text.starts_with("LicenseRef-"), "{name}: {text}");
            let allowed = |one: char| one.is_ascii_alphanumeric() || one == '-' || one == '.';
            assert!(text.chars().all(allowed), "{name}: {text}");
        }
    }

    #[test]
    fn a_comma_binds_less_than_a_word() {
        assert_eq!(
            expression("GPL-2+ or ISC, and Zlib"),
            "(GPL-2.0-or-later OR ISC) AND Zlib"
        );
        assert_eq!(expression("ISC or MIT and Zlib"), "ISC OR (MIT AND Zlib)");
    }

    #[test]
    fn one_name_with_two_texts_is_two_licences() {
        let of = |text: &str| own("custom", Some(text.to_owned())).id;
        assert_ne!(of("a"), of("b"));
        assert_eq!(of("a"), of("a"));
    }
}
