//! Words expanded, as far as their values are known.

use basalt_shell::{Operation, Parameter, Piece, Word};

use super::Interpreter;
use super::bash;
use super::budget::ENTRY;
use super::pattern::{self, Pattern};
use super::state::{Flow, Value};

/// The fields that words expand to.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    pub values: Vec<Value>,
    /// Whether there are as many as that, and no more.
    pub exact: bool,
}

impl Fields {
    /// All fields, if each is known.
    pub fn known(&self) -> Option<Vec<String>> {
        match self.exact {
            true => self.values.iter().cloned().collect(),
            false => None,
        }
    }
}

/// Text that is put together; a letter may stand for itself or act in a pattern.
#[derive(Default)]
struct Builder {
    fields: Fields,
    /// The field that is being put together, with what of it acts as a pattern.
    open: Option<Option<Pattern>>,
}

impl Builder {
    fn push(&mut self, text: &str, acts: bool) {
        if let Some(pattern) = self.open.get_or_insert_with(|| Some(Pattern::default())) {
            pattern.push(text, acts);
        }
    }

    fn unknown(&mut self) {
        self.open = Some(None);
    }

    /// How long the field is that is being put together.
    fn length(&self) -> usize {
        match &self.open {
            Some(Some(pattern)) => pattern.length(),
            _ => 0,
        }
    }

    fn end(&mut self) {
        if let Some(open) = self.open.take() {
            let globs = open.as_ref().is_some_and(Pattern::has_wildcards);
            if globs {
                self.fields.exact = false;
            }
            let text = open.map(|pattern| pattern.text());
            self.fields.values.push(text.filter(|_| !globs));
        }
    }
}

impl<'s> Interpreter<'s> {
    pub(super) fn fields(&mut self, words: &'s [Word]) -> Fields {
        let mut builder = Builder::default();
        builder.fields.exact = true;
        for word in words {
            self.pieces(&word.pieces, false, &mut builder);
            if self.is_bash && bash::has_braces(&word.pieces) {
                // Into how many fields it expands is not known, nor how often what it substitutes is run.
                builder.unknown();
                builder.fields.exact = false;
                if bash::may_run_commands(&word.pieces) {
                    self.unexplained(word.lines.first, "the brace expansion is not understood");
                }
            }
            builder.end();
            if !self.allows_fields(builder.fields.values.len()) {
                return Fields::default();
            }
        }
        builder.fields
    }

    /// The value of a word that is not split: of an assignment, of `case`.
    pub(super) fn value(&mut self, word: &'s Word) -> Value {
        self.pattern(word).map(|pattern| pattern.text())
    }

    pub(super) fn pattern(&mut self, word: &'s Word) -> Option<Pattern> {
        self.joined(&word.pieces, false)
    }

    pub(super) fn joined(&mut self, pieces: &'s [Piece], quoted: bool) -> Option<Pattern> {
        let mut whole = match self.is_bash && bash::has_old_arithmetic(pieces) {
            true => None,
            false => Some(Pattern::default()),
        };
        for piece in pieces {
            let part = self.piece(piece, quoted);
            match (&mut whole, part) {
                (Some(letters), Some(part)) => {
                    letters.append(part);
                    if !self.allows_value(letters.length()) {
                        return None;
                    }
                }
                (whole, _) => *whole = None,
            }
        }
        whole
    }

    fn pieces(&mut self, pieces: &'s [Piece], quoted: bool, builder: &mut Builder) {
        if self.is_bash && bash::has_old_arithmetic(pieces) {
            builder.fields.exact = false;
            builder.unknown();
        }
        for (number, piece) in pieces.iter().enumerate() {
            if !self.allows_value(builder.length()) {
                return;
            }
            match piece {
                Piece::Text(text) if !quoted && number == 0 && text.starts_with('~') => {
                    builder.unknown();
                }
                Piece::Text(text) => {
                    self.spend_text(text);
                    builder.push(text, !quoted);
                }
                Piece::Quoted(text) => {
                    self.spend_text(text);
                    builder.push(text, false);
                }
                Piece::Double(inner) => {
                    if let [Piece::Parameter(parameter)] = inner.as_slice()
                        && parameter.name == "@"
                        && parameter.operation == Operation::Value
                    {
                        self.all_arguments(builder);
                        continue;
                    }
                    builder.push("", false);
                    match self.joined(inner, true) {
                        Some(pattern) => builder.push(&pattern.text(), false),
                        None => builder.unknown(),
                    }
                }
                piece if quoted => match self.piece(piece, true) {
                    Some(pattern) => builder.push(&pattern.text(), false),
                    None => builder.unknown(),
                },
                // Not in quotes: the value is split at blanks, and each part is a pattern.
                piece => match self.piece(piece, false) {
                    None => {
                        builder.unknown();
                        builder.fields.exact = false;
                    }
                    Some(pattern) => {
                        let text = pattern.text();
                        let begins = text.starts_with([' ', '\t', '\n']);
                        let ends = text.ends_with([' ', '\t', '\n']);
                        if begins {
                            builder.end();
                        }
                        let parts: Vec<&str> = text.split_ascii_whitespace().collect();
                        self.spend(ENTRY * parts.len() as u64);
                        if !self.allows_fields(builder.fields.values.len() + parts.len()) {
                            return;
                        }
                        for (number, part) in parts.iter().enumerate() {
                            if number > 0 {
                                builder.end();
                            }
                            builder.push(part, true);
                        }
                        if ends {
                            builder.end();
                        }
                    }
                },
            }
        }
    }

