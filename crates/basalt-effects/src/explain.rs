//! Maintainer scripts explained, without running them.
//!
//! Only what a fresh install does matters: `preinst install`, `config configure`,
//! `postinst configure` with an empty old version, and triggers. Each script is taken apart: snippets
//! of debhelper and simple shell are followed line by line; what is left is looked up by its digest in
//! a table that people curate. Whatever stays unknown is said to be so.

mod apparmor;
mod debconf;
mod interpret;

mod report;
mod script;
mod show;
mod stanza;
mod table;
mod triggers;
mod usrlocal;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use basalt_digest::Digest;

use self::interpret::{Budget, Call};
use self::script::{Line, Parts, Snippet};
use self::table::Table;
use crate::Effect;

pub use self::report::{Explanation, LineReport, Meaning, ScriptReport, Unexplained, Verdict};

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
const CALLED: [(&str, &str); 3] = [
    ("preinst", "install"),
    ("config", "configure"),
    ("postinst", "configure"),
];

/// Scripts that a fresh install does not call.
const NOT_CALLED: [&str; 2] = ["prerm", "postrm"];

/// Debconf's answers by question; `None` where they are not known.
type Answers = BTreeMap<String, Option<String>>;

/// Explains the scripts of one package. `declared` is what the spec says by hand about it; it
/// comes on top of what is known, and answers for whatever is not.
pub fn explain(package: &PackageScripts<'_>, declared: Option<&[Effect]>) -> Explanation {
    explain_answered(package, &BTreeMap::new(), declared)
}

