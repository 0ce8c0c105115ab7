//! Texts to paste: what a spec declares about a package, and an entry of the curated table.

use std::fmt::Write;

use super::report::{Explanation, LineReport, Meaning, ScriptReport, Verdict, printable};
use crate::{Condition, Effect};

impl Explanation {
    /// What stands below `effects:` in a spec about this package: its lines that are not explained as
    /// remarks, and an empty list to fill; nothing when all is explained.
    pub fn spec_stanza(&self) -> String {
        let mut text = String::new();
        for script in self.unexplained_scripts() {
            for line in script.unexplained_lines() {
                let _ = writeln!(text, "    # {}, {}", script.name, remark(line));
            }
        }
        match text.is_empty() {
            true => text,
            false => format!("  {}:\n{text}    []\n", self.package),
        }
    }

    /// Entries of the curated table for the scripts that are not explained. What is understood of them
    /// stands there already, whatever its conditions; the rest is for a person to read.
    pub fn table_stanza(&self) -> String {
        let mut text = String::new();
        // Triggers are no script: the table has none.
        let scripts = self
            .unexplained_scripts()
            .filter(|one| one.name != "triggers");
        for script in scripts {
            let _ = write!(
                text,
                "- package: {}\n  script: {}\n  seen: [{}]\n  digests:\n    - {}\n  why: >-\n    \
                 # What it does, and why what is left out may be.\n",
                quoted(&self.package),
                script.name,
                quoted(&self.version),
                quoted(&script.residual.hex().to_string()),
            );
            let own = script.lines.iter().filter(|line| !line.of_snippet);
            let mut effects = String::new();
            for line in own {
                if !line.effects.is_empty() || matches!(line.meaning, Meaning::Unknown(_)) {
                    let _ = writeln!(effects, "    # {}", remark(line));
                }
                for effect in &line.effects {
                    let _ = writeln!(effects, "    - {effect}");
                }
            }
            let _ = write!(text, "  effects:\n{effects}");
        }
        text
    }

    fn unexplained_scripts(&self) -> impl Iterator<Item = &ScriptReport> {
        self.scripts
            .iter()
            .filter(|script| script.verdict == Verdict::Unexplained)
    }
}

/// A line of a script as a remark.
fn remark(line: &LineReport) -> String {
    let (Meaning::Known(meaning) | Meaning::Unknown(meaning)) = &line.meaning;
    let text = printable(&line.text);
    format!("line {}: {text} ({})", line.number, printable(meaning))
}

/// A text in double quotes, as YAML and JSON have them.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            letter if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted + "\""
}

/// A text as YAML reads it back, bare where that is safe.
fn scalar(text: &str) -> String {
    let is_plain = text.starts_with('/')
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "/._+-".contains(letter))
        || text.starts_with(|letter: char| letter.is_ascii_lowercase())
            && text.chars().all(|letter| {
                letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter)
            })
            && !["null", "true", "false", "yes", "no", "on", "off", "y", "n"].contains(&text);
    match is_plain {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// `LinkerCache` as a spec names it.
fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// The fields of a mapping in flow style.
#[derive(Default)]
struct Fields(Vec<String>);

impl Fields {
    fn of(kind: &str) -> Self {
        Self(vec![format!("effect: {kind}")])
    }

    fn raw(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.0.push(format!("{name}: {value}"));
        self
    }

    fn text(self, name: &str, value: &str) -> Self {
        let value = scalar(value);
        self.raw(name, value)
    }

    /// A text, unless it is what is meant without it.
    fn unless(self, usual: &str, name: &str, value: &str) -> Self {
        match value == usual {
            true => self,
            false => self.text(name, value),
        }
    }

    fn maybe(self, name: &str, value: Option<&String>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    fn number(self, name: &str, value: Option<u32>) -> Self {
        match value {
            Some(value) => self.raw(name, value),
            None => self,
        }
    }

    fn mode(self, mode: u32) -> Self {
        self.raw("mode", format!("0o{mode:o}"))
    }

    fn effects(self, name: &str, effects: &[Effect]) -> Self {
        match effects {
            [] => self,
            effects => self.raw(name, list(effects.iter().map(Effect::to_string))),
        }
    }

    fn end(self) -> String {
        format!("{{ {} }}", self.0.join(", "))
    }
}

/// As a spec writes it, on one line.
impl std::fmt::Display for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&written(self).end())
    }
}

