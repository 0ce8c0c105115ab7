//! Words: quotes and expansions.

use crate::error::Problem;
use crate::parser::{Parsed, Parser};
use crate::tree::{Operation, Parameter, Piece, Word};

/// Whether this is the name of a variable.
pub(crate) fn is_name(text: &str) -> bool {
    starts_name(text)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a name may begin so.
pub(crate) fn starts_name(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
}

/// Where a word ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// At a blank or an operator.
    Blank,
    /// At the brace that closes `${`.
    Brace,
    /// At the brace that closes `${`, itself in double quotes.
    QuotedBrace,
}

impl Parser<'_> {
    /// A word, if one begins here.
    pub(crate) fn word(&mut self) -> Parsed<Option<Word>> {
        let word = self.word_until(End::Blank)?;
        Ok((!word.pieces.is_empty()).then_some(word))
    }

    fn word_until(&mut self, end: End) -> Parsed<Word> {
        self.count()?;
        let first = self.line;
        let mut pieces: Vec<Piece> = Vec::new();
        while let Some(letter) = self.peek() {
            match letter {
                ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')'
                    if end == End::Blank =>
                {
                    break;
                }
                '}' if end != End::Blank => break,
                '\0' => return self.fail(Problem::Unexpected(letter)),
                // What these mean there differs from shell to shell.
                '\'' | '\\' if end == End::QuotedBrace => {
                    return self.fail(Problem::Unknown("a quote in an expansion in quotes"));
                }
                '\'' => {
                    self.bump();
                    let text = self.until('\'')?;
                    pieces.push(Piece::Quoted(text));
                }
                '"' => {
                    self.bump();
                    let inner = self.deeper(|parser| parser.quoted_pieces(Some('"')))?;
                    pieces.push(Piece::Double(inner));
                }
                '\\' => {
                    self.bump();
                    match self.bump() {
                        None => return self.fail(Problem::Ends("a letter after a backslash")),
                        // Goes on in the next line only when that begins with a blank: else two halves
                        // would make a word, an assignment or a word of the language.
                        Some('\n') if self.peek().is_none_or(|next| next.is_ascii_whitespace()) => {
                        }
                        Some('\n') if pieces.is_empty() => {}
                        Some('\n') => return self.fail(Problem::Unknown("a word across lines")),
                        Some(letter) => pieces.push(Piece::Quoted(letter.to_string())),
                    }
                }
                '`' => pieces.push(self.backquoted(false)?),
                '$' => match self.peek_second() {
                    Some('\'' | '"') => return self.fail(Problem::Unknown("`$'`")),
                    _ => {
                        let piece = match self.dollar(end == End::QuotedBrace)? {
                            Some(piece) => piece,
                            None if end == End::QuotedBrace => {
                                return self.fail(Problem::Unknown("`$` alone in an expansion"));
                            }
                            None => Piece::Quoted("$".to_owned()),
                        };
                        pieces.push(piece);
                    }
                },
                _ => {
                    self.bump();
                    push_text(&mut pieces, letter);
                }
            }
            self.count()?;
        }
        Ok(Word {
            pieces,
            lines: self.lines_from(first),
        })
    }

    /// Plain text up to a mark, which is taken.
    fn until(&mut self, mark: char) -> Parsed<String> {
        let mut text = String::new();
        loop {
            match self.bump() {
                None => return self.fail(Problem::Ends("a closing quote")),
                Some('\0') => return self.fail(Problem::Unexpected('\0')),
                Some(letter) if letter == mark => return Ok(text),
                Some(letter) => text.push(letter),
            }
        }
    }

    /// Pieces in double quotes up to the mark, which is taken; without one, of a here-document.
    pub(crate) fn quoted_pieces(&mut self, mark: Option<char>) -> Parsed<Vec<Piece>> {
        let mut pieces = Vec::new();
        loop {
            let Some(letter) = self.peek() else {
                return match mark {
                    None => Ok(pieces),
                    Some(_) => self.fail(Problem::Ends("a closing quote")),
                };
            };
            match letter {
                _ if Some(letter) == mark => {
                    self.bump();
                    return Ok(pieces);
                }
                '\0' => return self.fail(Problem::Unexpected(letter)),
                '`' => pieces.push(self.backquoted(mark.is_some())?),
                '$' => match self.dollar(true)? {
                    Some(piece) => pieces.push(piece),
                    None => push_text(&mut pieces, '$'),
                },
                '\\' => {
                    self.bump();
                    match self.peek() {
                        Some('\n') => {
                            self.bump();
                        }
                        Some(escaped) if "$`\\".contains(escaped) || Some(escaped) == mark => {
                            self.bump();
                            push_text(&mut pieces, escaped);
                        }
                        _ => push_text(&mut pieces, '\\'),
                    }
                }
                _ => {
                    self.bump();
                    push_text(&mut pieces, letter);
                }
            }
            self.count()?;
        }
    }

    /// What begins with `$`; nothing when it stands for itself.
    fn dollar(&mut self, in_quotes: bool) -> Parsed<Option<Piece>> {
        self.bump();
        let Some(letter) = self.peek() else {
            return Ok(None);
        };
        match letter {
            '(' if self.peek_second() == Some('(') => self.arithmetic().map(Some),
            '(' => self.substitution().map(Some),
            '{' => {
                self.bump();
                let parameter = self.deeper(|parser| parser.braced(in_quotes))?;
                Ok(Some(Piece::Parameter(parameter)))
            }
            _ => Ok(self.parameter_name(false).map(|name| {
                Piece::Parameter(Parameter {
                    name,
                    operation: Operation::Value,
                })
            })),
        }
    }

    fn substitution(&mut self) -> Parsed<Piece> {
        self.bump();
        let first = self.line;
        let outside = std::mem::take(&mut self.pending);
        let list = self.deeper(Self::list)?;
        // Where the texts of such here-documents stand differs from shell to shell.
        if !self.pending.is_empty() || !outside.is_empty() && self.line > first {
            return self.fail(Problem::Unknown("a here-document across a substitution"));
        }
        self.pending = outside;
        match self.bump() {
            Some(')') => Ok(Piece::Command(list)),
            Some(letter) => self.fail(Problem::Unexpected(letter)),
            None => self.fail(Problem::Ends("`)`")),
        }
    }

    /// The name of a parameter, if one stands here.
    fn parameter_name(&mut self, in_braces: bool) -> Option<String> {
        let rest = self.rest();
        let first = rest.chars().next()?;
        let end = if first.is_ascii_digit() {
            let digits = rest.find(|letter: char| !letter.is_ascii_digit());
            if in_braces {
                digits.unwrap_or(rest.len())
            } else {
                1
            }
        } else if first.is_ascii_alphabetic() || first == '_' {
            rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
                .unwrap_or(rest.len())
        } else if "@*#?-$!".contains(first) {
            1
        } else {
            return None;
        };
        let name = rest.get(..end)?.to_owned();
        self.place += end;
        Some(name)
    }

    fn braced(&mut self, in_quotes: bool) -> Parsed<Parameter> {
        if self.peek() == Some('#') && self.peek_second().is_some_and(|next| next != '}') {
            self.bump();
            let Some(name) = self.parameter_name(true) else {
                return self.fail(Problem::Unknown("this expansion"));
            };
            if self.bump() != Some('}') {
                return self.fail(Problem::Unknown("this expansion"));
            }
            return Ok(Parameter {
                name,
                operation: Operation::Length,
            });
        }
        let Some(name) = self.parameter_name(true) else {
            return self.fail(Problem::Unknown("this expansion"));
        };
        let operation = self.operation(in_quotes)?;
        match self.bump() {
            Some('}') => Ok(Parameter { name, operation }),
            Some(_) => self.fail(Problem::Unknown("this expansion")),
            None => self.fail(Problem::Ends("`}`")),
        }
    }

    fn operation(&mut self, in_quotes: bool) -> Parsed<Operation> {
        let colon = self.peek() == Some(':');
        if self.peek() == Some('}') {
            return Ok(Operation::Value);
        }
        if colon {
            self.bump();
        }
        let mark = self.bump();
        let doubled = matches!(mark, Some('#' | '%')) && self.peek() == mark;
        if doubled {
            self.bump();
        }
        if colon && !matches!(mark, Some('-' | '=' | '?' | '+')) {
            return self.fail(Problem::Unknown("this expansion"));
        }
        if !matches!(mark, Some('-' | '=' | '?' | '+' | '#' | '%')) {
            return self.fail(Problem::Unknown("this expansion"));
        }
        let is_pattern = matches!(mark, Some('#' | '%'));
        let end = match in_quotes && !is_pattern {
            true => End::QuotedBrace,
            false => End::Brace,
        };
        let word = self.word_until(end)?;
        Ok(match mark {
            Some('-') => Operation::Default { colon, word },
            Some('=') => Operation::Assign { colon, word },
            Some('?') => Operation::Fail { colon, word },
            Some('+') => Operation::Alternative { colon, word },
            Some('#') => Operation::WithoutPrefix {
                longest: doubled,
                pattern: word,
            },
            _ => Operation::WithoutSuffix {
                longest: doubled,
                pattern: word,
            },
        })
    }

    fn arithmetic(&mut self) -> Parsed<Piece> {
        self.bump();
        self.bump();
        let mut text = String::new();
        let mut open = 0_usize;
        loop {
            match self.bump() {
                None => return self.fail(Problem::Ends("`))`")),
                Some('\'' | '"' | '`' | '\\' | '\0') => {
                    return self.fail(Problem::Unknown("this arithmetic"));
                }
                Some(')') if open == 0 => match self.bump() {
                    Some(')') => return Ok(Piece::Arithmetic(text)),
                    _ => return self.fail(Problem::Unknown("this arithmetic")),
                },
                Some(letter) => {
                    match letter {
                        '(' => open += 1,
                        ')' => open -= 1,
                        _ => {}
                    }
                    text.push(letter);
                }
            }
        }
    }

    fn backquoted(&mut self, in_quotes: bool) -> Parsed<Piece> {
        let line = self.line;
        self.bump();
        let mut text = String::new();
        loop {
            match self.bump() {
                None => return self.fail(Problem::Ends("a closing backquote")),
                Some('`') => break,
                Some('\\') => match self.bump() {
                    None => return self.fail(Problem::Ends("a closing backquote")),
                    Some(letter) if "$`\\".contains(letter) || in_quotes && letter == '"' => {
                        text.push(letter);
                    }
                    Some(letter) => {
                        text.push('\\');
                        text.push(letter);
                    }
                },
                Some(letter) => text.push(letter),
            }
        }
        // Where the text of the here-document then begins differs from shell to shell.
        if !self.pending.is_empty() && self.line > line {
            return self.fail(Problem::Unknown("a here-document across a substitution"));
        }
        self.within(&text, line, |parser| parser.list())
            .map(Piece::Command)
    }
}

fn push_text(pieces: &mut Vec<Piece>, letter: char) {
    match pieces.last_mut() {
        Some(Piece::Text(text)) => text.push(letter),
        _ => pieces.push(Piece::Text(letter.to_string())),
    }
}
