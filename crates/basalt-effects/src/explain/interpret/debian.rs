//! dpkg's own helpers, and debconf.

use super::Interpreter;
use super::files::is_account;
use super::simple::{Done, may_stand};
use super::state::{Status, Touched, normal};
use crate::{Effect, Slave};

const OVERRIDES: &str = "/var/lib/dpkg/statoverride";

impl<'s> Interpreter<'s> {
    pub(super) fn debian_command(&mut self, name: &str, words: &[String]) -> Option<Done> {
        match name {
            "update-alternatives" => self.alternative(words),
            "dpkg-divert" => self.divert(words),
            _ => self.stat_override(words),
        }
    }

    fn alternative(&mut self, words: &[String]) -> Option<Done> {
        match words.first().map(String::as_str)? {
            "--remove" | "--remove-all" => {
                let name = words.get(1)?.clone();
                if self.registered.contains(&("alternative", name)) {
                    return None;
                }
                Some(Done::quietly("takes away an alternative that is not there"))
            }
            "--quiet" | "--force" => self.alternative(words.get(1..)?),
            "--query" | "--list" | "--display" | "--get-selections" => {
                Some(Done::reading("asks for alternatives"))
            }
            "--install" => {
                let [link, name, path, priority, rest @ ..] = words.get(1..)? else {
                    return None;
                };
                let mut slaves = Vec::new();
                for slave in rest.chunks(4) {
                    let [option, link, name, path] = slave else {
                        return None;
                    };
                    if option != "--slave" {
                        return None;
                    }
                    slaves.push(Slave {
                        name: name.clone(),
                        link: link.clone(),
                        path: path.clone(),
                    });
                }
                for made in slaves.iter().map(|slave| &slave.link).chain([link]) {
                    self.state.touch(made, Touched::Unsure);
                    self.kept.insert(normal(made));
                }
                for name in slaves.iter().map(|slave| &slave.name).chain([name]) {
                    self.kept.insert(format!("/etc/alternatives/{name}"));
                }
                self.registered.insert(("alternative", name.clone()));
                self.emit(Effect::Alternative {
                    name: name.clone(),
                    link: link.clone(),
                    path: path.clone(),
                    priority: priority.parse().ok()?,
                    slaves,
                    pages: None,
                });
                Some(Done::quietly("an alternative"))
            }
            _ => None,
        }
    }

