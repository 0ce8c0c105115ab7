//! Lists, pipes, and what compound commands are made of.

use basalt_shell::{AndOr, Arm, Branch, Command, Joint, Kind, List, Pipeline};

use super::state::{Flow, Status};
use super::{Frame, Interpreter};
use crate::Effect;

impl<'s> Interpreter<'s> {
    pub(super) fn list(&mut self, list: &'s List) -> Flow {
        for item in &list.items {
            if item.background {
                self.unexplained(
                    item.and_or
                        .first
                        .commands
                        .first()
                        .map_or(self.line, |command| command.lines.first),
                    "it runs in the background",
                );
            }
            let flow = self.and_or(&item.and_or);
            if flow != Flow::Next {
                return flow;
            }
        }
        Flow::Next
    }

    /// Pipelines from left to right; what stands before the last is only tested.
    fn and_or(&mut self, and_or: &'s AndOr) -> Flow {
        let count = and_or.rest.len();
        let mut flow = self.tested_if(count > 0, |interpreter| interpreter.pipeline(&and_or.first));
        for (number, (joint, pipeline)) in and_or.rest.iter().enumerate() {
            if flow != Flow::Next {
                return flow;
            }
            flow = self.tested_if(number + 1 < count, |interpreter| {
                let line = interpreter.line;
                let status = interpreter.state.status.clone();
                let mut run = |interpreter: &mut Self| interpreter.pipeline(pipeline);
                let mut skip = |_: &mut Self| Flow::Next;
                match joint {
                    Joint::And => interpreter.branch(status, line, &mut run, &mut skip),
                    Joint::Or => interpreter.branch(status, line, &mut skip, &mut run),
                }
            });
        }
        flow
    }

    /// Follows what is only tested, if it is: its failure then does not end the script.
    pub(super) fn tested_if(
        &mut self,
        tested: bool,
        inner: impl FnOnce(&mut Self) -> Flow,
    ) -> Flow {
        self.tested += usize::from(tested);
        let flow = inner(self);
        self.tested -= usize::from(tested);
        flow
    }

    fn pipeline(&mut self, pipeline: &'s Pipeline) -> Flow {
        if !self.step() {
            return Flow::Exit;
        }
        let [command] = pipeline.commands.as_slice() else {
            return self.joined_commands(&pipeline.commands);
        };
        if pipeline.negated {
            self.tested += 1;
        }
        let flow = self.command(command);
        if pipeline.negated {
            self.tested -= 1;
            self.state.status = self.state.status.clone().negated();
        }
        if flow == Flow::Next
            && self.state.errexit
            && self.tested == 0
            && !pipeline.negated
            && matches!(
                command.kind,
                Kind::Simple { .. } | Kind::Subshell(_) | Kind::Group(_)
            )
        {
            match self.state.status {
                Status::Failure => return Flow::Fail,
                // Else the script had ended, and the installation with it.
                Status::Depends(_) | Status::Unknown => self.state.status = Status::Success,
                Status::Success => {}
            }
        }
        flow
    }

    /// `a | b`: known only if each only reads; what comes out is not.
    fn joined_commands(&mut self, commands: &'s [Command]) -> Flow {
        let output = self.output.take();
        self.tested += 1;
        for (number, command) in commands.iter().enumerate() {
            let saved = self.copied();
            if number > 0 {
                self.state.input = self.output.take().flatten();
            }
            if number + 1 < commands.len() {
                self.output = Some(Some(String::new()));
            }
            self.frames.push(Frame::default());
            let depth = self.frames.len();
            let flow = self.command(command);
            let effects = self.drop_frames(depth);
            let inner = std::mem::replace(&mut self.state, saved);
            if number == 0 {
                self.state.input = inner.input;
            }
            if !effects.is_empty() || flow != Flow::Next {
                self.unexplained(
                    command.lines.first,
                    "a command in a pipe leaves something behind, or ends the script",
                );
            }
        }
        self.tested -= 1;
        self.output = output.map(|_| None);
        self.state.status = Status::Unknown;
        Flow::Next
    }

    /// Takes away all frames from this depth on; their effects.
    pub(super) fn drop_frames(&mut self, depth: usize) -> Vec<Effect> {
        while self.frames.len() > depth {
            self.close_frame();
        }
        self.frames
            .pop()
            .map_or_else(Vec::new, |frame| frame.effects)
    }

    pub(super) fn command(&mut self, command: &'s Command) -> Flow {
        self.lines(command.lines);
        self.deeper(Flow::Exit, |interpreter| interpreter.command_here(command))
    }

    fn command_here(&mut self, command: &'s Command) -> Flow {
        if let Kind::Simple { assignments, words } = &command.kind {
            return self.simple(command, assignments, words);
        }
        let Some(redirected) = self.redirected(&command.redirections) else {
            self.unexplained(command.lines.first, super::simple::ELSEWHERE);
            return self.reading(Some(None), |interpreter| interpreter.compound(command));
        };
        self.within(redirected, |interpreter| interpreter.compound(command))
    }

