//! Commands by name.

use super::Interpreter;
use super::harmless::{HARMLESS, READERS, only_reads};
use super::simple::{Done, Redirected};
use super::state::{Status, Value};
use super::tests_of_shell::SERVICES;
use super::words::Fields;
use crate::{Condition, Effect, Writer};

impl<'s> Interpreter<'s> {
    /// What a program or another builtin does; `None` when that is not known for certain.
    pub(super) fn external(
        &mut self,
        name: &str,
        fields: &Fields,
        redirected: &Redirected,
    ) -> Option<Done> {
        let name = name
            .strip_prefix("/usr/sbin/")
            .or_else(|| name.strip_prefix("/usr/bin/"))
            .or_else(|| name.strip_prefix("/sbin/"))
            .or_else(|| name.strip_prefix("/bin/"))
            .unwrap_or(name);
        let words = fields.known();
        if let Some((_, meaning)) = HARMLESS.iter().find(|(known, _)| *known == name) {
            return Some(Done::reading(meaning));
        }
        if name.starts_with("db_") {
            return self.debconf(name, words.as_deref());
        }
        match name {
            // Which modules and interfaces there are, the image tells.
            "php_invoke" if self.state.php => {
                let enables = fields.values.get(1).and_then(Option::as_deref) == Some("enmod");
                return match enables {
                    true => self.run(Writer::PhpModules, "PHP's modules, enabled natively"),
                    false => None,
                };
            }
            "phpquery" if self.state.php => return Some(Done::reading("asks for modules of PHP")),
            ":" | "true" => return Some(Done::quietly("nothing")),
            "false" => return Some(Done::with("nothing", Status::Failure)),
            "test" => {
                let inner = Fields {
                    values: fields.values.iter().skip(1).cloned().collect(),
                    exact: fields.exact,
                    ..Fields::default()
                };
                return Some(Done::with("a test", self.test(&inner)));
            }
            "[" => {
                let inner = Fields {
                    values: fields
                        .values
                        .iter()
                        .skip(1)
                        .take(fields.values.len().saturating_sub(2))
                        .cloned()
                        .collect(),
                    exact: fields.exact,
                    ..Fields::default()
                };
                return Some(Done::with("a test", self.test(&inner)));
            }
            "echo" | "printf" => {
                return Some(Done {
                    meaning: "words for the administrator",
                    status: Status::Success,
                    output: words.and_then(|words| match name {
                        "echo" => self.echoed(words.get(1..)?),
                        _ => printed(words.get(1..)?),
                    }),
                });
            }
            "cat" if fields.values.len() == 1 && redirected.input.is_some() => {
                return Some(Done {
                    meaning: "words for the administrator",
                    status: Status::Success,
                    output: redirected.input.clone().flatten(),
                });
            }
            "basename" | "dirname" => {
                let output = words.and_then(|words| part_of_path(&words));
                return Some(Done {
                    meaning: "a part of a path",
                    status: Status::Success,
                    output: output.map(|text| text + "\n"),
                });
            }
            "sed" | "awk" | "mawk" | "gawk" | "sort" | "find" => {
                let words = words?;
                return only_reads(name, words.get(1..)?).then(|| Done::reading("reads"));
            }
            "uniq" | "hostname" | "date" | "file" if fields.values.len() > 1 => {
                let words = words?;
                return only_reads(name, words.get(1..)?).then(|| Done::reading("reads"));
            }
            name if READERS.contains(&name) => return Some(Done::reading("reads")),
            _ => {}
        }
        let words = words?;
        let arguments = words.get(1..)?;
        match name {
            "command" | "which" | "type" => self.program(name, arguments),
            "dpkg" => self.dpkg(arguments),
            "dpkg-architecture" => Some(Done {
                meaning: "asks for the architecture",
                status: Status::Success,
                output: match (arguments, self.call.architecture) {
                    ([option], "amd64") if option == "-qDEB_HOST_MULTIARCH" => {
                        Some("x86_64-linux-gnu\n".to_owned())
                    }
                    ([option], "arm64") if option == "-qDEB_HOST_MULTIARCH" => {
                        Some("aarch64-linux-gnu\n".to_owned())
                    }
                    _ => None,
                },
            }),
            "ldconfig" if arguments.is_empty() => {
                self.run(Writer::LinkerCache, "the dynamic linker's cache")
            }
            "systemd-tmpfiles"
                if arguments
                    .iter()
                    .all(|word| word == "--create" || !word.starts_with('-')) =>
            {
                self.run(Writer::TemporaryFiles, "tmpfiles.d, read natively")
            }
            "systemd-sysusers" if arguments.iter().all(|word| !word.starts_with('-')) => {
                self.run(Writer::SystemUsers, "sysusers.d, read natively")
            }
            "pam-auth-update"
                if arguments
                    .iter()
                    .all(|word| matches!(word.as_str(), "--package" | "--force")) =>
            {
                self.run(Writer::PamCommon, "the common files of PAM")
            }
            "add-shell"
                if !arguments.is_empty() && arguments.iter().all(|path| path.starts_with('/')) =>
            {
                for path in arguments {
                    self.registered.insert(("shell", path.clone()));
                    self.emit(Effect::Shell { path: path.clone() });
                }
                Some(Done::quietly("a line of /etc/shells"))
            }
            "remove-shell"
                if arguments
                    .iter()
                    .any(|path| self.registered.contains(&("shell", path.clone()))) =>
            {
                None
            }
            "remove-shell" => Some(Done::quietly("takes away what is not there")),
            "mkdir" | "install" | "chmod" | "chown" | "chgrp" | "ln" | "touch" | "rm" | "rmdir" => {
                self.file_command(name, arguments)
            }
            "adduser" | "addgroup" | "useradd" | "groupadd" | "usermod" | "gpasswd" => {
                self.account_command(name, arguments)
            }
            "getent" | "id" => self.account_question(name, arguments),
            "update-xmlcatalog" => self.xml_catalog(arguments),
            "update-catalog" => self.sgml_catalog(arguments),
            "ucf" => self.ucf(arguments),
            "ucfr" => self.ucfr(arguments),
            // What is made has modes as with 022, which is what dpkg gives.
            "umask" if matches!(arguments, [mask] if mask == "022" || mask == "0022") => {
                Some(Done::quietly("the usual mask"))
            }
            "update-alternatives" | "dpkg-divert" | "dpkg-statoverride" => {
                self.debian_command(name, arguments)
            }
            _ => None,
        }
    }

