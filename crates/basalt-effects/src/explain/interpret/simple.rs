//! Simple commands: assignments, redirections, and what goes where.

use basalt_shell::{Assignment, Command, Redirection, RedirectionKind, Target, Word};

use super::super::report::printable;
use super::Interpreter;
use super::bash;
use super::state::{Flow, Status, Touched, Value, normal};
use super::words::Fields;
use crate::Effect;

/// Builtins before which assignments last (POSIX, *Special Built-In Utilities*, and dash's `local`); not so in bash.
const SPECIAL: [&str; 16] = [
    ".", ":", "break", "continue", "eval", "exec", "exit", "export", "local", "readonly", "return",
    "set", "shift", "times", "trap", "unset",
];

/// A file that output goes to.
#[derive(Debug, Clone)]
pub(super) struct Sink {
    pub path: String,
    pub append: bool,
}

/// Where a command's input comes from and its output goes.
#[derive(Debug, Clone, Default)]
pub(super) struct Redirected {
    pub sink: Option<Sink>,
    /// Output that nobody sees.
    pub discarded: bool,
    /// The standard input, if it is not that of outside: the text of a here-document or a file, if it is known.
    pub input: Option<Value>,
    /// The file that it is read from.
    pub source: Option<String>,
    /// Whether errors go where output went (`2>&1`), and are not known apart.
    pub joins_errors: bool,
}

/// What a command has done.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub meaning: &'static str,
    pub status: Status,
    /// What it says.
    pub output: Value,
}

impl Done {
    /// A command that succeeds and says nothing that matters.
    pub fn quietly(meaning: &'static str) -> Self {
        Self::with(meaning, Status::Success)
    }

    pub fn with(meaning: &'static str, status: Status) -> Self {
        Self {
            meaning,
            status,
            output: Some(String::new()),
        }
    }

    /// A command whose words and answer are not known.
    pub fn reading(meaning: &'static str) -> Self {
        Self {
            meaning,
            status: Status::Unknown,
            output: None,
        }
    }
}

impl<'s> Interpreter<'s> {
    pub(super) fn redirected(&mut self, redirections: &'s [Redirection]) -> Option<Redirected> {
        let mut redirected = Redirected::default();
        for redirection in redirections {
            let descriptor = redirection.descriptor;
            match (&redirection.target, redirection.kind) {
                (Target::Document(place), _) if descriptor.unwrap_or(0) == 0 => {
                    let document = self.script.documents.get(*place)?;
                    let text = self
                        .joined(&document.body, true)
                        .map(|pattern| pattern.text());
                    redirected.input = Some(text);
                }
                (Target::Word(word), RedirectionKind::Write | RedirectionKind::Append) => {
                    if self.is_bash && bash::has_braces(&word.pieces) {
                        return None;
                    }
                    let path = self.value(word)?;
                    let is_nowhere =
                        matches!(path.as_str(), "/dev/null" | "/dev/stderr" | "/dev/tty");
                    // A file that output went to is made all the same.
                    if descriptor.unwrap_or(1) == 1 && redirected.sink.is_some() {
                        return None;
                    }
                    match (descriptor.unwrap_or(1), is_nowhere) {
                        (1, true) => redirected.discarded = true,
                        (_, true) => {}
                        (1, false) => {
                            redirected.sink = Some(Sink {
                                path,
                                append: redirection.kind == RedirectionKind::Append,
                            });
                        }
                        _ => return None,
                    }
                }
                (Target::Word(word), RedirectionKind::CopyWrite) => {
                    let to = self.value(word)?;
                    if to != "-" && to.parse::<u32>().is_err() {
                        return None;
                    }
                    match (descriptor.unwrap_or(1), to.as_str()) {
                        (1, "1") => {}
                        // Writing to what is closed fails; another descriptor may be what takes the output.
                        (1, "-") => return None,
                        (1, other) if other != "2" && self.output.is_some() => return None,
                        (1, _) if redirected.sink.is_some() => return None,
                        (1, _) => redirected.discarded = true,
                        (2, "1") => redirected.joins_errors |= !redirected.discarded,
                        _ => {}
                    }
                }
                // To another descriptor, which nothing that is followed reads.
                (Target::Document(_), _) => {}
                (Target::Word(word), RedirectionKind::Read | RedirectionKind::CopyRead) => {
                    let path = self.value(word);
                    if let Some(path) = path.as_deref()
                        && redirection.kind == RedirectionKind::Read
                        && self.state.touched(path) == Some(Touched::Missing)
                    {
                        // It fails, and the command is not run.
                        return None;
                    }
                    if descriptor.unwrap_or(0) == 0 {
                        redirected.source = path.clone();
                        redirected.input = Some(match (redirection.kind, path.as_deref()) {
                            (RedirectionKind::Read, Some("/dev/null")) => Some(String::new()),
                            (RedirectionKind::Read, Some(path)) => self.content(path),
                            _ => None,
                        });
                    }
                }
                (Target::Word(word), RedirectionKind::WriteBoth) if self.is_bash => {
                    if self.value(word)? != "/dev/null" || redirected.sink.is_some() {
                        return None;
                    }
                    redirected.discarded = true;
                }
                _ => return None,
            }
        }
        let is_read = |sink: &Sink| {
            let source = redirected.source.as_deref();
            source.is_some_and(|source| normal(source) == normal(&sink.path))
        };
        match redirected.sink.as_ref().is_some_and(is_read) {
            true => None,
            false => Some(redirected),
        }
    }

