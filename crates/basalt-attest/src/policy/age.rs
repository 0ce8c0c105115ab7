//! How old something may be: `30 days`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

const HOUR: i64 = 3600;
const UNITS: [(&str, i64); 4] = [
    ("hour", HOUR),
    ("day", 24 * HOUR),
    ("week", 7 * 24 * HOUR),
    ("year", 365 * 24 * HOUR),
];

/// A span of time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Age {
    text: String,
    seconds: i64,
}

impl Age {
    /// Its length in seconds.
    pub fn seconds(&self) -> i64 {
        self.seconds
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Age {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let seconds = text.split_once(' ').and_then(|(count, unit)| {
            let count: u32 = count.parse().ok()?;
            let unit = unit.strip_suffix('s').unwrap_or(unit);
            let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
            i64::from(count).checked_mul(*seconds)
        });
        match seconds {
            Some(seconds) if seconds > 0 => Ok(Self { text, seconds }),
            _ => Err(format!(
                "`{text}` is no age; write it as `12 hours`, `30 days`, `2 weeks` or `1 year`"
            )),
        }
    }
}

impl JsonSchema for Age {
    fn schema_name() -> Cow<'static, str> {
        "Age".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "How old something may be: `12 hours`, `30 days`, `2 weeks`, `1 year`.",
            "pattern": "^[1-9][0-9]* (hour|day|week|year)s?$",
        })
    }
}
