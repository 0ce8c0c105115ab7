//! Shell words, as far as debhelper's snippets need them.

use super::script::Line;

/// Joins lines that end in a backslash with those that follow; each keeps the number of its first.
pub(crate) fn join_continued(lines: &[Line]) -> Vec<Line> {
    let mut joined: Vec<Line> = Vec::new();
    let mut open = false;
    for line in lines {
        let is_comment = !open && line.text.trim_start().starts_with('#');
        let (text, continued) = match line.text.strip_suffix('\\') {
            Some(text) if !is_comment => (text, true),
            _ => (line.text.as_str(), false),
        };
        match joined.last_mut() {
            Some(last) if open => {
                last.text.push(' ');
                last.text.push_str(text.trim());
            }
            _ => joined.push(Line {
                number: line.number,
                text: text.trim().to_owned(),
            }),
        }
        open = continued;
    }
    joined
}

/// Splits a line at blanks and takes simple quotes away. `None` when it holds anything that the
/// shell would expand, or that joins commands.
pub(crate) fn plain_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for letter in text.chars() {
        match (quote, letter) {
            (Some(mark), _) if letter == mark => quote = None,
            (Some('\''), _) => word.get_or_insert_default().push(letter),
            (_, '$' | '`' | '\\') => return None,
            (Some(_), _) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '&' | '|' | ';' | '<' | '>' | '(' | ')' | '*' | '?' | '[' | '#' | '{') => {
                return None;
            }
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return None;
    }
    words.extend(word);
    Some(words)
}
