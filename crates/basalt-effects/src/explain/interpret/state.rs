//! What is known while a script is followed.

use std::collections::{BTreeMap, BTreeSet};

use basalt_shell::Command;

use super::budget::ENTRY;
use crate::{Condition, Writer};

/// A text, if it is known.
pub(super) type Value = Option<String>;

/// What the script has done to a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Touched {
    Missing,
    Directory,
    /// With its content, if that is known.
    File(Value),
    /// Something is there.
    Something,
    /// It depends on what is not known.
    Unsure,
}

/// What a command answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Status {
    Success,
    Failure,
    /// Success when this holds of the image.
    Depends(Condition),
    Unknown,
}

impl Status {
    pub fn of(known: bool) -> Self {
        if known { Self::Success } else { Self::Failure }
    }

    pub fn negated(self) -> Self {
        match self {
            Self::Success => Self::Failure,
            Self::Failure => Self::Success,
            Self::Depends(Condition::Not(inner)) => Self::Depends(*inner),
            Self::Depends(condition) => Self::Depends(Condition::Not(Box::new(condition))),
            Self::Unknown => Self::Unknown,
        }
    }

    /// The status of `condition && self`, or of `condition || self`.
    pub fn joined(condition: &Condition, and: bool, other: Self) -> Self {
        let condition = condition.clone();
        match (other, and) {
            (Self::Success, true) | (Self::Failure, false) => Self::Depends(condition),
            (Self::Failure, true) => Self::Failure,
            (Self::Success, false) => Self::Success,
            (Self::Depends(other), _)
                if questions(&condition) + questions(&other) > MAXIMUM_QUESTIONS =>
            {
                Self::Unknown
            }
            (Self::Depends(other), true) => Self::Depends(Condition::All(vec![condition, other])),
            (Self::Depends(other), false) => Self::Depends(Condition::Any(vec![condition, other])),
            (Self::Unknown, _) => Self::Unknown,
        }
    }
}

/// Where a script goes on after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
    Return,
    Exit,
    /// The script fails, and the installation with it.
    Fail,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State<'s> {
    /// Variables that are set.
    pub variables: BTreeMap<String, Value>,
    /// Whether a command that is not known may have set any variable.
    pub tainted: bool,
    /// `$1` and those after it; nothing when even their number is not known.
    pub arguments: Option<Vec<Value>>,
    /// Functions; nothing for one of which the body, or whether it is there, is not known.
    pub functions: BTreeMap<String, Option<&'s Command>>,
    /// Whether debconf's protocol has been loaded.
    pub debconf: bool,
    /// Whether the functions that call phpenmod have been loaded.
    pub php: bool,
    /// Answers to debconf's questions, as far as the script changes them.
    pub answers: BTreeMap<String, Value>,
    pub paths: BTreeMap<String, Touched>,
    /// What holds in the branch that is followed.
    pub assumed: BTreeMap<Condition, bool>,
    /// Native writers that have run: what they made is not known here.
    pub written: BTreeSet<Writer>,
    pub errexit: bool,
    pub status: Status,
    /// What is left to read of the standard input, if it is known.
    pub input: Value,
}

/// Variables that the environment may have set, dpkg, debconf or apt in it, or that a shell sets itself (bash(1), *Shell
/// Variables*; dash(1)).
const ENVIRONMENT: &[&str] = &[
    "HOME",
    "PATH",
    "PWD",
    "OLDPWD",
    "LANG",
    "LANGUAGE",
    "TERM",
    "USER",
    "LOGNAME",
    "SHELL",
    "TZ",
    "UID",
    "EUID",
    "HOSTNAME",
    "IFS",
    "PS0",
    "PS1",
    "PS2",
    "PS3",
    "PS4",
    "OPTIND",
    "OPTARG",
    "OPTERR",
    "PPID",
    "LINENO",
    "RANDOM",
    "SRANDOM",
    "SECONDS",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "TMPDIR",
    "TMP",
    "TEMP",
    "DISPLAY",
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "SOURCE_DATE_EPOCH",
    "RET",
    "REPLY",
    "_",
    "CDPATH",
    "ENV",
    "FCEDIT",
    "FIGNORE",
    "GLOBIGNORE",
    "INPUTRC",
    "POSIXLY_CORRECT",
    "PROMPT_COMMAND",
    "TIMEFORMAT",
    "TMOUT",
    "IGNOREEOF",
    "OSTYPE",
    "MACHTYPE",
    "HOSTTYPE",
    "SHLVL",
    "SHELLOPTS",
    "GROUPS",
    "FUNCNAME",
    "FUNCNEST",
    "DIRSTACK",
    "PIPESTATUS",
    "CHILD_MAX",
    "COPROC",
    "MAPFILE",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
];

