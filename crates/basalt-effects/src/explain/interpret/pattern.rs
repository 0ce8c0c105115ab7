//! Patterns of the shell: `*`, `?` and `[…]`.

/// Text in which some letters act.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pattern {
    letters: Vec<(char, bool)>,
}

/// Longer patterns or texts are not matched.
const MAXIMUM: usize = 512;

impl Pattern {
    pub fn plain(text: &str) -> Self {
        Self::acting(text, false)
    }

    pub fn acting(text: &str, acts: bool) -> Self {
        let mut pattern = Self::default();
        pattern.push(text, acts);
        pattern
    }

    pub fn push(&mut self, text: &str, acts: bool) {
        self.letters
            .extend(text.chars().map(|letter| (letter, acts)));
    }

    pub fn append(&mut self, other: Self) {
        self.letters.extend(other.letters);
    }

    pub fn text(&self) -> String {
        self.letters.iter().map(|(letter, _)| letter).collect()
    }

    pub fn has_wildcards(&self) -> bool {
        self.has_class()
            || self
                .letters
                .iter()
                .any(|(letter, acts)| *acts && matches!(letter, '*' | '?'))
    }

    /// Whether there is a `[…]`; a bracket without its fellow stands for itself.
    fn has_class(&self) -> bool {
        let open = self.letters.iter().position(|one| *one == ('[', true));
        open.is_some_and(|open| {
            self.letters
                .iter()
                .skip(open + 1)
                .any(|(letter, _)| *letter == ']')
        })
    }

    /// Whether a text fits the whole pattern; `None` when that is not known (`[…]`, or too long).
    pub fn fits(&self, text: &str) -> Option<bool> {
        let text: Vec<char> = text.chars().collect();
        self.fits_letters(&text)
    }

    fn fits_letters(&self, text: &[char]) -> Option<bool> {
        if self.has_class() || self.letters.len() > MAXIMUM || text.len() > MAXIMUM {
            return None;
        }
        // Which starts of the text the pattern so far fits.
        let mut fits = vec![false; text.len() + 1];
        fits[0] = true;
        for (letter, acts) in &self.letters {
            let mut next = vec![false; text.len() + 1];
            match (letter, acts) {
                ('*', true) => {
                    let mut any = false;
                    for (place, fit) in fits.iter().enumerate() {
                        any |= fit;
                        next[place] = any;
                    }
                }
                (letter, acts) => {
                    for (place, found) in text.iter().enumerate() {
                        let same = found == letter || *acts && *letter == '?';
                        next[place + 1] = fits[place] && same;
                    }
                }
            }
            fits = next;
        }
        Some(fits[text.len()])
    }
}

/// A text without the start that fits; `None` when that is not known.
pub(super) fn without_prefix(text: &str, pattern: &Pattern, longest: bool) -> Option<String> {
    let letters: Vec<char> = text.chars().collect();
    let mut lengths: Vec<usize> = (0..=letters.len()).collect();
    if longest {
        lengths.reverse();
    }
    for length in lengths {
        if pattern.fits_letters(letters.get(..length)?)? {
            return Some(letters.get(length..)?.iter().collect());
        }
    }
    Some(text.to_owned())
}

/// A text without the end that fits; `None` when that is not known.
pub(super) fn without_suffix(text: &str, pattern: &Pattern, longest: bool) -> Option<String> {
    let letters: Vec<char> = text.chars().collect();
    let mut places: Vec<usize> = (0..=letters.len()).collect();
    if !longest {
        places.reverse();
    }
    for place in places {
        if pattern.fits_letters(letters.get(place..)?)? {
            return Some(letters.get(..place)?.iter().collect());
        }
    }
    Some(text.to_owned())
}
