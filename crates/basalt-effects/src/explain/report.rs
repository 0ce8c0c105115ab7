//! What came of explaining a package's scripts.

use std::fmt;

use basalt_digest::Digest;
use serde::{Deserialize, Serialize};

use crate::Effect;

/// How a script was explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every line is known, and its effects are listed.
    Emulated,
    /// Every line is known, and a fresh install leaves nothing behind.
    NothingToDo,
    /// The image's spec says what it does.
    Declared,
    /// Some lines are not known.
    Unexplained,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Emulated => "emulated",
            Self::NothingToDo => "nothing to do",
            Self::Declared => "declared",
            Self::Unexplained => "unexplained",
        })
    }
}

/// What a line means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Meaning {
    /// What it does, or why it leaves nothing behind.
    Known(String),
    /// Why that is not known.
    Unknown(String),
}

/// One line of a script, or a block by its first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineReport {
    /// Its number, from 1.
    pub number: usize,
    /// Its text.
    pub text: String,
    /// What it does, or why that is not known.
    pub meaning: Meaning,
    /// What it leaves behind, whatever its conditions.
    pub effects: Vec<Effect>,
    /// Whether debhelper put it in.
    pub of_snippet: bool,
}

/// One script (or the `triggers` member), explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptReport {
    /// The control member: `postinst`, `triggers` …
    pub name: String,
    /// The digest of the whole script.
    pub digest: Digest,
    /// The digest by which the curated table knows what is left of it without debhelper's snippets.
    pub residual: Digest,
    /// How it was explained.
    pub verdict: Verdict,
    /// The lines that matter, by number.
    pub lines: Vec<LineReport>,
}

impl ScriptReport {
    /// The lines that nothing explains.
    pub fn unexplained_lines(&self) -> impl Iterator<Item = &LineReport> {
        self.lines
            .iter()
            .filter(|line| matches!(line.meaning, Meaning::Unknown(_)))
    }
}

/// What the scripts of one package do to a fresh root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The package.
    pub package: String,
    /// Its version.
    pub version: String,
    /// What they do, in the order in which dpkg would have them done; none stands twice.
    pub effects: Vec<Effect>,
    /// Each script of the package.
    pub scripts: Vec<ScriptReport>,
}

impl Explanation {
    /// An error with all scripts of the package that are not explained, if there is one.
    pub fn unexplained(&self) -> Option<Unexplained> {
        let scripts: Vec<ScriptReport> = self
            .scripts
            .iter()
            .filter(|script| script.verdict == Verdict::Unexplained)
            .cloned()
            .collect();
        (!scripts.is_empty()).then(|| Unexplained {
            package: self.package.clone(),
            version: self.version.clone(),
            scripts,
        })
    }
}

/// Scripts of a package with lines whose work is not known. Shown, it names them and prints an
/// `effects:` stanza to paste into the image's spec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Unexplained {
    /// The package.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Its scripts that are not explained.
    pub scripts: Vec<ScriptReport>,
}

/// More lines than this of one script are not printed.
const SHOWN_LINES: usize = 40;

impl fmt::Display for Unexplained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            package, version, ..
        } = self;
        writeln!(
            f,
            "package `{package}` {version}: what its scripts would do to the image is not known"
        )?;
        for script in &self.scripts {
            let total = script.unexplained_lines().count();
            writeln!(f, "\n  {} ({}):", script.name, script.residual)?;
            for line in script.unexplained_lines().take(SHOWN_LINES) {
                writeln!(f, "  {:>5} | {}", line.number, printable(&line.text))?;
                if let Meaning::Unknown(why) = &line.meaning {
                    writeln!(f, "          {}", printable(why))?;
                }
            }
            if total > SHOWN_LINES {
                writeln!(f, "        … and {} lines more", total - SHOWN_LINES)?;
            }
        }
        write!(
            f,
            "\n`basalt effects {package}` shows every line of its scripts. Read these, then say in the spec what they\n\
             leave behind (an empty list: nothing):\n\n\
             effects:\n  {package}:\n    \
             # - {{ effect: directory, path: /var/lib/{package}, mode: 0o755 }}\n    \
             # - {{ effect: symlink, path: /etc/{package}/current, target: default }}\n    []\n"
        )
    }
}

/// The text without characters that would act on a terminal, and not too long.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .take(160)
        .map(|letter| {
            if letter.is_control() && letter != '\t' {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect()
}
