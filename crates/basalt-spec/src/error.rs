//! Why a spec was not taken, shown with the place underlined.

use std::fmt;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::secrets;

/// Why a spec was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    /// The file.
    pub path: PathBuf,
    /// Where in it; `None` when the file itself is the matter.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The whole line.
    pub text: String,
}

impl std::error::Error for SpecError {}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl SpecError {
    /// About a file as a whole.
    pub fn of_file(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            place: None,
            message: secrets::masked(&message.into()).into_owned(),
            help: None,
        }
    }

    pub(crate) fn at(
        path: impl Into<PathBuf>,
        source: &str,
        line: usize,
        column: usize,
        message: impl Into<String>,
    ) -> Self {
        let text = source.lines().nth(line.saturating_sub(1)).unwrap_or("");
        // Errors stand in logs.
        Self {
            path: path.into(),
            place: Some(Place {
                line,
                column,
                text: secrets::masked_line(text, source),
            }),
            message: secrets::masked(&message.into()).into_owned(),
            help: None,
        }
    }

    /// At the first place where a word stands by itself in the text; at the file when it does not.
    pub fn at_word(
        path: impl Into<PathBuf>,
        source: &str,
        word: &str,
        message: impl Into<String>,
    ) -> Self {
        match find_word(source, (1, 1), word) {
            Some((line, column)) => Self::at(path, source, line, column, message),
            None => Self::of_file(path, message),
        }
    }

    /// At the last of these words, each searched for after the one before; nothing when one is not there.
    pub fn at_words(
        path: impl Into<PathBuf>,
        source: &str,
        words: &[&str],
        message: impl Into<String>,
    ) -> Option<Self> {
        let mut place = (1, 1);
        for word in words {
            place = find_word(source, place, word)?;
        }
        Some(Self::at(path, source, place.0, place.1, message))
    }

    /// At a place; or, when a word is meant that stands further on, there. What is kept aside while
    /// it is read, as effects are, has the place of the mapping that it is in.
    pub(crate) fn at_or_after(
        path: impl Into<PathBuf>,
        source: &str,
        line: usize,
        column: usize,
        word: Option<&str>,
        message: impl Into<String>,
    ) -> Self {
        let (line, column) = word
            .and_then(|word| find_word(source, (line, column), word))
            .unwrap_or((line, column));
        Self::at(path, source, line, column, message)
    }

    /// Says what to do about it.
    #[must_use]
    pub fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// Shows nothing of the value that stands at the place.
    #[must_use]
    pub(crate) fn with_value_hidden(mut self) -> Self {
        if let Some(place) = &mut self.place {
            place.text = secrets::masked_value(&place.text, place.column);
        }
        self
    }

    /// The error as a compiler would show it: file, line, column, the offending text underlined.
    pub fn render(&self, colour: bool) -> String {
        let path = self.path.display().to_string();
        let renderer = match colour {
            true => Renderer::styled(),
            false => Renderer::plain(),
        };
        let title = Level::ERROR.primary_title(self.message.as_str());
        let mut group = match &self.place {
            None => return self.without_place(&path),
            Some(place) => Group::with_title(title).element(
                Snippet::source(place.text.as_str())
                    .path(path.as_str())
                    .line_start(place.line)
                    .annotation(AnnotationKind::Primary.span(place.span())),
            ),
        };
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }

    fn without_place(&self, path: &str) -> String {
        let mut text = format!("{path}: {}", self.message);
        if let Some(help) = &self.help {
            text.push_str(&format!("\nhelp: {help}"));
        }
        text
    }
}

/// The first place, from one on, where a word stands by itself and not in a comment.
fn find_word(source: &str, from: (usize, usize), word: &str) -> Option<(usize, usize)> {
    let is_part = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    let (first, first_column) = from;
    if word.is_empty() {
        return None;
    }
    for (index, line) in source.lines().enumerate().skip(first.saturating_sub(1)) {
        for (at, _) in line.match_indices(word) {
            let column = line[..at].chars().count() + 1;
            if index + 1 == first && column < first_column {
                continue;
            }
            let before = line[..at].chars().next_back();
            let after = line[at + word.len()..].chars().next();
            let is_comment = line[..at].contains('#');
            if !is_comment && !before.is_some_and(is_part) && !after.is_some_and(is_part) {
                return Some((index + 1, column));
            }
        }
    }
    None
}

impl Place {
    /// The word at the column, in bytes of the line.
    fn span(&self) -> std::ops::Range<usize> {
        let start = self
            .text
            .char_indices()
            .nth(self.column.saturating_sub(1))
            .map_or(self.text.len(), |(index, _)| index);
        let rest = &self.text[start..];
        let first = rest.chars().next();
        let length = match first {
            Some(quote @ ('"' | '\'')) => rest[1..].find(quote).map_or(rest.len(), |end| end + 2),
            _ => rest
                .find([':', ',', '#', ']', '}'])
                .map_or(rest.len(), |end| rest[..end].trim_end().len()),
        };
        start..start + length.max(first.map_or(0, char::len_utf8))
    }
}
