//! Commands by name.

use super::Interpreter;
use super::simple::{Done, Redirected};
use super::state::{Flow, Status, Value};
use super::tests_of_shell::SERVICES;
use super::words::Fields;
use crate::{Condition, Effect, Writer};

/// Commands that leave nothing in an image, and why.
const HARMLESS: &[(&str, &str)] = &[
    (
        "deb-systemd-invoke",
        "starts a service: nothing runs while an image is built",
    ),
    (
        "systemctl",
        "talks to systemd: it does not run while an image is built",
    ),
    (
        "invoke-rc.d",
        "starts a service: nothing runs while an image is built",
    ),
    (
        "service",
        "starts a service: nothing runs while an image is built",
    ),
    (
        "start-stop-daemon",
        "starts a service: nothing runs while an image is built",
    ),
    (
        "kill",
        "ends a process: nothing runs while an image is built",
    ),
    (
        "pkill",
        "ends a process: nothing runs while an image is built",
    ),
    (
        "killall",
        "ends a process: nothing runs while an image is built",
    ),
    (
        "udevadm",
        "talks to udev: it does not run while an image is built",
    ),
    (
        "apparmor_parser",
        "loads a profile into the kernel: the host's",
    ),
    ("aa-enabled", "asks the kernel: the host's"),
    ("modprobe", "loads a module of the kernel: the host's"),
    (
        "update-rc.d",
        "boot links: a container starts no init scripts",
    ),
    (
        "deb-systemd-helper",
        "enables a unit: a container starts no units",
    ),
    (
        "dpkg-maintscript-helper",
        "moves conffiles of older versions: there is none",
    ),
    (
        "py3compile",
        "byte-code: not made, so that the image is reproducible",
    ),
    (
        "pypy3compile",
        "byte-code: not made, so that the image is reproducible",
    ),
    ("py3clean", "byte-code: there is none"),
    ("pypy3clean", "byte-code: there is none"),
    ("update-menus", "desktop menus: a cache"),
    ("update-icon-caches", "icons: a cache"),
    ("gtk-update-icon-cache", "icons: a cache"),
    ("update-desktop-database", "types of desktop files: a cache"),
    ("fc-cache", "fonts: a cache"),
    ("install-info", "the index of info pages: a cache"),
    ("mandb", "the index of manual pages: a cache"),
    ("journalctl", "the journal's catalogue: a cache"),
    ("systemd-hwdb", "the hardware database: a cache"),
    (
        "dpkg-trigger",
        "a trigger: done by the package that is interested",
    ),
    ("sleep", "waits"),
    ("sync", "waits"),
];

/// Commands that only read and say what they read.
const READERS: &[&str] = &[
    "cat",
    "grep",
    "egrep",
    "fgrep",
    "zgrep",
    "cut",
    "head",
    "tail",
    "uniq",
    "tr",
    "wc",
    "ls",
    "stat",
    "readlink",
    "realpath",
    "uname",
    "hostname",
    "date",
    "cmp",
    "diff",
    "md5sum",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "file",
    "expr",
    "seq",
    "pidof",
    "pgrep",
    "ps",
    "tty",
    "nproc",
    "getconf",
    "du",
    "df",
    "dpkg-query",
    "whoami",
    "arch",
    "rev",
    "tac",
    "mountpoint",
    "findmnt",
    "od",
    "locale",
    "systemd-detect-virt",
    "ischroot",
    "runlevel",
    "ucfq",
    "debconf-show",
    "logger",
];

