//! GVariant's text format, read for a type that is known.

use crate::variant::{MAXIMUM_DEPTH, Type, Value};

/// Texts longer than this are refused.
const MAXIMUM_LENGTH: usize = 1 << 20;

/// The keywords that name a type before a value.
const KEYWORDS: [(&str, u8); 13] = [
    ("boolean", b'b'),
    ("byte", b'y'),
    ("int16", b'n'),
    ("uint16", b'q'),
    ("int32", b'i'),
    ("handle", b'h'),
    ("uint32", b'u'),
    ("int64", b'x'),
    ("uint64", b't'),
    ("double", b'd'),
    ("string", b's'),
    ("objectpath", b'o'),
    ("signature", b'g'),
];

/// The least and the greatest whole number of a type.
const RANGES: [(u8, i128, i128); 8] = [
    (b'y', 0, u8::MAX as i128),
    (b'n', i16::MIN as i128, i16::MAX as i128),
    (b'q', 0, u16::MAX as i128),
    (b'i', i32::MIN as i128, i32::MAX as i128),
    (b'h', i32::MIN as i128, i32::MAX as i128),
    (b'u', 0, u32::MAX as i128),
    (b'x', i64::MIN as i128, i64::MAX as i128),
    (b't', 0, u64::MAX as i128),
];

/// The value that a text writes, of this type.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn parse(kind: &Type, text: &str) -> Result<Value, String> {
    if text.len() > MAXIMUM_LENGTH {
        return Err("the value is longer than 1 MiB".to_owned());
    }
    let mut reader = Reader { left: text };
    let value = reader.value(kind, 0)?;
    reader.blanks();
    match reader.left {
        "" => Ok(value),
        left => Err(format!("`{}` follows the value", start_of(left))),
    }
}

fn start_of(text: &str) -> String {
    text.chars().take(20).collect()
}

struct Reader<'t> {
    left: &'t str,
}

impl<'t> Reader<'t> {
    fn blanks(&mut self) {
        self.left = self.left.trim_ascii_start();
    }

    /// Whether this mark comes next, which is then taken.
    fn takes(&mut self, mark: &str) -> bool {
        self.blanks();
        match self.left.strip_prefix(mark) {
            Some(rest) => {
                self.left = rest;
                true
            }
            None => false,
        }
    }

    fn needs(&mut self, mark: &str) -> Result<(), String> {
        if self.takes(mark) {
            return Ok(());
        }
        Err(format!(
            "`{mark}` is missing before `{}`",
            start_of(self.left)
        ))
    }