    /// Follows what runs commands of its own with its output and input redirected: files are open, and made, while it runs.
    pub(super) fn within(
        &mut self,
        redirected: Redirected,
        inner: impl FnOnce(&mut Self) -> Flow,
    ) -> Flow {
        let line = self.line;
        let source = redirected.source.filter(|_| redirected.input.is_some());
        let sink = redirected.sink.as_ref().map(|sink| normal(&sink.path));
        let sink = sink.filter(|path| !is_log(path));
        let opened = source.iter().map(|path| normal(path)).chain(sink.clone());
        let before = self.open.len();
        self.open.extend(opened);
        let made = sink.map(|path| {
            let touched = self.state.paths.insert(path.clone(), Touched::Unsure);
            (path, touched)
        });
        let outer = (redirected.sink.is_some() || redirected.discarded)
            .then(|| self.output.replace(Some(String::new())));
        let flow = self.reading(redirected.input, inner);
        self.line = line;
        self.open.truncate(before);
        if let Some((path, touched)) = made {
            match touched {
                Some(touched) => self.state.paths.insert(path, touched),
                None => self.state.paths.remove(&path),
            };
        }
        if let Some(outer) = outer {
            let text = std::mem::replace(&mut self.output, outer).flatten();
            if let Some(sink) = redirected.sink {
                let text = text.filter(|_| !redirected.joins_errors);
                self.write_output(&sink, text);
            }
        }
        if redirected.joins_errors {
            self.output = self.output.take().map(|_| None);
        }
        flow
    }

    /// The text of a file that the script wrote itself.
    fn content(&mut self, path: &str) -> Value {
        match self.state.touched(path)? {
            Touched::File(Some(text)) => {
                self.spend_text(&text);
                Some(text)
            }
            _ => None,
        }
    }

    pub(super) fn simple(
        &mut self,
        command: &'s Command,
        assignments: &'s [Assignment],
        words: &'s [Word],
    ) -> Flow {
        let line = command.lines.first;
        let notes = self.notes.len();
        if words.is_empty() {
            self.state.status = Status::Success;
            for assignment in assignments {
                let value = self.assigned(&assignment.value.pieces);
                self.line = line;
                self.state.set(&assignment.name, value);
            }
            let redirected = self.redirected(&command.redirections);
            self.line = line;
            match redirected {
                None => self.unexplained(line, ELSEWHERE),
                Some(redirected) => {
                    if let Some(sink) = redirected.sink {
                        self.write_output(&sink, Some(String::new()));
                    }
                }
            }
            return Flow::Next;
        }
        let fields = self.fields(words);
        // For the one command only, mostly; but making the value may do something.
        let mut prefix = Vec::with_capacity(assignments.len());
        for assignment in assignments {
            let value = self.assigned(&assignment.value.pieces);
            prefix.push((assignment.name.as_str(), value));
        }
        self.line = line;
        let Some(redirected) = self.redirected(&command.redirections) else {
            self.unexplained(line, ELSEWHERE);
            self.state.status = Status::Unknown;
            return Flow::Next;
        };
        self.line = line;
        let name = fields.values.first().cloned().flatten();
        let function = name
            .as_ref()
            .and_then(|name| self.state.functions.get(name).copied());
        if function == Some(None) {
            self.unexplained(line, "whether this is a function, and which, is not known");
            self.state.lose_variables();
            self.state.status = Status::Unknown;
            self.say(None);
            return Flow::Next;
        }
        if let Some(body) = function.flatten() {
            if !assignments.is_empty() || !fields.exact {
                self.unexplained(line, "what this function is called with is not known");
            }
            let arguments = fields.values.into_iter().skip(1).collect();
            return self.within(redirected, |interpreter| {
                interpreter.function(body, arguments)
            });
        }
        let before = self.emitted();
        let separators = prefix.iter().rev().find(|(name, _)| *name == "IFS");
        let separators = match separators {
            Some((_, value)) => value.clone(),
            None => self.separators().map(str::to_owned),
        };
        if !self.is_bash && name.as_deref().is_some_and(|name| SPECIAL.contains(&name)) {
            for (name, value) in prefix {
                self.state.set(name, value);
            }
        }
        let special = name.as_deref().and_then(|name| {
            self.reading(redirected.input.clone(), |interpreter| {
                interpreter.special(name, &fields, &separators)
            })
        });
        if let Some(flow) = special {
            if redirected.sink.is_some() {
                self.unexplained(line, ELSEWHERE);
            }
            return flow;
        }
        let sink = redirected.sink.as_ref();
        let sink_before = sink.and_then(|sink| self.state.touched(&sink.path));
        let done = name
            .as_deref()
            .and_then(|name| self.external(name, &fields, &redirected));
        // The file is there while the command runs.
        let asks = matches!(name.as_deref(), Some("[" | "test"));
        let done = done.filter(|_| {
            sink.is_none_or(|sink| !asks && self.state.touched(&sink.path) == sink_before)
        });
        if redirected.input.is_none() {
            self.may_have_read(name.as_deref().filter(|_| done.is_some()));
        }
        match done {
            Some(done) => {
                self.state.status = done.status;
                if self.notes.len() == notes && redirected.sink.is_none() || self.emitted() > before
                {
                    self.known(done.meaning, before);
                }
                if let Some(sink) = &redirected.sink {
                    self.write_output(sink, done.output);
                } else if !redirected.discarded {
                    self.say(done.output);
                }
            }
            None => {
                self.unexplained(line, not_known(&fields));
                self.state.status = Status::Unknown;
                self.say(None);
                if matches!(
                    name.as_deref(),
                    None | Some("." | "source" | "eval" | "read" | "unset" | "getopts")
                ) {
                    self.state.lose_variables();
                }
            }
        }
        Flow::Next
    }

