//! What tells a type by the first bytes of a file, or by the files in a folder.

use std::cmp::Reverse;

use roxmltree::Node;

use super::{NAMESPACE, parts};

/// Matches may stand in matches this deep.
const MAXIMUM_DEPTH: usize = 32;
/// What says that earlier magic of a type does not count.
const NO_MAGIC: &[u8] = b"__NOMAGIC__";

/// The `<magic>` of a type.
#[derive(Debug)]
pub(super) struct Magic {
    pub priority: u32,
    pub kind: String,
    pub matches: Vec<Match>,
    is_reset: bool,
}

/// Bytes at a place.
#[derive(Debug)]
pub(super) struct Match {
    pub start: i64,
    pub length: i64,
    pub word: u32,
    pub data: Vec<u8>,
    pub mask: Option<Vec<u8>>,
    pub matches: Vec<Match>,
}

/// The `<treemagic>` of a type.
#[derive(Debug)]
pub(super) struct TreeMagic {
    pub priority: u32,
    pub kind: String,
    pub matches: Vec<TreeMatch>,
}

/// A file in a folder.
#[derive(Debug)]
pub(super) struct TreeMatch {
    pub path: String,
    pub kind: &'static str,
    /// Further conditions, as they are written: `match-case`, a type.
    pub conditions: Vec<String>,
    pub matches: Vec<TreeMatch>,
}

impl Magic {
    /// Resets first, then by priority.
    pub(super) fn rank(&self) -> (bool, Reverse<u32>, &str, &str) {
        if self.is_reset {
            return (false, Reverse(0), "", "");
        }
        let (media, subtype) = parts(&self.kind);
        (true, Reverse(self.priority), media, subtype)
    }

    /// Takes back earlier magic.
    pub(super) fn reset(kind: &str) -> Self {
        Self {
            priority: 0,
            kind: kind.to_owned(),
            is_reset: true,
            matches: vec![Match {
                start: 0,
                length: 1,
                word: 1,
                data: NO_MAGIC.to_vec(),
                mask: None,
                matches: Vec::new(),
            }],
        }
    }

    pub(super) fn read(node: Node<'_, '_>, kind: &str) -> Result<Self, String> {
        let matches = matches(node, 0)?;
        if matches.is_empty() {
            return Err("a `<magic>` has no `<match>`".to_owned());
        }
        Ok(Self {
            priority: percent(node, "priority")?,
            kind: kind.to_owned(),
            matches,
            is_reset: false,
        })
    }
}

impl TreeMagic {
    pub(super) fn rank(&self) -> (Reverse<u32>, &str, &str) {
        let (media, subtype) = parts(&self.kind);
        (Reverse(self.priority), media, subtype)
    }

    pub(super) fn read(node: Node<'_, '_>, kind: &str) -> Result<Self, String> {
        let matches = tree_matches(node, 0)?;
        if matches.is_empty() {
            return Err("a `<treemagic>` has no `<treematch>`".to_owned());
        }
        Ok(Self {
            priority: percent(node, "priority")?,
            kind: kind.to_owned(),
            matches,
        })
    }
}

/// A number from 0 to 100, which is 50 if it is not given.
pub(super) fn percent(node: Node<'_, '_>, name: &str) -> Result<u32, String> {
    match node.attribute(name) {
        None => Ok(50),
        Some(text) => text
            .parse()
            .ok()
            .filter(|number| *number <= 100)
            .ok_or_else(|| format!("`{name}` is `{text}`, and not a number from 0 to 100")),
    }
}

/// The elements in an element, which must have this name.
fn named<'a, 'i>(
    node: Node<'a, 'i>,
    name: &str,
    depth: usize,
) -> Result<Vec<Node<'a, 'i>>, String> {
    if depth > MAXIMUM_DEPTH {
        return Err(format!("`<{name}>` stands in itself too often"));
    }
    let children: Vec<Node<'_, '_>> = node.children().filter(Node::is_element).collect();
    match children
        .iter()
        .find(|child| !child.has_tag_name((NAMESPACE, name)))
    {
        Some(other) => Err(format!(
            "`<{}>` stands where `<{name}>` is wanted",
            other.tag_name().name()
        )),
        None => Ok(children),
    }
}

