//! `/etc/shells` as debianutils' `update-shells` and `add-shell` write it.

use basalt_tree::Owner;

use super::error::ApplyError;
use super::runs;
use super::work::{Step, Work, owned};
use crate::effect::{Effect, Writer};

const SHELLS: &str = "/etc/shells";
const STATE: &str = "/var/lib/shells.state";
const TEMPLATE: &str = "/usr/share/debianutils/shells";
const FRAGMENTS: &str = "/usr/share/debianutils/shells.d";

/// Writes the shells that packages bring as fragments, then those that scripts add.
pub(super) fn apply(work: &mut Work<'_>, steps: &[Step<'_>]) -> Result<(), ApplyError> {
    if let Some(package) = runs(steps, Writer::Shells) {
        update(work, &owned(package, "shells"))?;
    }
    for step in steps {
        if let Effect::Shell { path } = step.effect {
            add(work, path, &owned(step.package, format!("shell {path}")))?;
        }
    }
    Ok(())
}

/// The path with its directory resolved, its last name kept: `/bin/sh` is `/usr/bin/sh`.
fn real_shell(work: &Work<'_>, shell: &str, owner: &Owner) -> Result<String, ApplyError> {
    match shell.rsplit_once('/') {
        Some((directory, name)) => {
            let real = work.real(directory, owner)?;
            Ok(format!("{}/{name}", real.trim_end_matches('/')))
        }
        None => Ok(shell.to_owned()),
    }
}

/// What stands before a comment, for each line that has it.
fn shells_of(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or(""))
        .filter(|shell| !shell.is_empty())
}

fn update(work: &mut Work<'_>, owner: &Owner) -> Result<(), ApplyError> {
    let template = work.read_text(TEMPLATE, owner)?.unwrap_or_default();
    let mut texts = vec![template.clone()];
    for name in work.files_in(FRAGMENTS, owner)? {
        texts.extend(work.read_text(&format!("{FRAGMENTS}/{name}"), owner)?);
    }
    let mut packaged: Vec<String> = Vec::new();
    for shell in texts.iter().flat_map(|text| shells_of(text)) {
        for shell in [shell.to_owned(), real_shell(work, shell, owner)?] {
            if !packaged.contains(&shell) {
                packaged.push(shell);
            }
        }
    }
    let state = work.read_text(STATE, owner)?.unwrap_or_default();
    let known: Vec<&str> = shells_of(&state).collect();
    let source = work.read_text(SHELLS, owner)?.unwrap_or(template);
    let mut listed: Vec<&str> = Vec::new();
    let mut text = String::new();
    for line in source.lines() {
        let shell = line.split('#').next().unwrap_or("");
        let gone = known.contains(&shell) && !packaged.iter().any(|there| there == shell);
        if shell.is_empty() || !gone && !listed.contains(&shell) {
            text.push_str(line);
            text.push('\n');
            listed.push(shell);
        }
    }
    for shell in &packaged {
        if !listed.contains(&shell.as_str()) && !known.contains(&shell.as_str()) {
            text.push_str(shell);
            text.push('\n');
        }
    }
    let state: String = packaged.iter().map(|shell| format!("{shell}\n")).collect();
    work.write(SHELLS, text.into_bytes(), 0o644, owner)?;
    work.write(STATE, state.into_bytes(), 0o644, owner)
}

fn add(work: &mut Work<'_>, shell: &str, owner: &Owner) -> Result<(), ApplyError> {
    let text = work.read_text(SHELLS, owner)?.unwrap_or_default();
    let lines = [shell.to_owned(), real_shell(work, shell, owner)?];
    let text = super::lines::with_lines(&text, &lines);
    work.write(SHELLS, text.into_bytes(), 0o644, owner)
}
