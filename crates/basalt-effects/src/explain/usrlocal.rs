//! The snippet of `dh_usrlocal`: directories below `/usr/local`, of the group `staff` where an
//! administrator wants that.

use super::script::Snippet;
use crate::{Condition, Effect};

/// What the snippet does, in words.
pub(crate) const MEANING: &str = "dh_usrlocal: directories below /usr/local";

/// The lines before the list of directories, without their first, which asks for the action.
const HEAD: &[&str] = &[
    "(",
    "default_mode=0755",
    "default_user=root",
    "default_group=root",
    "if [ -e /etc/staff-group-for-usr-local ]; then",
    "default_mode=02775",
    "default_group=staff",
    "fi",
    "while read -r line; do",
    "set -- $line",
    "dir=\"$1\"; mode=\"$2\"; user=\"$3\"; group=\"$4\"",
    "if [ \"$mode\" = \"default\" ]; then",
    "mode=\"$default_mode\"",
    "user=\"$default_user\"",
    "group=\"$default_group\"",
    "fi",
    "if [ ! -e \"$dir\" ]; then",
    "if mkdir \"$dir\" 2>/dev/null; then",
    "if chown \"$user\":\"$group\" \"$dir\" ; then",
    "chmod \"$mode\" \"$dir\" || true",
    "fi",
    "fi",
    "fi",
    "done",
    ") << DATA",
];

/// The line that asks whether the script is called as `configure`, or to undo something.
const ACTION: &str = "if [ \"$1\" = \"configure\" ] || [ \"$1\" = \"abort-upgrade\" ] || \
                      [ \"$1\" = \"abort-deconfigure\" ] || [ \"$1\" = \"abort-remove\" ]";

/// The directories that the snippet makes; `None` when it is not this snippet to the letter.
pub(crate) fn directories(snippet: &Snippet) -> Option<Vec<Effect>> {
    if snippet.tool != "dh_usrlocal" {
        return None;
    }
    // From debhelper 14 on, a comment stands among the lines, and `read` takes backslashes as they are.
    let lines = snippet.body.iter().map(|line| line.text.trim());
    let mut lines = lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| match line {
            "while read line; do" => "while read -r line; do",
            line => line,
        });
    let action = lines.next()?.strip_prefix(ACTION)?;
    if !matches!(action, "; then" | " ; then") {
        return None;
    }
    for known in HEAD {
        if lines.next()? != *known {
            return None;
        }
    }
    let mut effects = Vec::new();
    loop {
        match lines.next()? {
            "DATA" => break,
            line => effects.push(directory(line)?),
        }
    }
    (lines.next() == Some("fi") && lines.next().is_none()).then_some(effects)
}

/// The effect of one line: a path below `/usr/local`, and whose it is, if that is not the default.
fn directory(line: &str) -> Option<Effect> {
    let words: Vec<&str> = line.split(' ').collect();
    let made = |path: &str, mode: u32, user: &str, group: &str| Effect::Directory {
        path: path.to_owned(),
        mode,
        user: user.to_owned(),
        group: group.to_owned(),
    };
    let (path, effect) = match words.as_slice() {
        // Whoever else makes it makes it so too: which package is first does not matter.
        [path, "default"] => (
            path,
            Effect::When {
                condition: Condition::Exists("/etc/staff-group-for-usr-local".to_owned()),
                effects: vec![made(path, 0o2775, "root", "staff")],
                otherwise: vec![made(path, 0o755, "root", "root")],
            },
        ),
        [path, mode, user, group] if is_plain(user) && is_plain(group) => {
            let mode = u32::from_str_radix(mode, 8).ok();
            let mode = mode.filter(|mode| *mode <= 0o7777)?;
            let otherwise = vec![made(path, mode, user, group)];
            let condition = Condition::Exists((*path).to_owned());
            let effects = Vec::new();
            (
                path,
                Effect::When {
                    condition,
                    effects,
                    otherwise,
                },
            )
        }
        _ => return None,
    };
    let below = path.strip_prefix("/usr/local/")?;
    below.split('/').all(is_plain).then_some(effect)
}

/// Whether a word is only letters, digits and the marks of a file's name.
fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && word.starts_with(|letter: char| letter != '.')
        && word
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "._-+".contains(letter))
}
