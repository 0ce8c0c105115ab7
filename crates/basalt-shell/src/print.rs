//! A script printed so that it parses to the same tree.

use std::fmt;

use crate::tree::{
    AndOr, Command, Document, Joint, Kind, List, Operation, Parameter, Piece, Redirection,
    RedirectionKind, Script, Target, Word,
};

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printer = Printer {
            documents: &self.documents,
            out: String::new(),
            pending: Vec::new(),
        };
        printer.list(&self.list);
        f.write_str(printer.out.trim_start_matches(' '))?;
        f.write_str("\n")
    }
}

/// Where pieces stand, which says what must be escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Bare,
    Quotes,
    Document,
}

struct Printer<'t> {
    documents: &'t [Document],
    out: String,
    /// Documents whose text follows the next line end.
    pending: Vec<usize>,
}

impl Printer<'_> {
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn list(&mut self, list: &List) {
        for item in &list.items {
            self.push(" ");
            self.and_or(&item.and_or);
            self.push(match item.background {
                true => " &",
                false if self.pending.is_empty() => ";",
                false => "",
            });
            self.texts();
        }
    }

    /// Ends the line if texts of here-documents are to follow, and prints those.
    fn texts(&mut self) {
        for (number, place) in std::mem::take(&mut self.pending).into_iter().enumerate() {
            if number == 0 {
                self.push("\n");
            }
            let (body, mark) = self.document(place);
            self.push(&body);
            self.push(&mark);
            self.push("\n");
        }
    }

    /// The printed text of a here-document, and a mark that no line of it is.
    fn document(&self, place: usize) -> (String, String) {
        let mut inner = Printer {
            documents: self.documents,
            out: String::new(),
            pending: Vec::new(),
        };
        if let Some(document) = self.documents.get(place) {
            match document.body.as_slice() {
                [Piece::Quoted(text)] if document.quoted => inner.push(text),
                pieces => inner.pieces(pieces, Place::Document),
            }
        }
        let mut mark = "EOF".to_owned();
        while inner.out.lines().any(|line| line == mark) {
            mark.push('_');
        }
        (inner.out, mark)
    }

    fn and_or(&mut self, and_or: &AndOr) {
        let rest = and_or
            .rest
            .iter()
            .map(|(joint, pipeline)| (Some(*joint), pipeline));
        for (joint, pipeline) in std::iter::once((None, &and_or.first)).chain(rest) {
            self.push(match joint {
                Some(Joint::And) => " && ",
                Some(Joint::Or) => " || ",
                None => "",
            });
            // A substitution of several lines may not stand between a mark and its text.
            self.texts();
            if pipeline.negated {
                self.push("! ");
            }
            for (number, command) in pipeline.commands.iter().enumerate() {
                if number > 0 {
                    self.push(" | ");
                    self.texts();
                }
                self.command(command);
            }
        }
    }

    fn command(&mut self, command: &Command) {
        match &command.kind {
            Kind::Simple { assignments, words } => {
                for assignment in assignments {
                    self.push(&format!("{}=", assignment.name));
                    self.word(&assignment.value, Place::Bare);
                    self.push(" ");
                }
                self.words(words);
                self.redirections(&command.redirections);
                return;
            }
            Kind::Group(list) => self.enclosed("{", list, " }"),
            Kind::Subshell(list) => self.enclosed("(", list, " )"),
            Kind::If {
                branches,
                otherwise,
            } => {
                for (number, branch) in branches.iter().enumerate() {
                    self.enclosed(
                        if number == 0 { "if" } else { " elif" },
                        &branch.condition,
                        "",
                    );
                    self.enclosed(" then", &branch.body, "");
                }
                if let Some(list) = otherwise {
                    self.enclosed(" else", list, "");
                }
                self.push(" fi");
            }
            Kind::Case { word, arms } => {
                self.push("case ");
                self.word(word, Place::Bare);
                self.push(" in");
                for arm in arms {
                    self.push(" (");
                    for (number, pattern) in arm.patterns.iter().enumerate() {
                        if number > 0 {
                            self.push("|");
                        }
                        self.word(pattern, Place::Bare);
                    }
                    self.enclosed(")", &arm.body, " ;;");
                }
                self.push(" esac");
            }
            Kind::For { name, words, body } => {
                self.push(&format!("for {name}"));
                if let Some(words) = words {
                    self.push(" in ");
                    self.words(words);
                }
                self.enclosed("; do", body, " done");
            }
            Kind::While {
                until,
                condition,
                body,
            } => {
                self.enclosed(if *until { "until" } else { "while" }, condition, "");
                self.enclosed(" do", body, " done");
            }
            Kind::Function { name, body } => {
                self.push(&format!("{name} () "));
                self.command(body);
            }
            Kind::Brackets(words) => {
                self.push("[[ ");
                self.words(words);
                self.push("]]");
            }
        }
        self.push(" ");
        self.redirections(&command.redirections);
    }

    fn enclosed(&mut self, open: &str, list: &List, close: &str) {
        self.push(open);
        self.list(list);
        self.push(close);
    }

    fn words(&mut self, words: &[Word]) {
        for word in words {
            self.word(word, Place::Bare);
            self.push(" ");
        }
    }

    fn redirections(&mut self, redirections: &[Redirection]) {
        for redirection in redirections {
            if let Some(descriptor) = redirection.descriptor {
                self.push(&descriptor.to_string());
            }
            self.push(match redirection.kind {
                RedirectionKind::Read => "< ",
                RedirectionKind::Write => "> ",
                RedirectionKind::Append => ">> ",
                RedirectionKind::ReadWrite => "<> ",
                RedirectionKind::CopyRead => "<& ",
                RedirectionKind::CopyWrite => ">& ",
                RedirectionKind::WriteBoth => "&> ",
                RedirectionKind::HereDocument => "<< ",
                RedirectionKind::HereString => "<<< ",
            });
            match &redirection.target {
                Target::Word(word) => self.word(word, Place::Bare),
                Target::Document(place) => {
                    let quoted = self
                        .documents
                        .get(*place)
                        .is_some_and(|document| document.quoted);
                    let (_, mark) = self.document(*place);
                    self.push(&if quoted { format!("'{mark}'") } else { mark });
                    self.pending.push(*place);
                }
            }
            self.push(" ");
        }
    }

    fn word(&mut self, word: &Word, place: Place) {
        self.pieces(&word.pieces, place);
    }

    fn pieces(&mut self, pieces: &[Piece], place: Place) {
        for piece in pieces {
            match piece {
                Piece::Text(text) if place == Place::Bare => self.push(text),
                Piece::Text(text) => {
                    for letter in text.chars() {
                        let escaped = matches!(letter, '$' | '`' | '\\')
                            || letter == '"' && place == Place::Quotes;
                        if escaped {
                            self.push("\\");
                        }
                        self.out.push(letter);
                    }
                }
                Piece::Quoted(text) if text == "'" => self.push("\\'"),
                Piece::Quoted(text) => self.push(&format!("'{text}'")),
                Piece::Double(pieces) => {
                    self.push("\"");
                    self.pieces(pieces, Place::Quotes);
                    self.push("\"");
                }
                Piece::Parameter(parameter) => self.parameter(parameter),
                Piece::Command(list) => {
                    let outside = std::mem::take(&mut self.pending);
                    self.enclosed("$(", list, " )");
                    self.pending = outside;
                }
                Piece::Arithmetic(text) => self.push(&format!("$(({text}))")),
            }
        }
    }

    fn parameter(&mut self, parameter: &Parameter) {
        let Parameter { name, operation } = parameter;
        let colon = |colon: &bool| if *colon { ":" } else { "" };
        let twice = |mark: &str, longest: &bool| mark.repeat(1 + usize::from(*longest));
        let (mark, word) = match operation {
            Operation::Value => return self.push(&format!("${{{name}}}")),
            Operation::Length => return self.push(&format!("${{#{name}}}")),
            Operation::Default { colon: c, word } => (format!("{}-", colon(c)), word),
            Operation::Assign { colon: c, word } => (format!("{}=", colon(c)), word),
            Operation::Fail { colon: c, word } => (format!("{}?", colon(c)), word),
            Operation::Alternative { colon: c, word } => (format!("{}+", colon(c)), word),
            Operation::WithoutPrefix { longest, pattern } => (twice("#", longest), pattern),
            Operation::WithoutSuffix { longest, pattern } => (twice("%", longest), pattern),
        };
        self.push(&format!("${{{name}{mark}"));
        self.word(word, Place::Bare);
        self.push("}");
    }
}
