//! Loops.

use basalt_shell::{List, Word};

use super::super::report::Meaning;
use super::branch::Side;
use super::state::{Flow, Status};
use super::{Frame, Interpreter};
use crate::Effect;

/// More turns of a loop are not followed one by one.
const MAXIMUM_TURNS: usize = 1000;

/// How a turn of a loop went.
enum Turn {
    /// All of it is known, and another one may follow.
    Done,
    /// It was the last, and the script goes on so.
    Last(Flow),
    /// Not all of it is known.
    Unknown,
}

impl<'s> Interpreter<'s> {
    pub(super) fn for_each(
        &mut self,
        name: &'s str,
        words: Option<&'s [Word]>,
        body: &'s List,
    ) -> Flow {
        let line = self.line;
        let values = match words {
            Some(words) => {
                let fields = self.fields(words);
                fields.exact.then_some(fields.values)
            }
            None => {
                self.spend(self.state.arguments_weight());
                self.state.arguments.clone()
            }
        };
        let Some(values) = values else {
            return self.repeated(line, &mut |interpreter| {
                interpreter.state.set(name, None);
                interpreter.list(body)
            });
        };
        self.state.status = Status::Success;
        let depth = self.frames.len();
        for value in values {
            self.state.set(name, value);
            match self.list(body) {
                Flow::Next | Flow::Continue => {}
                Flow::Break => break,
                flow => return flow,
            }
            if self.frames.len() > depth
                && self.frames.iter().skip(depth).any(|frame| {
                    frame
                        .ended
                        .as_ref()
                        .is_some_and(|ended| matches!(ended.flow, Flow::Break | Flow::Continue))
                })
            {
                self.unexplained(
                    line,
                    "a turn of the loop ends or goes on, by what is not known",
                );
            }
        }
        Flow::Next
    }

    /// `while` and `until`: turn by turn, as long as all is known; then as a loop that runs nobody knows how often.
    pub(super) fn repeat(&mut self, until: bool, condition: &'s List, body: &'s List) -> Flow {
        let line = self.line;
        let mut last = Status::Success;
        for _ in 0..MAXIMUM_TURNS {
            match self.turn(until, condition, body, &mut last) {
                Turn::Done => {}
                Turn::Last(flow) => return flow,
                Turn::Unknown => break,
            }
        }
        self.repeated(line, &mut |interpreter| {
            let flow = interpreter.tested_if(true, |interpreter| interpreter.list(condition));
            match flow {
                Flow::Next => interpreter.list(body),
                flow => flow,
            }
        })
    }

    /// One turn of a loop. Where something of it is not known, it is as if it had not been followed.
    fn turn(
        &mut self,
        until: bool,
        condition: &'s List,
        body: &'s List,
        last: &mut Status,
    ) -> Turn {
        let line = self.line;
        let notes = self.notes.len();
        let saved = self.copied();
        let output = self.copied_output();
        self.frames.push(Frame::default());
        let depth = self.frames.len();
        let mut flow = self.tested_if(true, |interpreter| interpreter.list(condition));
        let mut known = true;
        let mut ended = false;
        if flow == Flow::Next {
            match (&self.state.status, until) {
                (Status::Success, false) | (Status::Failure, true) => {
                    self.state.status = Status::Success;
                    flow = self.list(body);
                    *last = self.state.status.clone();
                }
                (Status::Failure, false) | (Status::Success, true) => {
                    ended = true;
                    self.state.status = last.clone();
                }
                _ => known = false,
            }
        }
        let goes_on = !ended && matches!(flow, Flow::Next | Flow::Continue);
        known &= self.frames.len() == depth
            && self
                .notes
                .iter()
                .skip(notes)
                .all(|note| matches!(note.meaning, Meaning::Known(_)));
        let mut is_endless = false;
        if goes_on {
            self.spend(self.state.weight());
            is_endless = self.state == saved;
        }
        let effects = self.drop_frames(depth);
        if self.is_over() {
            return Turn::Last(Flow::Exit);
        }
        if !known {
            self.notes.truncate(notes);
            self.state = saved;
            self.output = output;
            return Turn::Unknown;
        }
        self.push_effects(effects);
        if is_endless {
            self.unexplained(line, "this loop does not end");
            return Turn::Last(Flow::Next);
        }
        match flow {
            _ if goes_on => Turn::Done,
            Flow::Next | Flow::Break => Turn::Last(Flow::Next),
            flow => Turn::Last(flow),
        }
    }

    /// A loop that runs nobody knows how often: fine if a turn leaves nothing behind.
    fn repeated(&mut self, line: usize, turn: Side<'_, 's>) -> Flow {
        // The first turn tells which variables a turn sets; the second one reads them as unknown.
        for number in 0..2 {
            let notes = self.notes.len();
            let saved = self.copied();
            let again = self.copied();
            self.frames.push(Frame::default());
            let depth = self.frames.len();
            let output = self.copied_output();
            let flow = turn(self);
            let effects = self.drop_frames(depth);
            let after = std::mem::replace(&mut self.state, again);
            if self.output != output {
                self.output = self.output.take().map(|_| None);
            }
            self.state = self.merged(saved, after);
            self.state.status = Status::Unknown;
            // A native writer does the same once as many times, and stands in for what the image has.
            let only_writers = effects
                .iter()
                .all(|effect| matches!(effect, Effect::Run { .. }));
            if number == 0 {
                self.notes.truncate(notes);
            } else if only_writers && flow == Flow::Next {
                self.push_effects(effects);
            } else if !effects.is_empty()
                || !matches!(flow, Flow::Next | Flow::Break | Flow::Continue)
            {
                self.forget(notes);
                self.unexplained(
                    line,
                    "how often this loop runs is not known, and a turn leaves something behind",
                );
            }
        }
        Flow::Next
    }
}
