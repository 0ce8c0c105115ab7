//! Threads that read, each with a connection.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::Access;
use super::link::Link;

/// How many connections read.
const READERS: usize = 8;

/// Something to be asked on whichever connection is free.
pub(super) type Question = Box<dyn FnOnce(&mut Link) + Send>;

/// Threads that read, each with a connection.
pub(super) struct Readers {
    pub(super) queue: Option<Sender<Question>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start(access: &Access, chain: &str) -> std::io::Result<Self> {
        let (queue, questions) = channel::<Question>();
        let questions = Arc::new(Mutex::new(questions));
        let threads = (0..READERS)
            .map(|_| {
                let link = Link::new(access.clone(), chain.to_owned(), "");
                let questions = Arc::clone(&questions);
                thread::Builder::new()
                    .name("metadata-read".to_owned())
                    .spawn(move || answer(link, &questions))
            })
            .collect::<std::io::Result<_>>()?;
        let queue = Some(queue);
        Ok(Self { queue, threads })
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn answer(mut link: Link, questions: &Mutex<Receiver<Question>>) {
    loop {
        let next = questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        match next {
            Ok(question) => question(&mut link),
            Err(_) => return,
        }
    }
}