fn matches(node: Node<'_, '_>, depth: usize) -> Result<Vec<Match>, String> {
    named(node, "match", depth)?
        .into_iter()
        .map(|node| {
            let needed = |name: &str| {
                node.attribute(name)
                    .filter(|text| !text.is_empty())
                    .ok_or_else(|| format!("a `<match>` has no `{name}`"))
            };
            let (start, length) = place(needed("offset")?)?;
            let (kind, mask) = (needed("type")?, node.attribute("mask"));
            let (data, mask) = value(kind, needed("value")?, mask).ok_or_else(|| {
                format!("the value or mask of a `<match>` of type `{kind}` is not understood")
            })?;
            let word = match kind {
                "host16" => 2,
                "host32" => 4,
                _ => 1,
            };
            Ok(Match {
                start,
                length,
                word,
                data,
                mask,
                matches: matches(node, depth + 1)?,
            })
        })
        .collect()
}

/// `12`, or `12:20`: the first place, and how many there are.
fn place(text: &str) -> Result<(i64, i64), String> {
    let number = |text: &str| text.parse::<u32>().map(i64::from);
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    match (number(first), number(last)) {
        (Ok(first), Ok(last)) if last >= first => Ok((first, last - first + 1)),
        _ => Err(format!("`{text}` is no offset")),
    }
}

/// The bytes of a value, and of its mask.
fn value(kind: &str, text: &str, mask: Option<&str>) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let (width, is_big) = match kind {
        "string" => {
            let data = unescaped(text);
            let mask = match mask {
                Some(mask) => Some(string_mask(mask, data.len())?),
                None => None,
            };
            return Some((data, mask)).filter(|(data, _)| u16::try_from(data.len()).is_ok());
        }
        "byte" => (1, false),
        "big16" | "host16" => (2, true),
        "big32" | "host32" => (4, true),
        "little16" => (2, false),
        "little32" => (4, false),
        _ => return None,
    };
    let bytes = |text: &str| {
        let number = crate::variant_text::whole(text)?;
        let number = u32::try_from(number)
            .ok()
            .filter(|number| width == 4 || *number < 1 << (8 * width))?;
        let mut bytes: Vec<u8> = number.to_le_bytes().into_iter().take(width).collect();
        if is_big {
            bytes.reverse();
        }
        Some(bytes)
    };
    let mask = match mask {
        Some(mask) => Some(bytes(mask)?),
        None => None,
    };
    Some((bytes(text)?, mask))
}

/// A mask as hexadecimal digits from the left.
fn string_mask(text: &str, length: usize) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?;
    let mut mask = vec![0; length];
    for (place, digit) in digits.chars().enumerate() {
        let digit = u8::try_from(digit.to_digit(16)?).ok()?;
        *mask.get_mut(place / 2)? |= if place % 2 == 0 { digit << 4 } else { digit };
    }
    Some(mask)
}

/// The bytes of a string with the escapes of C.
fn unescaped(text: &str) -> Vec<u8> {
    let mut left = text.bytes().peekable();
    let mut out = Vec::new();
    while let Some(byte) = left.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let digits =
            |left: &mut std::iter::Peekable<std::str::Bytes<'_>>, radix: u32, most: usize| {
                let mut number: Option<u32> = None;
                for _ in 0..most {
                    let digit = left
                        .peek()
                        .and_then(|byte| char::from(*byte).to_digit(radix));
                    let Some(digit) = digit else { break };
                    left.next();
                    number = Some(number.unwrap_or(0) * radix + digit);
                }
                number.map(|number| number as u8)
            };
        match left.peek().copied() {
            None => break,
            Some(b'0'..=b'7') => out.extend(digits(&mut left, 8, 3)),
            Some(b'x') => {
                left.next();
                out.push(digits(&mut left, 16, 2).unwrap_or(b'x'));
            }
            Some(letter) => {
                left.next();
                out.push(match letter {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b'b' => 8,
                    b't' => b'\t',
                    b'f' => 12,
                    b'v' => 11,
                    other => other,
                });
            }
        }
    }
    out
}

fn tree_matches(node: Node<'_, '_>, depth: usize) -> Result<Vec<TreeMatch>, String> {
    named(node, "treematch", depth)?
        .into_iter()
        .map(|node| {
            let path = node
                .attribute("path")
                .ok_or("a `<treematch>` has no `path`")?;
            let kind = match node.attribute("type") {
                None => "any",
                Some("file") => "file",
                Some("directory") => "directory",
                Some("link") => "link",
                Some(other) => return Err(format!("`{other}` is no type of a `<treematch>`")),
            };
            let is_set = |name: &&str| node.attribute(*name) == Some("true");
            let mut conditions: Vec<String> = ["match-case", "executable", "non-empty"]
                .iter()
                .copied()
                .filter(|name| is_set(name))
                .map(str::to_owned)
                .collect();
            conditions.extend(node.attribute("mimetype").map(str::to_owned));
            Ok(TreeMatch {
                path: path.to_owned(),
                kind,
                conditions,
                matches: tree_matches(node, depth + 1)?,
            })
        })
        .collect()
}