    pub(super) fn run(&mut self, writer: Writer, meaning: &'static str) -> Option<Done> {
        self.emit(Effect::Run { writer });
        self.state.written.insert(writer);
        Some(Done::quietly(meaning))
    }

    /// `command -v NAME` and its like.
    fn program(&mut self, name: &str, arguments: &[String]) -> Option<Done> {
        let program = match (name, arguments) {
            ("command", [option, program]) if option == "-v" || option == "-V" => program,
            ("which" | "type", [program]) if !program.starts_with('-') => program,
            ("which", [option, program]) if option == "-s" => program,
            _ => return None,
        };
        if self.state.functions.contains_key(program) {
            return Some(Done::reading("asks for a program"));
        }
        if program.is_empty() || program.contains('/') && !program.starts_with('/') {
            return None;
        }
        if name != "which" && is_of_shell(program, self.is_bash) {
            return Some(Done {
                meaning: "asks for a program: the shell has it",
                status: Status::Success,
                output: (name == "command"
                    && arguments.first().is_some_and(|option| option == "-v"))
                .then(|| format!("{program}\n")),
            });
        }
        if let Some(path) = SERVICES
            .iter()
            .find(|path| path.ends_with(&format!("/{program}")))
        {
            return Some(Done {
                meaning: "asks for a program whose work is done natively",
                status: Status::Success,
                output: Some(format!("{path}\n")),
            });
        }
        let status = match program.starts_with('/') {
            true => self.ask(Condition::Executable(super::state::normal(program))),
            false => self.ask(Condition::Command(program.clone())),
        };
        Some(Done {
            meaning: "asks for a program",
            status,
            output: None,
        })
    }

