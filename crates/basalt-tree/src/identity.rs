//! Numbers of users and groups.

/// A number that can be the id of no user or group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{number} can be the id of no user or group: {why}")]
pub struct IdError {
    /// The number as it was met.
    pub number: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Returns the number if it can be the id of a user or group (Debian Policy 9.2.2).
///
/// # Errors
/// When system calls read it as "no id" (65535, 4294967295), or container runtimes refuse it (above 2147483647).
pub fn check_id(number: u32) -> Result<u32, IdError> {
    let why = match number {
        65_535 | u32::MAX => "system calls say \"none\" with it",
        // moby, runc and podman take none above this.
        2_147_483_648.. => TOO_LARGE,
        _ => return Ok(number),
    };
    Err(IdError {
        number: number.to_string(),
        why,
    })
}

/// The id that a text gives as a number; `None` when the text is no number, and so may be a name.
///
/// # Errors
/// As [`check_id`].
pub fn numeric_id(text: &str) -> Result<Option<u32>, IdError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse() {
        Ok(number) => check_id(number).map(Some),
        Err(_) => Err(IdError {
            number: text.chars().take(20).collect(),
            why: TOO_LARGE,
        }),
    }
}

const TOO_LARGE: &str = "runtimes take none above 2147483647";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_system_calls_or_runtimes_do_not_take_is_refused() {
        for number in [0, 1, 65_534, 65_536, 2_147_483_647] {
            assert_eq!(check_id(number), Ok(number));
            assert_eq!(numeric_id(&number.to_string()), Ok(Some(number)));
        }
        for number in [65_535, 2_147_483_648, u32::MAX - 1, u32::MAX] {
            assert!(check_id(number).is_err(), "{number}");
        }
        for text in [
            "65535",
            "0065535",
            "4294967295",
            "4294967296",
            "99999999999999999999999999",
        ] {
            assert!(numeric_id(text).is_err(), "{text}");
        }
        for name in ["", "root", "-1", "+1", "1a", "0x10", " 1"] {
            assert_eq!(numeric_id(name), Ok(None), "{name}");
        }
    }
}
