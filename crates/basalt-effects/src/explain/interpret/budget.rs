//! How much of a script is followed: a hostile one ends here, at once, and is not explained.

use super::state::Value;
use super::{Interpreter, Note, State};
use crate::Effect;
use crate::explain::report::Meaning;

/// More commands than this are not followed in one script.
const MAXIMUM_STEPS: usize = 20_000;

/// Commands, functions, substitutions and words that nest deeper than this are not followed.
const MAXIMUM_DEPTH: usize = 128;

/// More branches that ended, while the script went on beside them, are not held apart.
const MAXIMUM_FRAMES: usize = 48;

/// The longest value, in bytes: of a variable, an argument, an output, a here-document.
const MAXIMUM_VALUE: usize = 256 << 10;

/// The most fields that the words of one command expand to.
const MAXIMUM_FIELDS: usize = 10_000;

/// More effects are not gathered from one script.
const MAXIMUM_EFFECTS: usize = 10_000;

/// How much work one script may make: bytes that are copied, compared or expanded, and
/// [`ENTRY`] for each thing that they are in. It bounds the memory too.
const WORK: u64 = 16 << 20;

/// What a variable, a path, a condition or an effect costs beside its text.
pub(super) const ENTRY: u64 = 64;

/// Why a script is followed no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Steps,
    Depth,
    Branches,
    Value,
    Fields,
    Effects,
    Work,
}

impl Limit {
    fn why(self) -> &'static str {
        match self {
            Self::Steps => "the script runs more commands than the 20,000 that are followed",
            Self::Depth => {
                "commands and functions nest deeper here than the 128 levels that are followed"
            }
            Self::Branches => "more than 48 branches are open here, by what is not known",
            Self::Value => "a value becomes longer than 256 KiB here",
            Self::Fields => "words expand to more than 10,000 here",
            Self::Effects => "the script leaves more than 10,000 things behind",
            Self::Work => "following the script takes more work than is spent on one",
        }
    }
}

/// What is left of the work that one script may make, over all of its parts.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    work: u64,
    steps: usize,
    effects: usize,
    /// The first limit that was passed, and in which line.
    passed: Option<(Limit, usize)>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            work: WORK,
            steps: MAXIMUM_STEPS,
            effects: MAXIMUM_EFFECTS,
            passed: None,
        }
    }
}

impl Budget {
    /// Whether nothing more of the script is followed.
    pub(crate) fn is_spent(&self) -> bool {
        self.passed.is_some()
    }

    /// Counts the work of reading so many bytes.
    pub(crate) fn spend(&mut self, bytes: usize) {
        match self.work.checked_sub(bytes as u64) {
            Some(left) => self.work = left,
            None => self.work = 0,
        }
    }

    /// The note of the line at which a limit was passed.
    pub(super) fn note(&self) -> Option<Note> {
        self.passed.map(|(limit, line)| Note {
            line,
            meaning: Meaning::Unknown(limit.why().to_owned()),
            effects: Vec::new(),
        })
    }
}

impl<'s> Interpreter<'s> {
    /// Follows the script no further.
    pub(super) fn pass(&mut self, limit: Limit) {
        self.budget.passed.get_or_insert((limit, self.line));
    }

    /// Whether a limit was passed: all that is followed then ends without doing more.
    pub(super) fn is_over(&self) -> bool {
        self.budget.is_spent()
    }

    /// Counts work.
    pub(super) fn spend(&mut self, work: u64) {
        match self.budget.work.checked_sub(work) {
            Some(left) => self.budget.work = left,
            None => self.pass(Limit::Work),
        }
    }

    /// Counts the work of handling a text.
    pub(super) fn spend_text(&mut self, text: &str) {
        self.spend(text.len() as u64 + 1);
    }

    /// Counts one more command; whether it is followed.
    pub(super) fn step(&mut self) -> bool {
        match self.budget.steps.checked_sub(1) {
            Some(left) => self.budget.steps = left,
            None => self.pass(Limit::Steps),
        }
        self.spend(ENTRY);
        !self.is_over()
    }

