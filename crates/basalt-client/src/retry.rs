//! When a request is tried again, and after how long a wait.

use std::time::Duration;

/// The longest wait that a registry may ask for; one that asks for more is given up.
pub(crate) const MAXIMUM_WAIT: Duration = Duration::from_secs(90);

/// Whether a status tells of trouble that passes (RFC 9110, sections 15.5.9 and 15.6; RFC 6585, section 4).
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// The wait before the attempt of this number (the first repeated one is 1): doubled each time, and longer by up
/// to a half at random, so that many clients do not come back at once.
pub(crate) fn backoff(first: Duration, attempt: u32) -> Duration {
    let base = first.saturating_mul(1 << attempt.saturating_sub(1).min(6));
    base.mul_f64(1.0 + fastrand::f64() / 2.0)
}

/// How long `Retry-After` asks to wait: seconds, or until a date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(value: &str, now: jiff::Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    let seconds = date.as_second().saturating_sub(now.as_second());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_says_when_to_come_back_in_seconds_or_by_a_date() {
        let now = jiff::Timestamp::from_second(1_764_000_000).expect("a time");
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        let date = "Mon, 24 Nov 2025 16:01:00 GMT";
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(60)));
        let past = "Mon, 24 Nov 2025 15:01:00 GMT";
        assert_eq!(retry_after(past, now), Some(Duration::ZERO));
        for wrong in ["", "soon", "-1", "1e9", "99999999999999999999"] {
            assert_eq!(retry_after(wrong, now), None, "{wrong}");
        }
    }

    #[test]
    fn waits_grow_and_differ() {
        let first = Duration::from_millis(500);
        for attempt in 1..20 {
            let wait = backoff(first, attempt);
            let base = first * (1 << (attempt - 1).min(6));
            assert!(wait >= base && wait <= base * 3 / 2, "{attempt}: {wait:?}");
        }
    }
}
