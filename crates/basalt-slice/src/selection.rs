//! What slices keep of a package, and what they make.

use std::collections::{BTreeMap, BTreeSet};

use basalt_effects::Effect;
use basalt_tree::TreePath;
use serde::{Deserialize, Serialize};

use crate::definition::{Content, Until};
use crate::error::SliceError;
use crate::library::{Library, Target};
use crate::pattern::Pattern;
use crate::reference::Reference;

/// What stands in the place of a slice's name where an image has what its roots reach.
pub const REACHABLE: &str = "reachable";

/// So many packages may be preferred one to the next.
const MAXIMUM_PREFERRED: usize = 32;

/// The pattern of all paths.
const EVERYTHING: &str = "/**";

/// What an image has of one package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sliced {
    /// The names of its slices, sorted.
    pub slices: Vec<String>,
    /// Which of the package's paths are kept.
    pub filter: Filter,
    /// What is made besides, sorted by path.
    pub made: Vec<Made>,
    /// Permission bits of kept paths.
    pub modes: Vec<(Pattern, u32)>,
    /// What the slices' scripts do, with the slice.
    pub effects: Vec<Effect>,
}

/// Which paths of a package are kept. It decides by path alone, so it is part of a fragment's key.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Filter {
    /// Patterns of what is kept to the end.
    pub kept: Vec<Wanted>,
    /// Patterns of what is there until effects are applied and copies made.
    pub passing: Vec<Wanted>,
    /// Paths that are left to another package.
    pub left_to_others: Vec<Pattern>,
}

/// A pattern, and whether it must match something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Wanted {
    /// The pattern.
    pub pattern: Pattern,
    /// The slice that wants it.
    pub slice: String,
    /// Whether it may match nothing: a pattern for some architectures only.
    pub optional: bool,
}

/// What becomes of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It stays.
    Stays,
    /// It is there until effects are applied.
    Passes,
    /// It is left out.
    LeftOut,
}

/// Something that a slice makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Where.
    pub path: String,
    /// The slice.
    pub slice: String,
    /// What.
    pub kind: MadeKind,
    /// Permission bits, if said.
    pub mode: Option<u32>,
    /// Whether it goes once effects are applied.
    pub passes: bool,
}

/// What is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MadeKind {
    /// A directory.
    Directory,
    /// A file of this text.
    Text(String),
    /// A symbolic link to this.
    Symlink(String),
    /// A copy of this path of the package.
    Copy(String),
}

impl Filter {
    /// What becomes of a path of the package; the path is as usr-merge has it.
    pub fn keeps(&self, path: &TreePath, is_directory: bool) -> Keep {
        if is_licence(path) {
            return Keep::Stays;
        }
        let hits = |list: &[Wanted]| {
            list.iter()
                .any(|one| one.pattern.matches(path, is_directory))
        };
        if self
            .left_to_others
            .iter()
            .any(|one| one.matches(path, is_directory))
        {
            return Keep::LeftOut;
        }
        if hits(&self.kept) {
            return Keep::Stays;
        }
        match hits(&self.passing) {
            true => Keep::Passes,
            false => Keep::LeftOut,
        }
    }

    /// Of a package whose files are all there until effects are applied, then only those that these
    /// patterns match: what an image keeps that has only what its roots reach.
    ///
    /// # Errors
    /// A sentence, when one of them is no pattern.
    pub fn reachable(patterns: &[String]) -> Result<Self, String> {
        let wanted = |text: &str| {
            Ok::<_, String>(Wanted {
                pattern: Pattern::new(text)?,
                slice: REACHABLE.to_owned(),
                optional: true,
            })
        };
        Ok(Self {
            kept: patterns
                .iter()
                .map(|text| wanted(text))
                .collect::<Result<_, _>>()?,
            passing: vec![wanted(EVERYTHING)?],
            left_to_others: Vec::new(),
        })
    }

    /// Whether the whole package is there until effects are applied, so that it is read as a whole.
    pub fn passes_everything(&self) -> bool {
        self.left_to_others.is_empty()
            && self
                .passing
                .iter()
                .any(|one| one.pattern.as_str() == EVERYTHING)
    }
}

/// Licences are always kept: the copyright file, a link in its directory's place, and what it names.
fn is_licence(path: &TreePath) -> bool {
    let text = path.as_str();
    let documentation = text.strip_prefix("usr/share/doc/").is_some_and(|rest| {
        let mut names = rest.split('/');
        names.next();
        matches!(
            (names.next(), names.next()),
            (None, _) | (Some("copyright"), None)
        )
    });
    documentation || text.starts_with("usr/share/common-licenses/")
}

/// What a path is said to be: two slices must say the same.
#[derive(PartialEq)]
struct Said<'a> {
    kind: Option<MadeKind>,
    mode: Option<u32>,
    package: Option<&'a str>,
}