    /// Adds to the output that somebody takes.
    fn say(&mut self, text: Value) {
        let length = match (&self.output, &text) {
            (Some(Some(output)), Some(text)) => {
                let length = output.len() + text.len();
                self.spend_text(text);
                length
            }
            _ => 0,
        };
        if !self.allows_value(length) {
            return;
        }
        if let Some(output) = &mut self.output {
            match (output.as_mut(), text) {
                (Some(output), Some(text)) => output.push_str(&text),
                _ => *output = None,
            }
        }
    }

    /// Writes output into a file.
    pub(super) fn write_output(&mut self, sink: &Sink, text: Value) {
        let path = sink.path.clone();
        if self.open.contains(&normal(&path)) {
            self.unexplained(self.line, OPEN);
            return self.state.touch(&path, Touched::Unsure);
        }
        let touched = self.state.touched(&path);
        let content = match (sink.append, &touched, text) {
            (_, _, None) => None,
            (false, _, Some(text)) => Some(text),
            (true, Some(Touched::Missing), Some(text)) => Some(text),
            (true, Some(Touched::File(Some(before))), Some(text)) => {
                self.spend((before.len() + text.len()) as u64);
                self.allows_value(before.len() + text.len())
                    .then(|| format!("{before}{text}"))
            }
            (true, ..) => None,
        };
        let log = is_log(&path);
        if log && content.is_none() {
            self.state.touch(&path, Touched::File(None));
            return self.known("a log: not made", self.emitted());
        }
        let Some(content) = content
            .filter(|text| is_whole(text))
            .filter(|_| may_stand(&path))
            .filter(|_| self.call.member == "postinst" || !self.call.is_conffile(&path))
        else {
            let why = format!("what is written into {path} is not known");
            self.unexplained(self.line, why);
            return self.state.touch(&path, Touched::Unsure);
        };
        self.state
            .touch(&path, Touched::File(Some(content.clone())));
        if log {
            return self.known("a log: not made", self.emitted());
        }
        let path = path.trim_end_matches('/').to_owned();
        let is_new = touched == Some(Touched::Missing);
        let before = self.emitted();
        if is_new || self.call.member == "preinst" {
            if !is_new {
                self.refuse_if_foreign(&path);
            }
            self.emit(Effect::File {
                path,
                content,
                mode: 0o644,
            });
        } else {
            self.emit(Effect::Write { path, content });
        }
        self.known("a file", before);
    }
}

/// Why a command is not explained whose output or input is not understood.
pub(super) const ELSEWHERE: &str = "where its output goes, or its input comes from, is not known";

/// Why a command is not explained that changes a file which is open.
pub(super) const OPEN: &str = "it changes a file that is read or written around it";

/// Why a command is not explained.
fn not_known(fields: &Fields) -> String {
    let words: Vec<&str> = fields
        .values
        .iter()
        .map(|value| value.as_deref().unwrap_or("…"))
        .collect();
    let words = printable(&words.join(" "));
    let name = fields.values.first().and_then(Option::as_deref);
    match (name, fields.known()) {
        (None, _) => "the name of the command is not known".to_owned(),
        (_, None) => format!("`{words}`: its arguments are not all known"),
        _ => format!("`{words}` is not known, or not when it is used so"),
    }
}

/// Whether a path may be of an image: absolute, without `..`, and not of the kernel's file systems.
pub(super) fn may_stand(path: &str) -> bool {
    path.starts_with('/')
        && path.len() < 1024
        && path != "/"
        && !path.contains("//")
        && !path.contains(|letter: char| letter.is_control() || letter == '\u{fffd}')
        && !path.split('/').any(|part| part == ".." || part == ".")
        && !["/dev", "/proc", "/sys"].iter().any(|top| {
            path.strip_prefix(top)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
}

/// Whether a path is that of a log.
pub(super) fn is_log(path: &str) -> bool {
    path.starts_with("/var/log/")
}

/// Whether a text came through as it was written.
fn is_whole(text: &str) -> bool {
    !text.contains('\u{fffd}') && text.len() < 1 << 20
}
