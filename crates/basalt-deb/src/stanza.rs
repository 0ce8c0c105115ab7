//! Control data: stanzas of fields (Debian Policy 5.1, deb822(5)). Borrows from the text it reads.

/// The longest stanza taken, in bytes. A `Release` file is one stanza of some hundred kilobytes.
pub const MAXIMUM_STANZA_LENGTH: usize = 64 << 20;

/// The most fields taken in one stanza.
pub const MAXIMUM_FIELDS: usize = 1024;

/// Control data that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the control data cannot be read: {cause}")]
pub struct StanzaError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub cause: String,
}

/// A field: its name and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as written.
    pub name: &'a str,
    /// The value, with its continuation lines as they stand, without blanks around the whole.
    pub value: &'a str,
    /// The line the name stands on, counted from 1.
    pub line: usize,
}

impl<'a> Field<'a> {
    /// The lines of the value, without blanks around each, without comments. The first one is empty
    /// where the value begins on the line after the name.
    pub fn lines(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        lines(self.value)
    }
}

/// The lines of a value, without blanks around each, without comments.
pub fn lines(value: &str) -> impl Iterator<Item = &str> {
    value
        .split('\n')
        .filter(|line| !line.starts_with('#'))
        .map(str::trim_ascii)
}

/// A stanza: fields in the order written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stanza<'a> {
    fields: Vec<Field<'a>>,
}

impl<'a> Stanza<'a> {
    /// Parses a text that holds exactly one stanza, such as a package's `control` file.
    ///
    /// # Errors
    /// When the text holds none or several, or a line is malformed.
    pub fn parse(text: &'a str) -> Result<Self, StanzaError> {
        let mut stanzas = Stanzas::new(text);
        let stanza = match stanzas.next() {
            Some(stanza) => stanza?,
            None => {
                return Err(StanzaError {
                    line: 1,
                    cause: "there is no stanza in it".to_owned(),
                });
            }
        };
        match stanzas.next() {
            None => Ok(stanza),
            Some(_) => Err(StanzaError {
                line: stanzas.line,
                cause: "there must be only one stanza".to_owned(),
            }),
        }
    }

    /// The value of a field, whatever the case of its name.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.field(name).map(|field| field.value)
    }

    /// A field, whatever the case of its name.
    pub fn field(&self, name: &str) -> Option<&Field<'a>> {
        self.fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The fields in the order written.
    pub fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }
}

/// Iterates over the stanzas of a text. After an error it goes on with the stanza behind the next blank
/// line.
#[derive(Debug, Clone)]
pub struct Stanzas<'a> {
    rest: &'a str,
    line: usize,
    last: &'a str,
}

impl<'a> Stanzas<'a> {
    /// The stanzas of this text.
    pub fn new(text: &'a str) -> Self {
        Self::from_line(text, 1)
    }

    /// The stanzas of a text whose first line has this number in the file it is from.
    pub fn from_line(text: &'a str, line: usize) -> Self {
        Self {
            rest: text,
            line,
            last: "",
        }
    }

    /// The text of the stanza given last, whole or malformed.
    pub fn last_text(&self) -> &'a str {
        self.last
    }

    /// Takes the next line, without its end.
    fn take_line(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let line = match memchr::memchr(b'\n', self.rest.as_bytes()) {
            Some(end) => {
                let line = &self.rest[..end];
                self.rest = &self.rest[end + 1..];
                line
            }
            None => std::mem::take(&mut self.rest),
        };
        self.line += 1;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }

    fn fail(&mut self, line: usize, cause: impl Into<String>) -> StanzaError {
        while let Some(line) = self.take_line() {
            if line.trim_ascii().is_empty() {
                break;
            }
        }
        StanzaError {
            line,
            cause: cause.into(),
        }
    }

    /// Adds the continuation lines that follow to a value that begins at the start of `text`.
    fn take_value(&mut self, text: &'a str, first: &'a str) -> &'a str {
        let mut length = first.len();
        while self.rest.starts_with([' ', '\t', '#']) {
            // A line of blanks only ends a stanza for dpkg's peers; here it must not hide in a value.
            let before = self.clone();
            match self.take_line() {
                Some(line) if line.trim_ascii().is_empty() => {
                    *self = before;
                    break;
                }
                Some(_) => length = text.len() - self.rest.len(),
                None => break,
            }
        }
        text[..length].trim_ascii()
    }

    fn take_stanza(&mut self) -> Result<Option<Stanza<'a>>, StanzaError> {
        let mut stanza = Stanza::default();
        let mut start = self.rest.len();
        loop {
            let (line_number, text) = (self.line, self.rest);
            let Some(line) = self.take_line() else { break };
            if line.trim_ascii().is_empty() {
                if stanza.fields.is_empty() {
                    start = self.rest.len();
                    continue;
                }
                break;
            }
            if line.starts_with('#') {
                continue;
            }
            if line.starts_with([' ', '\t']) {
                return Err(self.fail(line_number, "a continuation line stands without a field"));
            }
            let Some((name, first)) = line.split_once(':') else {
                return Err(self.fail(
                    line_number,
                    format!("`{}` has no `:` after a field's name", excerpt(line)),
                ));
            };
            if name.is_empty()
                || name.starts_with('-')
                || !name.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
            {
                return Err(self.fail(
                    line_number,
                    format!("`{}` is not a field's name", excerpt(name)),
                ));
            }
            if stanza.field(name).is_some() {
                return Err(self.fail(
                    line_number,
                    format!("the field `{}` stands there twice", excerpt(name)),
                ));
            }
            if stanza.fields.len() == MAXIMUM_FIELDS {
                return Err(self.fail(line_number, "a stanza has more than 1024 fields"));
            }
            let value_text = &text[name.len() + 1..];
            let value = self.take_value(value_text, first);
            if start.saturating_sub(self.rest.len()) > MAXIMUM_STANZA_LENGTH {
                return Err(self.fail(line_number, "a stanza is longer than 64 MiB"));
            }
            if value.contains('\0') {
                return Err(self.fail(line_number, format!("the value of `{name}` holds a NUL")));
            }
            stanza.fields.push(Field {
                name,
                value,
                line: line_number,
            });
        }
        Ok((!stanza.fields.is_empty()).then_some(stanza))
    }
}

