//! Where the parser stands in the text, and lists of commands.

use crate::error::{ParseError, Problem};
use crate::heredoc::Pending;
use crate::tree::{AndOr, Document, Item, Joint, Lines, List, Pipeline, Script};
use crate::{MAXIMUM_DEPTH, MAXIMUM_PARTS, MAXIMUM_SIZE};

/// What a rule of the grammar gives.
pub(crate) type Parsed<T> = Result<T, ParseError>;

/// Where the parser stands.
#[derive(Debug)]
pub(crate) struct Parser<'t> {
    pub text: &'t str,
    pub place: usize,
    pub line: usize,
    pub depth: usize,
    pub parts: usize,
    pub documents: Vec<Document>,
    /// Here-documents whose text begins after the next line end.
    pub pending: Vec<Pending>,
}

/// Words that end a list of commands when one begins with them.
const CLOSERS: [&str; 8] = ["then", "else", "elif", "fi", "do", "done", "esac", "}"];

pub(crate) fn script(text: &str) -> Parsed<Script> {
    let mut parser = Parser {
        text,
        place: 0,
        line: 1,
        depth: 0,
        parts: 0,
        documents: Vec::new(),
        pending: Vec::new(),
    };
    if text.len() > MAXIMUM_SIZE {
        return parser.fail(Problem::TooLong);
    }
    if let Some(place) = text.find('\0') {
        parser.line += text
            .get(..place)
            .map_or(0, |before| before.matches('\n').count());
        return parser.fail(Problem::Unexpected('\0'));
    }
    let list = parser.list()?;
    parser.bodies()?;
    if let Some(letter) = parser.peek() {
        return parser.fail(Problem::Unexpected(letter));
    }
    Ok(Script {
        list,
        documents: parser.documents,
    })
}

impl<'t> Parser<'t> {
    pub fn fail<T>(&self, problem: Problem) -> Parsed<T> {
        Err(ParseError {
            line: self.line,
            problem,
        })
    }

    pub fn rest(&self) -> &'t str {
        self.text.get(self.place..).unwrap_or_default()
    }

    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// The letter after the next one.
    pub fn peek_second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    /// Takes one letter, whatever it is.
    pub fn bump(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.place += letter.len_utf8();
        if letter == '\n' {
            self.line += 1;
        }
        Some(letter)
    }

    /// Takes this text if it stands here. It may hold no line end.
    pub fn take(&mut self, expected: &str) -> bool {
        let stands = self.rest().starts_with(expected);
        if stands {
            self.place += expected.len();
        }
        stands
    }

    /// Counts one more part.
    pub fn count(&mut self) -> Parsed<()> {
        self.parts += 1;
        match self.parts > MAXIMUM_PARTS {
            true => self.fail(Problem::TooManyParts),
            false => Ok(()),
        }
    }

    /// Parses something one level deeper.
    pub fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > MAXIMUM_DEPTH {
            return self.fail(Problem::TooDeep);
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Parses another text at the same depth, with the same counters and here-documents.
    pub fn within<T>(
        &mut self,
        text: &str,
        line: usize,
        inner: impl FnOnce(&mut Parser<'_>) -> Parsed<T>,
    ) -> Parsed<T> {
        let mut parser = Parser {
            text,
            place: 0,
            line,
            depth: self.depth,
            parts: self.parts,
            documents: std::mem::take(&mut self.documents),
            pending: Vec::new(),
        };
        let result = parser.deeper(inner).and_then(|result| {
            // The end of the text ends its last line.
            parser.bodies()?;
            match parser.peek() {
                Some(letter) => parser.fail(Problem::Unexpected(letter)),
                None => Ok(result),
            }
        });
        self.parts = parser.parts;
        self.documents = parser.documents;
        result
    }

    /// Skips blanks, continued lines, and a comment.
    pub fn blanks(&mut self) {
        loop {
            if self.rest().starts_with("\\\n") {
                self.bump();
                self.bump();
                continue;
            }
            match self.peek() {
                Some(' ' | '\t') => {
                    self.bump();
                }
                Some('#') => {
                    while self.peek().is_some_and(|letter| letter != '\n') {
                        self.bump();
                    }
                }
                _ => return,
            }
        }
    }

    /// Takes a line end, and the here-documents that begin after it.
    pub fn line_end(&mut self) -> Parsed<bool> {
        if self.peek() != Some('\n') {
            return Ok(false);
        }
        self.bump();
        self.bodies()?;
        Ok(true)
    }

    /// Skips blanks and line ends.
    pub fn line_ends(&mut self) -> Parsed<()> {
        loop {
            self.blanks();
            if !self.line_end()? {
                return Ok(());
            }
        }
    }

    /// Whether this word of the language stands here, whole.
    pub fn at_word(&self, word: &str) -> bool {
        self.rest().strip_prefix(word).is_some_and(|rest| {
            rest.chars()
                .next()
                .is_none_or(|letter| " \t\n;&|<>()".contains(letter))
        })
    }

    /// Takes a word of the language, or says that it is missing.
    pub fn expect_word(&mut self, word: &'static str) -> Parsed<()> {
        if self.at_word(word) {
            self.place += word.len();
            return Ok(());
        }
        match self.peek() {
            None => self.fail(Problem::Ends(word)),
            Some(_) => self.fail(Problem::Missing(word)),
        }
    }

    fn at_end_of_list(&self) -> bool {
        match self.peek() {
            None | Some(')') => true,
            Some(';') => self.peek_second() == Some(';'),
            _ => CLOSERS.iter().any(|word| self.at_word(word)),
        }
    }

    /// Commands up to what closes them; may be none.
    pub fn list(&mut self) -> Parsed<List> {
        let mut items = Vec::new();
        loop {
            self.line_ends()?;
            if self.at_end_of_list() {
                break;
            }
            let and_or = self.and_or()?;
            self.blanks();
            let mut background = false;
            let ended = match (self.peek(), self.peek_second()) {
                (Some(';'), Some(';')) => false,
                (Some(';'), _) => self.bump().is_some(),
                (Some('&'), _) => {
                    background = true;
                    self.bump().is_some()
                }
                _ => self.line_end()?,
            };
            items.push(Item { and_or, background });
            if !ended {
                break;
            }
        }
        Ok(List { items })
    }

    /// A list that may not be empty.
    pub fn body(&mut self) -> Parsed<List> {
        let list = self.list()?;
        match (list.items.is_empty(), self.peek()) {
            (false, _) => Ok(list),
            (true, None) => self.fail(Problem::Ends("a command")),
            (true, Some(_)) => self.fail(Problem::Missing("a command")),
        }
    }

    fn and_or(&mut self) -> Parsed<AndOr> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.blanks();
            let joint = if self.take("&&") {
                Joint::And
            } else if self.take("||") {
                Joint::Or
            } else {
                return Ok(AndOr { first, rest });
            };
            self.line_ends()?;
            rest.push((joint, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Parsed<Pipeline> {
        let mut negated = false;
        while self.at_word("!") {
            self.bump();
            negated = !negated;
            self.blanks();
        }
        let mut commands = vec![self.command()?];
        loop {
            self.blanks();
            if self.peek() != Some('|') || self.peek_second() == Some('|') {
                return Ok(Pipeline { negated, commands });
            }
            self.bump();
            if self.peek() == Some('&') {
                return self.fail(Problem::Unknown("`|&`"));
            }
            self.line_ends()?;
            commands.push(self.command()?);
        }
    }

    /// The lines from one to where the parser stands.
    pub fn lines_from(&self, first: usize) -> Lines {
        Lines {
            first,
            last: self.line,
        }
    }
}
