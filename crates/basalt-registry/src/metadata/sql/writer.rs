//! The one thread of a process that writes. It takes all changes that wait, makes each in a savepoint, commits them
//! together with one flush of the disk, and then answers: many clients at once cost little more than one.
//!
//! Where several processes share a database, a batch that another one came between is made anew, with all its questions.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::super::{Answer, MetadataError};
use super::session::{Result, Session, SqlError};

/// The most changes of one commit.
const MAXIMUM_BATCH: usize = 256;
/// How often a batch is made, when others come between each time, before its changes fail.
const MAXIMUM_ATTEMPTS: u32 = 60;
/// From which attempt on a batch is made in halves: the fewer changes, the less there is to come between.
const IN_PARTS: u32 = 3;
/// How long it rests between attempts, at most.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// A connection that can make transactions.
pub trait Transactional: Session + Send + 'static {
    /// Begins a transaction that sees no other. What is not `durable` need not have reached the disk when it is committed.
    ///
    /// # Errors
    /// When the database refuses it.
    fn begin(&mut self, durable: bool) -> Result<()>;

    /// Ends it with success.
    ///
    /// # Errors
    /// When the database refuses it: then nothing of it was done. When the connection is lost it may have been done.
    fn commit(&mut self) -> Result<()>;

    /// Ends it without a trace.
    fn roll_back(&mut self);

    /// Whether there is room for what is new, beside that which is kept free for changes that make room.
    fn has_room(&mut self) -> bool {
        true
    }

    /// Makes what room it can without giving up what is kept free; whether that can be of use.
    fn tidy(&mut self) -> bool {
        false
    }

    /// Gives up what is kept free; whether there was any.
    fn make_room(&mut self) -> bool {
        false
    }

    /// Connects again, after the connection was lost.
    ///
    /// # Errors
    /// When that is not possible.
    fn connect_again(&mut self) -> Result<()>;
}

/// A change that waits, and who waits for it.
trait Pending: Send {
    /// Whether it must have reached the disk when it is answered.
    fn is_durable(&self) -> bool;
    /// Whether it brings something new to be kept.
    fn is_new(&self) -> bool;
    /// Makes it within the transaction at hand. Fails only when that is over.
    fn make(&mut self, session: &mut dyn Session) -> Result<()>;
    /// Tells what became of it.
    fn answer(self: Box<Self>, committed: std::result::Result<(), MetadataError>);
}

struct Change<T, F> {
    durable: bool,
    is_new: bool,
    change: F,
    result: Option<Result<T>>,
    sender: oneshot::Sender<std::result::Result<T, MetadataError>>,
    place: String,
}

impl<T, F> Pending for Change<T, F>
where
    T: Send,
    F: FnMut(&mut dyn Session) -> Result<T> + Send,
{
    fn is_durable(&self) -> bool {
        self.durable
    }

    fn is_new(&self) -> bool {
        self.is_new
    }

    fn make(&mut self, session: &mut dyn Session) -> Result<()> {
        session.script("SAVEPOINT change")?;
        let result = (self.change)(session);
        match &result {
            Ok(_) => session.script("RELEASE SAVEPOINT change")?,
            Err(SqlError::Conflict(_) | SqlError::Lost(_) | SqlError::Full(_)) => {
                return result.map(drop);
            }
            Err(_) => session.script("ROLLBACK TO SAVEPOINT change; RELEASE SAVEPOINT change")?,
        }
        self.result = Some(result);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: std::result::Result<(), MetadataError>) {
        let result = match (committed, self.result) {
            (Err(error), _) => Err(error),
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Ok(()), Some(Err(cause))) => Err(MetadataError::database(&self.place, &cause)),
            (Ok(()), None) => Err(MetadataError::Closed),
        };
        let _ = self.sender.send(result);
    }
}

/// Hands changes to the thread; it ends when this is dropped.
pub struct Writer {
    queue: Option<Sender<Box<dyn Pending>>>,
    thread: Option<thread::JoinHandle<()>>,
    place: String,
}