fn written(effect: &Effect) -> Fields {
    match effect {
        Effect::Directory {
            path,
            mode,
            user,
            group,
        } => Fields::of("directory")
            .text("path", path)
            .mode(*mode)
            .unless("root", "user", user)
            .unless("root", "group", group),
        Effect::File {
            path,
            content,
            mode,
        } => Fields::of("file")
            .text("path", path)
            .raw("content", quoted(content))
            .mode(*mode),
        Effect::Copy { from, to, mode } => Fields::of("copy")
            .text("from", from)
            .text("to", to)
            .mode(*mode),
        Effect::Configuration {
            from,
            to,
            three_way,
        } => {
            let fields = Fields::of("configuration")
                .text("from", from)
                .text("to", to);
            match three_way {
                true => fields.raw("three_way", true),
                false => fields,
            }
        }
        Effect::ChangedConfiguration {
            from,
            to,
            line,
            with,
        } => Fields::of("changed-configuration")
            .text("from", from)
            .text("to", to)
            .raw("line", quoted(line))
            .raw("with", quoted(with)),
        Effect::Symlink { path, target } => Fields::of("symlink")
            .text("path", path)
            .text("target", target),
        Effect::Write { path, content } => Fields::of("write")
            .text("path", path)
            .raw("content", quoted(content)),
        Effect::RemoveEmpty { path } => Fields::of("remove-empty").text("path", path),
        Effect::Remove { path } => Fields::of("remove").text("path", path),
        Effect::Lines { path, lines } => Fields::of("lines")
            .text("path", path)
            .raw("lines", list(lines.iter().map(|line| quoted(line)))),
        Effect::Attributes {
            path,
            mode,
            user,
            group,
        } => {
            let fields = Fields::of("attributes").text("path", path);
            let fields = match mode {
                Some(mode) => fields.mode(*mode),
                None => fields,
            };
            fields
                .maybe("user", user.as_ref())
                .maybe("group", group.as_ref())
        }
        Effect::Capabilities { path, permitted } => Fields::of("capabilities")
            .text("path", path)
            .raw("permitted", list(permitted.iter().map(|name| quoted(name)))),
        Effect::Group { name, gid } => Fields::of("group").text("name", name).number("gid", *gid),
        Effect::User {
            name,
            uid,
            group,
            home,
            shell,
            comment,
            make_home,
        } => {
            let fields = Fields::of("user")
                .text("name", name)
                .number("uid", *uid)
                .maybe("group", group.as_ref())
                .text("home", home)
                .text("shell", shell)
                .unless("", "comment", comment);
            match make_home {
                true => fields.raw("make_home", true),
                false => fields,
            }
        }
        Effect::Member { user, group } => {
            Fields::of("member").text("user", user).text("group", group)
        }
        Effect::Alternative {
            name,
            link,
            path,
            priority,
            slaves,
            pages,
        } => {
            let fields = Fields::of("alternative")
                .text("name", name)
                .text("link", link)
                .text("path", path)
                .raw("priority", priority);
            let fields = match pages {
                None => fields,
                Some(pages) => fields.raw(
                    "pages",
                    Fields::default()
                        .text("below", &pages.below)
                        .raw("of", list(pages.of.iter().map(|name| scalar(name))))
                        .end(),
                ),
            };
            match slaves.is_empty() {
                true => fields,
                false => fields.raw(
                    "slaves",
                    list(slaves.iter().map(|slave| {
                        Fields::default()
                            .text("name", &slave.name)
                            .text("link", &slave.link)
                            .text("path", &slave.path)
                            .end()
                    })),
                ),
            }
        }
        Effect::Diversion {
            from,
            to,
            if_directory,
        } => Fields::of("diversion")
            .text("from", from)
            .text("to", to)
            .maybe("if_directory", if_directory.as_ref()),
        Effect::Shell { path } => Fields::of("shell").text("path", path),
        Effect::When {
            condition,
            effects,
            otherwise,
        } => Fields::of("when")
            .raw("condition", asked(condition))
            .effects("effects", effects)
            .effects("otherwise", otherwise),
        Effect::Refuse { why } => Fields::of("refuse").raw("why", quoted(why)),
        Effect::Run { writer } => Fields::of("run").raw("writer", kebab(&format!("{writer:?}"))),
    }
}

/// As a spec writes it.
impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&asked(self))
    }
}

fn asked(condition: &Condition) -> String {
    let one = |name: &str, text: &str| Fields::default().text(name, text).end();
    let all = |name: &str, conditions: &[Condition]| {
        Fields::default()
            .raw(name, list(conditions.iter().map(asked)))
            .end()
    };
    match condition {
        Condition::Exists(path) => one("exists", path),
        Condition::File(path) => one("file", path),
        Condition::Directory(path) => one("directory", path),
        Condition::Link(path) => one("link", path),
        Condition::Executable(path) => one("executable", path),
        Condition::Command(name) => one("command", name),
        Condition::Foreign(path) => one("foreign", path),
        Condition::User(name) => one("user", name),
        Condition::Group(name) => one("group", name),
        Condition::Not(inner) => Fields::default().raw("not", asked(inner)).end(),
        Condition::All(conditions) => all("all", conditions),
        Condition::Any(conditions) => all("any", conditions),
    }
}
