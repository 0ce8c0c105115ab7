//! Seconds since 1970, written as RFC 3339 in UTC: `2026-11-21T09:15:44Z`.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serializer, de, ser};

/// The date as text; a number of seconds when it lies outside the years -9999 to 9999.
pub(crate) fn text(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| format!("@{seconds}"), |date| date.to_string())
}

/// Writes seconds as a date.
pub(crate) fn serialize<S: Serializer>(seconds: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    match Timestamp::from_second(*seconds) {
        Ok(date) => serializer.collect_str(&date),
        Err(error) => Err(ser::Error::custom(error)),
    }
}

/// Reads a date with a whole number of seconds.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    let date: Timestamp = text.parse().map_err(|error| {
        de::Error::custom(format_args!(
            "`{}` is not a date such as `2026-11-21T09:15:44Z`: {error}",
            text.chars().take(60).collect::<String>()
        ))
    })?;
    if date.subsec_nanosecond() != 0 {
        return Err(de::Error::custom("a date here has whole seconds"));
    }
    Ok(date.as_second())
}

/// The same for a date that may be missing.
pub(crate) mod option {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes it if it is there.
    pub(crate) fn serialize<S: Serializer>(
        seconds: &Option<i64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match seconds {
            Some(seconds) => super::serialize(seconds, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads it.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<i64>, D::Error> {
        #[derive(Deserialize)]
        struct Date(#[serde(with = "super")] i64);
        Ok(Option::<Date>::deserialize(deserializer)?.map(|date| date.0))
    }
}
