//! Whether a signed Release file is the one that was asked for, and is of today: a mirror, or
//! whoever sits before it, must not be able to freeze an image or roll it back.

use crate::error::moment;

/// How far an archive's clock may be ahead of ours, in seconds.
const CLOCK_SKEW: i64 = 60 * 60;

/// What a verified Release file says of itself. Moments in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseFacts {
    /// Its `Suite`, such as `stable`; empty when it has none.
    pub suite: String,
    /// Its `Codename`, such as `trixie`; empty when it has none.
    pub codename: String,
    /// Its `Date`.
    pub date: i64,
    /// Its `Valid-Until`; stable releases have none.
    pub valid_until: Option<i64>,
}

/// What the Release file must say. Moments in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expectation {
    /// The `Suite`, where it matters.
    pub suite: Option<String>,
    /// The `Codename`, where it matters.
    pub codename: Option<String>,
    /// The newest date that the lock has seen; nothing older is taken.
    pub oldest_date: Option<i64>,
    /// The present moment.
    pub now: i64,
}

/// Why a Release file, though signed, is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FreshnessError {
    /// It is of another suite.
    #[error(
        "the Release file is of suite `{found}`, not `{expected}`: the mirror serves another suite in its place"
    )]
    WrongSuite {
        /// The suite asked for.
        expected: String,
        /// The suite it is of.
        found: String,
    },
    /// It is of another release.
    #[error(
        "the Release file is of `{found}`, not `{expected}`: the mirror serves another release in its place"
    )]
    WrongCodename {
        /// The codename asked for.
        expected: String,
        /// The codename it is of.
        found: String,
    },
    /// Its `Valid-Until` has passed.
    #[error("the Release file was valid until {}; it is now {}: the mirror is stale or holds updates back; use another, or correct this machine's clock", moment(*.valid_until), moment(*.now))]
    Expired {
        /// Until when it was valid.
        valid_until: i64,
        /// The present moment.
        now: i64,
    },
    /// The lock has seen a newer one.
    #[error("the Release file is of {}, older than the lock's of {}: the mirror went back in time; use another", moment(*.date), moment(*.locked))]
    OlderThanLock {
        /// Its date.
        date: i64,
        /// The date in the lock.
        locked: i64,
    },
    /// Its date is still to come.
    #[error("the Release file is dated {}, in the future; it is now {}: correct this machine's clock", moment(*.date), moment(*.now))]
    Future {
        /// Its date.
        date: i64,
        /// The present moment.
        now: i64,
    },
}

/// Checks a Release file against what was expected of it.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_release(
    release: &ReleaseFacts,
    expectation: &Expectation,
) -> Result<(), FreshnessError> {
    if let Some(expected) = &expectation.codename
        && *expected != release.codename
    {
        return Err(FreshnessError::WrongCodename {
            expected: expected.clone(),
            found: release.codename.clone(),
        });
    }
    if let Some(expected) = &expectation.suite
        && *expected != release.suite
    {
        return Err(FreshnessError::WrongSuite {
            expected: expected.clone(),
            found: release.suite.clone(),
        });
    }
    let now = expectation.now;
    if release.date > now.saturating_add(CLOCK_SKEW) {
        return Err(FreshnessError::Future {
            date: release.date,
            now,
        });
    }
    if let Some(valid_until) = release.valid_until
        && valid_until <= now
    {
        return Err(FreshnessError::Expired { valid_until, now });
    }
    if let Some(locked) = expectation.oldest_date
        && release.date < locked
    {
        return Err(FreshnessError::OlderThanLock {
            date: release.date,
            locked,
        });
    }
    Ok(())
}
