//! How often something may happen: rates, and for each of many clients what is left of one.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

/// The most clients that are counted one by one.
const MAXIMUM_CLIENTS: usize = 1 << 16;
/// How far apart two searches for clients that need not be counted any more are, at least, in microseconds.
const BETWEEN_SEARCHES: u64 = 1_000_000;
/// The highest rate: one in a microsecond.
const MAXIMUM_COUNT: u64 = 1_000_000;

const UNITS: [(&str, u64); 4] = [
    ("second", 1),
    ("minute", 60),
    ("hour", 3600),
    ("day", 24 * 3600),
];

/// So many in a span of time: `100 per second`, `30 per minute`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Rate {
    count: u32,
    seconds: u64,
}

impl Rate {
    /// So many in a minute.
    pub const fn per_minute(count: u32) -> Self {
        Self { count, seconds: 60 }
    }

    /// How many in its span.
    pub fn count(self) -> u32 {
        self.count
    }

    /// From one to the next, in microseconds.
    fn interval(self) -> u64 {
        (self.seconds * 1_000_000 / u64::from(self.count.max(1))).max(1)
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let read = || {
            let (count, unit) = text.trim().split_once(" per ")?;
            let count: u32 = count.trim().parse().ok()?;
            let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
            let sound = count > 0 && u64::from(count) <= MAXIMUM_COUNT * seconds;
            sound.then_some(Self {
                count,
                seconds: *seconds,
            })
        };
        read().ok_or_else(|| {
            format!(
                "`{text}` says no rate; write it as `100 per second`, `30 per minute` or `1000 per hour`"
            )
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, seconds)| *seconds == self.seconds);
        write!(
            f,
            "{} per {}",
            self.count,
            unit.map_or("", |(name, _)| name)
        )
    }
}

/// For each client how much of a rate is left: a bucket that fills at the rate, and holds so many at most.
///
/// Of a bucket only the time at which it is full again is kept. One that is full is as good as none, so those can be
/// forgotten; when even so there are too many, those that come new share one.
pub struct Buckets<K> {
    interval: u64,
    burst: u64,
    begun: Instant,
    held: Mutex<Held<K>>,
}

struct Held<K> {
    /// When each is full again, in microseconds since the beginning.
    full: HashMap<K, u64>,
    others: u64,
    searched: u64,
}

impl<K: Hash + Eq> Buckets<K> {
    /// Full ones.
    pub fn new(rate: Rate, burst: u32) -> Self {
        Self {
            interval: rate.interval(),
            burst: u64::from(burst.max(1)),
            begun: Instant::now(),
            held: Mutex::new(Held {
                full: HashMap::new(),
                others: 0,
                searched: 0,
            }),
        }
    }

    /// Takes one out of a client's bucket.
    ///
    /// # Errors
    /// With how long it takes until there is one again, when there is none.
    pub fn take(&self, client: K) -> Result<(), Duration> {
        self.take_at(client, self.now())
    }

    /// Puts one back that was taken and not used.
    pub fn put_back(&self, client: &K) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full) = held.full.get_mut(client) {
            *full = full.saturating_sub(self.interval);
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn take_at(&self, client: K, now: u64) -> Result<(), Duration> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = &mut *held;
        let is_new = !held.full.contains_key(&client);
        if is_new
            && held.full.len() >= MAXIMUM_CLIENTS
            && now >= held.searched.saturating_add(BETWEEN_SEARCHES)
        {
            held.searched = now;
            held.full.retain(|_, full| *full > now);
        }
        let full = match is_new && held.full.len() >= MAXIMUM_CLIENTS {
            true => &mut held.others,
            false => held.full.entry(client).or_insert(now),
        };
        let filled = (*full).max(now).saturating_add(self.interval);
        let most = now.saturating_add(self.interval.saturating_mul(self.burst));
        match filled.checked_sub(most) {
            Some(wait) if wait > 0 => Err(Duration::from_micros(wait)),
            _ => {
                *full = filled;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn rate(text: &str) -> Result<Rate, String> {
        Rate::try_from(text.to_owned())
    }

    #[test]
    fn a_rate_is_written_in_words() {
        for text in [
            "100 per second",
            "1 per minute",
            "5000 per hour",
            "3 per day",
        ] {
            assert_eq!(rate(text).expect("it is one").to_string(), text);
        }
        for text in [
            "100",
            "0 per second",
            "-1 per second",
            "x per second",
            "5 per week",
            "2000000 per second",
        ] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_client_gets_its_burst_then_its_rate_and_another_is_not_touched() {
        let buckets = Buckets::new(rate("10 per second").expect("a rate"), 3);
        for _ in 0..3 {
            assert_eq!(buckets.take_at("a", 5), Ok(()));
        }
        assert_eq!(buckets.take_at("a", 5), Err(Duration::from_millis(100)));
        assert_eq!(buckets.take_at("b", 5), Ok(()));
        let later = 5 + SECOND / 10;
        assert_eq!(buckets.take_at("a", later), Ok(()));
        assert!(buckets.take_at("a", later).is_err());
        buckets.put_back(&"a");
        assert_eq!(buckets.take_at("a", later), Ok(()));
        // However long it rests, it holds no more than the burst.
        let taken = (0..100).filter(|_| buckets.take_at("a", 100 * SECOND).is_ok());
        assert_eq!(taken.count(), 3);
    }

    #[test]
    fn ever_new_clients_take_no_more_memory_and_do_not_reset_those_that_are_counted() {
        let buckets = Buckets::new(rate("1 per minute").expect("a rate"), 1);
        for client in 0..MAXIMUM_CLIENTS {
            assert_eq!(buckets.take_at(client, SECOND), Ok(()));
        }
        let new = (0..1000).filter(|more| buckets.take_at(MAXIMUM_CLIENTS + more, SECOND).is_ok());
        assert_eq!(new.count(), 1);
        assert!(buckets.take_at(7, SECOND).is_err());
        let held = |buckets: &Buckets<usize>| {
            let held = buckets.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.full.len()
        };
        assert_eq!(held(&buckets), MAXIMUM_CLIENTS);
        assert_eq!(buckets.take_at(MAXIMUM_CLIENTS, 120 * SECOND), Ok(()));
        assert_eq!(held(&buckets), 1);
    }
}
