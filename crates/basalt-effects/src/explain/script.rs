//! A maintainer script taken apart: the snippets that debhelper put in, and the rest.

use basalt_digest::Digest;

/// One line of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its number, from 1.
    pub number: usize,
    /// Its text without the line end and blanks before it.
    pub text: String,
}

/// A block between `# Automatically added by` and `# End automatically added section`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snippet {
    /// The debhelper tool, without its version.
    pub tool: String,
    /// The line that begins the block.
    pub first: Line,
    /// The lines between the two marks.
    pub body: Vec<Line>,
}

impl Snippet {
    /// The digest by which an entry of the curated table answers for it.
    pub(crate) fn digest(&self) -> Digest {
        let lines = self.body.iter().map(|line| format!("{}\n", line.text));
        Digest::of(lines.collect::<String>().as_bytes())
    }
}

/// A script taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The blocks that debhelper put in, in order.
    pub snippets: Vec<Snippet>,
    /// All other lines.
    pub rest: Vec<Line>,
}

const BEGIN: &str = "# Automatically added by ";
const END: &str = "# End automatically added section";

/// Takes a script apart. A block that is never ended counts as the package's own lines.
pub(crate) fn take_apart(script: &str) -> Parts {
    let mut parts = Parts::default();
    let mut open: Option<Snippet> = None;
    for (index, raw) in script.lines().enumerate() {
        let line = Line {
            number: index + 1,
            text: raw.trim_end().to_owned(),
        };
        let word = line.text.trim_start();
        match open.take() {
            Some(snippet) if word.starts_with(END) => parts.snippets.push(snippet),
            Some(mut snippet) => {
                snippet.body.push(line);
                open = Some(snippet);
            }
            None => match word.strip_prefix(BEGIN) {
                Some(tool) => {
                    open = Some(Snippet {
                        tool: tool.split('/').next().unwrap_or_default().to_owned(),
                        first: line,
                        body: Vec::new(),
                    });
                }
                None => parts.rest.push(line),
            },
        }
    }
    if let Some(snippet) = open {
        parts.rest.push(snippet.first);
        parts.rest.extend(snippet.body);
    }
    parts
}

/// The digest by which the curated table knows what is left of a script: its own version and the
/// architecture's triplet are replaced by fixed words, empty lines and lists of mere names are left
/// out, so that a security update which changes nothing else keeps the digest.
pub(crate) fn residual_digest(rest: &[Line], package: &str, version: &str) -> Digest {
    let mut text = String::new();
    for line in rest {
        if line.text.is_empty() || only_names(package, line.text.trim()) {
            continue;
        }
        text.push_str(&without_version(&without_triplet(&line.text), version));
        text.push('\n');
    }
    Digest::of(text.as_bytes())
}

/// Whether a line only lists names that grow with each update of the package's data: certificates,
/// time zones. Nothing in such a line is expanded or run.
fn only_names(package: &str, text: &str) -> bool {
    match package {
        "ca-certificates" => text
            .strip_prefix("CERTS_LIST=\"")
            .and_then(|rest| rest.strip_suffix('"'))
            .is_some_and(|names| !names.contains(['$', '`', '"', '\\'])),
        "tzdata" => text == ";;" || only_zones(text),
        _ => false,
    }
}

/// `"Asia/Calcutta" | "Asia/Kolkata")`, or `echo "Asia/Kolkata"`.
fn only_zones(text: &str) -> bool {
    let is_zone = |word: &str| {
        word.strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .is_some_and(|name| {
                !name.is_empty()
                    && name
                        .chars()
                        .all(|letter| letter.is_ascii_alphanumeric() || "/_+-".contains(letter))
            })
    };
    if let Some(word) = text.strip_prefix("echo ") {
        return is_zone(word);
    }
    let names = text.trim_end_matches('\\').trim_end().trim_end_matches(')');
    names
        .trim_end()
        .trim_end_matches('|')
        .trim_end()
        .split(" | ")
        .all(is_zone)
}

/// Multiarch triplets and names of architectures that scripts have baked in.
const TRIPLETS: [&str; 2] = ["x86_64-linux-gnu", "aarch64-linux-gnu"];

/// The text with a fixed word for the architecture's triplet.
pub(super) fn without_triplet(text: &str) -> String {
    let mut text = text.to_owned();
    for triplet in TRIPLETS {
        text = text.replace(triplet, "@triplet@");
    }
    text
}

/// Versions shorter than this are words of their own too easily.
const SHORTEST_VERSION: usize = 5;

fn without_version(text: &str, version: &str) -> String {
    if version.len() < SHORTEST_VERSION {
        return text.to_owned();
    }
    let of_a_version =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '+' | '~');
    let mut out = String::with_capacity(text.len());
    let mut left = text;
    while let Some(place) = left.find(version) {
        let (before, from) = left.split_at(place);
        let after = from.get(version.len()..).unwrap_or_default();
        let alone = !before.ends_with(of_a_version) && !after.starts_with(of_a_version);
        out.push_str(before);
        out.push_str(if alone { "@version@" } else { version });
        left = after;
    }
    out.push_str(left);
    out
}