/// How the names of further ones begin.
const OF_ENVIRONMENT: [&str; 15] = [
    "APT_",
    "BASH",
    "COMP_",
    "DEBCONF_",
    "DEBIAN_",
    "DPKG_",
    "EPOCH",
    "HIST",
    "LC_",
    "MAIL",
    "NEEDRESTART_",
    "READLINE_",
    "SUDO_",
    "SYSTEMD_",
    "UCF_",
];

/// Variables of bash that do not keep, or not only keep, what is assigned to them.
const DYNAMIC_IN_BASH: [&str; 22] = [
    "_",
    "BASHOPTS",
    "BASHPID",
    "BASH_VERSINFO",
    "BASH_ARGV0",
    "BASH_COMMAND",
    "BASH_SUBSHELL",
    "DIRSTACK",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "EUID",
    "FUNCNAME",
    "GROUPS",
    "HISTCMD",
    "LINENO",
    "PIPESTATUS",
    "PPID",
    "RANDOM",
    "SECONDS",
    "SHELLOPTS",
    "SRANDOM",
    "UID",
];

/// Whether what is assigned to a variable is not what it then has, in bash.
pub(super) fn is_dynamic_in_bash(name: &str) -> bool {
    DYNAMIC_IN_BASH.contains(&name)
}

/// A longer path is none of the image's: Linux' `PATH_MAX`.
const MAXIMUM_PATH: usize = 4096;

/// The most paths and accounts that the condition of one branch asks for.
const MAXIMUM_QUESTIONS: usize = 64;

/// How many questions a condition puts together.
fn questions(condition: &Condition) -> usize {
    match condition {
        Condition::Not(inner) => questions(inner),
        Condition::All(all) | Condition::Any(all) => all.iter().map(questions).sum(),
        _ => 1,
    }
}

/// What a condition costs: [`ENTRY`] for each of its parts, and its texts.
pub(super) fn weight(condition: &Condition) -> u64 {
    ENTRY
        + match condition {
            Condition::Not(inner) => weight(inner),
            Condition::All(all) | Condition::Any(all) => all.iter().map(weight).sum(),
            Condition::Exists(text)
            | Condition::File(text)
            | Condition::Directory(text)
            | Condition::Link(text)
            | Condition::Executable(text)
            | Condition::Command(text)
            | Condition::Foreign(text)
            | Condition::User(text)
            | Condition::Group(text) => text.len() as u64,
        }
}

