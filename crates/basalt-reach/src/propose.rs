//! Slice definitions proposed from what is reached, in chisel's vocabulary, with the reasons as comments.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use basalt_tree::{Kind, Owner, Tree, TreePath};

use crate::fold::fold;
use crate::reach::Reach;
use crate::reason::Reason;

/// Widest comment; the rest of a reason is cut, `--why` tells it all.
const WIDEST: usize = 160;

/// A definition for one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The package.
    pub package: String,
    /// The definition: a YAML document.
    pub text: String,
}

/// A slice by its package and name.
type Name = (String, &'static str);

/// Proposes definitions for all packages of which something is reached, sorted by name.
pub fn propose(tree: &Tree, architecture: &str, reach: &Reach) -> Vec<Proposal> {
    let mut slices: BTreeMap<Name, BTreeSet<TreePath>> = BTreeMap::new();
    for path in reach.reached.keys() {
        if let Some(name) = slice_of(tree, path) {
            slices.entry(name).or_default().insert(path.clone());
        }
    }
    let (essential, loops) = essentials(tree, reach);
    let packages: BTreeSet<&String> = slices.keys().map(|(package, _)| package).collect();
    packages
        .into_iter()
        .map(|package| {
            let writer = Writer {
                tree,
                architecture,
                reach,
                essential: &essential,
                loops: &loops,
            };
            Proposal {
                package: package.clone(),
                text: writer.document(package, &slices),
            }
        })
        .collect()
}

/// The slice that a package's path belongs to.
fn slice_of(tree: &Tree, path: &TreePath) -> Option<Name> {
    let placed = tree.get(path)?;
    let Owner::Package(package) = &placed.owner else {
        return None;
    };
    let text = path.as_str();
    let below = |directories: &[&str]| {
        directories.iter().any(|directory| {
            text.strip_prefix(directory)
                .is_some_and(|rest| rest.starts_with('/'))
        })
    };
    let is_library = || {
        tree.file(path)
            .is_ok_and(|(_, file)| file.entry.elf.is_some())
            && path.name().contains(".so")
    };
    let name = if text.starts_with("usr/share/doc/") && path.name() == "copyright" {
        "copyright"
    } else if below(&["usr/bin", "usr/sbin", "usr/games", "usr/libexec"]) {
        "bins"
    } else if below(&["etc"]) {
        "config"
    } else if text.starts_with("usr/lib/python3") || below(&["usr/share/perl", "usr/share/perl5"]) {
        "modules"
    } else if is_library()
        || (below(&["usr/lib64"]) && !matches!(placed.entry.kind, Kind::Directory))
    {
        "libs"
    } else {
        "data"
    };
    Some((package.clone(), name))
}

type Essentials = BTreeMap<Name, BTreeMap<Name, String>>;

/// What each slice needs of others, each with the reason; then what would have made a loop. Those are
/// needed by the slices of the roots instead, so that nothing goes missing.
fn essentials(tree: &Tree, reach: &Reach) -> (Essentials, Essentials) {
    let mut wanted: BTreeMap<(Name, Name), (bool, String)> = BTreeMap::new();
    for ((from, to), certain) in &reach.edges {
        let (Some(one), Some(other)) = (slice_of(tree, from), slice_of(tree, to)) else {
            continue;
        };
        if one == other || !reach.reached.contains_key(from) || !reach.reached.contains_key(to) {
            continue;
        }
        let why = format!("{from} → {to}");
        let known = wanted.entry((one, other)).or_insert_with(|| (false, why));
        known.0 |= certain;
    }
    let mut order: Vec<_> = wanted.into_iter().collect();
    // What is certain goes first: of a loop, the step that is not certain is left out.
    order.sort_by_key(|(_, (certain, _))| !certain);
    let mut essential = Essentials::new();
    let mut loops = Essentials::new();
    for ((one, other), (_, why)) in order {
        let into = if leads(&essential, &other, &one) {
            &mut loops
        } else {
            &mut essential
        };
        into.entry(one).or_default().insert(other, why);
    }
    let roots: BTreeSet<Name> = reach
        .reached
        .iter()
        .filter(|(_, reached)| matches!(reached.reason, Reason::Root(_) | Reason::Keep(_)))
        .filter_map(|(path, _)| slice_of(tree, path))
        .collect();
    for (other, why) in loops.values().flatten() {
        for root in &roots {
            if root != other && !leads(&essential, other, root) && !leads(&essential, root, other) {
                let mine = essential.entry(root.clone()).or_default();
                mine.insert(other.clone(), why.clone());
            }
        }
    }
    (essential, loops)
}

/// Whether one slice needs another, by way of others too.
fn leads(essential: &Essentials, from: &Name, to: &Name) -> bool {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(next) = waiting.pop() {
        if next == to {
            return true;
        }
        if seen.insert(next) {
            waiting.extend(essential.get(next).into_iter().flat_map(BTreeMap::keys));
        }
    }
    false
}

struct Writer<'a> {
    tree: &'a Tree,
    architecture: &'a str,
    reach: &'a Reach,
    essential: &'a Essentials,
    loops: &'a Essentials,
}

