//! Loops.

use basalt_shell::{List, Word};

use super::branch::Side;
use super::state::{Flow, Status};
use super::{Frame, Interpreter};
use crate::Effect;

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

    pub(super) fn repeat(&mut self, condition: &'s List, body: &'s List) -> Flow {
        let line = self.line;
        self.repeated(line, &mut |interpreter| {
            interpreter.tested += 1;
            let flow = interpreter.list(condition);
            interpreter.tested -= 1;
            match flow {
                Flow::Next => interpreter.list(body),
                flow => flow,
            }
        })
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
