//! Commands that make, change and take away paths.

use basalt_tree::numeric_id;

use super::Interpreter;
use super::simple::{Done, is_log, may_stand};
use super::state::{Status, Touched};
use crate::{Condition, Effect};

/// Options and operands of a command.
pub(super) struct Arguments {
    pub options: Vec<(String, Option<String>)>,
    pub operands: Vec<String>,
}

impl Arguments {
    /// Reads options: `flags` are letters and long names without a value, `valued` those with one.
    pub fn read(words: &[String], flags: &[&str], valued: &[&str]) -> Option<Self> {
        let mut read = Self {
            options: Vec::new(),
            operands: Vec::new(),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                read.operands.extend(words.by_ref().cloned());
            } else if let Some(long) = word.strip_prefix("--") {
                match long.split_once('=') {
                    Some((name, value)) if valued.contains(&name) => {
                        read.options.push((name.to_owned(), Some(value.to_owned())));
                    }
                    None if flags.contains(&long) => read.options.push((long.to_owned(), None)),
                    None if valued.contains(&long) => {
                        read.options
                            .push((long.to_owned(), Some(words.next()?.clone())));
                    }
                    _ => return None,
                }
            } else if let Some(letters) =
                word.strip_prefix('-').filter(|letters| !letters.is_empty())
            {
                for (place, letter) in letters.char_indices() {
                    let name = letter.to_string();
                    if flags.contains(&name.as_str()) {
                        read.options.push((name, None));
                        continue;
                    }
                    if !valued.contains(&name.as_str()) {
                        return None;
                    }
                    let rest = letters.get(place + letter.len_utf8()..).unwrap_or_default();
                    let value = match rest {
                        "" => words.next()?.clone(),
                        rest => rest.to_owned(),
                    };
                    read.options.push((name, Some(value)));
                    break;
                }
            } else {
                read.operands.push(word.clone());
            }
        }
        Some(read)
    }

    pub fn has(&self, names: &[&str]) -> bool {
        self.options
            .iter()
            .any(|(name, _)| names.contains(&name.as_str()))
    }

    pub fn value(&self, names: &[&str]) -> Option<&str> {
        self.options
            .iter()
            .rev()
            .find(|(name, _)| names.contains(&name.as_str()))
            .and_then(|(_, value)| value.as_deref())
    }
}

/// Permission bits as octal digits.
pub(super) fn bits(text: &str) -> Option<u32> {
    // A fifth digit takes set-ID bits off a directory, which four do not.
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|bits| *bits <= 0o7777 && text.len() <= 4)
}

/// Whether this may be the name or the number of a user or group.
pub(super) fn is_account(name: &str) -> bool {
    !name.is_empty()
        && numeric_id(name).is_ok()
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "_-.".contains(letter))
}

impl<'s> Interpreter<'s> {
    pub(super) fn file_command(&mut self, name: &str, words: &[String]) -> Option<Done> {
        let before_unpacking = self.call.member != "postinst";
        match name {
            "mkdir" => self.make_directories(words),
            "rm" => self.remove(words),
            "rmdir" => self.remove_directories(words),
            "touch" => self.touch_files(words),
            _ if before_unpacking => None,
            "install" => self.install(words),
            "chmod" => self.change_mode(words),
            "chown" | "chgrp" => self.change_owner(name, words),
            "ln" => self.link(words),
            _ => None,
        }
    }

    /// Before the package is unpacked: refuses an image in which another package brings this path.
    pub(super) fn refuse_if_foreign(&mut self, path: &str) {
        let why = format!(
            "its {} (line {}) changes {path}, which another package brings: which is first, is not known; \
             declare the `effects:` of the package",
            self.call.member, self.line
        );
        self.emit(Effect::When {
            condition: Condition::Foreign(path.to_owned()),
            effects: vec![Effect::Refuse { why }],
            otherwise: Vec::new(),
        });
    }

    fn paths(&self, operands: &[String]) -> Option<Vec<String>> {
        let paths: Vec<String> = operands
            .iter()
            .map(|path| path.trim_end_matches('/').to_owned())
            .collect();
        (!paths.is_empty() && paths.iter().all(|path| may_stand(path))).then_some(paths)
    }

    fn make_directories(&mut self, words: &[String]) -> Option<Done> {
        let arguments = Arguments::read(words, &["p", "parents", "v", "verbose"], &["m", "mode"])?;
        let mode = match arguments.value(&["m", "mode"]) {
            Some(text) => bits(text)?,
            None => 0o755,
        };
        for path in self.paths(&arguments.operands)? {
            self.directory(&path, mode);
        }
        Some(Done::quietly("a directory"))
    }