impl Writer<'_> {
    fn document(&self, package: &str, slices: &BTreeMap<Name, BTreeSet<TreePath>>) -> String {
        let mine: Vec<_> = slices
            .iter()
            .filter(|((name, _), _)| name == package)
            .collect();
        let mut text = format!("package: {package}\n\n");
        if mine.iter().any(|((_, slice), _)| *slice == "copyright") {
            text.push_str(&format!("essential:\n  - {package}_copyright\n\n"));
        }
        text.push_str("slices:\n");
        for (number, (name, files)) in mine.into_iter().enumerate() {
            if number > 0 {
                text.push('\n');
            }
            self.slice(&mut text, name, files);
        }
        text.push_str(&self.questions(package));
        text
    }

    fn slice(&self, text: &mut String, name: &Name, files: &BTreeSet<TreePath>) {
        let (package, slice) = name;
        let _ = writeln!(text, "  {slice}:");
        let essential = self.essential.get(name);
        if let Some(essential) = essential {
            text.push_str("    essential:\n");
            for ((other, part), why) in essential {
                let _ = writeln!(text, "      - {other}_{part}{}", comment(why));
            }
        }
        for ((other, part), why) in self.loops.get(name).into_iter().flatten() {
            let why = format!("{other}_{part} would make a loop: {why}");
            let _ = writeln!(text, "  {}", comment(&why));
        }
        text.push_str("    contents:\n");
        for line in fold(self.tree, package, files) {
            let (pattern, option) = self.portable(&line.pattern);
            let why = line
                .files
                .first()
                .map_or_else(String::new, |first| self.why(first));
            let more = match line.files.len() {
                1 => String::new(),
                count => format!("; {} more", count - 1),
            };
            let _ = writeln!(
                text,
                "      {}:{option}{}",
                key(&pattern),
                comment(&format!("{why}{more}"))
            );
        }
    }

    /// A path for all architectures: the one's triplet is a pattern, or the line is for it alone.
    fn portable(&self, path: &str) -> (String, String) {
        let (triplet, own) = match self.architecture {
            "amd64" => ("x86_64-linux-gnu", "x86-64"),
            "arm64" => ("aarch64-linux-gnu", "aarch64"),
            other => (other, other),
        };
        let option = match path.contains(own) && !path.contains(triplet) {
            true => format!(" {{arch: {}}}", self.architecture),
            false => String::new(),
        };
        (format!("/{}", path.replace(triplet, "*-linux-*")), option)
    }

    fn why(&self, path: &TreePath) -> String {
        match self.reach.reached.get(path) {
            Some(reached) => match &reached.from {
                Some(from) => format!("{} ({from})", reached.reason),
                None => reached.reason.to_string(),
            },
            None => String::new(),
        }
    }

    /// The questions that were seen in this package's files.
    fn questions(&self, package: &str) -> String {
        let is_mine = |path: &TreePath| {
            self.tree.get(path).is_some_and(
                |placed| matches!(&placed.owner, Owner::Package(name) if name == package),
            )
        };
        let mut text = String::new();
        for question in &self.reach.questions {
            let mut seen = question.seen.iter().filter(|path| is_mine(path));
            let Some(first) = seen.next() else { continue };
            let more = match seen.count() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let _ = writeln!(text, "#   {} (in {first}{more})", plain(&question.text));
        }
        match text.is_empty() {
            true => text,
            false => format!("\n# What only a run or a person can tell:\n{text}"),
        }
    }
}

/// A comment behind a line, cut where it gets too wide.
fn comment(text: &str) -> String {
    let text = plain(text);
    let cut: String = text.chars().take(WIDEST).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("  # {cut}{more}")
}

/// A text without what would end its line.
fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

/// A path as a YAML key: quoted where YAML would read it otherwise.
fn key(path: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+*@~%=".contains(letter);
    match path.chars().all(is_plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', "''")),
    }
}
