//! Threads that compress chunks for whichever fragment is being written.
//!
//! A chunk is handed over only when a thread is idle; else the writer compresses it itself. So one
//! large package uses all processors, many small ones do not queue, and memory stays bounded.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::codec::{Codec, Compressor};
use crate::error::LayerError;

/// A chunk on its way back: compressed, with its buffer to be used again.
pub(crate) struct Done {
    pub(crate) chunk: Vec<u8>,
    pub(crate) compressed: Result<Vec<u8>, LayerError>,
}

struct Job {
    codec: Codec,
    chunk: Vec<u8>,
    answer: Sender<Done>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    idle: usize,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

/// Threads that compress chunks. Dropping it ends them.
pub struct CompressionPool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl CompressionPool {
    /// Starts threads; with none, every writer compresses its own chunks.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn new(threads: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut pool = Self {
            shared: Arc::clone(&shared),
            threads: Vec::new(),
        };
        for number in 0..threads {
            let shared = Arc::clone(&shared);
            let builder = std::thread::Builder::new().name(format!("compress-{number}"));
            pool.threads.push(builder.spawn(move || work(&shared))?);
        }
        Ok(pool)
    }

    /// Hands a chunk over if a thread is idle, else gives it back.
    pub(crate) fn offer(&self, codec: Codec, chunk: Vec<u8>) -> Result<Receiver<Done>, Vec<u8>> {
        let mut queue = self
            .shared
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if queue.idle <= queue.jobs.len() {
            return Err(chunk);
        }
        let (answer, receiver) = channel();
        queue.jobs.push_back(Job {
            codec,
            chunk,
            answer,
        });
        drop(queue);
        self.shared.wake.notify_one();
        Ok(receiver)
    }
}

impl Drop for CompressionPool {
    fn drop(&mut self) {
        self.shared
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .closed = true;
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has already failed the writer that waited for its answer.
            let _ = thread.join();
        }
    }
}

fn work(shared: &Shared) {
    let mut compressor: Option<(Codec, Compressor)> = None;
    loop {
        let mut queue = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.idle += 1;
        let job = loop {
            if let Some(job) = queue.jobs.pop_front() {
                break job;
            }
            if queue.closed {
                return;
            }
            queue = shared
                .wake
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        };
        queue.idle -= 1;
        drop(queue);
        let compressed = compress(&mut compressor, job.codec, &job.chunk);
        // The writer may be gone after an error of its own.
        let _ = job.answer.send(Done {
            chunk: job.chunk,
            compressed,
        });
    }
}

fn compress(
    kept: &mut Option<(Codec, Compressor)>,
    codec: Codec,
    chunk: &[u8],
) -> Result<Vec<u8>, LayerError> {
    if !matches!(kept, Some((former, _)) if *former == codec) {
        *kept = None;
    }
    let (_, compressor) = match kept {
        Some(kept) => kept,
        None => kept.insert((codec, Compressor::new(codec)?)),
    };
    let mut output = Vec::new();
    compressor.compress(chunk, &mut output)?;
    Ok(output)
}