    /// Goes one level deeper; what is given when that is too deep, or all is over.
    pub(super) fn deeper<T>(&mut self, otherwise: T, inner: impl FnOnce(&mut Self) -> T) -> T {
        if self.depth >= MAXIMUM_DEPTH {
            self.pass(Limit::Depth);
        }
        if self.is_over() {
            return otherwise;
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Whether a value of this length is followed.
    pub(super) fn allows_value(&mut self, length: usize) -> bool {
        if length > MAXIMUM_VALUE {
            self.pass(Limit::Value);
        }
        !self.is_over()
    }

    /// Whether so many fields are followed.
    pub(super) fn allows_fields(&mut self, count: usize) -> bool {
        if count > MAXIMUM_FIELDS {
            self.pass(Limit::Fields);
        }
        !self.is_over()
    }

    /// Counts an effect; whether it is kept.
    pub(super) fn allows_effect(&mut self, effect: &Effect) -> bool {
        match self.budget.effects.checked_sub(1) {
            Some(left) => self.budget.effects = left,
            None => self.pass(Limit::Effects),
        }
        self.spend(weight(effect));
        !self.is_over()
    }

    /// Whether one more branch may stay open.
    pub(super) fn allows_frame(&mut self) -> bool {
        if self.frames.len() >= MAXIMUM_FRAMES {
            self.pass(Limit::Branches);
        }
        !self.is_over()
    }

    /// A copy of what is known.
    pub(super) fn copied(&mut self) -> State<'s> {
        self.spend(self.state.weight());
        self.state.clone()
    }

    /// A copy of the output so far.
    pub(super) fn copied_output(&mut self) -> Option<Value> {
        if let Some(Some(text)) = &self.output {
            self.spend(text.len() as u64);
        }
        self.output.clone()
    }

    /// What is known when either of two states may be.
    pub(super) fn merged(&mut self, one: State<'s>, other: State<'s>) -> State<'s> {
        // Each entry is looked up in both, and a copy is changed.
        self.spend(2 * (one.weight() + other.weight()));
        match self.is_over() {
            true => one,
            false => one.merge(other),
        }
    }
}

/// What an effect costs.
pub(super) fn weight(effect: &Effect) -> u64 {
    let texts: &[&str] = match effect {
        Effect::Directory {
            path, user, group, ..
        } => &[path, user, group],
        Effect::File { path, content, .. } | Effect::Write { path, content } => &[path, content],
        Effect::Copy { from, to, .. } | Effect::Configuration { from, to, .. } => &[from, to],
        Effect::ChangedConfiguration {
            from,
            to,
            line,
            with,
        } => &[from, to, line, with],
        Effect::Symlink { path, target } => &[path, target],
        Effect::RemoveEmpty { path }
        | Effect::Remove { path }
        | Effect::Capabilities { path, .. }
        | Effect::Shell { path } => &[path],
        Effect::Lines { path, lines } => {
            let lines: u64 = lines.iter().map(|line| line.len() as u64).sum();
            return ENTRY + path.len() as u64 + lines;
        }
        Effect::Attributes {
            path, user, group, ..
        } => &[
            path,
            user.as_deref().unwrap_or_default(),
            group.as_deref().unwrap_or_default(),
        ],
        Effect::Group { name, .. } => &[name],
        Effect::User {
            name,
            group,
            home,
            shell,
            comment,
            ..
        } => &[
            name,
            group.as_deref().unwrap_or_default(),
            home,
            shell,
            comment,
        ],
        Effect::Member { user, group } => &[user, group],
        Effect::Alternative {
            name,
            link,
            path,
            slaves,
            ..
        } => {
            let slaves: usize = slaves
                .iter()
                .map(|slave| slave.name.len() + slave.link.len() + slave.path.len())
                .sum();
            return ENTRY + (name.len() + link.len() + path.len() + slaves) as u64;
        }
        Effect::Diversion { from, to, .. } => &[from, to],
        Effect::When {
            condition,
            effects,
            otherwise,
        } => {
            let inner: u64 = effects.iter().chain(otherwise).map(weight).sum();
            return super::state::weight(condition) + inner;
        }
        Effect::Refuse { why } => &[why],
        Effect::Run { .. } => &[],
    };
    ENTRY + texts.iter().map(|text| text.len() as u64).sum::<u64>()
}
