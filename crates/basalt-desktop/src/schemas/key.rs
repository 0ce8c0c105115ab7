//! One key of a schema, or a child that stands among the keys.

use std::cmp::Ordering;

use super::as_variant;
use super::choices::Choices;
use crate::hash_order::{TooMany, order};
use crate::variant::{Type, Value};
use crate::variant_text;

/// What stands under a name in a schema.
#[derive(Debug)]
pub(super) enum Key {
    /// The schema of a child.
    Child(String),
    /// A key.
    Setting(Box<Setting>),
}

/// Which names a key's value is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Names {
    /// Those of an enumeration.
    Enumeration,
    /// Those of flags.
    Flags,
    /// Any, or the `<choices>`.
    Choices,
}

/// How a default is translated.
#[derive(Debug, Clone)]
pub(super) struct Translation {
    /// `m` for messages, `t` for times.
    pub category: u8,
    /// The text that translators see, with its context before it.
    pub message: String,
}

/// A key.
#[derive(Debug)]
pub(super) struct Setting {
    pub kind: Type,
    pub names: Names,
    pub choices: Choices,
    pub range: Option<(Value, Value)>,
    pub default: Option<Value>,
    pub translation: Option<Translation>,
    /// Defaults of single desktops.
    pub by_desktop: Vec<(String, Value)>,
}

/// The least and greatest value of a type that may have a range.
const RANGES: [(u8, &str, &str); 8] = [
    (b'y', "0", "255"),
    (b'n', "-32768", "32767"),
    (b'q', "0", "65535"),
    (b'i', "-2147483648", "2147483647"),
    (b'u', "0", "4294967295"),
    (b'x', "-9223372036854775808", "9223372036854775807"),
    (b't', "0", "18446744073709551615"),
    (b'd', "-inf", "inf"),
];

impl Setting {
    /// A key without a default yet.
    pub(super) fn new(kind: Type, names: Names, choices: Choices) -> Self {
        Self {
            kind,
            names,
            choices,
            range: None,
            default: None,
            translation: None,
            by_desktop: Vec::new(),
        }
    }

    /// This key for a schema that gives it another default.
    pub(super) fn overridden(&self) -> Self {
        Self {
            range: self.range.clone(),
            ..Self::new(self.kind.clone(), self.names, self.choices.clone())
        }
    }

    pub(super) fn set_range(
        &mut self,
        least: Option<&str>,
        most: Option<&str>,
    ) -> Result<(), String> {
        let bounds = RANGES
            .iter()
            .find(|(letter, ..)| self.kind == Type::Basic(*letter));
        let Some((_, lowest, highest)) = bounds else {
            return Err(format!(
                "a key of type `{}` cannot have a range",
                self.kind.text()
            ));
        };
        if self.range.is_some() {
            return Err("the range is given twice".to_owned());
        }
        let least = variant_text::parse(&self.kind, least.unwrap_or(lowest))?;
        let most = variant_text::parse(&self.kind, most.unwrap_or(highest))?;
        if compare(&least, &most) == Some(Ordering::Greater) {
            return Err("the least value of the range is above the greatest".to_owned());
        }
        self.range = Some((least, most));
        Ok(())
    }

    /// Whether the key may have this value.
    pub(super) fn allows(&self, value: &Value) -> bool {
        match &self.range {
            Some((least, most)) => {
                compare(value, least) != Some(Ordering::Less)
                    && compare(value, most) != Some(Ordering::Greater)
            }
            None => self.choices.is_empty() || are_choices(value, &self.choices),
        }
    }

    fn to_bytes(&self) -> Result<Vec<u8>, TooMany> {
        let letter = Type::Basic(b'y');
        let mut kinds = Vec::new();
        let mut values = Vec::new();
        // What is added has a letter that tells what it is.
        let mut add = |mark: u8, kind: Type, value: Value| {
            kinds.push(Type::Tuple(vec![letter.clone(), kind]));
            values.push(Value::Many(vec![Value::Number(mark.into()), value]));
        };
        if let Some(translation) = &self.translation {
            let kind = Type::Tuple(vec![letter.clone(), Type::Basic(b's')]);
            let message = Value::Text(translation.message.clone());
            let category = Value::Number(translation.category.into());
            add(b'l', kind, Value::Many(vec![category, message]));
        }
        if !self.choices.is_empty() {
            let mark = match self.names {
                Names::Enumeration => b'e',
                Names::Flags => b'f',
                Names::Choices => b'c',
            };
            let words = self.choices.words().iter();
            let words = words.map(|word| Value::Number((*word).into())).collect();
            add(
                mark,
                Type::Array(Box::new(Type::Basic(b'u'))),
                Value::Many(words),
            );
        }
        if let Some((least, most)) = &self.range {
            let kind = Type::Tuple(vec![self.kind.clone(), self.kind.clone()]);
            add(b'r', kind, Value::Many(vec![least.clone(), most.clone()]));
        }
        if !self.by_desktop.is_empty() {
            let mut entries = Vec::new();
            for number in order(self.by_desktop.iter().map(|(desktop, _)| desktop.as_str()))? {
                if let Some((desktop, value)) = self.by_desktop.get(number) {
                    let value = Value::Variant(Box::new((self.kind.clone(), value.clone())));
                    entries.push(Value::Many(vec![Value::Text(desktop.clone()), value]));
                }
            }
            let entry = Type::Entry(Box::new((Type::Basic(b's'), Type::Variant)));
            add(b'd', Type::Array(Box::new(entry)), Value::Many(entries));
        }
        if let Some(default) = &self.default {
            kinds.insert(0, self.kind.clone());
            values.insert(0, default.clone());
        }
        Ok(as_variant(Type::Tuple(kinds), Value::Many(values)))
    }
}

impl Key {
    pub(super) fn is_translated(&self) -> bool {
        matches!(self, Self::Setting(setting) if setting.translation.is_some())
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, TooMany> {
        match self {
            Self::Child(schema) => Ok(as_variant(Type::Basic(b's'), Value::Text(schema.clone()))),
            Self::Setting(setting) => setting.to_bytes(),
        }
    }
}

fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Some(left.cmp(right)),
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(right),
        _ => None,
    }
}

/// Whether all strings of a value are choices.
fn are_choices(value: &Value, choices: &Choices) -> bool {
    match value {
        Value::Text(text) => choices.allows(text),
        Value::Many(values) => values.iter().all(|value| are_choices(value, choices)),
        Value::Maybe(held) => held
            .as_ref()
            .is_none_or(|value| are_choices(value, choices)),
        _ => true,
    }
}

/// Whether a type is made of strings only, as it must be for `<choices>`.
pub(super) fn is_of_strings(kind: &Type) -> bool {
    match kind {
        Type::Basic(letter) => *letter == b's',
        Type::Array(element) | Type::Maybe(element) => is_of_strings(element),
        _ => false,
    }
}
