//! `mime.cache`: the whole database for mapping into memory, with numbers that are big-endian.

use std::collections::BTreeMap;

use super::magic::Match;
use super::suffixes::{self, Suffix};
use super::{Database, Glob, MimeError};
use crate::hash_order::Map;

const VERSION: [u8; 4] = [0, 1, 0, 2];
/// The parts of the file, whose places stand in its head.
const PARTS: usize = 10;
const TOO_LARGE: MimeError = MimeError::Write("it is larger than 4 GiB");

/// How a pattern is looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Literal,
    Suffix,
    Full,
}

impl Kind {
    fn of(pattern: &str) -> Self {
        let rest = pattern.strip_prefix('*').unwrap_or(pattern);
        match rest.contains(['\\', '[', '?', '*']) {
            true => Self::Full,
            false if rest.len() < pattern.len() => Self::Suffix,
            false => Self::Literal,
        }
    }
}

/// The file as far as it is written.
struct Cache {
    bytes: Vec<u8>,
    /// Where texts stand.
    strings: BTreeMap<String, u32>,
}

/// The compiled database.
pub(super) fn write(database: &Database) -> Result<Vec<u8>, MimeError> {
    let mut cache = Cache {
        bytes: vec![0; VERSION.len() + 4 * PARTS],
        strings: BTreeMap::new(),
    };
    cache.write_strings(database)?;
    let mut places = Vec::new();
    let mut part = |cache: &mut Cache, write: &dyn Fn(&mut Cache) -> Result<(), MimeError>| {
        places.push(cache.place()?);
        write(cache)
    };
    part(&mut cache, &|cache| cache.pairs(&database.aliases))?;
    part(&mut cache, &|cache| cache.parents(&database.parents))?;
    part(&mut cache, &|cache| cache.globs(database, Kind::Literal))?;
    part(&mut cache, &|cache| cache.suffixes(database))?;
    part(&mut cache, &|cache| cache.globs(database, Kind::Full))?;
    part(&mut cache, &|cache| cache.magic(database))?;
    part(&mut cache, &|cache| cache.namespaces(&database.namespaces))?;
    part(&mut cache, &|cache| cache.pairs(&database.icons))?;
    part(&mut cache, &|cache| cache.pairs(&database.generic_icons))?;
    part(&mut cache, &|cache| {
        // The real program looks each type up under a wrong name, so that all places are zero.
        cache.count(database.types.len())?;
        cache
            .bytes
            .resize(cache.bytes.len() + 4 * database.types.len(), 0);
        Ok(())
    })?;
    let mut head = VERSION.to_vec();
    for place in places {
        head.extend(place.to_be_bytes());
    }
    cache.bytes.splice(..head.len(), head);
    Ok(cache.bytes)
}

impl Cache {
    fn place(&self) -> Result<u32, MimeError> {
        u32::try_from(self.bytes.len()).map_err(|_| TOO_LARGE)
    }

    fn number(&mut self, number: u32) {
        self.bytes.extend(number.to_be_bytes());
    }

    fn count(&mut self, count: usize) -> Result<(), MimeError> {
        self.number(u32::try_from(count).map_err(|_| TOO_LARGE)?);
        Ok(())
    }

