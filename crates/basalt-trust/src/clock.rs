//! The moment against which signatures and dates are judged.

/// How far the clock of who signs may be ahead of ours, in seconds.
const SKEW: i64 = 60 * 60;

/// A moment, in seconds since 1970, against which signatures, keys and dates are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The moment.
    pub now: i64,
    /// Whether it is a moment of the past that was asked for (`--as-of`), not this machine's present.
    pub as_of: bool,
}

impl Clock {
    /// The present, by this machine's clock: others' may be an hour ahead of it.
    pub const fn present(now: i64) -> Self {
        Self { now, as_of: false }
    }

    /// A moment that was asked for. What was made after it does not count, not by a second.
    pub const fn as_of(now: i64) -> Self {
        Self { now, as_of: true }
    }

    /// The latest moment at which something may have been made.
    pub(crate) fn latest(self) -> i64 {
        match self.as_of {
            true => self.now,
            false => self.now.saturating_add(SKEW),
        }
    }
}

impl From<i64> for Clock {
    fn from(now: i64) -> Self {
        Self::present(now)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::present(0)
    }
}
