//! Maintainer scripts explained, without running them.
//!
//! Only what a fresh install does matters: `preinst install`, `config configure`,
//! `postinst configure` with an empty old version, and triggers. Each script is taken apart: snippets
//! of debhelper and simple shell are followed line by line; what is left is looked up by its digest in
//! a table that people curate. Whatever stays unknown is said to be so.

mod apparmor;
mod command;
mod condition;
mod flow;
mod report;
mod script;
mod table;
mod triggers;
mod words;

use std::collections::BTreeMap;

use basalt_digest::Digest;

use self::condition::Call;
use self::script::Line;
use self::table::Table;
use crate::Effect;

pub use self::report::{Explanation, LineReport, ScriptReport, Unexplained, Verdict};

/// The control members of one package, and what they need to be explained.
#[derive(Debug, Clone, Copy)]
pub struct PackageScripts<'a> {
    /// The binary package's name.
    pub package: &'a str,
    /// Its whole version.
    pub version: &'a str,
    /// Its architecture.
    pub architecture: &'a str,
    /// Its control members by name: `preinst`, `postinst`, `config`, `triggers` …
    pub members: &'a BTreeMap<String, Vec<u8>>,
    /// Absolute paths that it ships.
    pub paths: &'a [String],
}

/// The scripts in the order in which dpkg calls them, and the word it calls them with.
const CALLED: [(&str, Call); 3] = [
    ("preinst", Call { action: "install" }),
    (
        "config",
        Call {
            action: "configure",
        },
    ),
    (
        "postinst",
        Call {
            action: "configure",
        },
    ),
];

/// Scripts that a fresh install does not call.
const NOT_CALLED: [&str; 2] = ["prerm", "postrm"];

/// More lines than this of one script are not read; the rest counts as unexplained.
const MAXIMUM_LINES: usize = 50_000;

/// Explains the scripts of one package. `declared` is what the spec says by hand about it; it
/// comes on top of what is known, and answers for whatever is not.
pub fn explain(package: &PackageScripts<'_>, declared: Option<&[Effect]>) -> Explanation {
    let mut effects = Vec::new();
    let mut scripts = Vec::new();
    for (name, call) in CALLED {
        if let Some(bytes) = package.members.get(name) {
            scripts.push(explain_script(
                package,
                name,
                bytes,
                call,
                declared.is_some(),
                &mut effects,
            ));
        }
    }
    if let Some(bytes) = package.members.get("triggers") {
        scripts.push(explain_triggers(bytes, declared.is_some(), &mut effects));
    }
    for name in NOT_CALLED {
        if let Some(bytes) = package.members.get(name) {
            scripts.push(ScriptReport {
                name: name.to_owned(),
                digest: Digest::of(bytes),
                residual: Digest::of(bytes),
                verdict: Verdict::NothingToDo,
                lines: vec![LineReport {
                    number: 1,
                    text: String::new(),
                    meaning: Some("not called by a fresh install".to_owned()),
                }],
            });
        }
    }
    effects.extend(declared.unwrap_or_default().iter().cloned());
    Explanation {
        package: package.package.to_owned(),
        version: package.version.to_owned(),
        effects: each_once(effects),
        scripts,
    }
}

