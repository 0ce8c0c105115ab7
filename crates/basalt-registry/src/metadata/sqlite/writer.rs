//! The one thread that writes. It takes all changes that wait, makes each in a savepoint, commits them together with
//! one flush of the disk, and then answers: many clients at once cost little more than one.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::{Answer, MetadataError};
use super::failed;

/// The most changes of one commit.
const MAXIMUM_BATCH: usize = 256;

/// Answers a change: with its result, or with why the commit failed.
type Reply = Box<dyn FnOnce(Result<(), MetadataError>) + Send>;

/// A change that waits.
struct Job {
    /// Whether it must have reached the disk when it is answered.
    durable: bool,
    run: Box<dyn FnOnce(&Connection) -> Reply + Send>,
}

/// Hands changes to the thread; it ends when the last of these is dropped.
pub(super) struct Writer {
    queue: Option<Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
    place: String,
}

impl Writer {
    pub(super) fn start(connection: Connection, place: String) -> std::io::Result<Self> {
        let (queue, jobs) = channel();
        let named = place.clone();
        let thread = thread::Builder::new()
            .name("metadata".to_owned())
            .spawn(move || run(&connection, &jobs, &named))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            place,
        })
    }

    /// Makes a change. It is made even if nobody waits for the answer any more.
    pub(super) fn change<T: Send + 'static>(
        &self,
        durable: bool,
        change: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<'static, T> {
        let (sender, receiver) = oneshot::channel();
        let place = self.place.clone();
        let run = Box::new(move |connection: &Connection| {
            let result =
                within_savepoint(connection, change).map_err(|cause| failed(&place, &cause));
            let reply: Reply = Box::new(move |committed| {
                let _ = sender.send(committed.and(result));
            });
            reply
        });
        let sent = match &self.queue {
            Some(queue) => queue.send(Job { durable, run }).is_ok(),
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

fn run(connection: &Connection, jobs: &Receiver<Job>, place: &str) {
    let mut is_full = true;
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        while batch.len() < MAXIMUM_BATCH
            && let Ok(next) = jobs.try_recv()
        {
            batch.push(next);
        }
        let durable = batch.iter().any(|job| job.durable);
        let (replies, committed) = commit(connection, batch, durable, &mut is_full);
        let committed = committed.map_err(|cause| failed(place, &cause));
        for reply in replies {
            reply(committed.clone());
        }
    }
}

/// Makes all changes of a batch in one transaction.
fn commit(
    connection: &Connection,
    batch: Vec<Job>,
    durable: bool,
    is_full: &mut bool,
) -> (Vec<Reply>, rusqlite::Result<()>) {
    let prepare = || {
        // Leases and uploads alone are no reason to wait for the disk: a later commit takes them there.
        if *is_full != durable {
            let level = if durable { "FULL" } else { "NORMAL" };
            connection.pragma_update(None, "synchronous", level)?;
        }
        connection.execute_batch("BEGIN IMMEDIATE")
    };
    let begun = prepare();
    *is_full = durable;
    let mut replies = Vec::with_capacity(batch.len());
    let began = begun.is_ok();
    for job in batch {
        replies.push((job.run)(connection));
    }
    crate::failpoint::reached("before-commit");
    let committed = begun.and_then(|()| connection.execute_batch("COMMIT"));
    if committed.is_err() && began {
        let _ = connection.execute_batch("ROLLBACK");
    }
    crate::failpoint::reached("after-commit");
    (replies, committed)
}

fn within_savepoint<T>(
    connection: &Connection,
    change: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    // Without a transaction nothing may be written: each statement would be one of its own.
    if connection.is_autocommit() {
        return Err(rusqlite::Error::InvalidQuery);
    }
    connection.execute_batch("SAVEPOINT change")?;
    let result = change(connection);
    match result {
        Ok(_) => connection.execute_batch("RELEASE change")?,
        Err(_) => connection.execute_batch("ROLLBACK TO change; RELEASE change")?,
    }
    result
}
