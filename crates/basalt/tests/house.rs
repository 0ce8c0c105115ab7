//! How the tree is built: arrows between crates, and between the folders of the large ones, go one way; the page that
//! draws them (docs/house.md) is true. `UPDATE_HOUSE=1 cargo test -p basalt --test house` draws it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of basalt-build, each of which may use those before it.
const STAGES: [&str; 11] = [
    "run", "project", "control", "plan", "read", "resolve", "assemble", "pack", "describe",
    "write", "commands",
];

/// Crates that may use no other crate of ours.
const LEAVES: [&str; 7] = [
    "basalt-desktop",
    "basalt-digest",
    "basalt-elf",
    "basalt-escape",
    "basalt-file",
    "basalt-shell",
    "basalt-trust",
];

const BEGIN: &str = "<!-- drawn: ";
const END: &str = "<!-- end -->";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn crates() -> PathBuf {
    root().join("crates")
}

/// Our crates, each with those it depends on outside of tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for folder in fs::read_dir(crates()).expect("the crates are there") {
        let manifest = folder.expect("it is listed").path().join("Cargo.toml");
        let Ok(text) = fs::read_to_string(&manifest) else {
            continue;
        };
        let mut section = "";
        let mut name = String::new();
        let mut uses = BTreeSet::new();
        for line in text.lines() {
            if line.starts_with('[') {
                section = line;
            }
            let key = line.split(['.', ' ', '=']).next().unwrap_or_default();
            match section {
                "[package]" if key == "name" => {
                    name = line.split('"').nth(1).unwrap_or_default().to_owned();
                }
                "[dependencies]" if key.starts_with("basalt-") => {
                    uses.insert(key.to_owned());
                }
                _ => {}
            }
        }
        all.insert(name, uses);
    }
    all
}

/// All Rust files below a folder, with their paths below it.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("it is a folder") {
            let path = entry.expect("it is listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("it is text");
                let below = path.strip_prefix(folder).expect("it is below").to_owned();
                found.push((below, text));
            }
        }
    }
    found.sort();
    found
}

/// The modules of the crate's root that a file names.
fn named(text: &str) -> BTreeSet<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let mut found = BTreeSet::new();
    for line in code {
        for after in line.split("crate::").skip(1) {
            let end = after.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            found.insert(after[..end.unwrap_or(after.len())].to_owned());
        }
    }
    found
}

/// Which folder of a crate uses which.
fn arrows(crate_name: &str) -> BTreeSet<(String, String, PathBuf)> {
    let mut arrows = BTreeSet::new();
    for (path, text) in sources(&crates().join(crate_name).join("src")) {
        let mut parts = path.components();
        let (Some(first), Some(_)) = (parts.next(), parts.next()) else {
            continue;
        };
        let from = first.as_os_str().to_string_lossy().into_owned();
        for to in named(&text) {
            if to != from {
                arrows.insert((from.clone(), to, path.clone()));
            }
        }
    }
    arrows
}

#[test]
fn no_stage_of_a_build_uses_a_later_one() {
    let place = |folder: &str| STAGES.iter().position(|stage| *stage == folder);
    for (from, to, file) in arrows("basalt-build") {
        let own = place(&from).unwrap_or_else(|| panic!("{from} is in the list of stages"));
        // `error` is below all.
        if to == "error" {
            continue;
        }
        let other = place(&to).unwrap_or_else(|| panic!("{}: {to} is no stage", file.display()));
        assert!(other < own, "{} uses the later stage {to}", file.display());
    }
}

#[test]
fn leaves_use_no_other_crate_of_ours() {
    let all = dependencies();
    for leaf in LEAVES {
        let uses = all.get(leaf).unwrap_or_else(|| panic!("{leaf} is a crate"));
        assert!(uses.is_empty(), "{leaf} uses {uses:?}");
    }
}

#[test]
fn the_list_of_crates_names_each_of_them() {
    let list = fs::read_to_string(crates().join("README.md")).expect("it is there");
    for name in dependencies().into_keys() {
        assert!(
            list.contains(&format!("| `{name}` |")),
            "{name} is not listed"
        );
    }
}

/// The crates on floors: each above all that it uses.
fn floors() -> Vec<Vec<String>> {
    let all = dependencies();
    let mut floor: BTreeMap<&str, usize> = BTreeMap::new();
    while floor.len() < all.len() {
        for (name, uses) in &all {
            let below: Option<Vec<usize>> = uses
                .iter()
                .map(|one| floor.get(one.as_str()).copied())
                .collect();
            if let Some(below) = below {
                floor.insert(
                    name,
                    below.into_iter().max().map_or(0, |highest| highest + 1),
                );
            }
        }
    }
    let mut floors = vec![Vec::new(); floor.values().max().map_or(0, |highest| highest + 1)];
    for (name, number) in floor {
        floors[number].push(name.to_owned());
    }
    floors
}

/// The arrows that say something: one that a longer way implies is left out.
fn reduced(arrows: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<(String, String)> {
    let reaches = |from: &str, to: &str| {
        let mut open = vec![from.to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(next) = open.pop() {
            for one in arrows.get(&next).into_iter().flatten() {
                if one == to {
                    return true;
                }
                if seen.insert(one.clone()) {
                    open.push(one.clone());
                }
            }
        }
        false
    };
    let mut kept = BTreeSet::new();
    for (from, uses) in arrows {
        for to in uses {
            let implied = uses.iter().any(|other| other != to && reaches(other, to));
            if !implied {
                kept.insert((from.clone(), to.clone()));
            }
        }
    }
    kept
}

/// A drawing in Mermaid's language.
fn drawing(arrows: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut text = "```mermaid\nflowchart TD\n".to_owned();
    for (from, to) in reduced(arrows) {
        let _ = writeln!(text, "    {from} --> {to}");
    }
    text.push_str("```\n");
    text
}

fn drawn(what: &str) -> String {
    match what {
        "crates" => {
            let mut text = drawing(&dependencies());
            text.push_str("\n| floor | crates |\n| --- | --- |\n");
            for (number, names) in floors().iter().enumerate().rev() {
                let _ = writeln!(text, "| {number} | {} |", names.join(", "));
            }
            text
        }
        "stages" => {
            let mut folders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (from, to, _) in arrows("basalt-build") {
                if to != "error" {
                    folders.entry(from).or_default().insert(to);
                }
            }
            drawing(&folders)
        }
        what => panic!("nothing is drawn for {what}"),
    }
}

#[test]
fn the_page_draws_the_house_as_it_is() {
    let page = root().join("docs/house.md");
    let text = fs::read_to_string(&page).expect("the page is there");
    let mut fresh = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find(BEGIN) {
        let (before, begun) = rest.split_at(at);
        let line_end = begun.find('\n').expect("the mark ends its line") + 1;
        let what = begun[BEGIN.len()..line_end]
            .trim()
            .trim_end_matches("-->")
            .trim();
        let end = begun.find(END).expect("what is drawn has an end");
        let _ = write!(fresh, "{before}{}{}", &begun[..line_end], drawn(what));
        rest = &begun[end..];
    }
    fresh.push_str(rest);
    if std::env::var_os("UPDATE_HOUSE").is_some() {
        fs::write(&page, &fresh).expect("the page is written");
    }
    let text = fs::read_to_string(&page).expect("the page is there");
    assert!(
        text == fresh,
        "docs/house.md draws another house; run: UPDATE_HOUSE=1 cargo test -p basalt --test house"
    );
}
