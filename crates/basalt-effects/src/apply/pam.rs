//! `/etc/pam.d/common-*` as `pam-auth-update --package` writes them.

use std::collections::BTreeMap;

use basalt_tree::Owner;

use super::error::ApplyError;
use super::work::{Work, owned};

const PROFILES: &str = "/usr/share/pam-configs";
const TEMPLATES: &str = "/usr/share/pam";
const STATE: &str = "/var/lib/pam";

const TYPES: [&str; 5] = [
    "auth",
    "account",
    "password",
    "session",
    "session-noninteractive",
];

const PRIMARY: &str = "# here are the per-package modules (the \"Primary\" block)";
const FALLBACK: &str = "# here's the fallback if no module succeeds";
const ADDITIONAL: &str = "# and here are more per-package modules (the \"Additional\" block)";
const END: &str = "# end of pam-auth-update config";

/// What keeps a stack whole that has no module of its own.
const PERMIT: &str = "[default=1]\t\t\tpam_permit.so\n";

/// Fields of a profile by name: `Name`, `Priority`, `Auth-Type`, `Auth-Initial`.
pub type Profile = BTreeMap<String, String>;

/// Reads a file of `/usr/share/pam-configs`; `None` when it uses a module that is no more.
pub fn profile(text: &str) -> Option<Profile> {
    let mut fields = Profile::new();
    let mut current = String::new();
    for line in text.lines() {
        // A field begins at the line's start; the blank after its colon may be the line's end.
        let field = line.split_once(':').filter(|(name, value)| {
            !name.is_empty()
                && !name.contains(char::is_whitespace)
                && (value.is_empty() || value.starts_with(char::is_whitespace))
        });
        if let Some((name, value)) = field {
            // `Auth-Final` is what `Auth` was called at first.
            current = name.strip_suffix("-Final").unwrap_or(name).to_owned();
            fields.insert(current.clone(), value.trim_start().to_owned());
            continue;
        }
        let line = line.trim();
        if current.is_empty() || line.is_empty() {
            continue;
        }
        let value = fields.entry(current.clone()).or_default();
        value.push('\n');
        value.push_str(line);
        if value.contains("pam_tally") {
            return None;
        }
        *value = value.trim_start().to_owned();
    }
    if fields.get("Session-Interactive-Only").map(String::as_str) != Some("yes") {
        for suffix in ["-Type", "", "-Initial"] {
            if let Some(value) = fields.get(&format!("Session{suffix}")).cloned() {
                fields.insert(format!("Session-noninteractive{suffix}"), value);
            }
        }
    }
    Some(fields)
}

/// Profiles by name, and the names of those that are on, both in the order of the stack.
struct Stack {
    profiles: BTreeMap<String, Profile>,
    sorted: Vec<String>,
    enabled: Vec<String>,
}

impl Stack {
    /// `chosen` is the answer to debconf's question; without it the profiles' defaults count.
    fn new(profiles: BTreeMap<String, Profile>, chosen: Option<&str>) -> Self {
        let priority = |name: &String| {
            profiles
                .get(name)
                .and_then(|profile| profile.get("Priority"))
                .and_then(|text| text.trim().parse::<i64>().ok())
                .unwrap_or(0)
        };
        let mut sorted: Vec<String> = profiles.keys().cloned().collect();
        sorted.sort_by(|a, b| priority(b).cmp(&priority(a)).then_with(|| b.cmp(a)));
        let mut enabled: Vec<String> = sorted
            .iter()
            .filter(|name| match chosen {
                Some(list) => list.split(',').any(|one| one.trim() == name.as_str()),
                None => profiles[*name].get("Default").map(|text| text.trim()) == Some("yes"),
            })
            .cloned()
            .collect();
        for name in enabled.clone() {
            let conflicts = profiles[&name]
                .get("Conflicts")
                .cloned()
                .unwrap_or_default();
            if enabled.contains(&name) {
                enabled.retain(|other| !conflicts.split(", ").any(|one| one.trim() == other));
            }
        }
        Self {
            profiles,
            sorted,
            enabled,
        }
    }

    /// The profiles on for a type, that are or are not in this block, with their lines.
    fn lines(&self, kind: &str, is_in: impl Fn(&str) -> bool) -> Vec<(&str, &str)> {
        let mut lines = Vec::new();
        for name in &self.enabled {
            let profile = &self.profiles[name];
            let Some(block) = profile.get(&format!("{kind}-Type")) else {
                continue;
            };
            if block.is_empty() || !is_in(block.trim_end()) {
                continue;
            }
            let first = profile
                .get(&format!("{kind}-Initial"))
                .filter(|text| lines.is_empty() && !text.is_empty());
            let text = first.or_else(|| profile.get(kind));
            lines.push((name.as_str(), text.map_or("", String::as_str)));
        }
        lines
    }

    /// The managed lines of one block of a stack.
    fn block(&self, kind: &str, block: &str) -> String {
        let word = kind.to_lowercase().replace("-noninteractive", "");
        let modules = self.lines(&capital(kind), |there| there == block);
        let mut count: i64 = modules
            .iter()
            .flat_map(|(_, text)| text.split('\n'))
            .filter(|line| !line.is_empty())
            .count()
            .try_into()
            .unwrap_or(i64::MAX);
        let mut text = String::new();
        if block == "Additional" {
            count -= 1;
        } else if count == 0 {
            text.push_str(&format!("{word}\t{PERMIT}"));
        }
        for line in modules.iter().flat_map(|(_, text)| text.split('\n')) {
            if line.is_empty() {
                continue;
            }
            text.push_str(&format!("{word}\t{}\n", jump(line, count)));
            count -= 1;
        }
        text
    }

