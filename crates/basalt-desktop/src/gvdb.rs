//! GVDB, the hash table on disk of GLib: a header, then tables, whose items are values, lists of children, or tables again.

use crate::hash_order::{TooMany, order, text_hash};

/// `GVariant`, then a version and options that are both zero.
const HEADER: &[u8; 16] = b"GVariant\0\0\0\0\0\0\0\0";
/// No filter before the buckets; its shift stands there all the same.
const NO_BLOOM: u32 = 5 << 27;
const NOBODY: u32 = u32::MAX;
const ITEM: usize = 24;

/// Why a table cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Too many keys.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// A name is longer than the format has room for.
    #[error("the name `{0}…` is longer than 65,535 bytes")]
    Name(String),
    /// The whole is larger than 4 GiB.
    #[error("the table is larger than 4 GiB")]
    TooLarge,
}

/// What an item holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Held {
    /// A variant, serialised.
    Value(Vec<u8>),
    /// The names of items of the same table, which are its children.
    Children,
    /// A table of its own.
    Table(Table),
}

/// One item of a table.
#[derive(Debug, Clone, PartialEq)]
struct Item {
    key: String,
    /// Whether the item `""` of its table is its parent.
    is_child: bool,
    held: Held,
}

/// A table: its items in the order in which they were put in. The item `""`, the root, is there always, and first.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    items: Vec<Item>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            items: vec![Item {
                key: String::new(),
                is_child: false,
                held: Held::Children,
            }],
        }
    }
}

impl Table {
    /// Puts in a child of the root. Names must differ.
    pub fn child(&mut self, key: &str, held: Held) {
        self.put(key, true, held);
    }

    /// Puts in an item beside the root. Names must differ.
    pub fn beside(&mut self, key: &str, held: Held) {
        self.put(key, false, held);
    }

    fn put(&mut self, key: &str, is_child: bool, held: Held) {
        self.items.push(Item {
            key: key.to_owned(),
            is_child,
            held,
        });
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// When something does not fit into the format.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WriteError> {
        let mut file = HEADER.to_vec();
        file.extend([0; 8]);
        let place = self.write(&mut file)?;
        file.splice(16..24, place.to_bytes());
        Ok(file)
    }

    fn write(&self, file: &mut Vec<u8>) -> Result<Place, WriteError> {
        let buckets = self.buckets()?;
        let written: Vec<usize> = buckets.iter().flatten().copied().collect();
        // Where each item stands in the file, by its number here.
        let mut index_of = vec![NOBODY; self.items.len()];
        for (index, number) in written.iter().enumerate() {
            if let Some(slot) = index_of.get_mut(*number) {
                *slot = number_of(index)?;
            }
        }
        let root = index_of.first().copied().unwrap_or(NOBODY);
        let place = allocate(file, 4, 8 + 4 * buckets.len() + ITEM * written.len())?;
        let mut header = Vec::new();
        header.extend(NO_BLOOM.to_le_bytes());
        header.extend(number_of(buckets.len())?.to_le_bytes());
        let mut first = 0;
        for bucket in &buckets {
            header.extend(number_of(first)?.to_le_bytes());
            first += bucket.len();
        }
        let mut at = place.start as usize;
        overwrite(file, at, &header);
        at += header.len();
        for number in written {
            let Some(item) = self.items.get(number) else {
                continue;
            };
            let name = number_of(file.len())?;
            let length = u16::try_from(item.key.len())
                .map_err(|_| WriteError::Name(item.key.chars().take(40).collect()))?;
            file.extend(item.key.as_bytes());
            let (kind, held) = match &item.held {
                Held::Value(bytes) => {
                    let place = allocate(file, 8, bytes.len())?;
                    overwrite(file, place.start as usize, bytes);
                    (b'v', place)
                }
                Held::Children => {
                    let children = self.children(&index_of);
                    if children.is_empty() {
                        (0, Place::default())
                    } else {
                        let place = allocate(file, 4, 4 * children.len())?;
                        let bytes: Vec<u8> = children
                            .iter()
                            .flat_map(|child| child.to_le_bytes())
                            .collect();
                        overwrite(file, place.start as usize, &bytes);
                        (b'L', place)
                    }
                }
                Held::Table(table) => (b'H', table.write(file)?),
            };
            let mut entry = Vec::with_capacity(ITEM);
            entry.extend(text_hash(&item.key).to_le_bytes());
            entry.extend(if item.is_child { root } else { NOBODY }.to_le_bytes());
            entry.extend(name.to_le_bytes());
            entry.extend(length.to_le_bytes());
            entry.extend([kind, 0]);
            entry.extend(held.to_bytes());
            overwrite(file, at, &entry);
            at += ITEM;
        }
        Ok(place)
    }

    /// The items by bucket. Each goes to the front of its bucket, in the order of a table of GLib.
    fn buckets(&self) -> Result<Vec<Vec<usize>>, WriteError> {
        let count = self.items.len();
        let mut buckets = vec![Vec::new(); count];
        for number in order(self.items.iter().map(|item| item.key.as_str()))? {
            let Some(item) = self.items.get(number) else {
                continue;
            };
            if let Some(bucket) = buckets.get_mut(text_hash(&item.key) as usize % count) {
                bucket.insert(0, number);
            }
        }
        Ok(buckets)
    }

    /// Where the children of the root stand, in the order of their names.
    fn children(&self, index_of: &[u32]) -> Vec<u32> {
        let mut children: Vec<(&str, u32)> = self
            .items
            .iter()
            .zip(index_of)
            .filter(|(item, _)| item.is_child)
            .map(|(item, index)| (item.key.as_str(), *index))
            .collect();
        children.sort_unstable();
        children.into_iter().map(|(_, index)| index).collect()
    }
}

/// A run of the file.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    start: u32,
    end: u32,
}

impl Place {
    fn to_bytes(self) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&self.start.to_le_bytes());
        bytes[4..].copy_from_slice(&self.end.to_le_bytes());
        bytes
    }
}

fn number_of(size: usize) -> Result<u32, WriteError> {
    u32::try_from(size).map_err(|_| WriteError::TooLarge)
}

/// Room at the end of the file.
fn allocate(file: &mut Vec<u8>, alignment: usize, size: usize) -> Result<Place, WriteError> {
    let start = file.len().next_multiple_of(alignment);
    let place = Place {
        start: number_of(start)?,
        end: number_of(start + size)?,
    };
    file.resize(start + size, 0);
    Ok(place)
}

fn overwrite(file: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(room) = file.get_mut(at..at + bytes.len()) {
        room.copy_from_slice(bytes);
    }
}