fn explain_script(
    package: &PackageScripts<'_>,
    name: &str,
    bytes: &[u8],
    call: Call,
    declared: bool,
    effects: &mut Vec<Effect>,
) -> ScriptReport {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = script::take_apart(&text);
    let too_long = parts.rest.len() > MAXIMUM_LINES;
    parts.rest.truncate(MAXIMUM_LINES);
    let residual = script::residual_digest(&parts.rest, package.package, package.version);
    let before = effects.len();
    let mut lines = Vec::new();
    for snippet in &parts.snippets {
        if let Some(effect) = apparmor::local_profile(snippet) {
            let meaning = "dh_apparmor: an empty file for local rules".to_owned();
            lines.push(said(snippet.first.clone(), meaning));
            effects.push(effect);
            continue;
        }
        let followed = flow::follow(&snippet.body, call);
        for (line, known) in followed.understood {
            lines.push(said(line, format!("{}: {}", snippet.tool, known.meaning)));
            effects.extend(known.effects);
        }
        lines.extend(followed.unexplained.into_iter().map(unsaid));
    }
    let entry = Table::get()
        .ok()
        .and_then(|table| table.find(package.package, name, residual));
    if let (Some(entry), false) = (entry, too_long) {
        let first = parts.rest.into_iter().next().unwrap_or(Line {
            number: 1,
            text: String::new(),
        });
        lines.push(said(first, entry.why.trim().to_owned()));
        effects.extend(
            entry
                .effects
                .iter()
                .map(|effect| for_architecture(effect, package.architecture)),
        );
    } else if !is_shell(&text) || too_long {
        lines.extend(parts.rest.into_iter().map(unsaid));
    } else {
        let followed = flow::follow(&parts.rest, call);
        for (line, known) in followed.understood {
            lines.push(said(line, known.meaning));
            effects.extend(known.effects);
        }
        lines.extend(followed.unexplained.into_iter().map(unsaid));
    }
    lines.sort_by_key(|line| line.number);
    ScriptReport {
        name: name.to_owned(),
        digest: Digest::of(bytes),
        residual,
        verdict: verdict(&lines, effects.len() > before, declared),
        lines,
    }
}

fn explain_triggers(bytes: &[u8], declared: bool, effects: &mut Vec<Effect>) -> ScriptReport {
    let before = effects.len();
    let text = String::from_utf8_lossy(bytes);
    let mut lines = Vec::new();
    for (line, meaning) in triggers::read(&text) {
        match meaning {
            Some((meaning, effect)) => {
                lines.push(said(line, meaning));
                effects.extend(effect);
            }
            None => lines.push(unsaid(line)),
        }
    }
    ScriptReport {
        name: "triggers".to_owned(),
        digest: Digest::of(bytes),
        residual: Digest::of(bytes),
        verdict: verdict(&lines, effects.len() > before, declared),
        lines,
    }
}

fn verdict(lines: &[LineReport], has_effects: bool, declared: bool) -> Verdict {
    let all_known = lines.iter().all(|line| line.meaning.is_some());
    match (all_known, has_effects) {
        (false, _) if declared => Verdict::Declared,
        (false, _) => Verdict::Unexplained,
        (true, true) => Verdict::Emulated,
        (true, false) => Verdict::NothingToDo,
    }
}

/// Whether the script is for the POSIX shell or bash.
fn is_shell(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let Some(interpreter) = first.strip_prefix("#!") else {
        return false;
    };
    matches!(
        interpreter.split_whitespace().next(),
        Some("/bin/sh" | "/bin/bash" | "/usr/bin/sh" | "/usr/bin/bash" | "/bin/dash")
    )
}

fn said(line: Line, meaning: String) -> LineReport {
    LineReport {
        number: line.number,
        text: line.text,
        meaning: Some(meaning),
    }
}

fn unsaid(line: Line) -> LineReport {
    LineReport {
        number: line.number,
        text: line.text,
        meaning: None,
    }
}

/// The table writes `@architecture@` where a script writes the package's architecture into a file.
fn for_architecture(effect: &Effect, architecture: &str) -> Effect {
    let mut effect = effect.clone();
    if let Effect::File { content, .. } = &mut effect {
        *content = content.replace("@architecture@", architecture);
    }
    effect
}

/// Keeps the first of equal effects.
fn each_once(effects: Vec<Effect>) -> Vec<Effect> {
    let mut kept: Vec<Effect> = Vec::with_capacity(effects.len());
    let mut seen = std::collections::BTreeSet::new();
    for effect in effects {
        if seen.insert(effect.clone()) {
            kept.push(effect);
        }
    }
    kept
}