/// The first hundred characters, so that an error stays short.
fn excerpt(text: &str) -> String {
    text.chars().take(100).collect()
}

impl<'a> Iterator for Stanzas<'a> {
    type Item = Result<Stanza<'a>, StanzaError>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest;
        let stanza = self.take_stanza();
        self.last = &text[..text.len() - self.rest.len()];
        stanza.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_their_case() {
        let stanza = Stanza::parse("Package: a\nDescription: short\n long\n .\n more\nX:\n")
            .expect("a stanza");
        assert_eq!(stanza.get("package"), Some("a"));
        assert_eq!(stanza.get("description"), Some("short\n long\n .\n more"));
        assert_eq!(stanza.get("x"), Some(""));
        assert_eq!(stanza.get("y"), None);
        assert_eq!(stanza.fields()[2].line, 6);
    }

    #[test]
    fn blank_lines_part_stanzas_and_comments_are_skipped() {
        let text = "\n\n# top\nA: 1\n\n \nA: 2\n# inside\nB:\n x\n# between\n y\n";
        let stanzas: Vec<_> = Stanzas::new(text)
            .collect::<Result<_, _>>()
            .expect("stanzas");
        assert_eq!(stanzas.len(), 2);
        let field = stanzas[1].field("B").expect("B");
        assert_eq!(field.lines().collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn only_blanks_of_ascii_stand_around_a_value() {
        let text = "Package: pp\u{a0}\nVersion:\u{2003}1\t \nDescription: x\n \u{a0}\nA: b\n";
        let stanza = Stanza::parse(text).expect("one stanza");
        assert_eq!(stanza.get("Package"), Some("pp\u{a0}"));
        assert_eq!(stanza.get("Version"), Some("\u{2003}1"));
        assert_eq!(stanza.get("A"), Some("b"));
        // A line of other blanks ends no stanza: dpkg takes it for a field's name.
        let error = Stanza::parse("Package: a\n\u{a0}\nB: c\n").expect_err("no field");
        assert_eq!(error.line, 2);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line) in [
            ("A: 1\nnonsense\n", 2),
            ("A: 1\n\n B\n", 3),
            ("A: 1\na: 2\n", 2),
            (": x", 1),
            ("é: 1", 1),
        ] {
            let error = Stanzas::new(text).find_map(Result::err).expect(text);
            assert_eq!(error.line, line, "{text}");
        }
        let mut stanzas = Stanzas::new("A: 1\nnonsense\nB: 2\n\nA: 3\n\n x\n\nA: 4\n");
        let read: Vec<_> = std::iter::from_fn(|| {
            let stanza = stanzas.next()?;
            Some((
                stanza.map(|stanza| stanza.get("A").map(str::to_owned)).ok(),
                stanzas.last_text().to_owned(),
            ))
        })
        .collect();
        let text = |text: &str| text.to_owned();
        assert_eq!(
            read,
            [
                (None, text("A: 1\nnonsense\nB: 2\n\n")),
                (Some(Some(text("3"))), text("A: 3\n\n")),
                (None, text(" x\n\n")),
                (Some(Some(text("4"))), text("A: 4\n")),
            ],
            "an error costs its own stanza and no other"
        );
        assert!(Stanza::parse("").is_err());
        assert!(Stanza::parse("A: 1\n\nA: 2\n").is_err());
    }
}