    fn data(&mut self, data: &[u8]) {
        self.bytes.extend(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Where a text stands.
    fn string(&mut self, text: &str) -> Result<(), MimeError> {
        let place = self.strings.get(text).copied();
        self.number(place.ok_or(MimeError::Write("a text is missing"))?);
        Ok(())
    }

    /// All texts, in the order of the table in which they are gathered.
    fn write_strings(&mut self, database: &Database) -> Result<(), MimeError> {
        let mut strings: Map<()> = Map::default();
        let mut add = |text: &str| strings.set(text, ());
        for (alias, kind) in database.aliases.in_order()? {
            add(alias);
            add(kind);
        }
        for (kind, parents) in database.parents.in_order()? {
            add(kind);
            parents.iter().for_each(|parent| add(parent));
        }
        for (pattern, globs) in database.globs.in_order()? {
            if Kind::of(pattern) != Kind::Suffix {
                add(pattern);
            }
            globs.iter().for_each(|glob| add(&glob.kind));
        }
        database.magic.iter().for_each(|magic| add(&magic.kind));
        for (name, kind) in database.namespaces.in_order()? {
            add(kind);
            let (space, name) = name.split_once(' ').unwrap_or((name, ""));
            add(space);
            add(name);
        }
        for icons in [&database.generic_icons, &database.icons] {
            for (kind, icon) in icons.in_order()? {
                add(kind);
                add(icon);
            }
        }
        for (text, ()) in strings.in_order()? {
            let place = self.place()?;
            self.strings.insert(text.to_owned(), place);
            self.data(&[text.as_bytes(), b"\0"].concat());
        }
        Ok(())
    }

    fn pairs(&mut self, map: &Map<String>) -> Result<(), MimeError> {
        self.count(map.len())?;
        for (name, value) in map.sorted() {
            self.string(name)?;
            self.string(value)?;
        }
        Ok(())
    }

    fn namespaces(&mut self, map: &Map<String>) -> Result<(), MimeError> {
        self.count(map.len())?;
        for (name, kind) in map.sorted() {
            let (space, name) = name.split_once(' ').unwrap_or((name, ""));
            self.string(space)?;
            self.string(name)?;
            self.string(kind)?;
        }
        Ok(())
    }

    fn parents(&mut self, map: &Map<Vec<String>>) -> Result<(), MimeError> {
        self.count(map.len())?;
        let mut place = self.bytes.len() + 8 * map.len();
        for (kind, parents) in map.sorted() {
            self.string(kind)?;
            self.count(place)?;
            place += 4 + 4 * parents.len();
        }
        for (_, parents) in map.sorted() {
            self.count(parents.len())?;
            for parent in parents {
                self.string(parent)?;
            }
        }
        Ok(())
    }

    fn globs(&mut self, database: &Database, wanted: Kind) -> Result<(), MimeError> {
        let globs: Vec<&Glob> = database
            .globs
            .sorted()
            .filter(|(pattern, _)| Kind::of(pattern) == wanted)
            .flat_map(|(_, globs)| globs)
            .collect();
        self.count(globs.len())?;
        for glob in globs {
            self.string(&glob.pattern)?;
            self.string(&glob.kind)?;
            self.number(glob.weight | if glob.is_case_sensitive { 0x100 } else { 0 });
        }
        Ok(())
    }

    /// The tree of suffixes, level by level.
    fn suffixes(&mut self, database: &Database) -> Result<(), MimeError> {
        let patterns = database
            .globs
            .in_order()?
            .filter(|(pattern, _)| Kind::of(pattern) == Kind::Suffix);
        let tree = suffixes::tree(patterns)
            .ok_or(MimeError::Write("a pattern is longer than 255 letters"))?;
        self.count(tree.len())?;
        self.count(self.bytes.len() + 4)?;
        let mut children = self.bytes.len() + 12 * tree.len();
        let mut level: Vec<&Suffix> = tree.iter().collect();
        while !level.is_empty() {
            for suffix in &level {
                self.number(suffix.letter);
                if suffix.letter == 0 {
                    self.string(&suffix.kind)?;
                    self.number(suffix.weight);
                } else {
                    self.count(suffix.children.len())?;
                    self.count(children)?;
                }
                children += 12 * suffix.children.len();
            }
            level = level.iter().flat_map(|suffix| &suffix.children).collect();
        }
        Ok(())
    }

    fn magic(&mut self, database: &Database) -> Result<(), MimeError> {
        // Siblings stand together, and after them those that stand in each.
        let mut matches = Vec::new();
        for magic in &database.magic {
            gather(&magic.matches, &mut matches);
        }
        let numbers: BTreeMap<*const Match, usize> = matches
            .iter()
            .enumerate()
            .map(|(number, rule)| (std::ptr::from_ref(*rule), number))
            .collect();
        let extent = matches
            .iter()
            .map(|rule| rule.data.len() as i64 + rule.start + rule.length)
            .max()
            .unwrap_or(0);
        self.count(database.magic.len())?;
        self.number(u32::try_from(extent).map_err(|_| TOO_LARGE)?);
        self.count(self.bytes.len() + 4)?;
        let first = self.bytes.len() + 16 * database.magic.len();
        let place_of = |rules: &[Match]| {
            let number = rules
                .first()
                .and_then(|rule| numbers.get(&std::ptr::from_ref(rule)));
            number.map_or(0, |number| first + 32 * number)
        };
        for magic in &database.magic {
            self.number(magic.priority);
            self.string(&magic.kind)?;
            self.count(magic.matches.len())?;
            self.count(place_of(&magic.matches))?;
        }
        let mut data = first + 32 * matches.len();
        for rule in &matches {
            self.number(u32::try_from(rule.start).map_err(|_| TOO_LARGE)?);
            self.number(u32::try_from(rule.length).map_err(|_| TOO_LARGE)?);
            self.number(rule.word);
            self.count(rule.data.len())?;
            self.count(data)?;
            data = (data + rule.data.len()).next_multiple_of(4);
            match rule.mask {
                Some(_) => {
                    self.count(data)?;
                    data = (data + rule.data.len()).next_multiple_of(4);
                }
                None => self.number(0),
            }
            self.count(rule.matches.len())?;
            self.count(place_of(&rule.matches))?;
        }
        for rule in &matches {
            self.data(&rule.data);
            if let Some(mask) = &rule.mask {
                self.data(mask);
            }
        }
        Ok(())
    }
}

fn gather<'m>(rules: &'m [Match], matches: &mut Vec<&'m Match>) {
    matches.extend(rules);
    for rule in rules {
        gather(&rule.matches, matches);
    }
}