    fn all_arguments(&mut self, builder: &mut Builder) {
        self.spend(self.state.arguments_weight());
        if self.is_over() {
            return;
        }
        match self.state.arguments.clone() {
            None => {
                builder.unknown();
                builder.fields.exact = false;
            }
            Some(arguments) => {
                for (number, argument) in arguments.into_iter().enumerate() {
                    if number > 0 {
                        builder.end();
                    }
                    match argument {
                        Some(text) => builder.push(&text, false),
                        None => builder.unknown(),
                    }
                }
            }
        }
    }

    fn piece(&mut self, piece: &'s Piece, quoted: bool) -> Option<Pattern> {
        let pattern = self.deeper(None, |interpreter| interpreter.piece_here(piece, quoted))?;
        self.spend(pattern.length() as u64 + 1);
        self.allows_value(pattern.length()).then_some(pattern)
    }

    fn piece_here(&mut self, piece: &'s Piece, quoted: bool) -> Option<Pattern> {
        match piece {
            Piece::Text(text) => {
                let mut pattern = Pattern::default();
                pattern.push(text, !quoted);
                Some(pattern)
            }
            Piece::Quoted(text) => Some(Pattern::plain(text)),
            Piece::Double(inner) => {
                let text = self.joined(inner, true)?.text();
                Some(Pattern::plain(&text))
            }
            Piece::Parameter(parameter) => self
                .parameter(parameter)
                .map(|text| Pattern::acting(&text, !quoted)),
            Piece::Command(list) => {
                let text = self.substituted(list)?;
                Some(Pattern::acting(text.trim_end_matches('\n'), !quoted))
            }
            Piece::Arithmetic(text) => {
                if text.contains(['=', '`'])
                    || text.contains("++")
                    || text.contains("--")
                    || text.contains("$(")
                {
                    self.unexplained(self.line, "arithmetic that assigns is not followed");
                    self.state.tainted = true;
                }
                None
            }
        }
    }

    /// The value of a parameter: outer `None` when unset.
    fn current(&self, name: &str) -> Option<Value> {
        let known = |text: String| Some(Some(text));
        match name {
            "#" => Some(
                self.state
                    .arguments
                    .as_ref()
                    .map(|all| all.len().to_string()),
            ),
            "@" | "*" => match &self.state.arguments {
                None => Some(None),
                Some(all) => {
                    let all: Option<Vec<String>> = all.iter().cloned().collect();
                    Some(all.map(|all| all.join(" ")))
                }
            },
            "?" => match self.state.status {
                super::state::Status::Success => known("0".to_owned()),
                _ => Some(None),
            },
            "$" | "!" | "-" => Some(None),
            "0" => Some(self.script_path.clone()),
            name => match name.parse::<usize>() {
                Ok(number) => match &self.state.arguments {
                    None => Some(None),
                    Some(all) => all.get(number.wrapping_sub(1)).cloned(),
                },
                Err(_) => self.state.variable(name),
            },
        }
    }

    fn parameter(&mut self, parameter: &'s Parameter) -> Value {
        if matches!(parameter.name.as_str(), "@" | "*") {
            self.spend(self.state.arguments_weight());
        }
        let current = self.current(&parameter.name);
        if let Some(Some(text)) = &current {
            self.spend_text(text);
        }
        // `Some(true)`: it has a value that counts.
        let counts = |colon: bool| match &current {
            None => Some(false),
            Some(None) => match colon {
                true => None,
                // Of the environment: it may be set or not.
                false => None,
            },
            Some(Some(text)) => Some(!(colon && text.is_empty())),
        };
        match &parameter.operation {
            Operation::Value => current.unwrap_or_else(|| Some(String::new())),
            Operation::Length => current
                .unwrap_or_else(|| Some(String::new()))
                .map(|text| text.chars().count().to_string()),
            Operation::Default { colon, word } => match counts(*colon) {
                Some(true) => current.flatten(),
                Some(false) => self.value(word),
                None => {
                    self.value(word);
                    None
                }
            },
            Operation::Assign { colon, word } => match counts(*colon) {
                Some(true) => current.flatten(),
                Some(false) => {
                    let value = self.value(word);
                    self.state.set(&parameter.name, value.clone());
                    value
                }
                None => {
                    self.value(word);
                    self.state.set(&parameter.name, None);
                    None
                }
            },
            Operation::Fail { colon, .. } => match counts(*colon) {
                Some(true) => current.flatten(),
                _ => None,
            },
            Operation::Alternative { colon, word } => match counts(*colon) {
                Some(true) => self.value(word),
                Some(false) => Some(String::new()),
                None => {
                    self.value(word);
                    None
                }
            },
            Operation::WithoutPrefix { longest, pattern } => {
                let pattern = self.pattern(pattern)?;
                let text = current.unwrap_or_else(|| Some(String::new()))?;
                self.spend(pattern.cost(&text));
                pattern::without_prefix(&text, &pattern, *longest)
            }
            Operation::WithoutSuffix { longest, pattern } => {
                let pattern = self.pattern(pattern)?;
                let text = current.unwrap_or_else(|| Some(String::new()))?;
                self.spend(pattern.cost(&text));
                pattern::without_suffix(&text, &pattern, *longest)
            }
        }
    }

    /// What a command substitution gives.
    fn substituted(&mut self, list: &'s basalt_shell::List) -> Value {
        let outer = self.output.replace(Some(String::new()));
        let flow = self.subshell(list);
        let text = std::mem::replace(&mut self.output, outer);
        if flow == Flow::Fail {
            return None;
        }
        text.flatten()
    }
}
