//! Scripts followed as a fresh install would run them, without running them.
//!
//! Values are known or unknown. What depends on the rest of the image is not guessed: both branches
//! are followed, and effects that differ stand under a condition. What is not understood is
//! noted with its line, and never counts as harmless.

mod accounts;
mod bash;
mod branch;
mod budget;
mod builtins;
mod commands;
mod debian;
mod files;
mod flow;
mod functions;
mod harmless;
mod loops;
mod markup;
mod pattern;
mod reading;
mod sed;
mod simple;
mod state;
mod tests_of_shell;
mod ucf;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use basalt_shell::{Lines, Script};

pub(crate) use self::budget::Budget;
use self::state::{Flow, State, Status, Value};
use super::report::{LineReport, Meaning};
use crate::{Condition, Effect};

/// Functions that call deeper than this are not followed.
const MAXIMUM_CALLS: usize = 24;

/// How a script is called, and what is known of the package.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// The control member.
    pub member: &'a str,
    /// `$1`.
    pub action: &'a str,
    /// The package's name.
    pub package: &'a str,
    /// Its architecture.
    pub architecture: &'a str,
    /// Its configuration files.
    pub conffiles: &'a BTreeSet<&'a str>,
    /// Debconf's questions of the package to which the spec gives another answer than the default.
    pub chosen: &'a [&'a str],
}

impl Call<'_> {
    /// Whether the package has a configuration file here: dpkg leaves one alone that is there before.
    fn is_conffile(&self, path: &str) -> bool {
        self.conffiles.contains(path.trim_end_matches('/'))
    }
}

/// What a command means, in words, or that it is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub line: usize,
    pub meaning: Meaning,
    /// What it left.
    pub effects: Vec<Effect>,
}

/// What came of following a script.
#[derive(Debug, Clone, Default)]
pub(crate) struct Followed {
    pub notes: Vec<Note>,
    pub effects: Vec<Effect>,
    /// Debconf's answers after it.
    pub answers: BTreeMap<String, Option<String>>,
}

/// Effects that are being gathered.
#[derive(Debug, Default)]
struct Frame<'s> {
    effects: Vec<Effect>,
    /// A branch that has ended, while the script goes on in the other.
    ended: Option<Ended<'s>>,
}

#[derive(Debug)]
struct Ended<'s> {
    condition: Condition,
    /// Whether the branch that ended is that in which the condition holds.
    held: bool,
    effects: Vec<Effect>,
    flow: Flow,
    state: State<'s>,
}

struct Interpreter<'s> {
    call: Call<'s>,
    script: &'s Script,
    is_bash: bool,
    script_path: Value,
    state: State<'s>,
    frames: Vec<Frame<'s>>,
    notes: Vec<Note>,
    /// What goes to the standard output, while somebody takes it.
    output: Option<Value>,
    /// The line of the command that is followed.
    line: usize,
    budget: Budget,
    /// How deep commands and words nest where the script is followed.
    depth: usize,
    calls: usize,
    /// Of each function that is called, what its local variables hide.
    hidden: Vec<BTreeMap<String, Option<Value>>>,
    /// Files that are read or written around the command that is followed.
    open: Vec<String>,
    /// Links that `update-alternatives` keeps for this script: made when the image is whole, after all that a script does.
    kept: BTreeSet<String>,
    /// What the script has registered with dpkg's helpers, by kind and name: taking it away again is not followed.
    registered: BTreeSet<(&'static str, String)>,
    /// Whether a failure is looked at, so that it does not end the script.
    tested: usize,
}

/// Follows a script. `answers` are those of debconf so far.
pub(crate) fn follow<'s>(
    script: &'s Script,
    call: Call<'s>,
    shell: super::Interpreter,
    answers: &BTreeMap<String, Option<String>>,
    budget: &mut Budget,
) -> Followed {
    let mut variables: BTreeMap<String, Value> = BTreeMap::new();
    for (name, value) in [
        ("DPKG_ROOT", ""),
        ("DPKG_MAINTSCRIPT_PACKAGE", call.package),
        ("DPKG_MAINTSCRIPT_NAME", call.member),
        ("DPKG_MAINTSCRIPT_ARCH", call.architecture),
        ("IFS", words::BLANKS_OF_SHELL),
    ] {
        variables.insert(name.to_owned(), Some(value.to_owned()));
    }
    if call.architecture == "all" {
        variables.insert("DPKG_MAINTSCRIPT_ARCH".to_owned(), None);
    }
    let arguments = match call.member {
        "preinst" => vec![Some(call.action.to_owned())],
        _ => vec![Some(call.action.to_owned()), Some(String::new())],
    };
    let mut interpreter = Interpreter {
        call,
        script,
        is_bash: shell.is_bash,
        script_path: None,
        state: State {
            variables,
            tainted: false,
            arguments: Some(arguments),
            functions: BTreeMap::new(),
            debconf: false,
            php: false,
            answers: answers.clone(),
            paths: BTreeMap::new(),
            assumed: BTreeMap::new(),
            written: BTreeSet::new(),
            errexit: shell.errexit,
            status: Status::Success,
            input: None,
        },
        frames: vec![Frame::default()],
        notes: Vec::new(),
        output: None,
        line: 1,
        budget: budget.clone(),
        depth: 0,
        calls: 0,
        hidden: Vec::new(),
        open: Vec::new(),
        kept: BTreeSet::new(),
        registered: BTreeSet::new(),
        tested: 0,
    };
    let flow = interpreter.list(&script.list);
    if flow == Flow::Fail || interpreter.state.status == Status::Failure {
        interpreter.unexplained(interpreter.line, "the script ends in failure");
    }
    while interpreter.frames.len() > 1 {
        interpreter.close_frame();
    }
    let mut answers = std::mem::take(&mut interpreter.state.answers);
    budget.clone_from(&interpreter.budget);
    if let Some(note) = budget.note() {
        // What was cut short says nothing of what the script leaves.
        answers.values_mut().for_each(|answer| *answer = None);
        return Followed {
            notes: vec![note],
            effects: Vec::new(),
            answers,
        };
    }
    Followed {
        effects: interpreter
            .frames
            .pop()
            .map_or_else(Vec::new, |frame| frame.effects),
        notes: interpreter.notes,
        answers,
    }
}

