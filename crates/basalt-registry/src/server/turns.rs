//! Who may use the policy judge next.
//!
//! The judge takes a bounded number of turns at once. A repository has one of them at most: whoever else asks for something
//! of that repository waits in its own line first. So manifests that are expensive to judge delay their own repository,
//! and no other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::fault::{Code, Fault};
use crate::name::RepositoryName;

/// The turns, and the lines of those who wait for one.
pub(super) struct Turns {
    all: Arc<Semaphore>,
    /// The line of each repository that has a turn or waits for one.
    lines: Mutex<HashMap<RepositoryName, Weak<Semaphore>>>,
    patience: Duration,
}

/// A turn. It ends when it is dropped.
#[derive(Debug)]
pub struct Turn {
    // The general turn is given back first: the next of the same repository then goes behind those who wait for it.
    _of_all: OwnedSemaphorePermit,
    _of_repository: OwnedSemaphorePermit,
}

impl Turns {
    /// So many turns at once; who waits longer than `patience` is sent away.
    pub fn new(count: usize, patience: Duration) -> Self {
        Self {
            all: Arc::new(Semaphore::new(count)),
            lines: Mutex::default(),
            patience,
        }
    }

    /// Waits for a turn for a repository.
    ///
    /// # Errors
    /// With 503 and `Retry-After` when none comes in time.
    pub async fn take(&self, repository: &RepositoryName) -> Result<Turn, Fault> {
        let line = self.line(repository);
        let turn = async {
            let of_repository = line.acquire_owned().await;
            let of_all = Arc::clone(&self.all).acquire_owned().await;
            (of_all, of_repository)
        };
        match timeout(self.patience, turn).await {
            Ok((Ok(of_all), Ok(of_repository))) => Ok(Turn {
                _of_all: of_all,
                _of_repository: of_repository,
            }),
            // Nobody closes a semaphore.
            Ok(_) => Err(Fault::internal()),
            Err(_) => {
                let message = format!(
                    "too many manifests of `{repository}`, or of all repositories, wait to be held against the registry's \
                     policies; try again"
                );
                Err(Fault::new(Code::Unavailable, message).header("retry-after", "10"))
            }
        }
    }

    fn line(&self, repository: &RepositoryName) -> Arc<Semaphore> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(repository).and_then(Weak::upgrade) {
            return line;
        }
        // Those that nobody waits in any more: there are never more than requests.
        lines.retain(|_, line| line.strong_count() > 0);
        let line = Arc::new(Semaphore::new(1));
        lines.insert(repository.clone(), Arc::downgrade(&line));
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMPTLY: Duration = Duration::from_secs(20);

    fn run<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.expect("a runtime").block_on(test)
    }

    fn name(text: &str) -> RepositoryName {
        text.parse().expect("a name")
    }

    /// Lets all tasks go as far as they can.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn who_asks_for_many_expensive_manifests_of_a_repository_does_not_delay_another() {
        run(async {
            let turns = Arc::new(Turns::new(2, PROMPTLY));
            let expensive = turns.take(&name("prod/cfg")).await.expect("the first");
            let waiting: Vec<_> = (0..20)
                .map(|_| {
                    let turns = Arc::clone(&turns);
                    tokio::spawn(async move { turns.take(&name("prod/cfg")).await })
                })
                .collect();
            settle().await;
            assert!(waiting.iter().all(|one| !one.is_finished()));
            // It has a turn although the expensive one keeps its own.
            let other = timeout(Duration::ZERO, turns.take(&name("prod/a"))).await;
            let other = other.expect("it does not wait").expect("a turn");
            drop((other, expensive));
            // The others have theirs one after the other.
            for one in waiting {
                drop(one.await.expect("it ends").expect("a turn"));
            }
        });
    }

    #[test]
    fn no_more_are_judged_at_once_than_there_are_turns() {
        run(async {
            let turns = Arc::new(Turns::new(2, PROMPTLY));
            let held = [
                turns.take(&name("a")).await.expect("a turn"),
                turns.take(&name("b")).await.expect("a turn"),
            ];
            let third = tokio::spawn({
                let turns = Arc::clone(&turns);
                async move { turns.take(&name("c")).await }
            });
            settle().await;
            assert!(!third.is_finished());
            drop(held);
            third.await.expect("it ends").expect("a turn");
        });
    }

    #[test]
    fn who_waits_too_long_for_a_turn_is_told_to_come_back() {
        run(async {
            let turns = Turns::new(2, Duration::from_millis(10));
            let _held = turns.take(&name("prod/cfg")).await.expect("a turn");
            let fault = turns.take(&name("prod/cfg")).await.expect_err("none");
            assert_eq!(fault.status.as_u16(), 503);
            assert_eq!(fault.code, Code::Unavailable);
            assert_eq!(fault.headers, [("retry-after", "10".to_owned())]);
            assert!(fault.message.contains("`prod/cfg`"), "{}", fault.message);
            turns.take(&name("prod/a")).await.expect("another's turn");
        });
    }

    #[test]
    fn who_left_while_waiting_holds_up_nobody_and_no_line_stays() {
        run(async {
            let turns = Turns::new(1, PROMPTLY);
            let held = turns.take(&name("a")).await.expect("a turn");
            // One that waits in the line of the repository, and one that waits for the general turn.
            for repository in ["a", "b"].map(name) {
                let left = timeout(Duration::from_millis(1), turns.take(&repository));
                left.await.expect_err("it still waits");
            }
            drop(held);
            for repository in ["a", "b", "c"].map(name) {
                let turn = timeout(Duration::ZERO, turns.take(&repository));
                turn.await.expect("it does not wait").expect("a turn");
            }
            let lines = turns.lines.lock().expect("it is whole");
            assert_eq!(lines.len(), 1, "only that of the last");
        });
    }
}
