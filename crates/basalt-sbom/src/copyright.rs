//! Machine-readable copyright files (Debian's copyright format 1.0, formerly DEP-5), as far as they state licences.

use std::collections::{BTreeMap, BTreeSet};

use crate::licence::{Licence, Statement};

/// The longest copyright file that is read, in bytes.
pub const MAXIMUM_COPYRIGHT: usize = 4 << 20;
/// Most paragraphs.
const MAXIMUM_PARAGRAPHS: usize = 20_000;
/// Most different statements of licences.
const MAXIMUM_STATEMENTS: usize = 1000;
/// The longest statement, in bytes.
const MAXIMUM_STATEMENT: usize = 2000;

/// What a copyright file states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copyright {
    /// All licences that it names for files, taken together: which of them hold for a file that was built from
    /// several, it does not say.
    pub licence: Licence,
}

/// The fields of a paragraph that count here.
#[derive(Default)]
struct Paragraph {
    is_header: bool,
    is_of_files: bool,
    /// First line of `License`, if there is such a field.
    statement: Option<String>,
    /// Its further lines.
    text: String,
}

impl Copyright {
    /// Reads a copyright file. `None` when it is not machine-readable, names no licence, or goes beyond the bounds.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAXIMUM_COPYRIGHT {
            return None;
        }
        let text = String::from_utf8_lossy(bytes);
        let paragraphs = paragraphs(&text)?;
        if !paragraphs.first()?.is_header {
            return None;
        }
        let mut stated: BTreeSet<&str> = BTreeSet::new();
        let mut texts: BTreeMap<&str, &str> = BTreeMap::new();
        // A paragraph of its own gives the text of a licence; that of files may give one beside its statement.
        for alone in [true, false] {
            for paragraph in &paragraphs {
                let Some(statement) = paragraph.statement.as_deref() else {
                    continue;
                };
                let is_alone = !paragraph.is_header && !paragraph.is_of_files;
                if !is_alone {
                    stated.insert(statement);
                }
                if is_alone == alone && !paragraph.text.is_empty() {
                    texts.entry(statement).or_insert(&paragraph.text);
                }
            }
        }
        if stated.is_empty() || stated.len() > MAXIMUM_STATEMENTS {
            return None;
        }
        let mut extracted = BTreeMap::new();
        let mut parts = BTreeMap::new();
        for statement in stated {
            let parsed = Statement::parse(statement);
            // `A and B` with a text under it: that is the text of either.
            let text_of = |name: &str| {
                let text = texts.get(name).or_else(|| texts.get(statement));
                text.map(|text| (*text).to_owned())
            };
            for part in flat(parsed) {
                let expression = part.expression(&text_of, &mut extracted);
                let is_choice = matches!(part, Statement::Any(_));
                parts.insert(expression, is_choice);
            }
        }
        let many = parts.len() > 1;
        let expression: Vec<String> = parts
            .into_iter()
            .map(|(expression, is_choice)| match is_choice && many {
                true => format!("({expression})"),
                false => expression,
            })
            .collect();
        Some(Self {
            licence: Licence {
                expression: expression.join(" AND "),
                extracted: extracted.into_values().collect(),
            },
        })
    }
}

/// The parts of a statement that all hold.
fn flat(statement: Statement) -> Vec<Statement> {
    match Statement::all([statement]) {
        Statement::All(parts) => parts,
        one => vec![one],
    }
}

/// The paragraphs; `None` when the first is no header, or there are too many.
fn paragraphs(text: &str) -> Option<Vec<Paragraph>> {
    let mut found: Vec<Paragraph> = Vec::new();
    let mut current: Option<Paragraph> = None;
    let mut in_licence = false;
    for line in text.lines() {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            found.extend(current.take());
            in_licence = false;
            if found.len() > MAXIMUM_PARAGRAPHS {
                return None;
            }
            continue;
        }
        let paragraph = current.get_or_insert_default();
        if let Some(more) = line.strip_prefix([' ', '\t']) {
            if in_licence {
                // A lone full stop stands for an empty line.
                let more = if more.trim() == "." {
                    ""
                } else {
                    more.trim_end()
                };
                if !paragraph.text.is_empty() {
                    paragraph.text.push('\n');
                }
                paragraph.text.push_str(more);
            }
            continue;
        }
        // What is neither a field nor goes on with one: the file is not what it says.
        let (name, value) = line.split_once(':')?;
        in_licence = false;
        match name.to_ascii_lowercase().as_str() {
            "format" | "format-specification" if found.is_empty() => {
                let value = value.to_ascii_lowercase();
                let known = ["copyright-format", "dep5", "dep-5"];
                paragraph.is_header = known.iter().any(|one| value.contains(one));
            }
            "files" => paragraph.is_of_files = true,
            "license" | "licence" => {
                let value = value.trim();
                if value.len() > MAXIMUM_STATEMENT {
                    return None;
                }
                if !value.is_empty() {
                    paragraph.statement = Some(value.to_owned());
                }
                in_licence = true;
            }
            _ => {}
        }
    }
    found.extend(current);
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n";

    fn parse(rest: &str) -> Option<Licence> {
        let text = format!("{HEADER}{rest}");
        Copyright::parse(text.as_bytes()).map(|one| one.licence)
    }

    #[test]
    fn the_licences_of_all_files_are_taken_together() {
        let licence = parse(
            "Files: *\nCopyright: A\nLicense: GPL-2+\n\nFiles: b/*\nLicense: ISC or Expat\n\n\
             Files: c\nLicense: GPL-2+\n\nLicense: ISC\n text\n",
        );
        let licence = licence.expect("it is machine-readable");
        assert_eq!(licence.expression, "GPL-2.0-or-later AND (ISC OR MIT)");
        assert!(licence.extracted.is_empty());
    }

    #[test]
    fn the_text_of_a_licence_unknown_to_spdx_is_kept() {
        let licence = parse("Files: *\nLicense: mine\n\nLicense: mine\n Do as\n .\n  you like.\n");
        let licence = licence.expect("it is machine-readable");
        assert_eq!(licence.extracted.len(), 1);
        assert_eq!(licence.extracted[0].text, "Do as\n\n you like.");
        assert_eq!(licence.extracted[0].id, licence.expression);
    }

    #[test]
    fn one_choice_alone_needs_no_brackets() {
        let licence = parse("Files: *\nLicense: ISC or Expat\n").expect("it is machine-readable");
        assert_eq!(licence.expression, "ISC OR MIT");
    }

    #[test]
    fn prose_states_nothing() {
        for text in [
            "",
            "This package was debianized by A in 1999.\n\nIts licence is: GPL\n",
            "Format: https://example.org/other\n\nFiles: *\nLicense: ISC\n",
            "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nprose\n",
        ] {
            assert_eq!(Copyright::parse(text.as_bytes()), None, "{text}");
        }
        let long = "x".repeat(MAXIMUM_STATEMENT + 1);
        assert_eq!(parse(&format!("Files: *\nLicense: {long}\n")), None);
    }
}
