//! Patterns such as `*.tar.gz`, as a tree of their letters from the end.

use super::Glob;

/// A letter with those before it; or, with no letter, a type at the end of a pattern.
#[derive(Debug, Default)]
pub(super) struct Suffix {
    pub letter: u32,
    pub kind: String,
    pub weight: u32,
    pub children: Vec<Suffix>,
}

/// Patterns longer than this are refused.
const MAXIMUM_LENGTH: usize = 255;

/// Adds a pattern, of which `letters` are in reverse.
fn insert(suffixes: &mut Vec<Suffix>, letters: &[char], glob: &Glob) {
    let Some((first, rest)) = letters.split_first() else {
        return;
    };
    let letter = u32::from(*first);
    let place = suffixes.partition_point(|suffix| suffix.letter < letter);
    if suffixes
        .get(place)
        .is_none_or(|suffix| suffix.letter != letter)
    {
        suffixes.insert(
            place,
            Suffix {
                letter,
                ..Suffix::default()
            },
        );
    }
    let Some(suffix) = suffixes.get_mut(place) else {
        return;
    };
    if !rest.is_empty() {
        insert(&mut suffix.children, rest, glob);
        return;
    }
    let ends = suffix.children.partition_point(|child| child.letter == 0);
    let known = suffix
        .children
        .get_mut(..ends)
        .and_then(|ends| ends.iter_mut().find(|end| end.kind == glob.kind));
    let flags = if glob.is_case_sensitive { 0x100 } else { 0 };
    match known {
        Some(end) => end.weight = (end.weight & 0x100) | (end.weight & 0xff).max(glob.weight),
        None => suffix.children.insert(
            ends,
            Suffix {
                kind: glob.kind.clone(),
                weight: glob.weight | flags,
                ..Suffix::default()
            },
        ),
    }
}

/// The tree of all patterns, each `*` and a text.
pub(super) fn tree<'g>(
    patterns: impl Iterator<Item = (&'g str, &'g Vec<Glob>)>,
) -> Option<Vec<Suffix>> {
    let mut suffixes = Vec::new();
    for (pattern, globs) in patterns {
        let letters: Vec<char> = pattern.chars().skip(1).collect();
        if letters.len() > MAXIMUM_LENGTH {
            return None;
        }
        let letters: Vec<char> = letters.into_iter().rev().collect();
        for glob in globs {
            insert(&mut suffixes, &letters, glob);
        }
    }
    Some(suffixes)
}