    /// A directory, made unless it is there.
    fn directory(&mut self, path: &str, mode: u32) {
        let effect = Effect::Directory {
            path: path.to_owned(),
            mode,
            user: "root".to_owned(),
            group: "root".to_owned(),
        };
        match self.state.touched(path) {
            Some(Touched::Directory | Touched::Something | Touched::File(_)) => {}
            Some(Touched::Missing) => self.emit(effect),
            // dpkg leaves a directory alone that is there when it unpacks the same one.
            None if self.call.member != "postinst" => self.emit(Effect::When {
                condition: Condition::Foreign(path.to_owned()),
                effects: Vec::new(),
                otherwise: vec![effect],
            }),
            Some(Touched::Unsure) | None => self.emit(Effect::When {
                condition: Condition::Exists(path.to_owned()),
                effects: Vec::new(),
                otherwise: vec![effect],
            }),
        }
        self.state.touch(path, Touched::Directory);
    }

    fn install(&mut self, words: &[String]) -> Option<Done> {
        let arguments = Arguments::read(
            words,
            &["d", "directory", "D", "v", "p"],
            &["m", "mode", "o", "owner", "g", "group"],
        )?;
        let mode = match arguments.value(&["m", "mode"]) {
            Some(text) => bits(text)?,
            None => 0o755,
        };
        let user = arguments
            .value(&["o", "owner"])
            .unwrap_or("root")
            .to_owned();
        let group = arguments
            .value(&["g", "group"])
            .unwrap_or("root")
            .to_owned();
        if !is_account(&user) || !is_account(&group) || arguments.has(&["D", "p"]) {
            return None;
        }
        let paths = self.paths(&arguments.operands)?;
        if arguments.has(&["d", "directory"]) {
            for path in paths {
                self.emit(Effect::Directory {
                    path: path.clone(),
                    mode,
                    user: user.clone(),
                    group: group.clone(),
                });
                self.state.touch(&path, Touched::Directory);
            }
            return Some(Done::quietly("a directory"));
        }
        // From nothing: an empty file. Of others the mode is all that is known.
        let [from, to] = arguments.operands.as_slice() else {
            return None;
        };
        if from != "/dev/null" || to.ends_with('/') || !may_stand(to) {
            return None;
        }
        self.empty_file(to, Some(mode), &user, &group)
    }

    fn empty_file(
        &mut self,
        path: &str,
        mode: Option<u32>,
        user: &str,
        group: &str,
    ) -> Option<Done> {
        if self.state.touched(path) != Some(Touched::Missing) {
            return None;
        }
        self.emit(Effect::File {
            path: path.to_owned(),
            content: String::new(),
            mode: mode.unwrap_or(0o644),
        });
        if (user, group) != ("root", "root") {
            self.emit(Effect::Attributes {
                path: path.to_owned(),
                mode: None,
                user: Some(user.to_owned()),
                group: Some(group.to_owned()),
            });
        }
        self.state.touch(path, Touched::File(Some(String::new())));
        Some(Done::quietly("an empty file"))
    }

    fn touch_files(&mut self, words: &[String]) -> Option<Done> {
        let arguments = Arguments::read(words, &["a", "m"], &[])?;
        if arguments.operands.iter().any(|path| path.ends_with('/')) {
            return None;
        }
        for path in self.paths(&arguments.operands)? {
            if is_log(&path) {
                self.state.touch(&path, Touched::File(None));
                continue;
            }
            let touched = self.state.touched(&path);
            if matches!(touched, None | Some(Touched::Missing | Touched::Unsure)) {
                if touched.is_none() && self.call.member != "postinst" {
                    if self.call.is_conffile(&path) {
                        return None;
                    }
                    self.refuse_if_foreign(&path);
                }
                self.emit(Effect::File {
                    path: path.clone(),
                    content: String::new(),
                    mode: 0o644,
                });
                let content = (touched == Some(Touched::Missing)).then(String::new);
                self.state.touch(&path, Touched::File(content));
            }
        }
        Some(Done::quietly("an empty file"))
    }

    /// Changes attributes, unless of a log, which is not made.
    fn attributes(
        &mut self,
        path: String,
        mode: Option<u32>,
        user: Option<String>,
        group: Option<String>,
    ) {
        let made_here = matches!(self.state.touched(&path), Some(Touched::File(_)));
        if is_log(&path) && made_here {
            return;
        }
        self.emit(Effect::Attributes {
            path,
            mode,
            user,
            group,
        });
    }

