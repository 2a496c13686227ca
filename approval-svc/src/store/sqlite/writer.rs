//! The one thread that writes: it takes all requests that wait, runs each in a savepoint, and commits once for all.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

use chassis::Ids;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use crate::{
    approval::Terms,
    error::ApprovalError,
    store::{
        StoreError,
        receipts::Receipts,
        sqlite::{
            clock::StoreClock,
            hub::Hub,
            row::signed,
            session::{Published, Session},
        },
    },
};

/// How many requests share a commit at most.
const MAX_BATCH: usize = 256;

/// Takes requests to the writing thread.
#[derive(Debug)]
pub(super) struct Writer {
    /// `None` once the store is closing.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    open: Arc<AtomicBool>,
}

/// What the thread works with.
pub(super) struct Workshop {
    pub(super) connection: Connection,
    pub(super) clock: Arc<StoreClock>,
    pub(super) ids: Arc<dyn Ids>,
    pub(super) terms: Terms,
    pub(super) receipts: Arc<Receipts>,
    pub(super) hub: Arc<Hub>,
}

/// Works in the transaction, if there is one, and returns what answers the caller after the commit.
type Job = Box<dyn FnOnce(Option<&mut Session<'_>>) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

// === impl Writer ===

impl Writer {
    pub(super) fn start(workshop: Workshop) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel();
        let open = Arc::new(AtomicBool::new(true));
        let alive = Alive(open.clone());
        let thread = thread::Builder::new()
            .name("approval-writer".to_owned())
            .spawn(move || {
                let alive = alive;
                workshop.run(&waiting);
                drop(alive);
            })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
            open,
        })
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Runs `work` in the next transaction; returns after the commit.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, ApprovalError> + Send + 'static,
    ) -> Result<T, ApprovalError> {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |session| {
            let result = match session {
                Some(session) => session.run(work),
                None => Err(StoreError::Stopped.into()),
            };
            Box::new(move |committed| {
                // The caller may have gone; the transaction stands all the same.
                let _gone = sender.send(committed.map_err(ApprovalError::from).and(result));
            })
        });
        let jobs = self.jobs.as_ref().ok_or(StoreError::Stopped)?;
        jobs.send(job).map_err(|_| StoreError::Stopped)?;
        receiver.await.map_err(|_| StoreError::Stopped)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the approval store's writer panicked");
        }
    }
}

/// Says that the thread has ended, however it ended.
struct Alive(Arc<AtomicBool>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

// === impl Workshop ===

impl Workshop {
    fn run(self, waiting: &mpsc::Receiver<Job>) {
        while let Ok(first) = waiting.recv() {
            // Whoever is about to ask gets to do so first, where the processors are busy: fewer and larger commits. Where
            // they are idle, this returns at once.
            thread::yield_now();
            let mut jobs = vec![first];
            jobs.extend(waiting.try_iter().take(MAX_BATCH - 1));
            if let Err(error) = self.transact(jobs) {
                tracing::error!(%error, "the approval store stops: a commit failed and the disk can't be trusted");
                return;
            }
        }
    }

    /// One transaction for all jobs. An error means that the store must not go on.
    fn transact(&self, jobs: Vec<Job>) -> Result<(), StoreError> {
        let mut answers = Vec::with_capacity(jobs.len());
        let outcome = self.commit(jobs, &mut answers);
        match outcome {
            Ok(published) => {
                self.hub.publish(published);
                for answer in answers {
                    answer(Ok(()));
                }
                Ok(())
            }
            Err(error) => {
                let error = Arc::new(error);
                let failure = || StoreError::Transaction(error.clone());
                for answer in answers {
                    answer(Err(failure()));
                }
                if !self.connection.is_autocommit() {
                    self.step("ROLLBACK")?;
                }
                if is_fatal(&error) { Err(failure()) } else { Ok(()) }
            }
        }
    }

    fn commit(&self, jobs: Vec<Job>, answers: &mut Vec<Answer>) -> Result<Published, rusqlite::Error> {
        if let Err(error) = self.step("BEGIN IMMEDIATE") {
            answers.extend(jobs.into_iter().map(|job| job(None)));
            return Err(error);
        }
        let mut session = Session {
            connection: &self.connection,
            now: self.clock.now(),
            ids: &*self.ids,
            terms: &self.terms,
            receipts: &self.receipts,
            hub: &self.hub,
            published: Published::default(),
        };
        answers.extend(jobs.into_iter().map(|job| job(Some(&mut session))));
        let published = session.published;
        if !published.wrote {
            self.step("COMMIT")?;
            return Ok(published);
        }
        let recorded = self.receipts.take_unsaved();
        self.finish(&recorded)
            .inspect_err(|_| self.receipts.put_back(recorded))?;
        Ok(published)
    }

    /// Takes what is recorded from the outbox, notes the time, commits.
    fn finish(&self, recorded: &[RangeInclusive<u64>]) -> Result<(), rusqlite::Error> {
        for positions in recorded {
            self.connection
                .prepare_cached("DELETE FROM outbox WHERE position BETWEEN ?1 AND ?2")?
                .execute([signed(*positions.start()), signed(*positions.end())])?;
        }
        self.connection
            .prepare_cached("UPDATE clock SET now = ?1 WHERE id = 1")?
            .execute([self.clock.latest().nanos()])?;
        self.step("COMMIT")
    }

    fn step(&self, sql: &str) -> Result<(), rusqlite::Error> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}

/// After these the database file may not be what the pages in memory say: only opening it anew can tell.
fn is_fatal(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}
