//! Branches: both sides are followed, as far as each may run.

use super::super::report::Meaning;
use super::state::{Flow, Status};
use super::{Ended, Frame, Interpreter};
use crate::{Condition, Effect};

/// A step of following: one side of a branch.
pub(super) type Side<'a, 's> = &'a mut dyn FnMut(&mut Interpreter<'s>) -> Flow;

/// Why a branch is not explained.
const NOT_CHOSEN: &str =
    "which way this goes is not known, and the ways leave different things behind";

impl<'s> Interpreter<'s> {
    /// What was noted as an effect since then is not explained after all.
    pub(super) fn forget(&mut self, since: usize) {
        for note in self.notes.iter_mut().skip(since) {
            if !note.effects.is_empty() {
                note.effects.clear();
                note.meaning = Meaning::Unknown("whether it is run is not known".to_owned());
            }
        }
    }

    /// Follows both sides of what depends on a status, as far as each may run.
    pub(super) fn branch(
        &mut self,
        status: Status,
        line: usize,
        then: Side<'_, 's>,
        otherwise: Side<'_, 's>,
    ) -> Flow {
        match status {
            Status::Success => return then(self),
            Status::Failure => return otherwise(self),
            _ => {}
        }
        let condition = match &status {
            // Debconf may ask before or after the package is unpacked.
            Status::Depends(condition) if self.call.member != "config" => Some(condition.clone()),
            _ => None,
        };
        if let Some(condition) = &condition {
            self.spend(2 * super::state::weight(condition));
        }
        let notes = self.notes.len();
        let before = self.copied();
        let output = self.copied_output();
        let (flow_then, effects_then, simple_then) = self.side(condition.as_ref(), true, then);
        let state_then = std::mem::replace(&mut self.state, before);
        let output_then = std::mem::replace(&mut self.output, output.clone());
        // What the other side begins with; it is put back when both are known.
        let before = self.copied();
        let (flow_else, effects_else, simple_else) =
            self.side(condition.as_ref(), false, otherwise);
        let state_else = std::mem::replace(&mut self.state, before);
        if self.is_over() {
            return Flow::Exit;
        }
        if self.output != output_then {
            self.output = output.map(|_| None);
        }
        // A side that fails is not taken: the installation would have failed.
        if flow_then == Flow::Fail {
            self.refuse_failure(condition.as_ref(), true, line);
            return self.only(state_else, effects_else, flow_else, simple_else, line);
        }
        if flow_else == Flow::Fail {
            self.refuse_failure(condition.as_ref(), false, line);
            return self.only(state_then, effects_then, flow_then, simple_then, line);
        }
        let is_simple = simple_then && simple_else;
        let same_status = match &condition {
            Some(condition) if effects_then.is_empty() && effects_else.is_empty() => {
                chosen(condition, &state_then.status, &state_else.status)
            }
            _ => None,
        };
        let same = is_simple && flow_then == flow_else;
        let before_unpacking = condition
            .as_ref()
            .is_some_and(|asked| self.asked_before(asked).is_some());
        if same && (!before_unpacking || effects_then == effects_else) {
            let merged = self.merged(state_then, state_else);
            let is_writer = |effect: &Effect| matches!(effect, Effect::Run { .. });
            if effects_then == effects_else {
                self.push_effects(effects_then);
            } else if effects_then.iter().chain(&effects_else).all(is_writer) {
                // Native writers stand in for programs that the image need not have.
                self.push_effects(effects_then);
                self.push_effects(effects_else);
            } else if let Some(condition) = condition {
                self.emit_when(condition, effects_then, effects_else);
            } else {
                self.forget(notes);
                self.unexplained(line, NOT_CHOSEN);
            }
            self.state = merged;
            if let Some(status) = same_status {
                self.state.status = status;
            }
            return flow_then;
        }
        // Before the package is unpacked, none of its own paths is there, and no other's may be.
        if let Some(paths) = condition
            .as_ref()
            .and_then(|asked| self.asked_before(asked))
        {
            let why = format!(
                "its {} (line {line}) asks for {}, which is there in this image: whether already at that time, \
                 is not known; declare the `effects:` of the package",
                self.call.member,
                paths.join(", ")
            );
            let foreign = paths.into_iter().map(Condition::Foreign).collect();
            self.emit(Effect::When {
                condition: Condition::Any(foreign),
                effects: vec![Effect::Refuse { why }],
                otherwise: Vec::new(),
            });
            return match condition.as_ref().is_some_and(holds_of_nothing) {
                true => self.only(state_then, effects_then, flow_then, simple_then, line),
                false => self.only(state_else, effects_else, flow_else, simple_else, line),
            };
        }
        let ends = |flow| matches!(flow, Flow::Return | Flow::Exit);
        if let (true, Some(condition)) = (is_simple, condition)
            && (flow_then == Flow::Next && ends(flow_else)
                || flow_else == Flow::Next && ends(flow_then))
        {
            let held = flow_else == Flow::Next;
            let (ended, going) = match held {
                true => (
                    (effects_then, flow_then, state_then),
                    (effects_else, state_else),
                ),
                false => (
                    (effects_else, flow_else, state_else),
                    (effects_then, state_then),
                ),
            };
            self.state = going.1;
            if !self.allows_frame() {
                return Flow::Exit;
            }
            self.frames.push(Frame {
                effects: going.0,
                ended: Some(Ended {
                    condition,
                    held,
                    effects: ended.0,
                    flow: ended.1,
                    state: ended.2,
                }),
            });
            return Flow::Next;
        }
        self.forget(notes);
        self.unexplained(line, NOT_CHOSEN);
        self.state = self.merged(state_then, state_else);
        match (flow_then, flow_else) {
            (Flow::Next, _) | (_, Flow::Next) => Flow::Next,
            (flow, _) => flow,
        }
    }