    fn compound(&mut self, command: &'s Command) -> Flow {
        match &command.kind {
            Kind::Simple { .. } => Flow::Next,
            Kind::Group(list) => self.list(list),
            Kind::Subshell(list) => self.subshell(list),
            Kind::If {
                branches,
                otherwise,
            } => self.conditional(branches, otherwise.as_ref()),
            Kind::Case { word, arms } => {
                let line = self.line;
                let value = self.value(word);
                self.arms(value.as_deref(), arms, line)
            }
            Kind::For { name, words, body } => self.for_each(name, words.as_deref(), body),
            Kind::While {
                until,
                condition,
                body,
            } => self.repeat(*until, condition, body),
            Kind::Function { name, body } => {
                self.state.functions.insert(name.clone(), Some(body));
                self.state.status = Status::Success;
                Flow::Next
            }
            Kind::Brackets(words) => {
                self.state.status = self.brackets(words);
                Flow::Next
            }
        }
    }

    /// Follows commands of a subshell: what they set is forgotten, what they do to files is not.
    pub(super) fn subshell(&mut self, list: &'s List) -> Flow {
        let saved = self.copied();
        let depth = self.frames.len() + 1;
        self.frames.push(Frame::default());
        let flow = self.list(list);
        let is_simple = self.frames.len() == depth;
        let effects = self.drop_frames(depth);
        if !is_simple && !effects.is_empty() {
            self.unexplained(
                self.line,
                "a subshell ends here or not, by what is not known, and leaves something behind",
            );
        }
        self.push_effects(effects);
        let inner = std::mem::replace(&mut self.state, saved);
        self.state.paths = inner.paths;
        self.state.assumed = inner.assumed;
        self.state.answers = inner.answers;
        self.state.written = inner.written;
        self.state.input = inner.input;
        self.state.tainted |= inner.tainted;
        self.state.status = match flow {
            Flow::Fail => Status::Failure,
            Flow::Exit => Status::Unknown,
            _ => inner.status,
        };
        if !is_simple {
            self.state.status = Status::Unknown;
        }
        Flow::Next
    }

    fn conditional(&mut self, branches: &'s [Branch], otherwise: Option<&'s List>) -> Flow {
        for (number, branch) in branches.iter().enumerate() {
            let flow = self.tested_if(true, |interpreter| interpreter.list(&branch.condition));
            if flow != Flow::Next {
                return flow;
            }
            if self.state.status == Status::Failure {
                continue;
            }
            let line = branch
                .condition
                .items
                .first()
                .and_then(|item| item.and_or.first.commands.first())
                .map_or(self.line, |command| command.lines.first);
            let status = self.state.status.clone();
            let rest = branches.get(number + 1..).unwrap_or_default();
            return self.deeper(Flow::Exit, |interpreter| {
                interpreter.branch(
                    status,
                    line,
                    &mut |interpreter| interpreter.list(&branch.body),
                    &mut |interpreter| interpreter.conditional(rest, otherwise),
                )
            });
        }
        match otherwise {
            Some(list) => self.list(list),
            None => {
                self.state.status = Status::Success;
                Flow::Next
            }
        }
    }

    fn arms(&mut self, value: Option<&str>, arms: &'s [Arm], line: usize) -> Flow {
        for (number, arm) in arms.iter().enumerate() {
            let status = match self.fits_arm(value, arm) {
                Some(false) => continue,
                Some(true) => Status::Success,
                None => Status::Unknown,
            };
            let rest = arms.get(number + 1..).unwrap_or_default();
            return self.deeper(Flow::Exit, |interpreter| {
                interpreter.branch(
                    status,
                    line,
                    &mut |interpreter| {
                        interpreter.state.status = Status::Success;
                        interpreter.list(&arm.body)
                    },
                    &mut |interpreter| interpreter.arms(value, rest, line),
                )
            });
        }
        self.state.status = Status::Success;
        Flow::Next
    }

    /// Whether a value fits one of the patterns of an arm.
    fn fits_arm(&mut self, value: Option<&str>, arm: &'s Arm) -> Option<bool> {
        let mut fits = Some(false);
        for pattern in &arm.patterns {
            let pattern = self.pattern(pattern);
            let fit = match (value, pattern) {
                (_, Some(pattern)) if pattern.text() == "*" && pattern.has_wildcards() => {
                    Some(true)
                }
                (Some(value), Some(pattern)) => {
                    self.spend(pattern.cost(value));
                    pattern.fits(value)
                }
                _ => None,
            };
            fits = match (fits, fit) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
        fits.filter(|_| !self.is_over())
    }
}
