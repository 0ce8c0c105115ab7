//! Calls of functions.

use std::collections::BTreeMap;

use basalt_shell::Command;

use super::state::Flow;
use super::{Interpreter, MAXIMUM_CALLS};

/// Why a call is not explained.
const RETURNS: &str =
    "whether the function returns early is not known, and it leaves something behind";

impl<'s> Interpreter<'s> {
    /// Calls a function.
    pub(super) fn function(&mut self, body: &'s Command, arguments: Vec<super::Value>) -> Flow {
        if self.calls >= MAXIMUM_CALLS {
            self.unexplained(
                self.line,
                "functions call each other deeper than is followed",
            );
            return Flow::Exit;
        }
        let line = self.line;
        let outer = self.state.arguments.replace(arguments);
        let depth = self.frames.len();
        self.calls += 1;
        self.hidden.push(BTreeMap::new());
        let flow = self.command(body);
        self.calls -= 1;
        self.line = line;
        // Where a branch has returned, what follows the call is run all the same.
        while self.frames.len() > depth {
            let returned = self
                .frames
                .last_mut()
                .and_then(|frame| frame.ended.as_mut())
                .filter(|ended| ended.flow == Flow::Return)
                .map(|ended| ended.state.clone());
            let Some(state) = returned else {
                break;
            };
            if matches!(flow, Flow::Next | Flow::Return) {
                let one = self.copied();
                self.state = self.merged(one, state);
            } else {
                self.unexplained(line, RETURNS);
            }
            self.close_frame();
        }
        let left_open = self.frames.iter().skip(depth).any(|frame| {
            frame
                .ended
                .as_ref()
                .is_some_and(|ended| ended.flow == Flow::Return)
        });
        if left_open {
            self.unexplained(line, RETURNS);
        }
        for (name, value) in self.hidden.pop().unwrap_or_default() {
            match value {
                Some(value) => self.state.set(&name, value),
                None => {
                    self.state.variables.remove(&name);
                }
            }
        }
        self.state.arguments = outer;
        match flow {
            Flow::Return => Flow::Next,
            flow => flow,
        }
    }
}
