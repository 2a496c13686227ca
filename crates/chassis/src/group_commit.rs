//! Group commit: a store has one writer, and those who wait for it at the same time share its next commit.
//!
//! A thread of its own commits, so that a slow disk holds up nobody but those who wait for it. A commit begins as soon as
//! something is there, and what arrives while the disk is busy is the next commit.
//!
//! Handing a request over to the thread, and its answer back, wakes two sleeping threads, which takes about as long as a
//! quick disk takes to sync. While requests come one at a time and the disk is quick, whoever asks therefore commits
//! (`pace` says when that is).

mod pace;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    ops::ControlFlow,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use tokio::sync::mpsc;

use crate::clock::Clock;

use self::pace::Pace;

/// What writes a store.
pub trait Commit: Send + 'static {
    /// A request, with whoever waits for its answer.
    type Job: Send + 'static;

    /// What the jobs of a commit may weigh together, give or take the last one.
    const MAX_WEIGHT: usize;

    /// What a job weighs.
    fn weight(_job: &Self::Job) -> usize {
        1
    }

    /// Carries out all jobs, makes them durable together, and only then answers each. `Break` stops the writer for good.
    fn commit(&mut self, jobs: Vec<Self::Job>) -> ControlFlow<()>;
}

/// The way to a writer. Dropping it waits for what it has taken.
pub struct GroupCommit<C: Commit> {
    desk: Arc<Desk<C>>,
    /// `None` while it is being dropped.
    queue: Option<mpsc::Sender<C::Job>>,
    thread: Option<JoinHandle<()>>,
}

/// Why a job was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// As many jobs wait as may.
    #[error("too many requests wait to be written")]
    Full,
    /// The writer has stopped.
    #[error("the writer has stopped")]
    Stopped,
}

/// Where commits are made, one at a time, on whatever thread.
struct Desk<C> {
    seat: Mutex<Seat<C>>,
    clock: Arc<dyn Clock>,
    /// How many jobs the thread has been given and has not answered.
    waiting: AtomicUsize,
    stopped: AtomicBool,
}

struct Seat<C> {
    writer: C,
    pace: Pace,
}

// === impl GroupCommit ===

impl<C: Commit> GroupCommit<C> {
    /// Starts the thread, named `name`; at most `capacity` jobs wait for it.
    pub fn start(name: &str, writer: C, capacity: usize, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel(capacity.max(1));
        let desk = Arc::new(Desk {
            seat: Mutex::new(Seat {
                writer,
                pace: Pace::default(),
            }),
            clock,
            waiting: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let at_desk = Arc::clone(&desk);
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || at_desk.serve(jobs))?;
        Ok(Self {
            desk,
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Whether the writer takes jobs.
    pub fn is_open(&self) -> bool {
        self.desk.is_open()
    }

    /// Takes a job; the answer comes by what it carries, or by that being dropped if the writer stops. Jobs are carried out
    /// in the order in which they were taken.
    ///
    /// May block for one commit on a disk that has been quick so far.
    pub fn submit(&self, job: C::Job) -> Result<(), NotTaken> {
        let queue = self.queue.as_ref().filter(|_| self.is_open());
        let queue = queue.ok_or(NotTaken::Stopped)?;
        match self.desk.lone_seat() {
            Some(mut seat) => {
                let _stopped = self.desk.commit(&mut seat, vec![job]);
                Ok(())
            }
            None => self.desk.enqueue(queue, job),
        }
    }
}

impl<C: Commit> Drop for GroupCommit<C> {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a store's writer panicked");
        }
    }
}

impl<C: Commit> fmt::Debug for GroupCommit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupCommit")
            .field("is_open", &self.is_open())
            .finish_non_exhaustive()
    }
}

// === impl Desk ===

impl<C: Commit> Desk<C> {
    fn is_open(&self) -> bool {
        // What a panic has left half done is not written on.
        !self.stopped.load(Ordering::Acquire) && !self.seat.is_poisoned()
    }

    /// The seat, if whoever asks is to commit: nobody else does or waits, and the pace allows it.
    fn lone_seat(&self) -> Option<MutexGuard<'_, Seat<C>>> {
        if self.waiting.load(Ordering::Acquire) > 0 {
            return None;
        }
        let seat = self.seat.try_lock().ok()?;
        // Whoever sat here before may have stopped the writer.
        (self.is_open() && seat.pace.is_calm(self.clock.monotonic())).then_some(seat)
    }

    fn enqueue(&self, queue: &mpsc::Sender<C::Job>, job: C::Job) -> Result<(), NotTaken> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        queue.try_send(job).map_err(|error| {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            match error {
                mpsc::error::TrySendError::Full(_) => NotTaken::Full,
                mpsc::error::TrySendError::Closed(_) => NotTaken::Stopped,
            }
        })
    }

    /// Serves the queue until it is closed.
    fn serve(&self, mut jobs: mpsc::Receiver<C::Job>) {
        while let Some(first) = jobs.blocking_recv() {
            // Whoever is about to ask gets to do so first, where the processors are busy: fewer and larger commits. Where
            // they are idle, this returns at once.
            thread::yield_now();
            let Ok(mut seat) = self.seat.lock() else { return };
            let jobs = take_waiting::<C>(first, &mut jobs);
            let count = jobs.len();
            if !self.is_open() || self.commit(&mut seat, jobs).is_break() {
                return;
            }
            self.waiting.fetch_sub(count, Ordering::AcqRel);
        }
    }

    fn commit(&self, seat: &mut Seat<C>, jobs: Vec<C::Job>) -> ControlFlow<()> {
        let (count, began) = (jobs.len(), self.clock.monotonic());
        let flow = seat.writer.commit(jobs);
        seat.pace.note(count, began, self.clock.monotonic());
        if flow.is_break() {
            self.stopped.store(true, Ordering::Release);
        }
        flow
    }
}

fn take_waiting<C: Commit>(first: C::Job, waiting: &mut mpsc::Receiver<C::Job>) -> Vec<C::Job> {
    let mut weight = C::weight(&first);
    let mut jobs = vec![first];
    while weight < C::MAX_WEIGHT
        && let Ok(job) = waiting.try_recv()
    {
        weight = weight.saturating_add(C::weight(&job));
        jobs.push(job);
    }
    jobs
}
