//! Commands about users and groups.

use basalt_tree::numeric_id;

use super::Interpreter;
use super::files::{Arguments, is_account};
use super::simple::Done;
use super::state::{Status, Touched};
use crate::{Condition, Effect};

impl<'s> Interpreter<'s> {
    pub(super) fn account_command(&mut self, name: &str, words: &[String]) -> Option<Done> {
        match name {
            "adduser" => self.adduser(words),
            "addgroup" => self.addgroup(words),
            "useradd" => self.useradd(words),
            "groupadd" => {
                let arguments =
                    Arguments::read(words, &["r", "system", "f", "force"], &["g", "gid"])?;
                if !arguments.has(&["r", "system"]) {
                    return None;
                }
                let gid = number(arguments.value(&["g", "gid"]))?;
                self.add_group(&arguments.operands, gid)
            }
            "usermod" => {
                let arguments = Arguments::read(words, &["a", "append"], &["G", "groups"])?;
                let ([user], true) = (
                    arguments.operands.as_slice(),
                    arguments.has(&["a", "append"]),
                ) else {
                    return None;
                };
                self.add_members(user, arguments.value(&["G", "groups"])?)
            }
            "gpasswd" => match words {
                [option, user, group] if option == "-a" || option == "--add" => {
                    self.add_members(user, group)
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn add_members(&mut self, user: &str, groups: &str) -> Option<Done> {
        if !groups.split(',').all(is_account) {
            return None;
        }
        for group in groups.split(',') {
            self.emit(Effect::Member {
                user: user.to_owned(),
                group: group.to_owned(),
            });
        }
        Some(Done::quietly("a member of a group"))
    }

    fn add_group(&mut self, operands: &[String], gid: Option<u32>) -> Option<Done> {
        let [name] = operands else {
            return None;
        };
        self.emit(Effect::Group {
            name: name.clone(),
            gid,
        });
        self.state.assume(&Condition::Group(name.clone()), true);
        Some(Done::quietly("a group"))
    }

    fn addgroup(&mut self, words: &[String]) -> Option<Done> {
        let arguments = Arguments::read(
            words,
            &[
                "system",
                "quiet",
                "force-badname",
                "allow-bad-names",
                "allow-badname",
            ],
            &["gid"],
        )?;
        if !arguments.has(&["system"]) {
            return match arguments.operands.as_slice() {
                [user, group] if arguments.value(&["gid"]).is_none() => {
                    self.add_members(user, group)
                }
                _ => None,
            };
        }
        let gid = number(arguments.value(&["gid"]))?;
        self.add_group(&arguments.operands, gid)
    }

    fn adduser(&mut self, words: &[String]) -> Option<Done> {
        let arguments = Arguments::read(
            words,
            &[
                "system",
                "quiet",
                "group",
                "no-create-home",
                "disabled-password",
                "disabled-login",
                "force-badname",
                "allow-bad-names",
                "allow-badname",
                "allow-all-names",
            ],
            &["home", "shell", "gecos", "comment", "ingroup", "gid", "uid"],
        )?;
        if !arguments.has(&["system"]) {
            let bare = arguments.options.iter().all(|(name, _)| name == "quiet");
            return match arguments.operands.as_slice() {
                [user, group] if bare => self.add_members(user, group),
                _ => None,
            };
        }
        let [name] = arguments.operands.as_slice() else {
            return None;
        };
        let uid = number(arguments.value(&["uid"]))?;
        let group = match arguments.value(&["ingroup"]) {
            Some(group) => Some(group.to_owned()),
            None if arguments.value(&["gid"]).is_some() => return None,
            None if arguments.has(&["group"]) => None,
            None => Some("nogroup".to_owned()),
        };
        if arguments.has(&["group"]) && group.is_some() {
            return None;
        }
        // With --group, and a group of the name already there, that one is used.
        let home = arguments.value(&["home"]).unwrap_or("/nonexistent");
        let make_home = !arguments.has(&["no-create-home"]) && home != "/nonexistent";
        // adduser writes two commas where it is given none only for users who log in.
        self.add_user(Effect::User {
            name: name.clone(),
            uid,
            group,
            home: home.to_owned(),
            shell: arguments
                .value(&["shell"])
                .unwrap_or("/usr/sbin/nologin")
                .to_owned(),
            comment: arguments
                .value(&["gecos", "comment"])
                .unwrap_or("")
                .to_owned(),
            make_home,
        })
    }

    fn useradd(&mut self, words: &[String]) -> Option<Done> {
        let arguments = Arguments::read(
            words,
            &[
                "r",
                "system",
                "M",
                "no-create-home",
                "U",
                "user-group",
                "N",
                "no-user-group",
            ],
            &[
                "g", "gid", "d", "home", "home-dir", "s", "shell", "c", "comment", "u", "uid",
            ],
        )?;
        let [name] = arguments.operands.as_slice() else {
            return None;
        };
        if !arguments.has(&["r", "system"]) {
            return None;
        }
        let group = arguments.value(&["g", "gid"]).map(str::to_owned);
        if group.is_none() && arguments.has(&["N", "no-user-group"]) {
            return None;
        }
        self.add_user(Effect::User {
            name: name.clone(),
            uid: number(arguments.value(&["u", "uid"]))?,
            group,
            home: arguments.value(&["d", "home", "home-dir"])?.to_owned(),
            shell: arguments.value(&["s", "shell"])?.to_owned(),
            comment: arguments.value(&["c", "comment"]).unwrap_or("").to_owned(),
            make_home: false,
        })
    }

    fn add_user(&mut self, effect: Effect) -> Option<Done> {
        if let Effect::User {
            name,
            group,
            home,
            make_home,
            ..
        } = &effect
        {
            if group.as_deref().is_some_and(|group| !is_account(group)) {
                return None;
            }
            if *make_home {
                self.state.touch(home, Touched::Directory);
            }
            self.state.assume(&Condition::User(name.clone()), true);
            if group.is_none() {
                self.state.assume(&Condition::Group(name.clone()), true);
            }
        }
        self.emit(effect);
        Some(Done::quietly("a user"))
    }

    /// `getent` and `id`: whether an account is there.
    pub(super) fn account_question(&mut self, name: &str, words: &[String]) -> Option<Done> {
        let condition = match (name, words) {
            ("getent", [database, key]) if key.parse::<u32>().is_err() => match database.as_str() {
                "passwd" | "shadow" => Some(Condition::User(key.clone())),
                "group" | "gshadow" => Some(Condition::Group(key.clone())),
                _ => None,
            },
            ("id", words) => words
                .iter()
                .find(|word| !word.starts_with('-'))
                .map(|user| Condition::User(user.clone())),
            _ => None,
        };
        Some(Done {
            meaning: "asks for an account",
            status: condition.map_or(Status::Unknown, |condition| self.ask(condition)),
            output: None,
        })
    }
}

/// An id, if one is given; the outer `None` when it can be none.
fn number(text: Option<&str>) -> Option<Option<u32>> {
    match text {
        None => Some(None),
        Some(text) => numeric_id(text).ok()?.map(Some),
    }
}