    fn change_mode(&mut self, words: &[String]) -> Option<Done> {
        let arguments = Arguments::read(words, &["f", "v", "c", "quiet", "silent"], &[])?;
        let (mode, paths) = arguments.operands.split_first()?;
        let mode = bits(mode)?;
        for path in self.paths(paths)? {
            self.attributes(path, Some(mode), None, None);
        }
        Some(Done::quietly("a mode"))
    }

    fn change_owner(&mut self, name: &str, words: &[String]) -> Option<Done> {
        let arguments = Arguments::read(words, &["f", "v", "c", "quiet", "silent"], &[])?;
        let (owner, paths) = arguments.operands.split_first()?;
        let (user, group) = match (name, owner.split_once(':')) {
            ("chgrp", None) => (None, Some(owner.clone())),
            ("chown", None) => (Some(owner.clone()), None),
            ("chown", Some((user, group))) if !group.is_empty() => (
                (!user.is_empty()).then(|| user.to_owned()),
                Some(group.to_owned()),
            ),
            _ => return None,
        };
        if ![&user, &group]
            .into_iter()
            .flatten()
            .all(|name| is_account(name) && !name.contains('.'))
        {
            return None;
        }
        for path in self.paths(paths)? {
            self.attributes(path, None, user.clone(), group.clone());
        }
        Some(Done::quietly("an owner"))
    }

    fn link(&mut self, words: &[String]) -> Option<Done> {
        let arguments =
            Arguments::read(words, &["s", "f", "n", "v", "symbolic", "force", "T"], &[])?;
        let [target, path] = arguments.operands.as_slice() else {
            return None;
        };
        if !arguments.has(&["s", "symbolic"])
            || path.ends_with('/')
            || !may_stand(path)
            || target.is_empty()
        {
            return None;
        }
        let touched = self.state.touched(path);
        let link = Effect::Symlink {
            path: path.clone(),
            target: target.clone(),
        };
        match touched {
            Some(Touched::Missing) => self.emit(link),
            None if arguments.has(&["f", "force"]) => {
                let why = format!(
                    "its {} (line {}) puts a link at {path}, where this image has a directory; declare the \
                     `effects:` of the package",
                    self.call.member, self.line
                );
                self.emit(Effect::When {
                    condition: Condition::Directory(path.clone()),
                    effects: vec![Effect::Refuse { why }],
                    otherwise: vec![Effect::Remove { path: path.clone() }, link],
                });
            }
            _ => return None,
        }
        // It may dangle.
        self.state.touch(path, Touched::Unsure);
        Some(Done::quietly("a link"))
    }

    fn remove(&mut self, words: &[String]) -> Option<Done> {
        let arguments = Arguments::read(words, &["r", "R", "f", "v", "recursive", "force"], &[])?;
        let mut left = false;
        let paths = self.paths(&arguments.operands)?;
        for (path, operand) in paths.into_iter().zip(&arguments.operands) {
            match self.state.touched(&path) {
                Some(Touched::Missing) => {}
                _ if is_log(&path) => {}
                // It fails, as does one for the link if it is one.
                Some(Touched::File(_)) if operand.ends_with('/') => return None,
                Some(Touched::Unsure | Touched::Something) | None
                    if operand.ends_with('/') && self.call.member == "postinst" =>
                {
                    let why = format!(
                        "its postinst (line {}) takes {operand} away, which is a link in this image: with the slash \
                         it stays; declare the `effects:` of the package",
                        self.line
                    );
                    self.emit(Effect::When {
                        condition: Condition::Link(path.clone()),
                        effects: vec![Effect::Refuse { why }],
                        otherwise: vec![Effect::Remove { path: path.clone() }],
                    });
                    left = true;
                }
                None if self.call.member != "postinst" => {
                    self.refuse_if_foreign(&path);
                    left = true;
                }
                _ => {
                    self.emit(Effect::Remove { path: path.clone() });
                    left = true;
                }
            }
            self.state.touch(&path, Touched::Missing);
        }
        Some(Done::quietly(match left {
            true => "takes a path away",
            false => "takes away what is not there",
        }))
    }

    fn remove_directories(&mut self, words: &[String]) -> Option<Done> {
        let arguments = Arguments::read(words, &["ignore-fail-on-non-empty", "v"], &[])?;
        for path in self.paths(&arguments.operands)? {
            match self.state.touched(&path) {
                Some(Touched::Missing) => continue,
                _ if self.call.member != "postinst" => self.refuse_if_foreign(&path),
                _ => self.emit(Effect::RemoveEmpty { path: path.clone() }),
            }
            self.state.touch(&path, Touched::Unsure);
        }
        Some(Done::with("takes an empty directory away", Status::Unknown))
    }
}