impl Library {
    /// What an image has of each package whose slices these are.
    ///
    /// # Errors
    /// When one is not defined, or two say different things of one path.
    pub fn select(
        &self,
        slices: &BTreeMap<String, BTreeSet<String>>,
        target: Target<'_>,
    ) -> Result<BTreeMap<String, Sliced>, SliceError> {
        let mut said: BTreeMap<&str, (Reference, Said<'_>)> = BTreeMap::new();
        let mut all: BTreeMap<String, Sliced> = BTreeMap::new();
        for (package, names) in slices {
            let mut sliced = Sliced {
                slices: names.iter().cloned().collect(),
                ..Sliced::default()
            };
            for name in names {
                let reference = Reference::new(package, name);
                let (_, slice) = self.slice(&reference)?;
                for (path, content) in &slice.contents {
                    if !target.meets(&content.arch, &content.releases) {
                        continue;
                    }
                    // Packages may bring one path together: that is judged by what they bring.
                    let kind = made(content, path);
                    let now = Said {
                        package: kind.is_none().then_some(package.as_str()),
                        mode: content.mode,
                        kind,
                    };
                    if content.prefer.is_some()
                        && self.is_left(&reference, path, content, slices, target)?
                    {
                        let pattern = now.kind.is_none().then(|| Pattern::new(path));
                        let left = &mut sliced.filter.left_to_others;
                        left.extend(pattern.and_then(Result::ok));
                        continue;
                    }
                    let place = path.trim_end_matches('/');
                    if let Some((first, before)) = said.get(place) {
                        let both_take = before.kind.is_none() && now.kind.is_none();
                        let other_package = before.package != now.package;
                        if *before != now && !(both_take && other_package) {
                            return Err(self.conflict(path, first, &reference));
                        }
                    } else {
                        said.insert(place, (reference.clone(), now));
                    }
                    sliced.add(name, path, content);
                }
                sliced
                    .effects
                    .extend(slice.effects.iter().flatten().cloned());
            }
            sliced.tidy();
            all.insert(package.clone(), sliced);
        }
        Ok(all)
    }

    /// Whether a path is left to the package that is preferred, or that is preferred to that one in
    /// turn. What a slice makes is left only to one whose chosen slices have that path.
    ///
    /// # Errors
    /// When its own package is preferred in the end: then nobody would have the path.
    fn is_left(
        &self,
        slice: &Reference,
        path: &str,
        content: &Content,
        chosen: &BTreeMap<String, BTreeSet<String>>,
        target: Target<'_>,
    ) -> Result<bool, SliceError> {
        let first = content.prefer.as_deref();
        let takes = made(content, path).is_none();
        let mut is_left = takes && first.is_some_and(|other| chosen.contains_key(other));
        let mut next = first;
        for _ in 0..MAXIMUM_PREFERRED {
            if next == Some(slice.package.as_str()) {
                return Err(self.prefers_itself(path, slice));
            }
            let Some(definition) = next.and_then(|other| self.definition(other)) else {
                break;
            };
            let names = chosen.get(&definition.package);
            let said = |slice: &str| {
                let content = definition.slices.get(slice)?.contents.get(path)?;
                target
                    .meets(&content.arch, &content.releases)
                    .then_some(content)
            };
            is_left |= names.is_some_and(|names| names.iter().any(|name| said(name).is_some()));
            let mut all = definition.slices.keys().filter_map(|name| said(name));
            next = all.find_map(|content| content.prefer.as_deref());
        }
        Ok(is_left)
    }
}

/// What a content makes; nothing when it is taken from the package.
fn made(content: &Content, path: &str) -> Option<MadeKind> {
    if content.make {
        return Some(MadeKind::Directory);
    }
    if let Some(text) = &content.text {
        return Some(MadeKind::Text(text.clone()));
    }
    if let Some(target) = &content.symlink {
        return Some(MadeKind::Symlink(target.clone()));
    }
    let from = content.copy.as_deref().filter(|from| *from != path)?;
    Some(MadeKind::Copy(from.to_owned()))
}

impl Sliced {
    fn add(&mut self, slice: &str, path: &str, content: &Content) {
        let passes = content.until == Some(Until::Mutate);
        let wanted = |text: &str| {
            Pattern::new(text).ok().map(|pattern| Wanted {
                optional: pattern.is_glob() && !content.arch.is_empty(),
                slice: slice.to_owned(),
                pattern,
            })
        };
        let Some(kind) = made(content, path) else {
            let Some(wanted) = wanted(path) else { return };
            if let Some(mode) = content.mode {
                self.modes.push((wanted.pattern.clone(), mode));
            }
            match passes {
                true => self.filter.passing.push(wanted),
                false => self.filter.kept.push(wanted),
            }
            return;
        };
        if let MadeKind::Copy(from) = &kind {
            self.filter.passing.extend(wanted(from));
        }
        self.made.push(Made {
            path: match kind {
                MadeKind::Directory => path.to_owned(),
                // A link to a directory may be written as one.
                _ => path.trim_end_matches('/').to_owned(),
            },
            slice: slice.to_owned(),
            kind,
            mode: content.mode,
            passes,
        });
    }

    /// Sorted, and each once: what is chosen does not depend on the order of slices.
    fn tidy(&mut self) {
        for list in [&mut self.filter.kept, &mut self.filter.passing] {
            list.sort();
            list.dedup_by(|a, b| a.pattern == b.pattern && a.optional == b.optional);
        }
        self.filter.left_to_others.sort();
        self.filter.left_to_others.dedup();
        self.made
            .sort_by(|a, b| (&a.path, a.passes).cmp(&(&b.path, b.passes)));
        self.made.dedup_by(|a, b| a.path == b.path);
        self.modes.sort();
        self.modes.dedup();
    }
}