    /// A template with both blocks filled in; `None` when it lacks one of the four marks.
    fn fill(&self, template: &str, kind: &str) -> Option<String> {
        let mut text = String::new();
        let mut state = 0;
        for line in template.split_inclusive('\n') {
            match state {
                1 if !line.starts_with(FALLBACK) => continue,
                3 if !line.starts_with(END) => continue,
                1 | 3 => state += 1,
                _ => {}
            }
            text.push_str(line);
            if state == 0 && line.starts_with(PRIMARY) {
                text.push_str(&self.block(kind, "Primary"));
                state = 1;
            } else if state == 2 && line.starts_with(ADDITIONAL) {
                text.push_str(&self.block(kind, "Additional"));
                state = 3;
            }
        }
        (state == 4).then_some(text)
    }

    /// What is kept in `/var/lib/pam`, to tell later what an administrator changed.
    fn saved(&self, kind: &str) -> String {
        let kind = capital(kind);
        let mut text = String::new();
        let primary = self.lines(&kind, |block| block != "Additional");
        if primary.is_empty() {
            text.push_str(&format!("Module: null\n{PERMIT}"));
        }
        let additional = self.lines(&kind, |block| block != "Primary");
        for (name, lines) in primary.iter().chain(&additional) {
            if !lines.is_empty() {
                text.push_str(&format!("Module: {name}\n{lines}\n"));
            }
        }
        text
    }
}

/// `auth` is `Auth` in a profile.
fn capital(kind: &str) -> String {
    let mut letters = kind.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// A module's line with `end` replaced by how many lines there are to jump, and its options joined
/// by one blank each.
fn jump(line: &str, count: i64) -> String {
    let rest = match line.starts_with('[').then(|| line.find(']')).flatten() {
        Some(end) => &line[end + 1..],
        None => line.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '_'),
    };
    let module = rest.trim_start();
    let length = module.find(char::is_whitespace).unwrap_or(module.len());
    let split = line.len() - module.len() + length;
    let (head, options) = line.split_at(split);
    let options: Vec<&str> = options.split_whitespace().collect();
    format!(
        "{} {}",
        head.replace("end", &count.to_string()),
        options.join(" ")
    )
}

/// Writes the five stacks, what they were made from, and the list of profiles seen.
pub(super) fn apply(work: &mut Work<'_>, package: &str) -> Result<(), ApplyError> {
    let owner: Owner = owned(package, "PAM stacks");
    let mut profiles = BTreeMap::new();
    for name in work.files_in(PROFILES, &owner)? {
        let is_backup =
            name.ends_with('~') || name.len() > 2 && name.starts_with('#') && name.ends_with('#');
        if is_backup {
            continue;
        }
        let text = work.read_text(&format!("{PROFILES}/{name}"), &owner)?;
        if let Some(fields) = profile(&text.unwrap_or_default()) {
            profiles.insert(name, fields);
        }
    }
    let chosen = work.context.answers.get("libpam-runtime/profiles").cloned();
    let stack = Stack::new(profiles, chosen.as_deref());
    for kind in TYPES {
        let template = format!("{TEMPLATES}/common-{kind}");
        let filled = work
            .read_text(&template, &owner)?
            .and_then(|text| stack.fill(&text, kind));
        let Some(text) = filled else {
            return Err(ApplyError::Malformed {
                path: template,
                line: 0,
                cause: "it is missing, or lacks the marks of pam-auth-update".to_owned(),
            });
        };
        work.write(
            &format!("/etc/pam.d/common-{kind}"),
            text.into_bytes(),
            0o644,
            &owner,
        )?;
        let saved = stack.saved(kind).into_bytes();
        work.write(&format!("{STATE}/{kind}"), saved, 0o644, &owner)?;
    }
    let seen: String = stack
        .sorted
        .iter()
        .map(|name| format!("{name}\n"))
        .collect();
    work.write(&format!("{STATE}/seen"), seen.into_bytes(), 0o644, &owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(texts: &[(&str, &str)]) -> Stack {
        let profiles = texts
            .iter()
            .map(|(name, text)| ((*name).to_owned(), profile(text).expect("a profile")))
            .collect();
        Stack::new(profiles, None)
    }

    const FIRST: &str = "Name: one\nDefault: yes\nPriority: 256\nAuth-Type: Primary\nAuth:\n\
                         \t[success=end default=ignore]\tpam_one.so  a  b\nAuth-Initial:\n\
                         \t[success=end default=ignore]\tpam_one.so first\n";
    const SECOND: &str = "Name: two\nDefault: yes\nPriority: 128\nAuth-Type: Primary\nAuth:\n\
                          \t[success=end default=ignore]\tpam_two.so use\nAuth-Initial:\n\tnever x.so\n";

    #[test]
    fn jumps_count_the_lines_that_follow() {
        let stack = stack(&[("two", SECOND), ("one", FIRST)]);
        assert_eq!(
            stack.block("auth", "Primary"),
            "auth\t[success=2 default=ignore]\tpam_one.so first\n\
             auth\t[success=1 default=ignore]\tpam_two.so use\n"
        );
        assert_eq!(stack.sorted, ["one", "two"]);
    }

    #[test]
    fn a_stack_without_modules_is_kept_whole() {
        assert_eq!(
            stack(&[]).block("session-noninteractive", "Primary"),
            "session\t[default=1]\t\t\tpam_permit.so\n"
        );
        assert_eq!(stack(&[]).fill("no marks\n", "auth"), None);
    }

    #[test]
    fn the_higher_priority_wins_a_conflict() {
        let loser = format!("{SECOND}Conflicts: one\n");
        let winner = FIRST.replace("Name: one", "Name: one\nConflicts: two");
        assert_eq!(stack(&[("one", &winner), ("two", &loser)]).enabled, ["one"]);
    }
}
