//! The standard input, as far as it is known, and `read`.

use super::Interpreter;
use super::state::{Flow, Status, Value};
use super::words::{BLANKS, Fields, is_name};

/// Commands that do not read their standard input.
const DEAF: &[&str] = &[
    ":",
    "[",
    "basename",
    "chgrp",
    "chmod",
    "chown",
    "command",
    "cp",
    "dirname",
    "dpkg-divert",
    "dpkg-maintscript-helper",
    "dpkg-statoverride",
    "dpkg-trigger",
    "echo",
    "false",
    "getent",
    "groupadd",
    "id",
    "install",
    "ln",
    "mkdir",
    "printf",
    "rm",
    "rmdir",
    "test",
    "touch",
    "true",
    "type",
    "update-alternatives",
    "useradd",
    "usermod",
    "which",
];

impl<'s> Interpreter<'s> {
    /// Follows something whose standard input this is, if it has one of its own.
    pub(super) fn reading<T>(
        &mut self,
        input: Option<Value>,
        inner: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let Some(input) = input else {
            return inner(self);
        };
        let outer = std::mem::replace(&mut self.state.input, input);
        let result = inner(self);
        self.state.input = outer;
        result
    }

    /// What a command may have read of the standard input is not known.
    pub(super) fn may_have_read(&mut self, name: Option<&str>) {
        let base = name.and_then(|name| name.rsplit('/').next());
        if !base.is_some_and(|base| DEAF.contains(&base)) {
            self.state.input = None;
        }
    }

    /// `read [-r] NAME…` (POSIX, *read*): a line of the input, split at `separators`.
    pub(super) fn read(&mut self, fields: &Fields, separators: &Value) -> Option<Flow> {
        let words = fields.known()?;
        let words = words.get(1..)?;
        let (raw, names) = match words.split_first() {
            Some((option, names)) if option == "-r" => (true, names),
            _ => (false, words),
        };
        if names.is_empty() || !names.iter().all(|name| is_name(name)) {
            return None;
        }
        let line = self.next_line();
        let values = line
            .as_ref()
            .filter(|(line, _)| raw || !line.contains('\\'))
            .zip(separators.as_ref())
            .and_then(|((line, _), separators)| split(line, separators, names.len()));
        for (place, name) in names.iter().enumerate() {
            let value = values.as_ref().and_then(|all| all.get(place));
            self.state.set(name, value.cloned());
        }
        self.state.status = match &line {
            // A line that ends in a backslash goes on in the next.
            Some((line, _)) if !raw && line.contains('\\') => {
                self.state.input = None;
                Status::Unknown
            }
            Some((_, is_whole)) => Status::of(*is_whole),
            None => Status::Unknown,
        };
        self.known("reads a line", self.emitted());
        Some(Flow::Next)
    }

    /// Takes the next line off the input, and whether it has an end.
    fn next_line(&mut self) -> Option<(String, bool)> {
        let input = self.state.input.take()?;
        self.spend_text(&input);
        let (line, is_whole, rest) = match input.split_once('\n') {
            Some((line, rest)) => (line, true, rest),
            None => (input.as_str(), false, ""),
        };
        let line = line.to_owned();
        self.state.input = Some(rest.to_owned());
        Some((line, is_whole))
    }
}

/// A line as the values of so many variables; `None` where shells may differ.
fn split(line: &str, separators: &str, count: usize) -> Option<Vec<String>> {
    if separators.chars().all(|letter| BLANKS.contains(&letter)) {
        let blanks: Vec<char> = separators.chars().collect();
        let mut left = line.trim_matches(blanks.as_slice());
        let mut values = Vec::with_capacity(count);
        for _ in 1..count {
            let (value, rest) = left.split_once(blanks.as_slice()).unwrap_or((left, ""));
            values.push(value.to_owned());
            left = rest.trim_start_matches(blanks.as_slice());
        }
        values.push(left.to_owned());
        return Some(values);
    }
    // Other separators each end a field; what stands after the last is told apart by shells.
    let is_plain = !separators.contains(BLANKS) && separators.is_ascii();
    let letters: Vec<char> = separators.chars().collect();
    let mut values: Vec<String> = line.split(letters.as_slice()).map(str::to_owned).collect();
    if !is_plain || values.len() > count || line.ends_with(letters.as_slice()) {
        return None;
    }
    values.resize(count, String::new());
    Some(values)
}