    fn dpkg(&mut self, arguments: &[String]) -> Option<Done> {
        let first = arguments.first().map(String::as_str)?;
        match (first, arguments) {
            ("--compare-versions", [_, old, operator, version]) => {
                let status = match (old.as_str(), version.as_str()) {
                    ("", version) if !version.is_empty() => older(operator)?,
                    _ => Status::Unknown,
                };
                Some(Done::with("compares versions", status))
            }
            ("--print-architecture", [_]) => Some(Done {
                meaning: "asks for the architecture",
                status: Status::Success,
                output: match self.call.architecture {
                    "all" => None,
                    architecture => Some(format!("{architecture}\n")),
                },
            }),
            (
                "-l"
                | "-L"
                | "-s"
                | "-S"
                | "--list"
                | "--listfiles"
                | "--status"
                | "--search"
                | "--get-selections"
                | "--print-foreign-architectures"
                | "--validate-version"
                | "--assert-multi-arch",
                _,
            ) => Some(Done::reading("asks dpkg")),
            _ => None,
        }
    }

    /// What `echo` says; the shells differ about backslashes.
    fn echoed(&self, words: &[String]) -> Value {
        let (words, end) = match words.split_first() {
            Some((first, rest)) if first == "-n" => (rest, ""),
            _ => (words, "\n"),
        };
        let text = words.join(" ");
        if text.contains('\\') || words.first().is_some_and(|first| first.starts_with('-')) {
            return None;
        }
        Some(text + end)
    }
}

/// Builtins and reserved words that dash and bash have.
const OF_SHELLS: [&str; 55] = [
    ".", ":", "[", "alias", "bg", "break", "case", "cd", "command", "continue", "do", "done",
    "echo", "elif", "else", "esac", "eval", "exec", "exit", "export", "false", "fc", "fg", "fi",
    "for", "getopts", "hash", "if", "in", "jobs", "kill", "local", "printf", "pwd", "read",
    "readonly", "return", "set", "shift", "test", "then", "times", "trap", "true", "type",
    "ulimit", "umask", "unalias", "unset", "until", "wait", "while", "{", "}", "!",
];

/// Those that only bash has.
const OF_BASH: [&str; 28] = [
    "[[",
    "bind",
    "builtin",
    "caller",
    "compgen",
    "complete",
    "compopt",
    "coproc",
    "declare",
    "dirs",
    "disown",
    "enable",
    "function",
    "help",
    "history",
    "let",
    "logout",
    "mapfile",
    "popd",
    "pushd",
    "readarray",
    "select",
    "shopt",
    "source",
    "suspend",
    "time",
    "typeset",
    "]]",
];

/// Whether `command -v` and `type` find a name in the shell itself.
fn is_of_shell(name: &str, is_bash: bool) -> bool {
    OF_SHELLS.contains(&name)
        || match is_bash {
            true => OF_BASH.contains(&name),
            false => name == "chdir",
        }
}

/// `dpkg --compare-versions "" OPERATOR …`: an empty version is earlier than any, except for the
/// operators that end in `-nl`, for which it is later (dpkg(1)).
fn older(operator: &str) -> Option<Status> {
    match operator {
        "lt" | "le" | "ne" | "gt-nl" | "ge-nl" => Some(Status::Success),
        "gt" | "ge" | "eq" | "lt-nl" | "le-nl" => Some(Status::Failure),
        _ => None,
    }
}

/// What `printf` says, for the formats `%s`, `%%`, `\n` and `\t`.
fn printed(words: &[String]) -> Value {
    let (format, mut arguments) = words
        .split_first()
        .map(|(format, rest)| (format, rest.iter()))?;
    let mut text = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.push(match letters.next()? {
                'n' => '\n',
                't' => '\t',
                '\\' => '\\',
                _ => return None,
            }),
            '%' => match letters.next()? {
                '%' => text.push('%'),
                's' => text.push_str(arguments.next().map_or("", String::as_str)),
                _ => return None,
            },
            letter => text.push(letter),
        }
    }
    // With arguments left the format would be used again.
    arguments.next().is_none().then_some(text)
}

fn part_of_path(words: &[String]) -> Option<String> {
    let (name, path, suffix) = match words {
        [name, path] => (name, path, ""),
        [name, path, suffix] if name == "basename" => (name, path, suffix.as_str()),
        _ => return None,
    };
    let path = path.trim_end_matches('/');
    if path.is_empty() || path.starts_with('-') {
        return None;
    }
    let (parent, last) = path.rsplit_once('/').unwrap_or((".", path));
    if name.ends_with("basename") {
        let shorter = last.strip_suffix(suffix).filter(|rest| !rest.is_empty());
        return Some(shorter.unwrap_or(last).to_owned());
    }
    let parent = parent.trim_end_matches('/');
    Some(if parent.is_empty() { "/" } else { parent }.to_owned())
}
