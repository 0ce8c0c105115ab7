//! All definitions together, and the slices that others bring.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use basalt_digest::Digest;
use basalt_spec::{SpecError, nearest};

use crate::definition::{Definition, Essential, Slice};
use crate::error::SliceError;
use crate::reference::Reference;

/// The most definitions of one library.
pub const MAXIMUM_DEFINITIONS: usize = 20_000;

/// The definitions that are compiled in: file name and text.
const OWN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/definitions.rs"));

/// What slices are chosen for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The release's code name.
    pub release: &'a str,
    /// Debian architecture.
    pub architecture: &'a str,
}

impl Target<'_> {
    pub(crate) fn meets(&self, arch: &[String], releases: &[String]) -> bool {
        let one_of = |list: &[String], one: &str| list.is_empty() || list.iter().any(|l| l == one);
        one_of(arch, self.architecture) && one_of(releases, self.release)
    }
}

/// A definition, and the text it was read from, for errors.
#[derive(Debug, Clone)]
struct Entry {
    path: PathBuf,
    text: String,
    /// What it says; or what is wrong with it, which matters to who takes a slice of it alone.
    definition: Result<Definition, Box<SpecError>>,
}

/// Slice definitions by package.
#[derive(Debug, Clone, Default)]
pub struct Library {
    entries: BTreeMap<String, Entry>,
    malformed: Vec<SpecError>,
    /// How many files were added.
    files: usize,
}

impl Library {
    /// The definitions that are compiled in: those of `slices/debian`.
    ///
    /// # Errors
    /// When one of them is malformed, which a test rules out.
    pub fn own() -> Result<Self, SliceError> {
        let mut library = Self::default();
        for (name, text) in OWN {
            library.add(&Path::new("slices/debian").join(name), text)?;
        }
        match library.malformed.pop() {
            Some(error) => Err(error.into()),
            None => Ok(library),
        }
    }

    /// Adds the definition of a file; one of the same package that is there goes. One that is
    /// malformed is an error only for who takes a slice of its package, and a malformed slice only for
    /// who takes that one: see [`Self::malformed`].
    ///
    /// # Errors
    /// [`SliceError::TooMany`].
    pub fn add(&mut self, path: &Path, text: &str) -> Result<(), SliceError> {
        self.files += 1;
        if self.files > MAXIMUM_DEFINITIONS {
            return Err(SliceError::TooMany {
                maximum: MAXIMUM_DEFINITIONS,
            });
        }
        let definition = Definition::parse(path, text);
        let package = match &definition {
            Ok(definition) => {
                self.malformed
                    .extend(definition.malformed.values().cloned());
                Some(definition.package.clone())
            }
            Err(error) => {
                self.malformed.push(error.clone());
                Definition::package_of(path, text)
            }
        };
        if let Some(package) = package {
            let entry = Entry {
                path: path.to_owned(),
                text: text.to_owned(),
                definition: definition.map_err(Box::new),
            };
            self.entries.insert(package, entry);
        }
        Ok(())
    }

    /// The definitions that are well-formed but for some slices, sorted by package.
    pub fn definitions(&self) -> impl Iterator<Item = &Definition> {
        let entries = self.entries.values();
        entries.filter_map(|entry| entry.definition.as_ref().ok())
    }

    /// The definition of a package, if it has one that is well-formed but for some slices.
    pub(crate) fn definition(&self, package: &str) -> Option<&Definition> {
        self.entries.get(package)?.definition.as_ref().ok()
    }

    /// What is wrong with the others, and with those slices, in the order in which they were added.
    pub fn malformed(&self) -> &[SpecError] {
        &self.malformed
    }

    /// The digest of a package's definition, as its file has it.
    pub fn digest(&self, package: &str) -> Option<Digest> {
        let entry = self.entries.get(package)?;
        Some(Digest::of(entry.text.as_bytes()))
    }

    /// The file of a package's definition, and its text.
    pub fn source(&self, package: &str) -> Option<(&Path, &str)> {
        let entry = self.entries.get(package)?;
        Some((&entry.path, &entry.text))
    }

    /// The slice of a package.
    pub(crate) fn slice(&self, reference: &Reference) -> Result<(&Definition, &Slice), SliceError> {
        if let Some((store, package)) = reference.package.split_once('/') {
            return Err(SliceError::Store {
                package: package.to_owned(),
                store: store.to_owned(),
            });
        }
        let Some(entry) = self.entries.get(&reference.package) else {
            let known = self.entries.keys().map(String::as_str);
            return Err(SliceError::UnknownPackage {
                package: reference.package.clone(),
                nearest: nearest(&reference.package, known).map(str::to_owned),
            });
        };
        let definition = entry
            .definition
            .as_ref()
            .map_err(|error| SliceError::Definition(error.clone()))?;
        if let Some(store) = &definition.store {
            return Err(SliceError::Store {
                package: reference.package.clone(),
                store: store.clone(),
            });
        }
        if let Some(error) = definition.malformed.get(&reference.slice) {
            return Err(error.clone().into());
        }
        let slices = &definition.slices;
        match slices.get(&reference.slice) {
            Some(slice) => Ok((definition, slice)),
            None => Err(SliceError::UnknownSlice {
                package: reference.package.clone(),
                slice: reference.slice.clone(),
                nearest: nearest(&reference.slice, slices.keys().map(String::as_str))
                    .map(str::to_owned),
                known: slices.keys().cloned().collect(),
            }),
        }
    }