impl State<'_> {
    /// How much there is to copy: [`ENTRY`] for each thing, and its text.
    pub fn weight(&self) -> u64 {
        let of = |text: &str| ENTRY + text.len() as u64;
        let value = |value: &Value| value.as_deref().map_or(0, str::len) as u64;
        let named = |values: &BTreeMap<String, Value>| -> u64 {
            values.iter().map(|(name, one)| of(name) + value(one)).sum()
        };
        let paths = self.paths.iter().map(|(path, touched)| match touched {
            Touched::File(content) => of(path) + value(content),
            _ => of(path),
        });
        named(&self.variables)
            + named(&self.answers)
            + self.arguments_weight()
            + paths.sum::<u64>()
            + self.functions.keys().map(|name| of(name)).sum::<u64>()
            + self.assumed.keys().map(weight).sum::<u64>()
            + ENTRY * self.written.len() as u64
            + value(&self.input)
    }

    /// The part of the arguments in that.
    pub fn arguments_weight(&self) -> u64 {
        let arguments = self.arguments.iter().flatten();
        arguments
            .map(|one| ENTRY + one.as_deref().map_or(0, str::len) as u64)
            .sum()
    }

    /// Whether the environment may have set a variable.
    pub fn is_of_environment(name: &str) -> bool {
        ENVIRONMENT.contains(&name) || OF_ENVIRONMENT.iter().any(|start| name.starts_with(start))
    }

    /// The value of a variable; `Some(None)` when it is set to what is not known, `None` when unset.
    pub fn variable(&self, name: &str) -> Option<Value> {
        match self.variables.get(name) {
            Some(value) => Some(value.clone()),
            None if self.tainted || Self::is_of_environment(name) => Some(None),
            None => None,
        }
    }

    /// Any variable may have any value now.
    pub fn lose_variables(&mut self) {
        self.tainted = true;
        self.variables.values_mut().for_each(|value| *value = None);
    }

    pub fn set(&mut self, name: &str, value: Value) {
        self.variables.insert(name.to_owned(), value);
    }

    /// What the script itself made of a path, or what its branch assumes.
    pub fn touched(&self, path: &str) -> Option<Touched> {
        if path.len() > MAXIMUM_PATH {
            return Some(Touched::Unsure);
        }
        let path = normal(path);
        if let Some(touched) = self.paths.get(&path) {
            return Some(touched.clone());
        }
        let mut above = path.as_str();
        while let Some((parent, _)) = above.rsplit_once('/') {
            if matches!(self.paths.get(parent), Some(Touched::Missing)) {
                return Some(Touched::Missing);
            }
            above = parent;
        }
        let holds = |condition| self.assumed.get(&condition).copied();
        if holds(Condition::Directory(path.clone())) == Some(true) {
            return Some(Touched::Directory);
        }
        if holds(Condition::File(path.clone())) == Some(true) {
            return Some(Touched::File(None));
        }
        match holds(Condition::Exists(path)) {
            Some(true) => Some(Touched::Something),
            Some(false) => Some(Touched::Missing),
            None => None,
        }
    }

    pub fn touch(&mut self, path: &str, touched: Touched) {
        if path.len() > MAXIMUM_PATH {
            return;
        }
        self.paths.insert(normal(path), touched);
    }

    /// Takes a condition as given.
    pub fn assume(&mut self, condition: &Condition, holds: bool) {
        match condition {
            Condition::Not(inner) => self.assume(inner, !holds),
            Condition::All(all) if holds => all.iter().for_each(|one| self.assume(one, true)),
            Condition::Any(any) if !holds => any.iter().for_each(|one| self.assume(one, false)),
            Condition::All(_) | Condition::Any(_) => {}
            leaf => {
                self.assumed.insert(leaf.clone(), holds);
            }
        }
    }

    /// What is known when either of two states may be.
    pub fn merge(self, other: Self) -> Self {
        let mut merged = self.clone();
        let names: Vec<&String> = self
            .variables
            .keys()
            .chain(other.variables.keys())
            .collect();
        for name in names {
            if self.variable(name) != other.variable(name) {
                merged.variables.insert(name.clone(), None);
            }
        }
        let paths: Vec<&String> = self.paths.keys().chain(other.paths.keys()).collect();
        for path in paths {
            let touched = match (self.touched(path), other.touched(path)) {
                (Some(a), Some(b)) if a == b => a,
                (Some(Touched::File(_)), Some(Touched::File(_))) => Touched::File(None),
                (Some(a), Some(b))
                    if ![&a, &b]
                        .iter()
                        .any(|one| matches!(one, Touched::Missing | Touched::Unsure)) =>
                {
                    Touched::Something
                }
                _ => Touched::Unsure,
            };
            merged.paths.insert(path.clone(), touched);
        }
        let questions: Vec<&String> = self.answers.keys().chain(other.answers.keys()).collect();
        for question in questions {
            if self.answers.get(question) != other.answers.get(question) {
                merged.answers.insert(question.clone(), None);
            }
        }
        merged.tainted |= other.tainted;
        merged
            .assumed
            .retain(|condition, holds| other.assumed.get(condition) == Some(holds));
        for (name, body) in &mut merged.functions {
            if other.functions.get(name) != Some(body) {
                *body = None;
            }
        }
        for name in other.functions.into_keys() {
            merged.functions.entry(name).or_insert(None);
        }
        if self.arguments != other.arguments {
            merged.arguments = None;
        }
        merged.written.extend(other.written);
        merged.debconf &= other.debconf;
        merged.php &= other.php;
        merged.errexit &= other.errexit;
        if self.input != other.input {
            merged.input = None;
        }
        if self.status != other.status {
            merged.status = Status::Unknown;
        }
        merged
    }
}

/// A path without doubled slashes, and with the links that every root has followed.
pub(super) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            part => parts.push(part),
        }
    }
    let path = format!("/{}", parts.join("/"));
    for (link, real) in [
        ("/bin", "/usr/bin"),
        ("/sbin", "/usr/sbin"),
        ("/lib", "/usr/lib"),
        ("/lib64", "/usr/lib64"),
        ("/var/run", "/run"),
        ("/var/lock", "/run/lock"),
    ] {
        match path.strip_prefix(link) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                return format!("{real}{rest}");
            }
            _ => {}
        }
    }
    path
}
