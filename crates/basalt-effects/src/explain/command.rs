//! The commands whose work on a fresh root is known.

use super::condition::{is_plain, unquoted};
use super::words::plain_words;
use crate::{Effect, Slave, Writer};

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Understood {
    /// In words.
    pub meaning: String,
    /// What it leaves in the root.
    pub effects: Vec<Effect>,
}

fn nothing(meaning: &str) -> Option<Understood> {
    Some(Understood {
        meaning: meaning.to_owned(),
        effects: Vec::new(),
    })
}

fn one(meaning: &str, effect: Effect) -> Option<Understood> {
    Some(Understood {
        meaning: meaning.to_owned(),
        effects: vec![effect],
    })
}

/// Commands that leave nothing in an image, and why.
const HARMLESS: &[(&str, &str)] = &[
    (
        "deb-systemd-invoke",
        "starts a service: nothing runs while an image is built",
    ),
    (
        "systemctl",
        "talks to systemd: it does not run while an image is built",
    ),
    (
        "invoke-rc.d",
        "starts a service: nothing runs while an image is built",
    ),
    (
        "update-rc.d",
        "boot links: a container starts no init scripts",
    ),
    (
        "deb-systemd-helper",
        "enables a unit: a container starts no units",
    ),
    (
        "dpkg-maintscript-helper",
        "moves conffiles of older versions: there is none",
    ),
    (
        "py3compile",
        "byte-code: not made, so that the image is reproducible",
    ),
    (
        "pypy3compile",
        "byte-code: not made, so that the image is reproducible",
    ),
    ("update-menus", "desktop menus: a cache"),
    ("update-icon-caches", "icons: a cache"),
    ("db_version", "debconf's protocol"),
    ("db_capb", "debconf's protocol"),
    ("db_stop", "debconf's protocol"),
    (
        "db_go",
        "debconf asks nothing: the frontend is noninteractive",
    ),
    (
        "db_input",
        "debconf asks nothing: the frontend is noninteractive",
    ),
    (
        "dpkg-trigger",
        "a trigger: done by the package that is interested",
    ),
];

/// Says what one simple command does; `None` when that is not known for certain.
pub(crate) fn understand(text: &str) -> Option<Understood> {
    let text = without_tail(text);
    let name = text.split_whitespace().next()?;
    if let Some((_, meaning)) = HARMLESS.iter().find(|(known, _)| *known == name) {
        return arguments_are_safe(text).then(|| nothing(meaning))?;
    }
    match name {
        ":" | "true" => nothing("nothing"),
        "set" => is_option_of_the_shell(text).then(|| nothing("an option of the shell"))?,
        "echo" | "printf" => speaks(text).then(|| nothing("words for the administrator"))?,
        "." => matches!(
            text.split_whitespace().nth(1).map(unquoted),
            Some("/usr/share/debconf/confmodule")
        )
        .then(|| nothing("debconf's protocol"))?,
        "_dh_action=restart" | "_dh_action=start" => nothing("a variable of the snippet"),
        "ldconfig" if text == "ldconfig" => one(
            "the dynamic linker's cache",
            Effect::Run {
                writer: Writer::LinkerCache,
            },
        ),
        "systemd-tmpfiles" => directory_service(text, "--create").then(|| {
            one(
                "tmpfiles.d, read natively",
                Effect::Run {
                    writer: Writer::TemporaryFiles,
                },
            )
        })?,
        "systemd-sysusers" => directory_service(text, "").then(|| {
            one(
                "sysusers.d, read natively",
                Effect::Run {
                    writer: Writer::SystemUsers,
                },
            )
        })?,
        "add-shell" => {
            let words = plain_words(text)?;
            let shells = words.get(1..)?;
            shells
                .iter()
                .all(|path| path.starts_with('/'))
                .then(|| Understood {
                    meaning: "a line of /etc/shells".to_owned(),
                    effects: shells
                        .iter()
                        .map(|path| Effect::Shell { path: path.clone() })
                        .collect(),
                })
        }
        "update-alternatives" => alternative(&plain_words(text)?),
        _ => None,
    }
}

/// Takes away what only silences a command or forgives its failure.
fn without_tail(text: &str) -> &str {
    const TAILS: [&str; 9] = [
        "|| true",
        "|| :",
        "|| exit 1",
        "|| exit $?",
        "2>&1",
        "2>/dev/null",
        "2> /dev/null",
        ">/dev/null",
        "> /dev/null",
    ];
    let mut text = text.trim();
    while let Some(shorter) = TAILS.iter().find_map(|tail| text.strip_suffix(tail)) {
        text = shorter.trim_end();
    }
    text
}

/// Whether words are only plain ones, in quotes or not, or the variables that debhelper uses.
fn arguments_are_safe(text: &str) -> bool {
    text.split_whitespace().all(|word| {
        let inner = unquoted(word);
        matches!(inner, "$@" | "$_dh_action") || is_plain(inner)
    })
}

/// `set -e`, `set +x`; not `set -- …`, which changes `$1`.
fn is_option_of_the_shell(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["set", option] => option.strip_prefix(['-', '+']).is_some_and(|flags| {
            !flags.is_empty() && flags.chars().all(|flag| flag.is_ascii_alphabetic())
        }),
        _ => false,
    }
}

/// A message: goes to the terminal, and runs nothing to be put together.
fn speaks(text: &str) -> bool {
    let text = text
        .trim_end_matches(">&2")
        .trim_end_matches("1>&2")
        .replace("\\`", "")
        .replace("\\n", "");
    if text.contains('\\') {
        return false;
    }
    let mut quote = None;
    let mut before = ' ';
    for letter in text.chars() {
        match (quote, letter) {
            (_, '`') => return false,
            (_, '(') if before == '$' => return false,
            (Some(mark), _) if letter == mark => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(letter),
            (None, '>' | '<' | '|' | '&' | ';') => return false,
            (None, _) => {}
        }
        before = letter;
    }
    quote.is_none()
}

fn directory_service(text: &str, option: &str) -> bool {
    let text = text.replace("${DPKG_ROOT:+--root=\"$DPKG_ROOT\"}", "");
    let mut words = text.split_whitespace().skip(1).peekable();
    words.peek().is_some()
        && words.all(|word| is_plain(word) && (word == option || !word.starts_with('-')))
}

fn alternative(words: &[String]) -> Option<Understood> {
    match words.get(1).map(String::as_str)? {
        "--remove" | "--remove-all" => nothing("takes away an alternative that is not there"),
        "--quiet" | "--force" => {
            let mut fewer = words.to_vec();
            fewer.remove(1);
            alternative(&fewer)
        }
        "--install" => {
            let [link, name, path, priority, rest @ ..] = words.get(2..)? else {
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
            one(
                "an alternative",
                Effect::Alternative {
                    name: name.clone(),
                    link: link.clone(),
                    path: path.clone(),
                    priority: priority.parse().ok()?,
                    slaves,
                },
            )
        }
        _ => None,
    }
}
