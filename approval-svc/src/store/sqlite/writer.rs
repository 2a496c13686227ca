//! The one thread that writes: it takes all requests that wait, runs them in one transaction, and commits once for all.
//! Where one of them fails, each has a transaction of its own instead.

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
/// How many outbox rows are deleted at once at least, unless a flush is asked for.
const MIN_PRUNED: usize = 256;

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

/// A request to the thread.
type Job = Box<dyn Work>;

/// What a request does, and who waits for it.
trait Work: Send {
    /// Does it in the transaction, from the beginning each time; says whether it may be committed. A refusal may: what
    /// time alone has changed stays.
    fn run(&mut self, session: &mut Session<'_>) -> bool;
    /// Tells the caller what the last run came to, now that it is committed or has failed.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Task<W, T> {
    work: W,
    result: Result<T, ApprovalError>,
    caller: oneshot::Sender<Result<T, ApprovalError>>,
}

/// Why a transaction was not committed.
enum Failure {
    /// One of its requests failed, perhaps after it had written.
    Request,
    /// The transaction itself.
    Transaction(rusqlite::Error),
}

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

    /// Runs `work` in the next transaction; returns after the commit. It is run again if another request spoils the
    /// transaction.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Session<'_>) -> Result<T, ApprovalError> + Send + 'static,
    ) -> Result<T, ApprovalError> {
        let (caller, receiver) = oneshot::channel();
        let job = Box::new(Task {
            work,
            result: Err(StoreError::Stopped.into()),
            caller,
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

// === impl Task ===

impl<W, T> Work for Task<W, T>
where
    W: FnMut(&mut Session<'_>) -> Result<T, ApprovalError> + Send,
    T: Send,
{
    fn run(&mut self, session: &mut Session<'_>) -> bool {
        self.result = (self.work)(session);
        !matches!(
            self.result,
            Err(ApprovalError::StoreUnavailable(_) | ApprovalError::Internal(_))
        )
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        // The caller may have gone; the transaction stands all the same.
        let _gone = self
            .caller
            .send(committed.map_err(ApprovalError::from).and(self.result));
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
    fn transact(&self, mut jobs: Vec<Job>) -> Result<(), StoreError> {
        let failure = match self.commit(&mut jobs) {
            Ok(published) => {
                self.hub.publish(published);
                answer(jobs, || Ok(()));
                return Ok(());
            }
            Err(failure) => failure,
        };
        if !self.connection.is_autocommit() {
            self.step("ROLLBACK")?;
        }
        match failure {
            Failure::Request if jobs.len() > 1 => jobs.into_iter().try_for_each(|job| self.transact(vec![job])),
            Failure::Request => {
                // It tells of its own failure.
                answer(jobs, || Ok(()));
                Ok(())
            }
            Failure::Transaction(error) => {
                let error = Arc::new(error);
                let failure = || StoreError::Transaction(error.clone());
                answer(jobs, || Err(failure()));
                if is_fatal(&error) { Err(failure()) } else { Ok(()) }
            }
        }
    }

    fn commit(&self, jobs: &mut [Job]) -> Result<Published, Failure> {
        self.step("BEGIN IMMEDIATE")?;
        let mut session = Session {
            connection: &self.connection,
            now: self.clock.now(),
            ids: &*self.ids,
            terms: &self.terms,
            receipts: &self.receipts,
            hub: &self.hub,
            published: Published::default(),
        };
        if !jobs.iter_mut().all(|job| job.run(&mut session)) {
            return Err(Failure::Request);
        }
        let last_row = session.last_row();
        let published = session.published;
        if !published.wrote {
            self.step("COMMIT")?;
            return Ok(published);
        }
        let recorded = self.receipts.take_unsaved(if published.flush { 0 } else { MIN_PRUNED });
        // Otherwise the newest change says what time it is, and the outbox what its newest position is.
        let noted = published.changes.is_empty() || !recorded.is_empty();
        self.finish(&recorded, noted.then_some(last_row))
            .inspect_err(|_| self.receipts.put_back(recorded))?;
        Ok(published)
    }

    /// Takes what is recorded from the outbox, notes the time and the outbox's newest position if that is given, commits.
    fn finish(&self, recorded: &[RangeInclusive<u64>], last_row: Option<u64>) -> Result<(), rusqlite::Error> {
        for positions in recorded {
            self.connection
                .prepare_cached("DELETE FROM outbox WHERE position BETWEEN ?1 AND ?2")?
                .execute([signed(*positions.start()), signed(*positions.end())])?;
        }
        if let Some(last_row) = last_row {
            self.connection
                .prepare_cached("UPDATE clock SET now = ?1, last_row = ?2 WHERE id = 1")?
                .execute([self.clock.latest().nanos(), signed(last_row)])?;
        }
        self.step("COMMIT")
    }

    fn step(&self, sql: &str) -> Result<(), rusqlite::Error> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}

fn answer(jobs: Vec<Job>, committed: impl Fn() -> Result<(), StoreError>) {
    for job in jobs {
        job.answer(committed());
    }
}

// === impl Failure ===

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Transaction(error)
    }
}

/// After these the database file may not be what the pages in memory say: only opening it anew can tell.
fn is_fatal(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}
