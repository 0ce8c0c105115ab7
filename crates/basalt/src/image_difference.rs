//! What differs between two images: config, packages, files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use basalt_escape::line;
use basalt_oci::{Content, FileFact, FileKind, Image};
use serde::Serialize;
use serde_json::Value;

use crate::packages::packages;

/// What differs between two images.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ImageDifference {
    /// Config values, by key (`config.User`).
    pub config: BTreeMap<String, Change<Value>>,
    /// Packages, by name, with their versions.
    pub packages: BTreeMap<String, Change<String>>,
    /// Paths, by name.
    pub files: BTreeMap<String, FileChange>,
}

/// A value before and after; one may be missing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change<T> {
    /// In the first image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<T>,
    /// In the second image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<T>,
}

/// What differs of one path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileChange {
    /// The path in both images.
    #[serde(flatten)]
    pub change: Change<FileFact>,
    /// What differs, in words: `added`, `mode 0755 → 04755`.
    pub what: String,
}

/// Compares two images. Layers, dates of layers and modification times are not compared: they
/// differ when nothing a program can notice does.
pub fn difference(
    former: (&Image, &Content),
    latter: (&Image, &Content),
) -> Result<ImageDifference, serde_json::Error> {
    let config = changes(&config(former.0)?, &config(latter.0)?);
    let packages = changes(&packages(former.1), &packages(latter.1));
    let mut files = BTreeMap::new();
    for (path, mut change) in changes(&timeless(former.1), &timeless(latter.1)) {
        let what = describe(&change);
        // The real facts, with their layer and date, go into the document.
        change.from = former.1.files.get(&path).cloned();
        change.to = latter.1.files.get(&path).cloned();
        files.insert(path, FileChange { change, what });
    }
    Ok(ImageDifference {
        config: config.into_iter().collect(),
        packages: packages.into_iter().collect(),
        files,
    })
}

impl ImageDifference {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The keys whose values differ.
fn changes<T: Clone + PartialEq>(
    former: &BTreeMap<String, T>,
    latter: &BTreeMap<String, T>,
) -> Vec<(String, Change<T>)> {
    let keys: BTreeSet<&String> = former.keys().chain(latter.keys()).collect();
    keys.into_iter()
        .filter(|key| former.get(*key) != latter.get(*key))
        .map(|key| {
            let change = Change {
                from: former.get(key).cloned(),
                to: latter.get(key).cloned(),
            };
            (key.clone(), change)
        })
        .collect()
}

/// The config, flat: lists stay whole, maps become one key an entry.
fn config(image: &Image) -> Result<BTreeMap<String, Value>, serde_json::Error> {
    let mut flat = BTreeMap::new();
    let Value::Object(document) = serde_json::to_value(&image.config)? else {
        return Ok(flat);
    };
    for (key, value) in document {
        if !["created", "rootfs", "history"].contains(&key.as_str()) {
            flatten(key, value, &mut flat);
        }
    }
    Ok(flat)
}

fn flatten(key: String, value: Value, flat: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                flatten(format!("{key}.{name}"), value, flat);
            }
        }
        value => {
            flat.insert(key, value);
        }
    }
}

/// The files without what is not compared.
fn timeless(content: &Content) -> BTreeMap<String, FileFact> {
    let mut files = content.files.clone();
    for fact in files.values_mut() {
        (fact.mtime, fact.layer) = (0, 0);
    }
    files
}

fn describe(change: &Change<FileFact>) -> String {
    match (&change.from, &change.to) {
        (Some(from), Some(to)) => {
            let mut words = Vec::new();
            let (before, after) = (kind(&from.kind), kind(&to.kind));
            if before != after {
                words.push(format!("{before} → {after}"));
            } else if from.kind != to.kind {
                words.push("content".to_owned());
            }
            if from.mode != to.mode {
                words.push(format!("mode {:04o} → {:04o}", from.mode, to.mode));
            }
            if (from.uid, from.gid) != (to.uid, to.gid) {
                words.push(format!(
                    "owner {}:{} → {}:{}",
                    from.uid, from.gid, to.uid, to.gid
                ));
            }
            words.join(", ")
        }
        (None, Some(to)) => format!("added, {}", whole(to)),
        (Some(from), None) => format!("removed, {}", whole(from)),
        (None, None) => String::new(),
    }
}

fn kind(kind: &FileKind) -> String {
    match kind {
        FileKind::File { size, .. } => format!("{size} bytes"),
        FileKind::Directory => "directory".to_owned(),
        FileKind::Symlink { target } => format!("link to {target}"),
        FileKind::Hardlink { target } => format!("hard link to {target}"),
        FileKind::Special { letter } => format!("special file ({letter})"),
    }
}

fn whole(fact: &FileFact) -> String {
    let owner = format!("{}:{}", fact.uid, fact.gid);
    format!(
        "{}, mode {:04o}, owner {owner}",
        kind(&fact.kind),
        fact.mode
    )
}

impl fmt::Display for ImageDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "no difference");
        }
        for (key, change) in &self.config {
            let show = |value: &Option<Value>| {
                value
                    .as_ref()
                    .map_or("nothing".to_owned(), Value::to_string)
            };
            let (from, to) = (show(&change.from), show(&change.to));
            writeln!(f, "~ {}: {from} → {to}", line(key))?;
        }
        for (name, change) in &self.packages {
            let name = line(name);
            match (&change.from, &change.to) {
                (Some(from), Some(to)) => {
                    writeln!(f, "~ package {name} {} → {}", line(from), line(to))?;
                }
                (None, Some(to)) => writeln!(f, "+ package {name} {}", line(to))?,
                (from, _) => {
                    let from = line(from.as_deref().unwrap_or(""));
                    writeln!(f, "- package {name} {from}")?;
                }
            }
        }
        for (path, change) in &self.files {
            let sign = match (&change.change.from, &change.change.to) {
                (None, _) => '+',
                (_, None) => '-',
                _ => '~',
            };
            writeln!(f, "{sign} /{}: {}", line(path), line(&change.what))?;
        }
        Ok(())
    }
}