    /// Refuses an image in which the side of a branch is taken that fails.
    fn refuse_failure(&mut self, condition: Option<&Condition>, fails_when: bool, line: usize) {
        let Some(condition) = condition else {
            return;
        };
        // What was asked before unpacking the finished image does not tell.
        if self.call.member != "postinst" || !is_of_tree(condition) {
            return;
        }
        let why = format!(
            "its {} (line {line}) fails in this image: it asks for {condition}",
            self.call.member
        );
        let refuse = vec![Effect::Refuse { why }];
        let (effects, otherwise) = match fails_when {
            true => (refuse, Vec::new()),
            false => (Vec::new(), refuse),
        };
        self.emit(Effect::When {
            condition: condition.clone(),
            effects,
            otherwise,
        });
    }

    /// The paths that a condition asks for before the package is unpacked; nothing when it is
    /// unpacked, or when it asks for more than paths.
    fn asked_before(&self, condition: &Condition) -> Option<Vec<String>> {
        fn paths(condition: &Condition, found: &mut Vec<String>) -> bool {
            match condition {
                Condition::Exists(path)
                | Condition::File(path)
                | Condition::Directory(path)
                | Condition::Link(path) => {
                    found.push(path.clone());
                    true
                }
                Condition::Not(inner) => paths(inner, found),
                Condition::All(all) | Condition::Any(all) => {
                    all.iter().all(|one| paths(one, found))
                }
                _ => false,
            }
        }
        let mut found = Vec::new();
        (self.call.member == "preinst" && paths(condition, &mut found)).then_some(found)
    }

    fn only(
        &mut self,
        state: super::State<'s>,
        effects: Vec<Effect>,
        flow: Flow,
        is_simple: bool,
        line: usize,
    ) -> Flow {
        if !is_simple {
            self.unexplained(line, NOT_CHOSEN);
        }
        self.state = state;
        self.push_effects(effects);
        flow
    }

    /// Follows one side; whether no branch within it ended while the other went on.
    fn side(
        &mut self,
        condition: Option<&Condition>,
        holds: bool,
        side: Side<'_, 's>,
    ) -> (Flow, Vec<Effect>, bool) {
        if let Some(condition) = condition {
            self.state.assume(condition, holds);
        }
        self.state.status = Status::of(holds);
        self.frames.push(Frame::default());
        let depth = self.frames.len();
        let flow = side(self);
        // A branch that ended the same way as the whole side is no more than a condition in it.
        while self.frames.len() > depth
            && self
                .frames
                .last()
                .and_then(|frame| frame.ended.as_ref())
                .is_some_and(|ended| ended.flow == flow)
        {
            self.close_frame();
        }
        let is_simple = self.frames.len() == depth;
        (flow, self.drop_frames(depth), is_simple)
    }
}

/// The status of both sides as one, if it can be said.
fn chosen(condition: &Condition, then: &Status, otherwise: &Status) -> Option<Status> {
    let not = || Condition::Not(Box::new(condition.clone()));
    match (then, otherwise) {
        (then, otherwise) if then == otherwise => Some(then.clone()),
        (then, Status::Failure) => Some(Status::joined(condition, true, then.clone())),
        (Status::Success, otherwise) => Some(Status::joined(condition, false, otherwise.clone())),
        (Status::Failure, otherwise) => Some(Status::joined(&not(), true, otherwise.clone())),
        (then, Status::Success) => Some(Status::joined(&not(), false, then.clone())),
        _ => None,
    }
}

/// Whether a condition about paths holds when nothing stands at any of them.
fn holds_of_nothing(condition: &Condition) -> bool {
    match condition {
        Condition::Not(inner) => !holds_of_nothing(inner),
        Condition::All(all) => all.iter().all(holds_of_nothing),
        Condition::Any(any) => any.iter().any(holds_of_nothing),
        _ => false,
    }
}

/// Whether a condition asks only for paths and programs.
fn is_of_tree(condition: &Condition) -> bool {
    match condition {
        Condition::Not(inner) => is_of_tree(inner),
        Condition::All(all) | Condition::Any(all) => all.iter().all(is_of_tree),
        Condition::User(_) | Condition::Group(_) => false,
        _ => true,
    }
}
