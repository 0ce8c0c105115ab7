//! Texts as lines.

/// The numbered lines (from 1) of a configuration text, without blank lines and `#` comments.
pub(super) fn significant(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// Splits a line at blanks; `"` and `'` quote and `\` escapes the next character, as systemd does.
///
/// # Errors
/// When a quote is not closed.
pub(super) fn words(line: &str) -> Result<Vec<String>, &'static str> {
    first_words(line, usize::MAX).map(|(words, _)| words)
}

/// As [`words`], but at most so many, and what stands after them as it is.
///
/// # Errors
/// When a quote is not closed.
pub(super) fn first_words(line: &str, most: usize) -> Result<(Vec<String>, &str), &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars();
    while words.len() < most {
        let Some(character) = characters.next() else {
            break;
        };
        match (character, quote) {
            ('\\', _) => {
                let next = characters.next().ok_or("a line ends with a backslash")?;
                word.get_or_insert_default().push(next);
            }
            (_, Some(open)) if character == open => quote = None,
            (_, Some(_)) => word.get_or_insert_default().push(character),
            ('"' | '\'', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            _ if character.is_ascii_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed");
    }
    words.extend(word);
    Ok((words, characters.as_str().trim_start()))
}

/// Appends those of `lines` that the text does not have.
pub(super) fn with_lines(text: &str, lines: &[String]) -> String {
    let mut result = text.to_owned();
    for line in lines {
        if result.lines().any(|there| there == line) {
            continue;
        }
        if !result.is_empty() && !result.ends_with('\n') {
            result.push('\n');
        }
        result.push_str(line);
        result.push('\n');
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_blanks_together() {
        assert_eq!(
            words("u messagebus - \"System Message Bus\" ''").expect("words"),
            ["u", "messagebus", "-", "System Message Bus", ""]
        );
        assert!(words("u \"open").is_err());
    }

    #[test]
    fn a_line_already_there_is_not_repeated() {
        let once = with_lines("a", &["b".to_owned(), "a".to_owned()]);
        assert_eq!(once, "a\nb\n");
        assert_eq!(with_lines(&once, &["b".to_owned()]), once);
    }
}
