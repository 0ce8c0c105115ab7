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

    /// Its length in letters.
    pub fn length(&self) -> usize {
        self.letters.len()
    }

    /// How much work it is to compare it with a text.
    pub fn cost(&self, text: &str) -> u64 {
        let (letters, text) = (self.letters.len() as u64, text.len() as u64);
        match self.has_wildcards() {
            true if letters.max(text) <= MAXIMUM as u64 => letters * text + 1,
            _ => letters + text + 1,
        }
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

    /// Whether a backslash of a value acts: before which letters it then stands for itself, and whether at all, shells tell apart.
    pub fn has_escape(&self) -> bool {
        self.letters.contains(&('\\', true))
    }

    /// Whether bash would read an extended pattern, as in `@(a|b)`.
    pub fn has_alternatives(&self) -> bool {
        self.letters.contains(&('(', true))
    }

    /// Whether all letters are of ASCII; of others shells count the letters or the bytes, by the locale.
    fn is_ascii(&self) -> bool {
        self.letters.iter().all(|(letter, _)| letter.is_ascii())
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

    /// Whether a text fits the whole pattern; `None` when that is not known (`[…]`, a backslash that acts, wildcards and
    /// letters beyond ASCII, or too long).
    pub fn fits(&self, text: &str) -> Option<bool> {
        if self.has_escape() {
            return None;
        }
        if !self.has_wildcards() {
            return Some(
                self.letters
                    .iter()
                    .map(|(letter, _)| *letter)
                    .eq(text.chars()),
            );
        }
        let text: Vec<char> = text.chars().collect();
        self.fitting_starts(self.letters.iter(), &text)?
            .last()
            .copied()
    }

    /// Which starts of a text, by their length, some letters of a pattern fit; `None` when that is
    /// not known.
    fn fitting_starts<'p>(
        &self,
        letters: impl Iterator<Item = &'p (char, bool)>,
        text: &[char],
    ) -> Option<Vec<bool>> {
        if !self.is_ascii() || !text.iter().all(char::is_ascii) {
            return None;
        }
        if self.has_class()
            || self.has_escape()
            || self.letters.len() > MAXIMUM
            || text.len() > MAXIMUM
        {
            return None;
        }
        let mut fits = vec![false; text.len() + 1];
        fits[0] = true;
        for (letter, acts) in letters {
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
        Some(fits)
    }
}

/// The length of the shortest or longest start that fits, of those that [`Pattern::fitting_starts`] found.
fn chosen(fits: &[bool], longest: bool) -> usize {
    let found = match longest {
        true => fits.iter().rposition(|fit| *fit),
        false => fits.iter().position(|fit| *fit),
    };
    found.unwrap_or(0)
}

/// A text without the start that fits; `None` when that is not known.
pub(super) fn without_prefix(text: &str, pattern: &Pattern, longest: bool) -> Option<String> {
    let letters: Vec<char> = text.chars().collect();
    let fits = pattern.fitting_starts(pattern.letters.iter(), &letters)?;
    Some(letters.into_iter().skip(chosen(&fits, longest)).collect())
}

/// A text without the end that fits; `None` when that is not known.
pub(super) fn without_suffix(text: &str, pattern: &Pattern, longest: bool) -> Option<String> {
    let mut letters: Vec<char> = text.chars().collect();
    letters.reverse();
    let fits = pattern.fitting_starts(pattern.letters.iter().rev(), &letters)?;
    let kept = letters.into_iter().skip(chosen(&fits, longest));
    Some(kept.collect::<Vec<char>>().into_iter().rev().collect())
}