impl<'s> Interpreter<'s> {
    /// Builtins that change how the script goes on.
    pub(super) fn special(&mut self, name: &str, fields: &Fields) -> Option<Flow> {
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
            "local" | "export" | "readonly" | "typeset" | "declare" => {
                for field in fields.values.iter().skip(1) {
                    let Some(text) = field else {
                        // The name is lost with the value.
                        self.note_unknown("a variable");
                        self.state
                            .variables
                            .values_mut()
                            .for_each(|value| *value = None);
                        continue;
                    };
                    let declared = text.split_once('=').map_or(text.as_str(), |(name, _)| name);
                    if name != "export" && name != "readonly" {
                        let before = self.state.variables.get(declared).cloned();
                        if let Some(hidden) = self.hidden.last_mut() {
                            hidden.entry(declared.to_owned()).or_insert(before);
                        }
                    }
                    match text.split_once('=') {
                        Some((name, value)) => self.state.set(name, Some(value.to_owned())),
                        None if name == "local" && !text.starts_with('-') => {
                            let inherited =
                                self.state.variable(text).unwrap_or(Some(String::new()));
                            self.state.set(text, inherited);
                        }
                        None => {}
                    }
                }
                self.state.status = Status::Success;
                Some(Flow::Next)
            }
            "unset" => {
                for name in words?.iter().skip(1).filter(|name| !name.starts_with('-')) {
                    self.state.variables.remove(name);
                    if super::state::State::is_of_environment(name) {
                        self.state.set(name, Some(String::new()));
                    }
                }
                self.state.status = Status::Success;
                Some(Flow::Next)
            }
            "." | "source"
                if matches!(
                    word(1),
                    Some("/usr/share/debconf/confmodule" | "/usr/share/debconf/confmodule.sh")
                ) =>
            {
                self.state.debconf = true;
                self.known("debconf's protocol", false);
                self.state.status = Status::Success;
                Some(Flow::Next)
            }
            "trap" | "umask" if count <= 1 => Some(Flow::Next),
            _ => None,
        }
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
            ":" | "true" => return Some(Done::quietly("nothing")),
            "false" => return Some(Done::with("nothing", Status::Failure)),
            "test" => {
                let inner = Fields {
                    values: fields.values.iter().skip(1).cloned().collect(),
                    exact: fields.exact,
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
                let only_reads = words.iter().skip(1).all(|word| only_reads(name, word));
                return only_reads.then(|| Done::reading("reads"));
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
                    self.emit(Effect::Shell { path: path.clone() });
                }
                Some(Done::quietly("a line of /etc/shells"))
            }
            "remove-shell" => Some(Done::quietly("takes away what is not there")),
            "mkdir" | "install" | "chmod" | "chown" | "chgrp" | "ln" | "touch" | "rm" | "rmdir" => {
                self.file_command(name, arguments)
            }
            "adduser" | "addgroup" | "useradd" | "groupadd" | "usermod" | "gpasswd" => {
                self.account_command(name, arguments)
            }
            "getent" | "id" => self.account_question(name, arguments),
            "update-alternatives" | "dpkg-divert" | "dpkg-statoverride" => {
                self.debian_command(name, arguments)
            }
            _ => None,
        }
    }

    fn run(&mut self, writer: Writer, meaning: &'static str) -> Option<Done> {
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

/// Whether a word makes this program do no more than read.
fn only_reads(name: &str, word: &str) -> bool {
    match name {
        "sed" => {
            !(word.starts_with("-i")
                || word.starts_with("--in-place")
                || word.starts_with("-n") && word.contains('i'))
                && !(word.starts_with('-')
                    && word.len() > 1
                    && !matches!(
                        word,
                        "-n" | "-e" | "-E" | "-r" | "-ne" | "-nE" | "-nr" | "--"
                    ))
                && !word.contains([';', '\n', 'w', 'W'])
                && !word.ends_with('e')
                || word.starts_with('/') && !word.contains(['*', ' '])
        }
        "sort" => !word.starts_with("-o") && !word.starts_with("--o"),
        "find" => !matches!(
            word,
            "-delete"
                | "-exec"
                | "-execdir"
                | "-ok"
                | "-okdir"
                | "-fprint"
                | "-fprint0"
                | "-fprintf"
                | "-fls"
        ),
        _ => !word.contains(['>', '|']) && !word.contains("system") && !word.starts_with("-i"),
    }
}
