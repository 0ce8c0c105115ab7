//! JSON of which every reader makes the same (RFC 8259, and stricter): each key of an object once, text without NUL or
//! unpaired surrogates, nothing before and nothing behind the document, and bounds on its depth and size.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

/// How deep lists and objects may stand in each other.
pub(crate) const MAXIMUM_DEPTH: usize = 32;
/// The most values of a document.
pub(crate) const MAXIMUM_VALUES: usize = 500_000;

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}{}", shown(place))]
pub struct Malformed {
    /// Where in the document: `manifests[2].digest`; empty for the whole of it.
    pub place: String,
    /// What is wrong there.
    pub cause: String,
}

fn shown(place: &str) -> String {
    match place.is_empty() {
        true => String::new(),
        false => format!(" (at `{place}`)"),
    }
}

impl Malformed {
    pub(crate) fn at(place: impl Into<String>, cause: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            cause: cause.into(),
        }
    }

    pub(crate) fn whole(cause: impl Into<String>) -> Self {
        Self::at("", cause)
    }
}

/// A value. An object keeps its keys in their order; no key is in it twice.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    /// True or false: no known key has one, so which is not kept.
    Bool,
    /// A whole number from 0 up that has neither point nor exponent.
    Whole(u64),
    /// Any other number.
    Number,
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Whole(_) => "a number",
            Self::Number => "a number that is not a whole one from 0 up",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// A name or text from outside as a message may have it: short, without control characters.
pub(crate) fn printable(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    short.escape_debug().to_string()
}

/// Reads one document.
///
/// # Errors
/// When it is not JSON, or two readers could differ about it.
pub(crate) fn parse(bytes: &[u8], limit: usize) -> Result<Node, Malformed> {
    if bytes.len() > limit {
        let cause = format!("it is longer than {limit} bytes");
        return Err(Malformed::whole(cause));
    }
    let mut values = 0;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let seed = Seed {
        depth: 0,
        values: &mut values,
    };
    let node = seed.deserialize(&mut reader);
    let node = node.and_then(|node| reader.end().map(|()| node));
    node.map_err(|error| Malformed::whole(error.to_string()))
}

/// Checks that every reader makes the same of a JSON document, whatever it is about: no key twice in one object, no text that
/// is not sound Unicode.
///
/// # Errors
/// When two readers could differ about it, or it is longer than `limit` bytes.
pub fn check(bytes: &[u8], limit: usize) -> Result<(), Malformed> {
    parse(bytes, limit).map(drop)
}

struct Seed<'c> {
    depth: usize,
    values: &'c mut usize,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Node, D::Error> {
        *self.values += 1;
        if *self.values > MAXIMUM_VALUES {
            let message = format!("it has more than {MAXIMUM_VALUES} values");
            return Err(Error::custom(message));
        }
        if self.depth > MAXIMUM_DEPTH {
            let message = format!("it is more than {MAXIMUM_DEPTH} levels deep");
            return Err(Error::custom(message));
        }
        reader.deserialize_any(self)
    }
}

fn text<E: Error>(text: &str) -> Result<&str, E> {
    match text.contains('\0') {
        true => Err(E::custom("a text has the character NUL")),
        false => Ok(text),
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Bool)
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Whole(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Number)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(text(value)?.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Seed {
            depth: self.depth + 1,
            values: self.values,
        })? {
            values.push(value);
        }
        values.shrink_to_fit();
        Ok(Node::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut pairs: Vec<(String, Node)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let key = text(&key).map(str::to_owned)?;
            let value = map.next_value_seed(Seed {
                depth: self.depth + 1,
                values: self.values,
            })?;
            pairs.push((key, value));
        }
        pairs.shrink_to_fit();
        let mut keys: Vec<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            let message = format!("an object has the key `{}` twice", printable(pair[0]));
            return Err(A::Error::custom(message));
        }
        Ok(Node::Object(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> String {
        parse(bytes, 1 << 20)
            .expect_err(&String::from_utf8_lossy(bytes))
            .to_string()
    }

    #[test]
    fn what_two_readers_could_take_for_different_things_is_refused() {
        for bytes in [
            &b"{\"a\":1,\"a\":1}"[..],
            b"{\"a\":1,\"\\u0061\":2}",
            b"[{\"x\":{\"b\":1,\"c\":2,\"b\":3}}]",
            // Go replaces each of these by U+FFFD.
            b"\"\xff\"",
            b"{\"a\xc0\xaf\":1}",
            b"\"\\ud800\"",
            b"\"\\udc00\\ud800\"",
            b"{\"\\ud83d\":1}",
            b"\"\\u0000\"",
            b"{\"a\\u0000\":1}",
            // Some take a mark of the byte order, a second document, or a comment.
            b"\xef\xbb\xbf{}",
            b"{} {}",
            b"{}\0",
            b"{}x",
            b"{/**/}",
            b"{'a':1}",
            b"[1,]",
            b"{\"a\":1,}",
            b"[01]",
            b"[+1]",
            b"[NaN]",
            b"\"\t\"",
            b"",
            b" ",
        ] {
            refused(bytes);
        }
    }

    #[test]
    fn only_a_whole_number_is_one_whatever_its_value() {
        for (text, expected) in [
            ("7", Node::Whole(7)),
            ("0", Node::Whole(0)),
            ("1.0", Node::Number),
            ("1e3", Node::Number),
            ("-0", Node::Number),
            ("-1", Node::Number),
            ("18446744073709551616", Node::Number),
        ] {
            assert_eq!(parse(text.as_bytes(), 100), Ok(expected), "{text}");
        }
    }

    #[test]
    fn depth_length_and_count_are_bounded() {
        assert!(refused("[".repeat(100_000).as_bytes()).contains("deep"));
        let deep = |count| format!("{}{}", "[".repeat(count), "]".repeat(count));
        assert!(parse(deep(MAXIMUM_DEPTH).as_bytes(), 1 << 20).is_ok());
        assert!(refused(deep(MAXIMUM_DEPTH + 2).as_bytes()).contains("deep"));
        let many = format!("[{}0]", "0,".repeat(MAXIMUM_VALUES));
        let found = parse(many.as_bytes(), 16 << 20).expect_err("too many");
        assert!(found.to_string().contains("values"), "{found}");
        assert!(parse(b"[1]", 2).is_err());
    }
}