impl Writer {
    /// Begins to write on this connection. `place` is for people.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(connection: impl Transactional, place: String) -> std::io::Result<Self> {
        let (queue, jobs) = channel();
        let named = place.clone();
        let thread = thread::Builder::new()
            .name("metadata".to_owned())
            .spawn(move || run(connection, &jobs, &named))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            place,
        })
    }

    /// Makes a change. It is made even if nobody waits for the answer any more. One that brings something new is refused when
    /// the disk is full; of others so much is done as there was room kept for.
    pub fn change<T: Send + 'static>(
        &self,
        durable: bool,
        is_new: bool,
        change: impl FnMut(&mut dyn Session) -> Result<T> + Send + 'static,
    ) -> Answer<'static, T> {
        let (sender, receiver) = oneshot::channel();
        let change = Change {
            durable,
            is_new,
            change,
            result: None,
            sender,
            place: self.place.clone(),
        };
        let sent = match &self.queue {
            Some(queue) => queue.send(Box::new(change)).is_ok(),
            None => false,
        };
        Box::pin(async move {
            match sent {
                true => receiver.await.unwrap_or(Err(MetadataError::Closed)),
                false => Err(MetadataError::Closed),
            }
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(mut connection: impl Transactional, jobs: &Receiver<Box<dyn Pending>>, place: &str) {
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        while batch.len() < MAXIMUM_BATCH
            && let Ok(next) = jobs.try_recv()
        {
            batch.push(next);
        }
        write(&mut connection, batch, 0, place);
    }
}

/// Makes a batch, anew when others come between, and answers each of its changes.
fn write(
    connection: &mut impl Transactional,
    mut batch: Vec<Box<dyn Pending>>,
    former: u32,
    place: &str,
) {
    if !connection.has_room() {
        let full = SqlError::Full("what is free is kept for changes that make room".to_owned());
        batch = refuse_new(batch, &full, place);
    }
    let mut attempt = former;
    let mut found_full = 0;
    let committed = loop {
        if batch.is_empty() {
            return;
        }
        attempt += 1;
        let failed = match commit(connection, &mut batch) {
            Ok(()) => break Ok(()),
            Err(Failed::Unknown(error)) => {
                // Whether it was done nobody knows: who asked must ask again.
                let _ = connection.connect_again();
                break Err(error);
            }
            Err(Failed::Nothing(error)) => error,
        };
        let again = match &failed {
            SqlError::Conflict(_) => attempt < MAXIMUM_ATTEMPTS,
            SqlError::Lost(_) => attempt < MAXIMUM_ATTEMPTS && connection.connect_again().is_ok(),
            SqlError::Full(_) => {
                found_full += 1;
                match found_full {
                    1 if connection.tidy() => true,
                    1 | 2 => {
                        let all = batch.len();
                        batch = refuse_new(batch, &failed, place);
                        found_full = 2;
                        batch.len() < all || connection.make_room()
                    }
                    3 => connection.make_room(),
                    _ => false,
                }
            }
            SqlError::Refused(_) | SqlError::Column { .. } => false,
        };
        if !again {
            break Err(failed);
        }
        if attempt >= IN_PARTS && batch.len() > 1 {
            let second = batch.split_off(batch.len() / 2);
            write(connection, batch, attempt, place);
            return write(connection, second, attempt, place);
        }
        // Not all at once again, and not at the same time as whoever came between.
        let rest = Duration::from_millis(1 << attempt.min(10)).min(LONGEST_REST);
        thread::sleep(rest.mul_f64(fastrand::f64()));
    };
    // What was kept free was used: as much of it as there is room for again is kept from now on.
    if found_full > 1 && connection.tidy() {
        let _ = connection.has_room();
    }
    let committed = committed.map_err(|cause| MetadataError::database(place, &cause));
    for change in batch {
        change.answer(committed.clone());
    }
}

/// Answers the changes of a batch that bring something new, for which there is no room; the others.
fn refuse_new(batch: Vec<Box<dyn Pending>>, full: &SqlError, place: &str) -> Vec<Box<dyn Pending>> {
    let (new, others): (Vec<_>, Vec<_>) = batch.into_iter().partition(|change| change.is_new());
    for change in new {
        change.answer(Err(MetadataError::database(place, full)));
    }
    others
}

/// Why a batch was not committed.
enum Failed {
    /// Nothing of it was done.
    Nothing(SqlError),
    /// It may have been done.
    Unknown(SqlError),
}

/// Makes all changes of a batch in one transaction.
fn commit(
    connection: &mut impl Transactional,
    batch: &mut [Box<dyn Pending>],
) -> std::result::Result<(), Failed> {
    let durable = batch.iter().any(|change| change.is_durable());
    connection.begin(durable).map_err(Failed::Nothing)?;
    let made = batch
        .iter_mut()
        .try_for_each(|change| change.make(connection));
    if let Err(error) = made {
        connection.roll_back();
        return Err(Failed::Nothing(error));
    }
    crate::failpoint::reached("before-commit");
    let committed = connection.commit();
    crate::failpoint::reached("after-commit");
    committed.map_err(|error| match error {
        SqlError::Lost(_) => Failed::Unknown(error),
        SqlError::Refused(_)
        | SqlError::Column { .. }
        | SqlError::Conflict(_)
        | SqlError::Full(_) => {
            connection.roll_back();
            Failed::Nothing(error)
        }
    })
}