    fn divert(&mut self, words: &[String]) -> Option<Done> {
        let mut to = None;
        let mut package = None;
        let mut from = None;
        let mut action = "--add";
        let mut renames = false;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quiet" => {}
                "--rename" => renames = true,
                "--add" | "--remove" | "--list" | "--truename" | "--listpackage" => action = word,
                "--package" => package = words.next().cloned(),
                "--divert" => to = words.next().cloned(),
                option if option.starts_with("--package=") => {
                    package = option.strip_prefix("--package=").map(str::to_owned)
                }
                option if option.starts_with("--divert=") => {
                    to = option.strip_prefix("--divert=").map(str::to_owned)
                }
                option if option.starts_with('-') => return None,
                path if from.is_none() => from = Some(path.to_owned()),
                _ => return None,
            }
        }
        match action {
            "--list" | "--truename" | "--listpackage" => {
                return Some(Done::reading("asks for diversions"));
            }
            "--remove" => {
                let is_ours = self.registered.contains(&("diversion", from?));
                let meaning = "takes away a diversion that is not there";
                return (!is_ours).then(|| Done::quietly(meaning));
            }
            _ => {}
        }
        let from = from?;
        let to = to.unwrap_or_else(|| format!("{from}.distrib"));
        let own = package.as_deref().unwrap_or(self.call.package) == self.call.package;
        if !own || !renames || !may_stand(&from) || !may_stand(&to) {
            return None;
        }
        self.registered.insert(("diversion", from.clone()));
        self.state.touch(&from, Touched::Unsure);
        self.state.touch(&to, Touched::Unsure);
        self.emit(Effect::Diversion {
            from,
            to,
            if_directory: None,
        });
        Some(Done::quietly("a diversion"))
    }

    fn stat_override(&mut self, words: &[String]) -> Option<Done> {
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .filter(|word| !matches!(*word, "--quiet" | "--force" | "--force-all"))
            .collect();
        let updates = words.contains(&"--update");
        let rest: Vec<&str> = words
            .into_iter()
            .filter(|word| *word != "--update")
            .collect();
        match rest.as_slice() {
            ["--list", path] => {
                let status = match self.state.variables.get(&format!("{OVERRIDES} {path}")) {
                    None => Status::Failure,
                    Some(Some(_)) => Status::Success,
                    Some(None) => Status::Unknown,
                };
                Some(Done {
                    meaning: "asks for an override",
                    output: (status == Status::Failure).then(String::new),
                    status,
                })
            }
            ["--remove", path] if self.registered.contains(&("override", (*path).to_owned())) => {
                None
            }
            ["--remove", _] => Some(Done::with(
                "takes away an override that is not there",
                Status::Unknown,
            )),
            ["--add", user, group, mode, path] if updates && self.call.member == "postinst" => {
                // However many digits, the mode is set as it is.
                let bits = u32::from_str_radix(mode, 8).ok();
                let bits = bits.filter(|bits| *bits <= 0o7777)?;
                if !may_stand(path) || !is_account(user) || !is_account(group) {
                    return None;
                }
                self.emit(Effect::Attributes {
                    path: (*path).to_owned(),
                    mode: Some(bits),
                    user: Some((*user).to_owned()),
                    group: Some((*group).to_owned()),
                });
                self.emit(Effect::Lines {
                    path: OVERRIDES.to_owned(),
                    lines: vec![format!("{user} {group} {bits:o} {path}")],
                });
                self.registered.insert(("override", (*path).to_owned()));
                // No variable can have such a name.
                self.state
                    .set(&format!("{OVERRIDES} {path}"), Some(String::new()));
                Some(Done::quietly("an override of owner and mode"))
            }
            _ => None,
        }
    }

    /// debconf's protocol with the noninteractive frontend: nothing is asked, defaults are the answers.
    pub(super) fn debconf(&mut self, name: &str, words: Option<&[String]>) -> Option<Done> {
        if !self.state.debconf {
            return None;
        }
        let word = |index: usize| words.and_then(|words| words.get(index)).cloned();
        match name {
            "db_get" => {
                let answer =
                    word(1).and_then(|question| self.state.answers.get(&question).cloned());
                let status = match answer {
                    Some(_) => Status::Success,
                    None => Status::Unknown,
                };
                self.state.set("RET", answer.flatten());
                Some(Done::with(
                    "asks debconf: the answer of the spec, else the default",
                    status,
                ))
            }
            "db_set" => {
                match word(1) {
                    Some(question) => {
                        self.state.answers.insert(question, word(2));
                    }
                    None => self
                        .state
                        .answers
                        .values_mut()
                        .for_each(|answer| *answer = None),
                }
                self.state.set("RET", None);
                Some(Done::quietly("an answer kept by debconf"))
            }
            "db_reset" => {
                if let Some(answer) =
                    word(1).and_then(|question| self.state.answers.get_mut(&question))
                {
                    *answer = None;
                }
                self.state.set("RET", None);
                Some(Done::quietly("debconf's protocol"))
            }
            "db_fget"
            | "db_metaget"
            | "db_settitle"
            | "db_title"
            | "db_info"
            | "db_subst"
            | "db_fset"
            | "db_register"
            | "db_unregister"
            | "db_purge"
            | "db_beginblock"
            | "db_endblock"
            | "db_clear"
            | "db_version"
            | "db_capb"
            | "db_progress"
            | "db_x_loadtemplatefile"
            | "db_stop" => {
                self.state.set("RET", None);
                let status = match name {
                    "db_stop" | "db_version" | "db_capb" | "db_subst" | "db_fset" => {
                        Status::Success
                    }
                    _ => Status::Unknown,
                };
                Some(Done::with("debconf's protocol", status))
            }
            "db_input" | "db_go" => {
                self.state.set("RET", None);
                Some(Done::with(
                    "debconf asks nothing: the frontend is noninteractive",
                    Status::Unknown,
                ))
            }
            _ => None,
        }
    }
}
