//! Lists, branches, loops and functions.

use std::collections::BTreeMap;

use basalt_shell::{AndOr, Arm, Branch, Command, Joint, Kind, List, Pipeline, Redirection, Word};

use super::state::{Flow, Status};
use super::{Ended, Frame, Interpreter, MAXIMUM_CALLS, MAXIMUM_STEPS};
use crate::{Condition, Effect};

/// A step of following: one side of a branch.
type Side<'a, 's> = &'a mut dyn FnMut(&mut Interpreter<'s>) -> Flow;

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
                );
            }
            let flow = self.and_or(&item.and_or);
            if flow != Flow::Next {
                return flow;
            }
        }
        Flow::Next
    }

    fn and_or(&mut self, and_or: &'s AndOr) -> Flow {
        let Some(((joint, last), before)) = and_or.rest.split_last() else {
            return self.pipeline(&and_or.first);
        };
        self.chain(&and_or.first, before, *joint, last)
    }

    /// `first … joint last`: what stands before the last is only tested.
    fn chain(
        &mut self,
        first: &'s Pipeline,
        before: &'s [(Joint, Pipeline)],
        joint: Joint,
        last: &'s Pipeline,
    ) -> Flow {
        self.tested += 1;
        let flow = match before.split_last() {
            None => self.pipeline(first),
            Some(((joint, last), before)) => self.chain(first, before, *joint, last),
        };
        self.tested -= 1;
        if flow != Flow::Next {
            return flow;
        }
        let line = self.line;
        let status = self.state.status.clone();
        let mut run = |interpreter: &mut Self| interpreter.pipeline(last);
        let mut skip = |_: &mut Self| Flow::Next;
        match joint {
            Joint::And => self.branch(status, line, &mut run, &mut skip),
            Joint::Or => self.branch(status, line, &mut skip, &mut run),
        }
    }

    fn pipeline(&mut self, pipeline: &'s Pipeline) -> Flow {
        self.steps += 1;
        if self.steps > MAXIMUM_STEPS {
            self.unexplained(self.line);
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
            if number + 1 < commands.len() {
                self.output = Some(Some(String::new()));
            } else {
                self.output = None;
            }
            let saved = self.state.clone();
            self.frames.push(Frame::default());
            let depth = self.frames.len();
            let flow = self.command(command);
            let effects = self.drop_frames(depth);
            self.state = saved;
            if !effects.is_empty() || flow != Flow::Next {
                self.unexplained(command.lines.first);
            }
        }
        self.tested -= 1;
        self.output = output.map(|_| None);
        self.state.status = Status::Unknown;
        Flow::Next
    }

    /// Takes away all frames from this depth on; their effects.
    fn drop_frames(&mut self, depth: usize) -> Vec<Effect> {
        while self.frames.len() > depth {
            self.close_frame();
        }
        self.frames
            .pop()
            .map_or_else(Vec::new, |frame| frame.effects)
    }

    pub(super) fn command(&mut self, command: &'s Command) -> Flow {
        self.lines(command.lines);
        if let Kind::Simple { assignments, words } = &command.kind {
            return self.simple(command, assignments, words);
        }
        match self.compound_output(&command.redirections) {
            None => {
                self.unexplained(command.lines.first);
                self.compound(command)
            }
            Some(None) => self.compound(command),
            Some(Some(to)) => {
                let outer = self.output.replace(Some(String::new()));
                let flow = self.compound(command);
                let text = std::mem::replace(&mut self.output, outer).flatten();
                self.lines(command.lines);
                self.write_output(&to, text);
                flow
            }
        }
    }

    /// Where a compound command's output goes, if to a file; the outer `None` when not understood.
    fn compound_output(
        &mut self,
        redirections: &'s [Redirection],
    ) -> Option<Option<super::simple::Sink>> {
        self.redirected(redirections)
            .map(|redirected| redirected.sink)
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
                condition, body, ..
            } => self.repeat(condition, body),
            Kind::Function { name, body } => {
                self.state.functions.insert(name.clone(), body);
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
        let saved = self.state.clone();
        let depth = self.frames.len() + 1;
        self.frames.push(Frame::default());
        let flow = self.list(list);
        let is_simple = self.frames.len() == depth;
        let effects = self.drop_frames(depth);
        if !is_simple && !effects.is_empty() {
            self.unexplained(self.line);
        }
        effects.into_iter().for_each(|effect| self.emit(effect));
        let inner = std::mem::replace(&mut self.state, saved);
        self.state.paths = inner.paths;
        self.state.assumed = inner.assumed;
        self.state.answers = inner.answers;
        self.state.written = inner.written;
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
        let Some((first, rest)) = branches.split_first() else {
            return match otherwise {
                Some(list) => self.list(list),
                None => {
                    self.state.status = Status::Success;
                    Flow::Next
                }
            };
        };
        self.tested += 1;
        let flow = self.list(&first.condition);
        self.tested -= 1;
        if flow != Flow::Next {
            return flow;
        }
        let line = first
            .condition
            .items
            .first()
            .and_then(|item| item.and_or.first.commands.first())
            .map_or(self.line, |command| command.lines.first);
        let status = self.state.status.clone();
        self.branch(
            status,
            line,
            &mut |interpreter| interpreter.list(&first.body),
            &mut |interpreter| interpreter.conditional(rest, otherwise),
        )
    }

    fn arms(&mut self, value: Option<&str>, arms: &'s [Arm], line: usize) -> Flow {
        let Some((first, rest)) = arms.split_first() else {
            self.state.status = Status::Success;
            return Flow::Next;
        };
        let mut fits = Some(false);
        for pattern in &first.patterns {
            let pattern = self.pattern(pattern);
            let fit = match (value, pattern) {
                (_, Some(pattern)) if pattern.text() == "*" && pattern.has_wildcards() => {
                    Some(true)
                }
                (Some(value), Some(pattern)) => pattern.fits(value),
                _ => None,
            };
            fits = match (fits, fit) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
        let status = fits.map_or(Status::Unknown, Status::of);
        self.branch(
            status,
            line,
            &mut |interpreter| {
                interpreter.state.status = Status::Success;
                interpreter.list(&first.body)
            },
            &mut |interpreter| interpreter.arms(value, rest, line),
        )
    }

    fn for_each(&mut self, name: &'s str, words: Option<&'s [Word]>, body: &'s List) -> Flow {
        let line = self.line;
        let values = match words {
            Some(words) => {
                let fields = self.fields(words);
                fields.exact.then_some(fields.values)
            }
            None => self.state.arguments.clone(),
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
                self.unexplained(line);
            }
        }
        Flow::Next
    }

    fn repeat(&mut self, condition: &'s List, body: &'s List) -> Flow {
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
            let saved = self.state.clone();
            self.frames.push(Frame::default());
            let depth = self.frames.len();
            let output = self.output.clone();
            let flow = turn(self);
            let effects = self.drop_frames(depth);
            let after = std::mem::replace(&mut self.state, saved.clone());
            if self.output != output {
                self.output = self.output.take().map(|_| None);
            }
            self.state = saved.merge(after);
            self.state.status = Status::Unknown;
            if number == 0 {
                self.notes.truncate(notes);
            } else if !effects.is_empty()
                || !matches!(flow, Flow::Next | Flow::Break | Flow::Continue)
            {
                self.forget(notes);
                self.unexplained(line);
            }
        }
        Flow::Next
    }

    /// What was noted as an effect since then is not explained after all.
    fn forget(&mut self, since: usize) {
        for note in self
            .notes
            .iter_mut()
            .skip(since)
            .filter(|note| note.has_effects)
        {
            note.meaning = None;
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
        let notes = self.notes.len();
        let before = self.state.clone();
        let output = self.output.clone();
        let (flow_then, effects_then, simple_then) = self.side(condition.as_ref(), true, then);
        let state_then = std::mem::replace(&mut self.state, before.clone());
        let output_then = std::mem::replace(&mut self.output, output.clone());
        let (flow_else, effects_else, simple_else) =
            self.side(condition.as_ref(), false, otherwise);
        let state_else = std::mem::replace(&mut self.state, before.clone());
        if self.output != output_then {
            self.output = output.map(|_| None);
        }
        // A side that fails is not taken: the installation would have failed.
        if flow_then == Flow::Fail {
            return self.only(state_else, effects_else, flow_else, simple_else, line);
        }
        if flow_else == Flow::Fail {
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
            let merged = state_then.merge(state_else);
            let is_writer = |effect: &Effect| matches!(effect, Effect::Run { .. });
            if effects_then == effects_else {
                effects_then
                    .into_iter()
                    .for_each(|effect| self.emit(effect));
            } else if effects_then.iter().chain(&effects_else).all(is_writer) {
                // Native writers stand in for programs that the image need not have.
                effects_then
                    .into_iter()
                    .chain(effects_else)
                    .for_each(|effect| self.emit(effect));
            } else if let Some(condition) = condition {
                self.emit_when(condition, effects_then, effects_else);
            } else {
                self.forget(notes);
                self.unexplained(line);
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
        self.unexplained(line);
        self.state = state_then.merge(state_else);
        match (flow_then, flow_else) {
            (Flow::Next, _) | (_, Flow::Next) => Flow::Next,
            (flow, _) => flow,
        }
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
            self.unexplained(line);
        }
        self.state = state;
        effects.into_iter().for_each(|effect| self.emit(effect));
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

    /// Calls a function.
    pub(super) fn function(&mut self, body: &'s Command, arguments: Vec<super::Value>) -> Flow {
        if self.calls >= MAXIMUM_CALLS {
            self.unexplained(self.line);
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
                self.state = self.state.clone().merge(state);
            } else {
                self.unexplained(line);
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
            self.unexplained(line);
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