    /// The wanted slices with all that they bring, by package.
    ///
    /// # Errors
    /// When one is not defined, slices bring each other in a circle, or one cannot be had.
    pub fn closure(
        &self,
        wanted: &BTreeMap<String, BTreeSet<String>>,
        target: Target<'_>,
    ) -> Result<BTreeMap<String, BTreeSet<String>>, SliceError> {
        let mut walk = Walk {
            library: self,
            target,
            way: Vec::new(),
            done: BTreeSet::new(),
        };
        for (package, slices) in wanted {
            for slice in slices {
                walk.visit(Reference::new(package, slice))?;
            }
        }
        let mut closure: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for reference in walk.done {
            closure
                .entry(reference.package)
                .or_default()
                .insert(reference.slice);
        }
        Ok(closure)
    }

    /// Two slices say different things of one path: at the place where the second does.
    pub(crate) fn conflict(&self, path: &str, first: &Reference, second: &Reference) -> SliceError {
        let message = format!("the slices {first} and {second} say different things of {path}");
        self.at_content(path, second, message)
            .with_help(Some("leave one of them out, or make them agree".to_owned()))
            .into()
    }

    /// A package is preferred to itself: at the place where its slice prefers the first one.
    pub(crate) fn prefers_itself(&self, path: &str, slice: &Reference) -> SliceError {
        let message = format!("the slice {slice} leaves {path} to its own package in the end");
        self.at_content(path, slice, message)
            .with_help(Some("take one of these out of `prefer`".to_owned()))
            .into()
    }

    /// An error at the place where a slice says something of a path.
    fn at_content(&self, path: &str, slice: &Reference, message: String) -> SpecError {
        let placed = self.entries.get(&slice.package).and_then(|entry| {
            let words = [slice.slice.as_str(), path.trim_end_matches('/')];
            SpecError::at_words(&entry.path, &entry.text, &words, message.as_str())
        });
        placed.unwrap_or_else(|| SpecError::of_file(slice.to_string(), message))
    }

    /// An error of a definition that another names, at the place where it does.
    fn named_in(&self, package: &str, named: &Reference, cause: &SliceError) -> SliceError {
        // What is wrong with a definition stands in that one.
        if let SliceError::Definition(_) = cause {
            return cause.clone();
        }
        match self.entries.get(package) {
            Some(entry) => {
                let message = cause.to_string();
                SpecError::at_word(&entry.path, &entry.text, &named.to_string(), message).into()
            }
            None => cause.clone(),
        }
    }
}

/// A walk from slice to slice, depth first.
struct Walk<'l> {
    library: &'l Library,
    target: Target<'l>,
    /// The slices from a wanted one to where the walk is.
    way: Vec<Reference>,
    done: BTreeSet<Reference>,
}

impl Walk<'_> {
    fn visit(&mut self, from: Reference) -> Result<(), SliceError> {
        // A stack of its own: definitions may bring each other deeper than a thread's stack goes.
        let mut stack = vec![(from, false)];
        while let Some((reference, leaving)) = stack.pop() {
            if leaving {
                self.way.pop();
                self.done.insert(reference);
                continue;
            }
            if self.done.contains(&reference) {
                continue;
            }
            self.no_circle(&reference)?;
            let brings = self
                .brings(&reference)
                .map_err(|cause| match self.way.last() {
                    Some(by) => self.library.named_in(&by.package, &reference, &cause),
                    None => cause,
                })?;
            self.way.push(reference.clone());
            stack.push((reference, true));
            stack.extend(brings.into_iter().map(|one| (one, false)));
        }
        Ok(())
    }

    fn no_circle(&self, reference: &Reference) -> Result<(), SliceError> {
        let Some(start) = self.way.iter().position(|one| one == reference) else {
            return Ok(());
        };
        let names: Vec<String> = self.way[start..]
            .iter()
            .chain([reference])
            .map(ToString::to_string)
            .collect();
        let by = self.way.last().unwrap_or(reference);
        let Some(entry) = self.library.entries.get(&by.package) else {
            return Ok(());
        };
        let message = format!("slices bring each other in a circle: {}", names.join(" → "));
        let word = reference.to_string();
        Err(SpecError::at_word(&entry.path, &entry.text, &word, message)
            .with_help(Some("take one of these out of `essential`".to_owned()))
            .into())
    }

    /// The slices that one brings, once it is clear that it can be had.
    fn brings(&self, reference: &Reference) -> Result<Vec<Reference>, SliceError> {
        let (definition, slice) = self.library.slice(reference)?;
        if slice.mutate.is_some() && slice.effects.is_none() {
            return Err(SliceError::Script {
                slice: reference.to_string(),
            });
        }
        let generated = slice.contents.iter().find(|(_, content)| {
            content.generate.is_some() && self.target.meets(&content.arch, &content.releases)
        });
        if let Some((path, _)) = generated {
            return Err(SliceError::Manifest {
                slice: reference.to_string(),
                path: path.clone(),
            });
        }
        let of_all = definition.essential.iter().chain(&definition.v3_essential);
        let of_all = of_all.filter(|one| one.reference != *reference);
        let own = slice.essential.iter().chain(&slice.v3_essential);
        let meets = |one: &&Essential| self.target.meets(&one.arch, &one.releases);
        Ok(of_all
            .chain(own)
            .filter(meets)
            .map(|one| one.reference.clone())
            .collect())
    }
}
