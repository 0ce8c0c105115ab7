//! How often clients may ask, and how often they may be wrong about who they are.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use super::remembered::Remembered;
use crate::access::Caller;
use crate::fault::{Code, Fault};
use crate::rate::{Buckets, Rate};

/// How often someone at one address may be wrong when nothing is said.
const FAILURES: Rate = Rate::per_minute(30);
/// How many programs at one address may ask to be logged in.
const LOGINS: Rate = Rate::per_minute(10);
/// How long an address from which a user signed in is one of theirs.
const KNOWN: Duration = Duration::from_secs(7 * 24 * 3600);

/// The limits on clients.
pub struct Limits {
    requests: Option<Buckets<Client>>,
    failures: Buckets<Trier>,
    logins: Buckets<IpAddr>,
    /// From where users have signed in.
    known: Remembered<(IpAddr, String), Instant>,
}

/// Whose requests are counted together.
#[derive(PartialEq, Eq, Hash)]
enum Client {
    User(String),
    Address(IpAddr),
}

/// Whose wrong passwords are counted together: those of an address. But a user who has signed in from there before is
/// counted apart, so that others who are wrong there, and be it behind the same proxy, cannot keep them out. A user's name
/// alone is never counted: whoever knows it could lock its owner out.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Trier {
    Address(IpAddr),
    Known(IpAddr, String),
}

impl Limits {
    /// Limits at these rates; requests are not limited unless it is asked for.
    pub fn new(requests: Option<(Rate, u32)>, failures: Option<Rate>) -> Self {
        let failures = failures.unwrap_or(FAILURES);
        Self {
            requests: requests.map(|(rate, burst)| Buckets::new(rate, burst)),
            failures: Buckets::new(failures, failures.count()),
            logins: Buckets::new(LOGINS, LOGINS.count()),
            known: Remembered::new(),
        }
    }

    /// Counts a request of this caller, or of this address when it is of nobody.
    ///
    /// # Errors
    /// When there were too many.
    pub fn request(&self, caller: &Caller, address: IpAddr) -> Result<(), Fault> {
        let Some(buckets) = &self.requests else {
            return Ok(());
        };
        let client = match caller {
            Caller::Anonymous => Client::Address(site(address)),
            caller => Client::User(caller.name().to_owned()),
        };
        let refused = |wait| too_many("these are too many requests", wait);
        buckets.take(client).map_err(refused)
    }

    /// Counts a program that asks to be logged in.
    ///
    /// # Errors
    /// When too many did.
    pub fn login(&self, address: IpAddr) -> Result<(), Fault> {
        let refused = |wait| too_many("too many programs at your address wait for a login", wait);
        self.logins.take(site(address)).map_err(refused)
    }

    /// Counts an attempt to sign in, which is taken back unless it fails.
    ///
    /// # Errors
    /// When too many failed.
    pub fn attempt<'a>(&'a self, address: IpAddr, name: &'a str) -> Result<Attempt<'a>, Fault> {
        let place = (site(address), name.to_owned());
        let fresh = |since: Instant| since.elapsed() < KNOWN;
        let trier = match self.known.get(&place).is_some_and(fresh) {
            true => Trier::Known(place.0, place.1),
            false => Trier::Address(place.0),
        };
        let refused = |wait| too_many("too many sign-ins from your address have failed", wait);
        self.failures.take(trier.clone()).map_err(refused)?;
        Ok(Attempt {
            limits: self,
            trier,
            address: site(address),
            name,
        })
    }
}

/// An attempt to sign in.
pub struct Attempt<'a> {
    limits: &'a Limits,
    trier: Trier,
    address: IpAddr,
    name: &'a str,
}

impl Attempt<'_> {
    /// Tells what became of it.
    pub fn ended<T>(self, outcome: &Result<T, Fault>) {
        match outcome {
            Ok(_) => {
                let place = (self.address, self.name.to_owned());
                let fresh = |since: &Instant| since.elapsed() < KNOWN;
                self.limits.known.add(place, Instant::now(), fresh);
            }
            Err(fault) if fault.code == Code::Unauthorized => return,
            // It was not the client's fault.
            Err(_) => {}
        }
        self.limits.failures.put_back(&self.trier);
    }
}