/// As [`explain`], with the spec's answers to debconf's questions.
pub fn explain_answered(
    package: &PackageScripts<'_>,
    answers: &BTreeMap<String, String>,
    declared: Option<&[Effect]>,
) -> Explanation {
    let mut effects = Vec::new();
    let mut scripts = Vec::new();
    let mut known: Answers = package
        .members
        .get("templates")
        .map(|bytes| debconf::defaults(&String::from_utf8_lossy(bytes)))
        .unwrap_or_default();
    let mut chosen = Vec::new();
    for (question, answer) in answers {
        let answer = Some(answer.clone());
        let default = known.insert(question.clone(), answer.clone());
        if default.is_some_and(|default| default != answer) {
            chosen.push(question.as_str());
        }
    }
    let conffiles = package.members.get("conffiles");
    let conffiles = conffiles.map(|bytes| String::from_utf8_lossy(bytes));
    let conffiles = conffiles.as_deref().unwrap_or_default();
    let conffiles = conffiles.lines().map(str::trim).collect();
    for (name, action) in CALLED {
        if let Some(bytes) = package.members.get(name) {
            let call = Call {
                member: name,
                action,
                package: package.package,
                architecture: package.architecture,
                conffiles: &conffiles,
                chosen: &chosen,
            };
            scripts.push(explain_script(
                package,
                bytes,
                call,
                declared.is_some(),
                &mut known,
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
                    meaning: Meaning::Known("not called by a fresh install".to_owned()),
                    effects: Vec::new(),
                    of_snippet: false,
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
    bytes: &[u8],
    call: Call<'_>,
    declared: bool,
    answers: &mut Answers,
    effects: &mut Vec<Effect>,
) -> ScriptReport {
    if bytes.len() > basalt_shell::MAXIMUM_SIZE {
        return too_long(bytes, call, declared);
    }
    let text = String::from_utf8_lossy(bytes);
    let parts = script::take_apart(&text);
    let residual = script::residual_digest(&parts.rest, package.package, package.version);
    let snippets: Vec<RangeInclusive<usize>> = parts
        .snippets
        .iter()
        .map(|snippet| snippet.first.number..=snippet.first.number + snippet.body.len())
        .collect();
    let before = effects.len();
    let mut lines = Vec::new();
    let mut budget = Budget::default();
    let entry = Table::get()
        .ok()
        .and_then(|table| table.find(package.package, call.member, residual));
    if let Some(entry) = entry {
        for snippet in &parts.snippets {
            let digest = snippet.digest().hex().to_string();
            if entry.snippets.contains(&digest) {
                let meaning = "as the table says of the whole script".to_owned();
                lines.push(said(snippet.first.clone(), meaning, &[]));
                continue;
            }
            explain_snippet(snippet, call, answers, &mut budget, &mut lines, effects);
        }
        let first = parts.rest.into_iter().next().unwrap_or(Line {
            number: 1,
            text: String::new(),
        });
        let left: Vec<Effect> = entry
            .effects
            .iter()
            .map(|effect| for_architecture(effect, package.architecture))
            .collect();
        let ignored = call.chosen.iter().find(|one| !entry.heeds(one));
        lines.push(match ignored {
            Some(question) if text.contains("debconf") => unsaid(
                first,
                &format!("the table knows what it does by the default answer to `{question}`, and the spec gives another"),
            ),
            _ => said(first, entry.why.trim().to_owned(), &left),
        });
        effects.extend(left);
        // The table says what it leaves in the root, not what it tells debconf.
        if text.contains("db_set") || text.contains("SET ") {
            answers.values_mut().for_each(|answer| *answer = None);
        }
    } else {
        match interpreter_of(&text) {
            None => {
                let first = text.lines().next().unwrap_or_default().to_owned();
                let line = Line {
                    number: 1,
                    text: first,
                };
                lines.push(unsaid(
                    line,
                    "the whole script: it is in a language that is not read",
                ));
            }
            Some(interpreter) => {
                let text = without_known_snippets(&text, &parts, &mut lines, effects);
                let left = (&mut lines, &mut *effects);
                follow(&text, interpreter, call, answers, &mut budget, left);
            }
        }
    }
    lines.sort_by_key(|line| line.number);
    for line in &mut lines {
        // They stand one after the other.
        let place = snippets.partition_point(|snippet| *snippet.end() < line.number);
        line.of_snippet = snippets
            .get(place)
            .is_some_and(|snippet| snippet.contains(&line.number));
    }
    ScriptReport {
        name: call.member.to_owned(),
        digest: Digest::of(bytes),
        residual,
        verdict: verdict(&lines, effects.len() > before, declared),
        lines,
    }
}

/// The report of a script that is longer than any that is read.
fn too_long(bytes: &[u8], call: Call<'_>, declared: bool) -> ScriptReport {
    let line = Line {
        number: 1,
        text: String::new(),
    };
    let lines = vec![unsaid(line, "the script is longer than 1 MiB")];
    ScriptReport {
        name: call.member.to_owned(),
        digest: Digest::of(bytes),
        residual: Digest::of(bytes),
        verdict: verdict(&lines, false, declared),
        lines,
    }
}

/// Follows a script, or a snippet at its place in a script, and adds its lines and effects.
fn follow(
    text: &str,
    interpreter: Interpreter,
    call: Call<'_>,
    answers: &mut Answers,
    budget: &mut Budget,
    (lines, effects): (&mut Vec<LineReport>, &mut Vec<Effect>),
) {
    if budget.is_spent() {
        return;
    }
    budget.spend(text.len());
    match basalt_shell::parse(text) {
        Ok(script) => {
            let followed = interpret::follow(&script, call, interpreter, answers, budget);
            lines.extend(interpret::reported(&followed.notes, text));
            effects.extend(followed.effects);
            *answers = followed.answers;
        }
        Err(error) => {
            let line = text.lines().nth(error.line.saturating_sub(1));
            let line = Line {
                number: error.line,
                text: line.unwrap_or_default().trim().to_owned(),
            };
            lines.push(unsaid(line, &error.problem.to_string()));
        }
    }
}

/// Follows a snippet of debhelper by itself.
fn explain_snippet(
    snippet: &Snippet,
    call: Call<'_>,
    answers: &mut Answers,
    budget: &mut Budget,
    lines: &mut Vec<LineReport>,
    effects: &mut Vec<Effect>,
) {
    if let Some((meaning, left)) = known_to_the_letter(snippet) {
        lines.push(said(snippet.first.clone(), meaning.to_owned(), &left));
        effects.extend(left);
        return;
    }
    // Empty lines before it keep the numbers.
    let mut text = "\n".repeat(snippet.first.number);
    for line in &snippet.body {
        text.push_str(&line.text);
        text.push('\n');
    }
    let shell = Interpreter::default();
    follow(&text, shell, call, answers, budget, (lines, effects));
}

/// What a snippet means that is not followed, but known to the letter.
fn known_to_the_letter(snippet: &Snippet) -> Option<(&'static str, Vec<Effect>)> {
    if let Some(effect) = apparmor::local_profile(snippet) {
        return Some((apparmor::MEANING, vec![effect]));
    }
    usrlocal::directories(snippet).map(|effects| (usrlocal::MEANING, effects))
}

/// The text of a script in which the snippets that are known to the letter are empty lines.
fn without_known_snippets(
    text: &str,
    parts: &Parts,
    lines: &mut Vec<LineReport>,
    effects: &mut Vec<Effect>,
) -> String {
    let mut kept: Vec<&str> = text.lines().collect();
    for snippet in &parts.snippets {
        let Some((meaning, left)) = known_to_the_letter(snippet) else {
            continue;
        };
        lines.push(said(snippet.first.clone(), meaning.to_owned(), &left));
        effects.extend(left);
        for line in &snippet.body {
            if let Some(line) = kept.get_mut(line.number.saturating_sub(1)) {
                *line = "";
            }
        }
    }
    kept.join("\n") + "\n"
}

fn explain_triggers(bytes: &[u8], declared: bool, effects: &mut Vec<Effect>) -> ScriptReport {
    let before = effects.len();
    let text = String::from_utf8_lossy(bytes);
    let mut lines = Vec::new();
    for (line, meaning) in triggers::read(&text) {
        match meaning {
            Some((meaning, effect)) => {
                lines.push(said(line, meaning, effect.as_slice()));
                effects.extend(effect);
            }
            None => lines.push(unsaid(
                line,
                "what the package does when it is triggered is not known",
            )),
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
    let all_known = lines
        .iter()
        .all(|line| matches!(line.meaning, Meaning::Known(_)));
    match (all_known, has_effects) {
        (false, _) if declared => Verdict::Declared,
        (false, _) => Verdict::Unexplained,
        (true, true) => Verdict::Emulated,
        (true, false) => Verdict::NothingToDo,
    }
}

/// The shell that a script is for.
#[derive(Debug, Clone, Copy, Default)]
struct Interpreter {
    /// Bash, not the POSIX shell.
    is_bash: bool,
    /// `-e`: the first failure ends the script.
    errexit: bool,
}

/// The shell of a script; nothing when it is in another language.
fn interpreter_of(text: &str) -> Option<Interpreter> {
    let first = text.lines().next().unwrap_or_default();
    let mut words = first.strip_prefix("#!")?.split_whitespace();
    let path = words.next()?;
    let is_bash = matches!(path, "/bin/bash" | "/usr/bin/bash");
    let is_shell = is_bash || matches!(path, "/bin/sh" | "/usr/bin/sh" | "/bin/dash");
    let options: Vec<&str> = words.collect();
    let known = match options.as_slice() {
        [] => true,
        [option] => matches!(*option, "-e" | "-eu" | "-ue" | "-ex" | "-x" | "-u"),
        _ => false,
    };
    (is_shell && known).then(|| Interpreter {
        is_bash,
        errexit: options.iter().any(|option| option.contains('e')),
    })
}

fn said(line: Line, meaning: String, effects: &[Effect]) -> LineReport {
    LineReport {
        number: line.number,
        text: line.text,
        meaning: Meaning::Known(meaning),
        effects: effects.to_vec(),
        of_snippet: false,
    }
}

fn unsaid(line: Line, why: &str) -> LineReport {
    LineReport {
        number: line.number,
        text: line.text,
        meaning: Meaning::Unknown(why.to_owned()),
        effects: Vec::new(),
        of_snippet: false,
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
