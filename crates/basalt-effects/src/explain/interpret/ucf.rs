//! `ucf` and `ucfr`: configuration files that are not dpkg's own.

use super::Interpreter;
use super::files::Arguments;
use super::simple::{Done, may_stand};
use super::state::Touched;
use crate::Effect;

/// Which package a configuration file is of.
const REGISTRY: &str = "/var/lib/ucf/registry";

impl<'s> Interpreter<'s> {
    /// Places a configuration file. The file that it comes from must be one that the image has.
    pub(super) fn ucf(&mut self, words: &[String]) -> Option<Done> {
        if self.call.member != "postinst" {
            return None;
        }
        let arguments = Arguments::read(
            words,
            &["three-way", "debconf-ok"],
            &["sum-file", "debconf-template"],
        )?;
        let [from, to] = arguments.operands.as_slice() else {
            return None;
        };
        let untouched = |path: &str| self.state.touched(path).is_none();
        let is_fresh = matches!(self.state.touched(to), None | Some(Touched::Missing));
        if !may_stand(from) || !may_stand(to) || !untouched(from) || !is_fresh {
            return None;
        }
        self.emit(Effect::Configuration {
            from: from.clone(),
            to: to.clone(),
            three_way: arguments.has(&["three-way"]),
        });
        self.state.touch(to, Touched::File(None));
        Some(Done::quietly("a configuration file, as ucf places it"))
    }

    /// Records whose a configuration file is.
    pub(super) fn ucfr(&mut self, words: &[String]) -> Option<Done> {
        if self.call.member != "postinst" {
            return None;
        }
        let arguments = Arguments::read(words, &["force"], &[])?;
        let [package, path] = arguments.operands.as_slice() else {
            return None;
        };
        if !may_stand(path) {
            return None;
        }
        self.emit(Effect::Lines {
            path: REGISTRY.to_owned(),
            lines: vec![format!("{package} \t {path}")],
        });
        Some(Done::quietly("whose a configuration file is"))
    }
}
