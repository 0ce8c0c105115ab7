//! The string table of the cache: each string once, and a string that is the
//! end of another kept within it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// The finished table.
pub(super) struct StringTable {
    /// The bytes, each string ended by a zero.
    pub(super) bytes: Vec<u8>,
    offsets: BTreeMap<String, u32>,
}

impl StringTable {
    /// Lays out the strings: sorted by their bytes read backwards, descending,
    /// so a string follows the one it may end.
    pub(super) fn new<'text>(strings: impl Iterator<Item = &'text str>) -> Self {
        let unique: BTreeSet<&str> = strings.collect();
        let mut sorted: Vec<(Reverse<Vec<u8>>, &str)> = unique
            .into_iter()
            .map(|text| (Reverse(text.bytes().rev().collect()), text))
            .collect();
        sorted.sort();
        let mut bytes = Vec::new();
        let mut offsets = BTreeMap::new();
        let mut former: Option<(&str, usize)> = None;
        for (_, text) in sorted {
            let offset = match former {
                Some((longer, start)) if longer.ends_with(text) => {
                    start + longer.len() - text.len()
                }
                _ => {
                    let start = bytes.len();
                    bytes.extend_from_slice(text.as_bytes());
                    bytes.push(0);
                    start
                }
            };
            former = Some((text, offset));
            offsets.insert(text.to_owned(), u32::try_from(offset).unwrap_or(u32::MAX));
        }
        Self { bytes, offsets }
    }

    /// Where a string begins within the table.
    pub(super) fn offset(&self, text: &str) -> u32 {
        self.offsets.get(text).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_name_within_the_path_that_ends_with_it() {
        let table = StringTable::new(["libc.so.6", "/lib/libc.so.6", "x"].into_iter());
        assert_eq!(
            table.offset("libc.so.6"),
            table.offset("/lib/libc.so.6") + 5
        );
        assert_eq!(table.bytes.len(), "/lib/libc.so.6".len() + 1 + 2);
    }
}
