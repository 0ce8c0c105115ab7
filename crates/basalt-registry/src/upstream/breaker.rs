//! An upstream that fails is left alone for a moment, for longer each time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The first rest.
const FIRST: Duration = Duration::from_secs(1);
/// The longest, when the upstream asks for none.
const LONGEST: Duration = Duration::from_secs(60);
/// The longest that it may ask for.
const ASKED: Duration = Duration::from_secs(600);

/// How an upstream does.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Failures since it answered last.
    failures: u32,
    until: Option<Instant>,
}

impl Breaker {
    /// How much longer it is left alone, if it is.
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        let until = self.state().until?;
        until
            .checked_duration_since(now)
            .filter(|rest| !rest.is_zero())
    }

    /// It answered.
    pub fn answered(&self) {
        *self.state() = State::default();
    }

    /// It failed; `asked`: how long it asks to be left alone. How long it is.
    pub fn failed(&self, asked: Option<Duration>, now: Instant) -> Duration {
        let mut state = self.state();
        // Several that had asked at once are one failure.
        if state.until.is_none_or(|until| until <= now) {
            state.failures = state.failures.saturating_add(1);
        }
        let doubled = FIRST.saturating_mul(1 << state.failures.saturating_sub(1).min(6));
        let rest = asked.unwrap_or(doubled.min(LONGEST)).clamp(FIRST, ASKED);
        let until = now + rest;
        state.until = Some(state.until.map_or(until, |other| other.max(until)));
        rest
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_fails_again_and_again_is_left_alone_for_longer() {
        let breaker = Breaker::default();
        let mut now = Instant::now();
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            let rest = breaker.failed(None, now);
            assert_eq!(rest.as_secs(), expected);
            assert_eq!(breaker.rest(now), Some(rest));
            // Those that were on their way do not lengthen it.
            assert_eq!(breaker.failed(None, now), rest);
            now += rest;
            assert_eq!(breaker.rest(now), None);
        }
        breaker.answered();
        assert_eq!(breaker.failed(None, now).as_secs(), 1);
    }

    #[test]
    fn who_asks_to_be_left_alone_is_but_not_for_ever() {
        let breaker = Breaker::default();
        let now = Instant::now();
        let day = Duration::from_secs(86_400);
        assert_eq!(breaker.failed(Some(day), now), ASKED);
        breaker.failed(Some(Duration::ZERO), now);
        assert_eq!(breaker.rest(now), Some(ASKED));
    }
}
