//! Commands: simple and compound ones, functions, redirections.

use crate::error::Problem;
use crate::heredoc::Pending;
use crate::parser::{Parsed, Parser};
use crate::tree::{
    Arm, Assignment, Branch, Command, Document, Kind, Lines, Redirection, RedirectionKind, Target,
    Word,
};
use crate::word::{is_name, starts_name};

impl Parser<'_> {
    pub(crate) fn command(&mut self) -> Parsed<Command> {
        self.count()?;
        self.deeper(Self::command_here)
    }

    fn command_here(&mut self) -> Parsed<Command> {
        let first = self.line;
        let kind = match self.peek() {
            None => return self.fail(Problem::Ends("a command")),
            Some('(') if self.rest().starts_with("((") => {
                return self.fail(Problem::Unknown("`((`"));
            }
            Some('(') => {
                self.bump();
                let list = self.body()?;
                self.close(')')?;
                Kind::Subshell(list)
            }
            _ if self.at_word("{") => {
                self.bump();
                let list = self.body()?;
                self.expect_word("}")?;
                Kind::Group(list)
            }
            _ if self.at_word("if") => self.conditional()?,
            _ if self.at_word("case") => self.case()?,
            _ if self.at_word("for") => self.for_each()?,
            _ if self.at_word("while") => self.repeat("while")?,
            _ if self.at_word("until") => self.repeat("until")?,
            _ if self.at_word("[[") => self.brackets()?,
            _ if self.at_word("function") => {
                self.expect_word("function")?;
                self.blanks();
                let name = self.name()?;
                self.blanks();
                if self.take("(") {
                    self.blanks();
                    self.close(')')?;
                }
                return self.function(name, first);
            }
            _ if self.at_word("select") || self.at_word("coproc") || self.at_word("time") => {
                return self.fail(Problem::Unknown("this word of bash"));
            }
            _ => return self.simple(first),
        };
        let lines = self.lines_from(first);
        let mut redirections = Vec::new();
        self.blanks();
        while let Some(redirection) = self.redirection()? {
            redirections.push(redirection);
            self.blanks();
        }
        Ok(Command {
            kind,
            redirections,
            lines,
        })
    }

    fn close(&mut self, letter: char) -> Parsed<()> {
        match self.peek() {
            Some(found) if found == letter => {
                self.bump();
                Ok(())
            }
            Some(found) => self.fail(Problem::Unexpected(found)),
            None => self.fail(Problem::Ends("a closing mark")),
        }
    }

    fn name(&mut self) -> Parsed<String> {
        let rest = self.rest();
        let end = rest
            .find(|letter: char| !(letter.is_ascii_alphanumeric() || "_-.+:".contains(letter)))
            .unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default().to_owned();
        if name.is_empty() {
            return self.fail(Problem::Missing("a name"));
        }
        self.place += end;
        Ok(name)
    }

    fn conditional(&mut self) -> Parsed<Kind> {
        self.expect_word("if")?;
        let mut branches = Vec::new();
        loop {
            let condition = self.body()?;
            self.expect_word("then")?;
            let body = self.body()?;
            branches.push(Branch { condition, body });
            if self.at_word("elif") {
                self.expect_word("elif")?;
                continue;
            }
            let otherwise = if self.at_word("else") {
                self.expect_word("else")?;
                Some(self.body()?)
            } else {
                None
            };
            self.expect_word("fi")?;
            return Ok(Kind::If {
                branches,
                otherwise,
            });
        }
    }

    fn repeat(&mut self, word: &'static str) -> Parsed<Kind> {
        self.expect_word(word)?;
        let condition = self.body()?;
        self.expect_word("do")?;
        let body = self.body()?;
        self.expect_word("done")?;
        Ok(Kind::While {
            until: word == "until",
            condition,
            body,
        })
    }

    fn for_each(&mut self) -> Parsed<Kind> {
        self.expect_word("for")?;
        self.blanks();
        let name = self.name()?;
        if !is_name(&name) {
            return self.fail(Problem::Missing("the name of a variable"));
        }
        self.line_ends()?;
        let words = if self.at_word("in") {
            self.expect_word("in")?;
            let mut words = Vec::new();
            loop {
                self.blanks();
                match self.word()? {
                    Some(word) => words.push(word),
                    None => break,
                }
            }
            Some(words)
        } else {
            None
        };
        if self.peek() == Some(';') {
            self.bump();
        }
        self.line_ends()?;
        self.expect_word("do")?;
        let body = self.body()?;
        self.expect_word("done")?;
        Ok(Kind::For { name, words, body })
    }

    fn case(&mut self) -> Parsed<Kind> {
        self.expect_word("case")?;
        self.blanks();
        let word = self.needed_word()?;
        self.line_ends()?;
        self.expect_word("in")?;
        let mut arms = Vec::new();
        loop {
            self.line_ends()?;
            if self.at_word("esac") {
                self.expect_word("esac")?;
                return Ok(Kind::Case { word, arms });
            }
            self.count()?;
            if self.take("(") {
                self.blanks();
            }
            let mut patterns = Vec::new();
            loop {
                patterns.push(self.needed_word()?);
                self.blanks();
                if !self.take("|") {
                    break;
                }
                self.blanks();
            }
            self.close(')')?;
            let body = self.list()?;
            arms.push(Arm { patterns, body });
            if self.take(";;") {
                if self.peek() == Some('&') {
                    return self.fail(Problem::Unknown("`;;&`"));
                }
                continue;
            }
            self.line_ends()?;
            if !self.at_word("esac") {
                return match self.peek() {
                    Some(_) => self.fail(Problem::Missing("`;;` or esac")),
                    None => self.fail(Problem::Ends("esac")),
                };
            }
        }
    }

    fn brackets(&mut self) -> Parsed<Kind> {
        self.expect_word("[[")?;
        let mut words = Vec::new();
        loop {
            self.blanks();
            if self.at_word("]]") {
                self.expect_word("]]")?;
                return Ok(Kind::Brackets(words));
            }
            let line = self.line;
            let operator = ["&&", "||", "<", ">"]
                .into_iter()
                .find(|operator| self.take(operator));
            let word = match operator {
                Some(operator) => Word {
                    pieces: vec![crate::tree::Piece::Text(operator.to_owned())],
                    lines: self.lines_from(line),
                },
                None => self.needed_word()?,
            };
            words.push(word);
        }
    }

    fn function(&mut self, name: String, first: usize) -> Parsed<Command> {
        self.line_ends()?;
        let body = self.command()?;
        match body.kind {
            Kind::Simple { .. } | Kind::Function { .. } => {
                self.fail(Problem::Missing("the body of the function"))
            }
            _ => Ok(Command {
                lines: self.lines_from(first),
                kind: Kind::Function {
                    name,
                    body: Box::new(body),
                },
                redirections: Vec::new(),
            }),
        }
    }

    fn simple(&mut self, first: usize) -> Parsed<Command> {
        let mut assignments = Vec::new();
        let mut words: Vec<Word> = Vec::new();
        let mut redirections = Vec::new();
        let mut last = first;
        loop {
            self.blanks();
            if let Some(redirection) = self.redirection()? {
                last = self.line;
                redirections.push(redirection);
                continue;
            }
            if words.is_empty()
                && let Some(assignment) = self.assignment()?
            {
                last = self.line;
                assignments.push(assignment);
                continue;
            }
            if let Some(word) = self.word()? {
                last = self.line;
                // One that is put together across lines was not seen before.
                if words.is_empty()
                    && assignments.is_empty()
                    && let Some(reserved) = word.bare().filter(|word| is_reserved(word))
                {
                    let letter = reserved.chars().next().unwrap_or(' ');
                    return self.fail(Problem::Unexpected(letter));
                }
                words.push(word);
                continue;
            }
            if self.peek() == Some('(') {
                let name = match (assignments.is_empty(), redirections.is_empty()) {
                    (true, true) if words.len() == 1 => words.first().and_then(Word::bare),
                    _ => None,
                };
                let Some(name) = name.filter(|name| starts_name(name)).map(str::to_owned) else {
                    return self.fail(Problem::Unexpected('('));
                };
                self.bump();
                self.blanks();
                self.close(')')?;
                return self.function(name, first);
            }
            break;
        }
        if assignments.is_empty() && words.is_empty() && redirections.is_empty() {
            return match self.peek() {
                Some(letter) => self.fail(Problem::Unexpected(letter)),
                None => self.fail(Problem::Ends("a command")),
            };
        }
        Ok(Command {
            kind: Kind::Simple { assignments, words },
            redirections,
            lines: Lines { first, last },
        })
    }

    fn assignment(&mut self) -> Parsed<Option<Assignment>> {
        let rest = self.rest();
        let end = rest
            .find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
            .unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if !is_name(name) || !after.starts_with('=') {
            return Ok(None);
        }
        let name = name.to_owned();
        self.place += end + 1;
        if self.peek() == Some('(') {
            return self.fail(Problem::Unknown("an array"));
        }
        let value = self.word()?.unwrap_or_else(|| Word {
            pieces: Vec::new(),
            lines: self.lines_from(self.line),
        });
        Ok(Some(Assignment { name, value }))
    }

    fn needed_word(&mut self) -> Parsed<Word> {
        match (self.word()?, self.peek()) {
            (Some(word), _) => Ok(word),
            (None, Some(letter)) => self.fail(Problem::Unexpected(letter)),
            (None, None) => self.fail(Problem::Ends("a word")),
        }
    }

    fn redirection(&mut self) -> Parsed<Option<Redirection>> {
        let rest = self.rest();
        let digits = rest
            .find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(rest.len());
        let after = rest.get(digits..).unwrap_or_default();
        let both = digits == 0 && after.starts_with("&>");
        if !after.starts_with(['<', '>']) && !both {
            return Ok(None);
        }
        self.count()?;
        let descriptor = match rest.get(..digits).unwrap_or_default() {
            "" => None,
            digits => match digits.parse() {
                Ok(descriptor) => Some(descriptor),
                Err(_) => return self.fail(Problem::Unknown("this file descriptor")),
            },
        };
        self.place += digits;
        // Longer marks first.
        const MARKS: [(&str, RedirectionKind); 12] = [
            ("<<<", RedirectionKind::HereString),
            ("<<-", RedirectionKind::HereDocument),
            ("<<", RedirectionKind::HereDocument),
            ("<>", RedirectionKind::ReadWrite),
            ("<&", RedirectionKind::CopyRead),
            ("&>>", RedirectionKind::WriteBoth),
            ("&>", RedirectionKind::WriteBoth),
            (">>", RedirectionKind::Append),
            (">&", RedirectionKind::CopyWrite),
            (">|", RedirectionKind::Write),
            ("<", RedirectionKind::Read),
            (">", RedirectionKind::Write),
        ];
        let Some((mark, kind)) = MARKS.into_iter().find(|(mark, _)| self.take(mark)) else {
            return Ok(None);
        };
        if mark == "&>>" {
            return self.fail(Problem::Unknown("`&>>`"));
        }
        if matches!(self.peek(), Some('(')) {
            return self.fail(Problem::Unknown("process substitution"));
        }
        self.blanks();
        let target = if kind == RedirectionKind::HereDocument {
            let (mark, quoted) = self.mark()?;
            let place = self.documents.len();
            self.documents.push(Document {
                body: Vec::new(),
                quoted,
                lines: self.lines_from(self.line),
            });
            self.pending.push(Pending {
                place,
                mark,
                without_tabs: rest.get(digits..).unwrap_or_default().starts_with("<<-"),
            });
            Target::Document(place)
        } else {
            Target::Word(self.needed_word()?)
        };
        Ok(Some(Redirection {
            descriptor,
            kind,
            target,
        }))
    }
}

/// Whether a word at the place of a command is a part of the language (XCU 2.4, and those of bash).
fn is_reserved(word: &str) -> bool {
    matches!(
        word,
        "if" | "then"
            | "else"
            | "elif"
            | "fi"
            | "do"
            | "done"
            | "case"
            | "esac"
            | "while"
            | "until"
            | "for"
            | "{"
            | "}"
            | "!"
            | "[["
            | "function"
            | "select"
            | "coproc"
            | "time"
    )
}
