//! Whether a signed Release file is the one that was asked for, and is of today: a mirror, or
//! whoever sits before it, must not be able to freeze an image or roll it back.

use crate::Clock;
use crate::error::moment;

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
    /// The `Suite`, where it matters; empty when it must have none.
    pub suite: Option<String>,
    /// The `Codename`, where it matters; empty when it must have none.
    pub codename: Option<String>,
    /// What either its `Suite` or its `Codename` must be, where it matters.
    pub either: Option<String>,
    /// What the lock saw as its `Codename`, where a suite such as `stable` may come to another.
    pub locked_codename: Option<String>,
    /// The newest date that the lock has seen; nothing older is taken.
    pub oldest_date: Option<i64>,
    /// The moment against which its dates are judged.
    pub clock: Clock,
}

/// Why a Release file, though signed, is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FreshnessError {
    /// It calls itself neither by suite nor by codename what was asked for.
    #[error(
        "the Release file is of {}, not `{expected}`: the mirror serves another release in its place; if the archive itself calls it so, say that with `expect-suite` or `expect-codename`",
        called(.suite, .codename)
    )]
    WrongName {
        /// What was asked for.
        expected: String,
        /// Its suite; empty when it has none.
        suite: String,
        /// Its codename; empty when it has none.
        codename: String,
    },
    /// The suite has come to another release since it was locked.
    #[error(
        "the suite is that of `{found}` now, and was that of `{locked}` when it was locked: see what changes, then remove the lock to lock `{found}`, or name `{locked}` in place of the suite"
    )]
    Moved {
        /// The codename in the lock.
        locked: String,
        /// The codename it has.
        found: String,
    },
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
    #[error("the Release file was valid until {}; it is now {}: the mirror is stale or holds updates back; use another, or correct this machine's clock; an archive of the past is judged as of then by `--as-of DATE`", moment(*.valid_until), moment(*.now))]
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
    /// It was made after the moment that was asked for.
    #[error("the Release file is of {}, after the moment asked for ({}): name a mirror that has the archive as it was then", moment(*.date), moment(*.now))]
    Later {
        /// Its date.
        date: i64,
        /// The moment asked for.
        now: i64,
    },
    /// It was no longer valid at the moment that was asked for.
    #[error("the Release file was valid until {}, which is before the moment asked for ({}): name an earlier one, or a mirror that has the archive as it was then", moment(*.valid_until), moment(*.now))]
    OverThen {
        /// Until when it was valid.
        valid_until: i64,
        /// The moment asked for.
        now: i64,
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
    if let Some(expected) = &expectation.either
        && *expected != release.suite
        && *expected != release.codename
    {
        return Err(FreshnessError::WrongName {
            expected: expected.clone(),
            suite: release.suite.clone(),
            codename: release.codename.clone(),
        });
    }
    if let Some(locked) = &expectation.locked_codename
        && *locked != release.codename
    {
        return Err(FreshnessError::Moved {
            locked: locked.clone(),
            found: release.codename.clone(),
        });
    }
    let Clock { now, as_of } = expectation.clock;
    if release.date > expectation.clock.latest() {
        let date = release.date;
        return Err(match as_of {
            true => FreshnessError::Later { date, now },
            false => FreshnessError::Future { date, now },
        });
    }
    if let Some(valid_until) = release.valid_until
        && valid_until <= now
    {
        return Err(match as_of {
            true => FreshnessError::OverThen { valid_until, now },
            false => FreshnessError::Expired { valid_until, now },
        });
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

/// What a Release file calls itself.
fn called(suite: &str, codename: &str) -> String {
    match (suite, codename) {
        ("", "") => "a suite without a name".to_owned(),
        (suite, "") => format!("suite `{suite}`"),
        ("", codename) => format!("codename `{codename}`"),
        (suite, codename) => format!("suite `{suite}`, codename `{codename}`"),
    }
}
