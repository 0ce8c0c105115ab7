//! GVariant: types, values, and their serialised form (little-endian).

/// Types and values may be nested this deep.
pub const MAXIMUM_DEPTH: usize = 32;

/// A type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// One letter: a boolean, number or string.
    Basic(u8),
    /// `v`.
    Variant,
    /// `m…`.
    Maybe(Box<Type>),
    /// `a…`.
    Array(Box<Type>),
    /// `(…)`.
    Tuple(Vec<Type>),
    /// `{…}`.
    Entry(Box<(Type, Type)>),
}

/// A value; its type says how wide a number is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Booleans and all whole numbers.
    Number(i128),
    /// A floating-point number.
    Double(f64),
    /// A string, object path or signature.
    Text(String),
    /// A value with its type.
    Variant(Box<(Type, Value)>),
    /// Nothing, or something.
    Maybe(Option<Box<Value>>),
    /// The elements of an array, the members of a tuple, or the key and value of an entry.
    Many(Vec<Value>),
}

impl Type {
    /// The type that a text names, if it is exactly one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut left = text.as_bytes();
        let parsed = take(&mut left, 0)?;
        left.is_empty().then_some(parsed)
    }

    /// The text that names the type.
    pub fn text(&self) -> String {
        match self {
            Self::Basic(letter) => char::from(*letter).to_string(),
            Self::Variant => "v".to_owned(),
            Self::Maybe(element) => format!("m{}", element.text()),
            Self::Array(element) => format!("a{}", element.text()),
            Self::Tuple(members) => {
                let members: String = members.iter().map(Self::text).collect();
                format!("({members})")
            }
            Self::Entry(entry) => format!("{{{}{}}}", entry.0.text(), entry.1.text()),
        }
    }

    fn alignment(&self) -> usize {
        match self {
            Self::Basic(letter) => match letter {
                b'n' | b'q' => 2,
                b'i' | b'u' | b'h' => 4,
                b'x' | b't' | b'd' => 8,
                _ => 1,
            },
            Self::Variant => 8,
            Self::Maybe(element) | Self::Array(element) => element.alignment(),
            Self::Tuple(members) => members.iter().map(Self::alignment).max().unwrap_or(1),
            Self::Entry(entry) => entry.0.alignment().max(entry.1.alignment()),
        }
    }

    /// The size, if all values of the type have the same.
    fn fixed_size(&self) -> Option<usize> {
        match self {
            Self::Basic(b's' | b'o' | b'g') | Self::Variant | Self::Maybe(_) | Self::Array(_) => {
                None
            }
            Self::Basic(b'b' | b'y') => Some(1),
            Self::Basic(_) => Some(self.alignment()),
            Self::Tuple(members) => self.fixed_sum(&members.iter().collect::<Vec<_>>()),
            Self::Entry(entry) => self.fixed_sum(&[&entry.0, &entry.1]),
        }
    }

    fn fixed_sum(&self, members: &[&Self]) -> Option<usize> {
        let mut size: usize = 0;
        for member in members {
            size = size.next_multiple_of(member.alignment()) + member.fixed_size()?;
        }
        Some(size.max(1).next_multiple_of(self.alignment()))
    }
}

fn take(left: &mut &[u8], depth: usize) -> Option<Type> {
    if depth > MAXIMUM_DEPTH {
        return None;
    }
    let (first, rest) = left.split_first()?;
    *left = rest;
    match first {
        b'b' | b'y' | b'n' | b'q' | b'i' | b'u' | b'x' | b't' | b'h' | b'd' | b's' | b'o'
        | b'g' => Some(Type::Basic(*first)),
        b'v' => Some(Type::Variant),
        b'm' => Some(Type::Maybe(Box::new(take(left, depth + 1)?))),
        b'a' => Some(Type::Array(Box::new(take(left, depth + 1)?))),
        b'(' => {
            let mut members = Vec::new();
            while !left.starts_with(b")") {
                members.push(take(left, depth + 1)?);
            }
            *left = left.get(1..)?;
            Some(Type::Tuple(members))
        }
        b'{' => {
            let key = take(left, depth + 1)?;
            let value = take(left, depth + 1)?;
            *left = left.strip_prefix(b"}")?;
            matches!(key, Type::Basic(_)).then(|| Type::Entry(Box::new((key, value))))
        }
        _ => None,
    }
}

/// The serialised form of a value, which must be of the type.
pub fn serialise(kind: &Type, value: &Value) -> Vec<u8> {
    match (kind, value) {
        (Type::Basic(letter), Value::Number(number)) => {
            let width = match letter {
                b'b' | b'y' => 1,
                _ => kind.alignment(),
            };
            number.to_le_bytes().into_iter().take(width).collect()
        }
        (Type::Basic(_), Value::Double(number)) => number.to_le_bytes().to_vec(),
        (Type::Basic(_), Value::Text(text)) => [text.as_bytes(), b"\0"].concat(),
        (Type::Variant, Value::Variant(held)) => {
            let mut bytes = serialise(&held.0, &held.1);
            bytes.push(0);
            bytes.extend(held.0.text().bytes());
            bytes
        }
        (Type::Maybe(element), Value::Maybe(Some(held))) => {
            let mut bytes = serialise(element, held);
            if element.fixed_size().is_none() {
                bytes.push(0);
            }
            bytes
        }
        (Type::Array(element), Value::Many(values)) => {
            let mut bytes = Vec::new();
            let mut ends = Vec::new();
            for value in values {
                append(&mut bytes, element, value);
                ends.push(bytes.len());
            }
            if element.fixed_size().is_none() {
                append_ends(&mut bytes, ends.into_iter());
            }
            bytes
        }
        (Type::Tuple(members), Value::Many(values)) => {
            let members: Vec<&Type> = members.iter().collect();
            serialise_members(kind, &members, values)
        }
        (Type::Entry(entry), Value::Many(values)) => {
            serialise_members(kind, &[&entry.0, &entry.1], values)
        }
        _ => Vec::new(),
    }
}

fn serialise_members(kind: &Type, members: &[&Type], values: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    for (number, (member, value)) in members.iter().zip(values).enumerate() {
        append(&mut bytes, member, value);
        if member.fixed_size().is_none() && number + 1 < members.len() {
            ends.push(bytes.len());
        }
    }
    match kind.fixed_size() {
        Some(size) => bytes.resize(size, 0),
        None => append_ends(&mut bytes, ends.into_iter().rev()),
    }
    bytes
}

fn append(bytes: &mut Vec<u8>, kind: &Type, value: &Value) {
    bytes.resize(bytes.len().next_multiple_of(kind.alignment()), 0);
    bytes.extend(serialise(kind, value));
}

/// Where parts end, each in as many bytes as the whole needs.
fn append_ends(bytes: &mut Vec<u8>, ends: impl ExactSizeIterator<Item = usize>) {
    let (body, count) = (bytes.len(), ends.len());
    let width = [1, 2, 4]
        .into_iter()
        .find(|width| body + count * width < 1 << (8 * width))
        .unwrap_or(8);
    for end in ends {
        bytes.extend(end.to_le_bytes().into_iter().take(width));
    }
}
