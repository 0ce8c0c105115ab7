//! The order in which GLib's hash tables give back their keys: it decides the order of items in what GLib's programs write.
//!
//! A table is open addressing over a power of two of places, probed in growing steps. Keys are never taken out here.

/// The least places are `1 << 3`.
const LEAST_SHIFT: usize = 3;

/// The number that a hash is taken modulo of, by the power of two of the places.
const PRIMES: [u32; 21] = [
    1, 2, 3, 7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131_071,
    262_139, 524_287, 1_048_573,
];

/// More keys than the primes here are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are more than {MAXIMUM} names in one table")]
pub struct TooMany;

/// Keys that one table may have.
pub const MAXIMUM: usize = 500_000;

/// The hash of a text, as GLib and GVDB take it: Bernstein's, with signed bytes.
pub fn text_hash(text: &str) -> u32 {
    text.bytes().fold(5381_u32, |hash, byte| {
        // The sign of a byte is extended.
        let byte = i32::from(byte as i8) as u32;
        hash.wrapping_mul(33).wrapping_add(byte)
    })
}

/// A table of keys by their numbers, as they were put in.
#[derive(Debug)]
struct Places {
    /// The hash and the key's number.
    places: Vec<Option<(u32, usize)>>,
    shift: usize,
    count: usize,
}

impl Places {
    fn new() -> Self {
        Self {
            places: vec![None; 1 << LEAST_SHIFT],
            shift: LEAST_SHIFT,
            count: 0,
        }
    }

    fn first_place(&self, hash: u32) -> usize {
        let prime = PRIMES.get(self.shift).copied().unwrap_or(1);
        (hash.wrapping_mul(11) % prime) as usize
    }

    fn probe(&self, hash: u32, is_taken: impl Fn(usize) -> bool) -> usize {
        let mask = (1 << self.shift) - 1;
        let mut place = self.first_place(hash);
        let mut step = 0;
        while is_taken(place) {
            step += 1;
            place = (place + step) & mask;
        }
        place
    }

    fn insert(&mut self, hash: u32, key: usize) {
        // Zero and one are marks of places that are free.
        let hash = if hash < 2 { 2 } else { hash };
        let place = self.probe(hash, |place| {
            matches!(self.places.get(place), Some(Some(_)))
        });
        if let Some(slot) = self.places.get_mut(place) {
            *slot = Some((hash, key));
        }
        self.count += 1;
        let size = 1_usize << self.shift;
        if size <= self.count + self.count / 16 {
            self.grow();
        }
    }

    /// Moves all keys to where they belong among more places, each pushing out who stands there.
    fn grow(&mut self) {
        let former = self.places.len();
        // `count * 1.333`, cut off.
        let mut wanted = self.count * 1333 / 1000;
        self.shift = 0;
        while wanted > 0 {
            self.shift += 1;
            wanted >>= 1;
        }
        self.shift = self.shift.max(LEAST_SHIFT);
        self.places.resize((1 << self.shift).max(former), None);
        let mut settled = vec![false; self.places.len()];
        for index in 0..former {
            if settled.get(index).copied().unwrap_or(true) {
                continue;
            }
            let mut homeless = self.places.get_mut(index).and_then(Option::take);
            while let Some((hash, key)) = homeless {
                let place = self.probe(hash, |place| settled.get(place).copied().unwrap_or(false));
                if let Some(mark) = settled.get_mut(place) {
                    *mark = true;
                }
                homeless = self
                    .places
                    .get_mut(place)
                    .and_then(|slot| slot.replace((hash, key)));
            }
        }
    }
}

/// The numbers of distinct keys, put in in this order, as a table gives them back.
///
/// # Errors
/// When there are more than [`MAXIMUM`].
pub fn order<'k>(keys: impl IntoIterator<Item = &'k str>) -> Result<Vec<usize>, TooMany> {
    let mut places = Places::new();
    for (number, key) in keys.into_iter().enumerate() {
        if number >= MAXIMUM {
            return Err(TooMany);
        }
        places.insert(text_hash(key), number);
    }
    Ok(places
        .places
        .into_iter()
        .flatten()
        .map(|(_, number)| number)
        .collect())
}

/// A map from names that gives back its entries in the order of a table of GLib.
#[derive(Debug)]
pub(crate) struct Map<V> {
    entries: Vec<(String, V)>,
    index: std::collections::BTreeMap<String, usize>,
}

impl<V> Default for Map<V> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            index: std::collections::BTreeMap::new(),
        }
    }
}

impl<V> Map<V> {
    /// Sets the value of a name; one that is there keeps its place.
    pub(crate) fn set(&mut self, name: &str, value: V) {
        match self
            .index
            .get(name)
            .and_then(|at| self.entries.get_mut(*at))
        {
            Some((_, former)) => *former = value,
            None => {
                self.index.insert(name.to_owned(), self.entries.len());
                self.entries.push((name.to_owned(), value));
            }
        }
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        let at = self.index.get(name)?;
        self.entries.get_mut(*at).map(|(_, value)| value)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        let at = self.index.get(name)?;
        self.entries.get(*at).map(|(_, value)| value)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entries by name.
    pub(crate) fn sorted(&self) -> impl Iterator<Item = (&str, &V)> {
        self.index.iter().filter_map(|(name, at)| {
            self.entries
                .get(*at)
                .map(|(_, value)| (name.as_str(), value))
        })
    }

    /// The entries as a table of GLib gives them back.
    ///
    /// # Errors
    /// When there are more than [`MAXIMUM`].
    pub(crate) fn in_order(&self) -> Result<impl Iterator<Item = (&str, &V)>, TooMany> {
        let numbers = order(self.entries.iter().map(|(name, _)| name.as_str()))?;
        Ok(numbers.into_iter().filter_map(|number| {
            let (name, value) = self.entries.get(number)?;
            Some((name.as_str(), value))
        }))
    }
}