fn too_many(what: &str, wait: Duration) -> Fault {
    let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
    let message = format!("{what}; try again in {seconds} seconds");
    Fault::new(Code::TooManyRequests, message).header("retry-after", seconds.to_string())
}

/// What one client has of addresses: of IPv6 the half that names a network, for whoever has one has all in it.
fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn fail(limits: &Limits, from: &str, name: &str) -> bool {
        let attempt = limits.attempt(address(from), name);
        let wrong = Err::<(), _>(Fault::new(Code::Unauthorized, ""));
        attempt.is_ok_and(|attempt| {
            attempt.ended(&wrong);
            true
        })
    }

    #[test]
    fn who_guesses_is_stopped_by_address_and_keeps_nobody_else_out() {
        let limits = Limits::new(None, Some(Rate::per_minute(5)));
        // Ann has signed in from the guesser's address before, Bob has not.
        let attempt = limits.attempt(address("10.0.0.1"), "ann");
        attempt.expect("it is her first").ended(&Ok(()));
        let names = ["ann", "bob", "root"].into_iter().cycle();
        let guesses = names
            .take(90)
            .filter(|name| fail(&limits, "10.0.0.1", name));
        assert_eq!(
            guesses.count(),
            10,
            "five of the address, five of Ann there"
        );
        assert!(limits.attempt(address("10.0.0.1"), "bob").is_err());
        for from in ["10.0.0.2", "2001:db8::1"] {
            assert!(limits.attempt(address(from), "ann").is_ok(), "{from}");
        }
        // One who guesses Bob's alone does not touch Ann.
        let limits = Limits::new(None, Some(Rate::per_minute(5)));
        let attempt = limits.attempt(address("10.0.0.1"), "ann");
        attempt.expect("it is her first").ended(&Ok(()));
        assert_eq!(
            (0..90).filter(|_| fail(&limits, "10.0.0.1", "bob")).count(),
            5
        );
        for _ in 0..100 {
            let attempt = limits.attempt(address("10.0.0.1"), "ann");
            attempt.expect("she is let in").ended(&Ok(()));
        }
    }

    #[test]
    fn what_fails_for_another_reason_is_not_counted() {
        let limits = Limits::new(None, Some(Rate::per_minute(1)));
        for _ in 0..10 {
            let attempt = limits.attempt(address("10.0.0.1"), "ann").expect("one");
            attempt.ended(&Err::<(), _>(Fault::internal()));
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one_client_and_ipv4_is_the_same_in_both_forms() {
        assert_eq!(
            site(address("2001:db8::1")),
            site(address("2001:db8::ffff:2"))
        );
        assert_ne!(
            site(address("2001:db8::1")),
            site(address("2001:db8:0:1::1"))
        );
        assert_eq!(site(address("::ffff:10.0.0.1")), address("10.0.0.1"));
    }

    #[test]
    fn a_users_requests_are_counted_wherever_they_come_from() {
        let limits = Limits::new(Some((Rate::per_minute(60), 2)), None);
        let ann = Caller::User("ann".to_owned());
        let ask = |caller: &Caller, from: &str| limits.request(caller, address(from)).is_ok();
        assert!(ask(&ann, "10.0.0.1") && ask(&ann, "10.0.0.2"));
        assert!(!ask(&ann, "10.0.0.3"));
        assert!(ask(&Caller::Anonymous, "10.0.0.1") && ask(&Caller::Anonymous, "10.0.0.1"));
        let fault = limits.request(&Caller::Anonymous, address("10.0.0.1"));
        let fault = fault.expect_err("it is too much");
        assert_eq!(fault.code, Code::TooManyRequests);
        assert_eq!(fault.headers, [("retry-after", "1".to_owned())]);
    }
}