impl<'s> Interpreter<'s> {
    /// Notes that a line is not understood, and why.
    fn unexplained(&mut self, line: usize, why: impl Into<String>) {
        let why = why.into();
        self.spend_text(&why);
        self.notes.push(Note {
            line,
            meaning: Meaning::Unknown(why),
            effects: Vec::new(),
        });
    }

    /// Notes what a line does, with the effects that were emitted since there were so many.
    fn known(&mut self, meaning: &str, since: usize) {
        let effects = match self.frames.last() {
            Some(frame) => frame.effects.get(since..).unwrap_or_default().to_vec(),
            None => Vec::new(),
        };
        self.spend(effects.iter().map(budget::weight).sum());
        self.notes.push(Note {
            line: self.line,
            meaning: Meaning::Known(meaning.to_owned()),
            effects,
        });
    }

    /// How many effects the innermost frame has.
    fn emitted(&self) -> usize {
        self.frames.last().map_or(0, |frame| frame.effects.len())
    }

    /// Emits an effect.
    fn emit(&mut self, effect: Effect) {
        if !self.open.is_empty() && changes_any(&effect, self.open.iter()) {
            self.unexplained(self.line, simple::OPEN);
        }
        if !self.kept.is_empty() && changes_any(&effect, self.kept.iter()) {
            let why = "it changes a link that update-alternatives keeps";
            self.unexplained(self.line, why);
        }
        if self.allows_effect(&effect) {
            self.push_effects(vec![effect]);
        }
    }

    /// Puts effects that were emitted in an inner frame into this one.
    fn push_effects(&mut self, effects: Vec<Effect>) {
        if let Some(frame) = self.frames.last_mut() {
            frame.effects.extend(effects);
        }
    }

    /// Closes the innermost frame: a branch that ended before and the rest become one condition.
    fn close_frame(&mut self) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        match frame.ended {
            None => self.push_effects(frame.effects),
            Some(ended) => {
                let (effects, otherwise) = match ended.held {
                    true => (ended.effects, frame.effects),
                    false => (frame.effects, ended.effects),
                };
                self.emit_when(ended.condition, effects, otherwise);
            }
        }
    }

    /// Emits effects under a condition.
    fn emit_when(&mut self, condition: Condition, effects: Vec<Effect>, otherwise: Vec<Effect>) {
        if effects == otherwise {
            self.push_effects(effects);
            return;
        }
        self.push_effects(vec![Effect::When {
            condition,
            effects,
            otherwise,
        }]);
    }

    fn lines(&mut self, lines: Lines) {
        self.line = lines.first;
    }
}

/// Whether an effect changes one of some paths, or takes away what is above it.
fn changes_any<'a>(effect: &Effect, others: impl Iterator<Item = &'a String> + Clone) -> bool {
    let paths: [&str; 2] = match effect {
        Effect::When {
            effects, otherwise, ..
        } => {
            return effects
                .iter()
                .chain(otherwise)
                .any(|effect| changes_any(effect, others.clone()));
        }
        Effect::Directory { path, .. }
        | Effect::File { path, .. }
        | Effect::Write { path, .. }
        | Effect::Symlink { path, .. }
        | Effect::Remove { path }
        | Effect::RemoveEmpty { path }
        | Effect::Lines { path, .. }
        | Effect::Attributes { path, .. }
        | Effect::Capabilities { path, .. } => [path, path],
        Effect::Copy { to, .. }
        | Effect::Configuration { to, .. }
        | Effect::ChangedConfiguration { to, .. } => [to, to],
        Effect::Diversion { from, to, .. } => [from, to],
        _ => return false,
    };
    let removes = matches!(effect, Effect::Remove { .. });
    paths.into_iter().map(state::normal).any(|path| {
        others.clone().any(|one| {
            let rest = one.strip_prefix(path.as_str());
            rest.is_some_and(|rest| rest.is_empty() || removes && rest.starts_with('/'))
        })
    })
}

/// The notes of a script as lines with their text, each line and meaning once, in order.
pub(crate) fn reported(notes: &[Note], text: &str) -> Vec<LineReport> {
    let lines: Vec<&str> = text.lines().collect();
    let mut reported: BTreeMap<(usize, &Meaning), Vec<Effect>> = BTreeMap::new();
    let mut seen: BTreeSet<(usize, &Meaning, &Effect)> = BTreeSet::new();
    for note in notes {
        let effects = reported.entry((note.line, &note.meaning)).or_default();
        for effect in &note.effects {
            if seen.insert((note.line, &note.meaning, effect)) {
                effects.push(effect.clone());
            }
        }
    }
    reported
        .into_iter()
        .map(|((number, meaning), effects)| LineReport {
            number,
            text: lines
                .get(number.saturating_sub(1))
                .map_or_else(String::new, |line| line.trim().to_owned()),
            meaning: meaning.clone(),
            effects,
            of_snippet: false,
        })
        .collect()
}
