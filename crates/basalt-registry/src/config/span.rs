//! Spans of time, as people write them.

use std::fmt;

use serde::Deserialize;

/// A span of time: `30 seconds`, `5 minutes`, `12 hours`, `1 day`, `2 weeks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span {
    milliseconds: i64,
}

/// How long a manifest without a tag is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Untagged {
    /// For ever.
    Kept,
    /// For so long.
    For(Span),
}

const UNITS: [(&str, i64); 5] = [
    ("second", 1000),
    ("minute", 60 * 1000),
    ("hour", 3600 * 1000),
    ("day", 24 * 3600 * 1000),
    ("week", 7 * 24 * 3600 * 1000),
];
/// The longest span, in milliseconds: a hundred years.
const MAXIMUM_SPAN: i64 = 36_525 * 24 * 3600 * 1000;

impl Span {
    /// In milliseconds.
    pub fn milliseconds(self) -> i64 {
        self.milliseconds
    }

    /// As the clock has it.
    pub fn duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.milliseconds.unsigned_abs())
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let milliseconds = text.trim().split_once(' ').and_then(|(count, unit)| {
            let count: u32 = count.parse().ok()?;
            let unit = unit.trim();
            let unit = unit.strip_suffix('s').unwrap_or(unit);
            let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
            i64::from(count).checked_mul(*factor)
        });
        match milliseconds.filter(|span| *span <= MAXIMUM_SPAN) {
            Some(milliseconds) => Ok(Self { milliseconds }),
            None => Err(format!(
                "`{text}` is no span of time; write it as `30 seconds`, `5 minutes`, `12 hours`, `1 day` or `2 weeks`"
            )),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: &&(&str, i64)| self.milliseconds % unit.1 == 0;
        let (name, factor) = UNITS.iter().rev().find(fits).unwrap_or(&UNITS[0]);
        write!(f, "{} {name}s", self.milliseconds / factor)
    }
}

impl TryFrom<String> for Untagged {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.trim() {
            "never" => Ok(Self::Kept),
            _ => Span::try_from(text)
                .map(Self::For)
                .map_err(|error| format!("{error}, or `never`")),
        }
    }
}
