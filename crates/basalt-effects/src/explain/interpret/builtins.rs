//! Builtins that change how the script goes on, or its variables.

use super::Interpreter;
use super::budget::ENTRY;
use super::state::{Flow, Status, Value};
use super::words::{BLANKS_OF_SHELL, Fields, is_name};

/// Whether an argument of `export` and the like leaves values as they are written: a name, maybe with a value, or an option
/// that only marks variables. Bash's `-i`, `-u`, `-n` and `a+=b` do not.
fn is_declared_plainly(argument: &str) -> bool {
    let name = argument.split_once('=').map_or(argument, |(name, _)| name);
    is_name(name) || matches!(argument, "-x" | "-r" | "-rx" | "-xr" | "-p" | "--")
}

impl<'s> Interpreter<'s> {
    /// Builtins that change how the script goes on, or its variables. `separators` are the `IFS` of this command.
    pub(super) fn special(
        &mut self,
        name: &str,
        fields: &Fields,
        separators: &Value,
    ) -> Option<Flow> {
        let words = fields.known();
        let word = |index: usize| {
            words
                .as_ref()
                .and_then(|words| words.get(index))
                .map(String::as_str)
        };
        let count = fields.values.len();
        match name {
            "exit" | "return" => {
                let flow = if name == "exit" {
                    Flow::Exit
                } else {
                    Flow::Return
                };
                if count > 1 {
                    self.state.status = match word(1) {
                        Some("0") => Status::Success,
                        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                            Status::Failure
                        }
                        _ => Status::Unknown,
                    };
                }
                if flow == Flow::Exit && self.state.status == Status::Failure {
                    return Some(Flow::Fail);
                }
                Some(flow)
            }
            "break" | "continue" if count == 1 => Some(match name {
                "break" => Flow::Break,
                _ => Flow::Continue,
            }),
            "shift" if count <= 2 => {
                let by = match count {
                    1 => Some(1),
                    _ => word(1).and_then(|text| text.parse().ok()),
                };
                self.state.arguments = match (self.state.arguments.take(), by) {
                    (Some(arguments), Some(by)) if by <= arguments.len() => {
                        Some(arguments.into_iter().skip(by).collect())
                    }
                    _ => None,
                };
                self.state.status = Status::Success;
                Some(Flow::Next)
            }
            "set" => self.set_builtin(fields),
            "local" | "export" | "readonly" => self.declare(name, fields),
            "typeset" | "declare" if self.is_bash => self.declare(name, fields),
            "read" => self.read(fields, separators),
            "unset" => self.unset(words?.get(1..)?),
            "." | "source"
                if matches!(
                    word(1),
                    Some("/usr/share/debconf/confmodule" | "/usr/share/debconf/confmodule.sh")
                ) =>
            {
                self.state.debconf = true;
                self.known("debconf's protocol", self.emitted());
                self.state.status = Status::Success;
                Some(Flow::Next)
            }
            "." | "source" if word(1) == Some("/usr/lib/php/php-maintscript-helper") => {
                self.state.php = true;
                self.known("functions that call phpenmod", self.emitted());
                self.state.status = Status::Success;
                Some(Flow::Next)
            }
            "trap" | "umask" if count <= 1 => Some(Flow::Next),
            _ => None,
        }
    }

    /// `unset [-f | -v] NAME…`. Without an option bash takes a function away where there is no variable of that name; dash only a
    /// variable.
    fn unset(&mut self, words: &[String]) -> Option<Flow> {
        let (option, names) = match words.split_first() {
            Some((option, names)) if option == "-f" || option == "-v" || option == "--" => {
                (option.as_str(), names)
            }
            _ => ("", words),
        };
        if !names.iter().all(|name| is_name(name) || option == "-f") {
            return None;
        }
        for name in names {
            self.spend(ENTRY + name.len() as u64);
            if self.is_over() {
                break;
            }
            if option == "-f" {
                self.state.functions.remove(name);
                continue;
            }
            if self.is_bash && option != "-v" {
                match self.state.variable(name) {
                    None => {
                        self.state.functions.remove(name);
                    }
                    // It may be unset.
                    Some(None) => {
                        if let Some(body) = self.state.functions.get_mut(name) {
                            *body = None;
                        }
                    }
                    Some(Some(_)) => {}
                }
            }
            self.unset_variable(name);
        }
        self.state.status = Status::Success;
        Some(Flow::Next)
    }

    fn unset_variable(&mut self, name: &str) {
        // Bash shows again what a function further out has hidden.
        let outer = self.hidden.split_last().map_or(&[][..], |(_, outer)| outer);
        if self.is_bash && outer.iter().any(|hidden| hidden.contains_key(name)) {
            self.state.set(name, None);
            return;
        }
        self.state.variables.remove(name);
        if name == "IFS" {
            // Values are split as at the start.
            self.state.set(name, Some(BLANKS_OF_SHELL.to_owned()));
        }
    }

    /// `local`, `export` and the like.
    fn declare(&mut self, name: &str, fields: &Fields) -> Option<Flow> {
        for (place, field) in fields.values.iter().enumerate().skip(1) {
            self.spend(ENTRY + field.as_deref().map_or(0, str::len) as u64);
            if self.is_over() {
                break;
            }
            let assigned = fields.assigned.get(&place).map(String::as_str);
            let field = field.as_deref().filter(|text| is_declared_plainly(text));
            let (declared, value) = match (field, assigned) {
                (Some(text), _) => match text.split_once('=') {
                    Some((name, value)) => (name, Some(Some(value.to_owned()))),
                    None => (text, None),
                },
                (None, Some(name)) => (name, Some(None)),
                (None, None) => {
                    // The name is lost with the value, or an option gives the value another meaning.
                    self.unexplained(self.line, "the name of a variable is not known");
                    self.state.lose_variables();
                    continue;
                }
            };
            if name != "export" && name != "readonly" {
                let before = self.state.variables.get(declared).cloned();
                if let Some(hidden) = self.hidden.last_mut() {
                    hidden.entry(declared.to_owned()).or_insert(before);
                }
            }
            match value {
                Some(value) => self.state.set(declared, value),
                None if name != "local" || declared.starts_with('-') => {}
                // In the POSIX shell, dash's way, it keeps the value of outside; in bash it has none.
                None if self.is_bash => {
                    self.state.variables.remove(declared);
                }
                None => {
                    if let Some(inherited) = self.state.variable(declared) {
                        self.state.set(declared, inherited);
                    }
                }
            }
        }
        self.state.status = Status::Success;
        Some(Flow::Next)
    }

    fn set_builtin(&mut self, fields: &Fields) -> Option<Flow> {
        let mut rest = fields.values.iter().skip(1);
        self.state.status = Status::Success;
        match rest.next() {
            Some(Some(first)) if first == "--" => {
                self.state.arguments = fields.exact.then(|| rest.cloned().collect());
                Some(Flow::Next)
            }
            Some(Some(first)) if first.starts_with(['-', '+']) => {
                let on = first.starts_with('-');
                if first.contains('e') {
                    self.state.errexit = on;
                }
                match (first.contains('o'), rest.next(), rest.next()) {
                    (true, Some(Some(option)), None) => {
                        if option == "errexit" {
                            self.state.errexit = on;
                        }
                        (option != "noglob").then_some(Flow::Next)
                    }
                    (false, None, None) if !first.contains(['f', 'n']) => Some(Flow::Next),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