    /// A word or number: what it is made of, without taking it.
    fn word(&mut self) -> &'t str {
        self.blanks();
        let end = self
            .left
            .find(|letter: char| !letter.is_ascii_alphanumeric() && !"+-.".contains(letter))
            .unwrap_or(self.left.len());
        self.left.get(..end).unwrap_or_default()
    }

    fn drop_word(&mut self, word: &str) {
        self.left = self.left.get(word.len()..).unwrap_or_default();
    }

    /// The type before a value, if one is written.
    fn annotation(&mut self) -> Result<Option<Type>, String> {
        if self.takes("@") {
            let end = self.left.find(|letter: char| letter.is_ascii_whitespace());
            let text = self
                .left
                .get(..end.unwrap_or(self.left.len()))
                .unwrap_or_default();
            self.drop_word(text);
            let kind =
                Type::parse(text).ok_or_else(|| format!("`{}` is no type", start_of(text)))?;
            return Ok(Some(kind));
        }
        let word = self.word();
        let Some((_, letter)) = KEYWORDS.iter().find(|(keyword, _)| *keyword == word) else {
            return Ok(None);
        };
        self.drop_word(word);
        Ok(Some(Type::Basic(*letter)))
    }

    fn value(&mut self, kind: &Type, depth: usize) -> Result<Value, String> {
        if depth > MAXIMUM_DEPTH {
            return Err("the value is nested too deep".to_owned());
        }
        if let Some(written) = self.annotation()? {
            let is_just = matches!(kind, Type::Maybe(element) if **element == written);
            if *kind != written && !is_just {
                return Err(format!(
                    "a value of type `{}` stands where `{}` is wanted",
                    written.text(),
                    kind.text()
                ));
            }
        }
        match kind {
            Type::Basic(b's' | b'o' | b'g') => Ok(Value::Text(self.text()?)),
            Type::Basic(letter) => self.scalar(*letter),
            Type::Variant => {
                self.needs("<")?;
                let held = self.guessed(depth + 1)?;
                self.needs(">")?;
                Ok(Value::Variant(Box::new(held)))
            }
            Type::Maybe(element) => match self.word() {
                "nothing" => {
                    self.drop_word("nothing");
                    Ok(Value::Maybe(None))
                }
                word => {
                    if word == "just" {
                        self.drop_word(word);
                    }
                    let held = self.value(element, depth + 1)?;
                    Ok(Value::Maybe(Some(Box::new(held))))
                }
            },
            Type::Array(element) => self.array(element, depth),
            Type::Tuple(members) => {
                self.needs("(")?;
                let mut values = Vec::new();
                for (number, member) in members.iter().enumerate() {
                    if number > 0 {
                        self.needs(",")?;
                    }
                    values.push(self.value(member, depth + 1)?);
                }
                // A tuple of one has a comma behind it.
                if members.len() == 1 {
                    self.takes(",");
                }
                self.needs(")")?;
                Ok(Value::Many(values))
            }
            Type::Entry(entry) => {
                self.needs("{")?;
                let key = self.value(&entry.0, depth + 1)?;
                self.needs(",")?;
                let value = self.value(&entry.1, depth + 1)?;
                self.needs("}")?;
                Ok(Value::Many(vec![key, value]))
            }
        }
    }

    fn array(&mut self, element: &Type, depth: usize) -> Result<Value, String> {
        self.blanks();
        if *element == Type::Basic(b'y')
            && self.left.starts_with("b'") | self.left.starts_with("b\"")
        {
            return Err("byte strings are not understood".to_owned());
        }
        let mut values = Vec::new();
        if let Type::Entry(entry) = element
            && self.takes("{")
        {
            while !self.takes("}") {
                if !values.is_empty() {
                    self.needs(",")?;
                }
                let key = self.value(&entry.0, depth + 1)?;
                self.needs(":")?;
                let value = self.value(&entry.1, depth + 1)?;
                values.push(Value::Many(vec![key, value]));
            }
            return Ok(Value::Many(values));
        }
        self.needs("[")?;
        while !self.takes("]") {
            if !values.is_empty() {
                self.needs(",")?;
            }
            values.push(self.value(element, depth + 1)?);
        }
        Ok(Value::Many(values))
    }

    fn scalar(&mut self, letter: u8) -> Result<Value, String> {
        let word = self.word();
        self.drop_word(word);
        let wrong = || {
            format!(
                "`{}` is no value of type `{}`",
                start_of(word),
                char::from(letter)
            )
        };
        match letter {
            b'b' => match word {
                "true" => Ok(Value::Number(1)),
                "false" => Ok(Value::Number(0)),
                _ => Err(wrong()),
            },
            b'd' => {
                let number = word.parse::<f64>().map_err(|_| wrong())?;
                Ok(Value::Double(number))
            }
            _ => {
                let number = whole(word).ok_or_else(wrong)?;
                let fits = RANGES
                    .iter()
                    .any(|(of, least, most)| *of == letter && (*least..=*most).contains(&number));
                if fits {
                    Ok(Value::Number(number))
                } else {
                    Err(wrong())
                }
            }
        }
    }

    fn text(&mut self) -> Result<String, String> {
        self.blanks();
        let mut letters = self.left.chars();
        let quote = letters.next().filter(|quote| matches!(quote, '\'' | '"'));
        let Some(quote) = quote else {
            return Err(format!(
                "a string is wanted where `{}` stands",
                start_of(self.left)
            ));
        };
        let mut text = String::new();
        loop {
            match letters.next() {
                None => return Err("a string has no end".to_owned()),
                Some(letter) if letter == quote => break,
                Some('\\') => text.extend(escaped(&mut letters)?),
                Some(letter) => text.push(letter),
            }
        }
        self.left = letters.as_str();
        Ok(text)
    }

    /// A value whose type is only known from how it is written.
    fn guessed(&mut self, depth: usize) -> Result<(Type, Value), String> {
        if depth > MAXIMUM_DEPTH {
            return Err("the value is nested too deep".to_owned());
        }
        if let Some(kind) = self.annotation()? {
            let value = self.value(&kind, depth + 1)?;
            return Ok((kind, value));
        }
        let word = self.word();
        let letter = match self.left.chars().next() {
            Some('\'' | '"') => b's',
            Some('<') => {
                let value = self.value(&Type::Variant, depth + 1)?;
                return Ok((Type::Variant, value));
            }
            Some('(') => return self.guessed_tuple(depth),
            Some('[') => return self.guessed_array(depth),
            Some('{') => return self.guessed_dictionary(depth),
            _ if matches!(word, "true" | "false") => b'b',
            _ if whole(word).is_some() => b'i',
            _ if word.parse::<f64>().is_ok() => b'd',
            _ => {
                return Err(format!(
                    "the type of `{}` is not known; write it before the value",
                    start_of(self.left)
                ));
            }
        };
        let kind = Type::Basic(letter);
        let value = self.value(&kind, depth + 1)?;
        Ok((kind, value))
    }

    fn guessed_tuple(&mut self, depth: usize) -> Result<(Type, Value), String> {
        self.needs("(")?;
        let (mut kinds, mut values) = (Vec::new(), Vec::new());
        while !self.takes(")") {
            let (kind, value) = self.guessed(depth + 1)?;
            kinds.push(kind);
            values.push(value);
            if !self.takes(",") {
                self.needs(")")?;
                break;
            }
        }
        Ok((Type::Tuple(kinds), Value::Many(values)))
    }

    fn guessed_dictionary(&mut self, depth: usize) -> Result<(Type, Value), String> {
        self.needs("{")?;
        let (key, first) = self.guessed(depth + 1)?;
        if !matches!(key, Type::Basic(_)) {
            return Err("a key is no number and no string".to_owned());
        }
        self.needs(":")?;
        let (value, second) = self.guessed(depth + 1)?;
        let mut values = vec![Value::Many(vec![first, second])];
        while !self.takes("}") {
            self.needs(",")?;
            let first = self.value(&key, depth + 1)?;
            self.needs(":")?;
            let second = self.value(&value, depth + 1)?;
            values.push(Value::Many(vec![first, second]));
        }
        let entry = Type::Entry(Box::new((key, value)));
        Ok((Type::Array(Box::new(entry)), Value::Many(values)))
    }

    fn guessed_array(&mut self, depth: usize) -> Result<(Type, Value), String> {
        self.needs("[")?;
        let (element, first) = self.guessed(depth + 1)?;
        let mut values = vec![first];
        while !self.takes("]") {
            self.needs(",")?;
            values.push(self.value(&element, depth + 1)?);
        }
        Ok((Type::Array(Box::new(element)), Value::Many(values)))
    }
}

/// A whole number as C writes it: decimal, `0x…`, or octal with a zero before it.
pub(crate) fn whole(word: &str) -> Option<i128> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let (radix, digits) = match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(digits) => (16, digits),
        None if digits.len() > 1 && digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i128::from(u64::from_str_radix(digits, radix).ok()?);
    Some(if negative { -number } else { number })
}

fn escaped(letters: &mut std::str::Chars<'_>) -> Result<Option<char>, String> {
    let letter = match letters.next() {
        None => return Err("a string has no end".to_owned()),
        Some('\n') => return Ok(None),
        Some('a') => '\u{7}',
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('v') => '\u{b}',
        Some('u') => code(letters, 4)?,
        Some('U') => code(letters, 8)?,
        Some(letter) => letter,
    };
    Ok(Some(letter))
}

fn code(letters: &mut std::str::Chars<'_>, digits: usize) -> Result<char, String> {
    let text: String = letters.take(digits).collect();
    u32::from_str_radix(&text, 16)
        .ok()
        .filter(|code| *code != 0 && text.len() == digits)
        .and_then(char::from_u32)
        .ok_or_else(|| format!("`{text}` is no code of a letter"))
}
