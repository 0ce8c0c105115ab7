//! Words expanded, as far as their values are known.

use std::collections::BTreeMap;

use basalt_shell::{Operation, Parameter, Piece, Word};

use super::Interpreter;
use super::bash;
use super::budget::ENTRY;
use super::pattern::{self, Pattern};
use super::state::{Flow, Value, is_dynamic_in_bash};

/// The letters at which a shell splits values when it starts: the default of `IFS`.
pub(super) const BLANKS: [char; 3] = [' ', '\t', '\n'];

/// `IFS` when a shell starts: these.
pub(super) const BLANKS_OF_SHELL: &str = " \t\n";

/// Builtins whose arguments may be assignments.
const DECLARING: [&str; 3] = ["export", "local", "readonly"];

/// Those that only bash has.
const DECLARING_IN_BASH: [&str; 2] = ["declare", "typeset"];

/// The name of the variable that a word assigns to as it is written: `name=value`, no letter of the name in quotes.
fn assigned_name(word: &Word) -> Option<&str> {
    match word.pieces.first()? {
        Piece::Text(text) => text
            .split_once('=')
            .map(|(name, _)| name)
            .filter(|name| is_name(name)),
        _ => None,
    }
}

/// Whether a text is the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a parameter names a word that has quotes in it.
fn has_quotes(parameter: &Parameter) -> bool {
    match &parameter.operation {
        Operation::Default { word, .. }
        | Operation::Assign { word, .. }
        | Operation::Alternative { word, .. } => word
            .pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Quoted(_) | Piece::Double(_))),
        _ => false,
    }
}

/// Whether bare text of an assignment begins with `~`, or has one after `:` or the first `=`.
fn has_home(pieces: &[Piece]) -> bool {
    pieces
        .iter()
        .enumerate()
        .any(|(number, piece)| match piece {
            Piece::Text(text) => {
                let begins = number == 0 && (text.starts_with('~') || text.contains("=~"));
                begins || text.contains(":~")
            }
            _ => false,
        })
}

/// The fields that words expand to.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    pub values: Vec<Value>,
    /// Whether there are as many as that, and no more.
    pub exact: bool,
    /// The names of the variables that fields assign to which are not known otherwise, by the fields' places.
    pub assigned: BTreeMap<usize, String>,
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
            let has_braces = self.is_bash && bash::has_braces(&word.pieces);
            if let Some(name) = assigned_name(word)
                && !has_braces
                && self.declares(words, &builder.fields)
            {
                let value = self.assigned(&word.pieces);
                let place = builder.fields.values.len();
                builder.fields.assigned.insert(place, name.to_owned());
                builder.fields.values.push(value);
            } else {
                self.pieces(&word.pieces, false, &mut builder);
            }
            if has_braces {
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

    /// Whether the command's arguments of the form `name=value` are assignments, which are not split (POSIX, *Declaration
    /// utilities*). The POSIX shell, dash from 0.5.11 on, looks at the name that the first word expands to; bash at the word as
    /// it is written.
    fn declares(&self, words: &[Word], before: &Fields) -> bool {
        match self.is_bash {
            true => words
                .first()
                .and_then(Word::bare)
                .is_some_and(|name| DECLARING.contains(&name) || DECLARING_IN_BASH.contains(&name)),
            false => before
                .values
                .first()
                .and_then(Option::as_deref)
                .is_some_and(|name| DECLARING.contains(&name)),
        }
    }

    /// The value of an assignment, whose pieces may begin with the name: a `~` at its start or after a colon is a home
    /// directory.
    pub(super) fn assigned(&mut self, pieces: &'s [Piece]) -> Value {
        let value = self.joined(pieces, false).map(|pattern| pattern.text());
        value.filter(|_| !has_home(pieces))
    }

    /// The value of a word that is not split: of a redirection, of `case`.
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
                piece => {
                    let keeps = matches!(piece, Piece::Parameter(parameter) if self.gives_quotes(parameter));
                    match self.piece(piece, false) {
                        None => {
                            builder.unknown();
                            builder.fields.exact = false;
                        }
                        Some(pattern) => {
                            let text = pattern.text();
                            if keeps && (text.is_empty() || self.may_split(&text)) {
                                // What of the word is quoted is not split, and is a field though it is empty.
                                builder.unknown();
                                builder.fields.exact = false;
                                continue;
                            }
                            if !self.splits_at_blanks() {
                                if self.may_split(&text) {
                                    builder.unknown();
                                    builder.fields.exact = false;
                                } else if !text.is_empty() {
                                    builder.push(&text, true);
                                }
                                continue;
                            }
                            let begins = text.starts_with(BLANKS);
                            let ends = text.ends_with(BLANKS);
                            if begins {
                                builder.end();
                            }
                            let parts = text.split(BLANKS).filter(|part| !part.is_empty());
                            let parts: Vec<&str> = parts.collect();
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
                    }
                }
            }
        }
    }

    /// `IFS`, if it is known.
    pub(super) fn separators(&self) -> Option<&str> {
        self.state.variables.get("IFS")?.as_deref()
    }

    /// Whether values are split at blanks: `IFS` is as it is when a shell starts.
    fn splits_at_blanks(&self) -> bool {
        self.separators() == Some(BLANKS_OF_SHELL)
    }

    /// Whether the script's own `IFS` may split a text.
    fn may_split(&self, text: &str) -> bool {
        self.separators()
            .is_none_or(|separators| text.contains(|letter| separators.contains(letter)))
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
            Piece::Parameter(parameter) => {
                let keeps = !quoted && self.gives_quotes(parameter);
                let text = self.parameter(parameter)?;
                // What of the word is quoted does not act.
                let is_plain = !keeps || !text.contains(['*', '?', '[', '\\']);
                is_plain.then(|| Pattern::acting(&text, !quoted))
            }
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
                // What joins them, is the first letter of `IFS`.
                _ if !self.splits_at_blanks() => Some(None),
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
            name if self.is_bash && is_dynamic_in_bash(name) => Some(None),
            name => match name.parse::<usize>() {
                Ok(number) => match &self.state.arguments {
                    None => Some(None),
                    Some(all) => all.get(number.wrapping_sub(1)).cloned(),
                },
                Err(_) => self.state.variable(name),
            },
        }
    }

    /// Whether a parameter expands, or may expand, to a word that has quotes in it.
    fn gives_quotes(&self, parameter: &Parameter) -> bool {
        if !has_quotes(parameter) {
            return false;
        }
        let current = self.current(&parameter.name);
        match &parameter.operation {
            Operation::Default { colon, .. } | Operation::Assign { colon, .. } => {
                !matches!(current, Some(Some(text)) if !(*colon && text.is_empty()))
            }
            Operation::Alternative { colon, .. } => match current {
                None => false,
                Some(Some(text)) => !(*colon && text.is_empty()),
                Some(None) => true,
            },
            _ => false,
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
                // Letters or bytes: the locale and the shell tell.
                .filter(|text| text.is_ascii())
                .map(|text| text.len().to_string()),
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
