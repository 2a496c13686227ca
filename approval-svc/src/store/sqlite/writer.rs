//! The one writer: it runs all requests of a commit in one transaction. Where one of them fails, each has a transaction of
//! its own instead.

use std::{
    ops::{ControlFlow, RangeInclusive},
    sync::Arc,
};

use chassis::{Clock, Commit, GroupCommit, Ids};
use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

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
            trust::{Trust, is_fatal},
            unreadable::Unreadable,
        },
    },
};

/// How many requests share a commit at most.
const MAX_BATCH: usize = 256;
/// As many requests wait for a commit as come: the limit on calls bounds them.
const MAX_WAITING: usize = Semaphore::MAX_PERMITS;
/// How many pages the write-ahead log may grow by before it is copied into the database.
const CHECKPOINT_PAGES: i64 = 4_000;
/// How many outbox rows are deleted at once at least, unless a flush is asked for.
const MIN_PRUNED: usize = 256;

/// Takes requests to the writer.
#[derive(Debug)]
pub(super) struct Writer(GroupCommit<Workshop>);

/// What the writer works with.
pub(super) struct Workshop {
    pub(super) connection: Connection,
    pub(super) clock: Arc<StoreClock>,
    pub(super) ids: Arc<dyn Ids>,
    pub(super) terms: Terms,
    pub(super) receipts: Arc<Receipts>,
    pub(super) hub: Arc<Hub>,
    pub(super) trust: Arc<Trust>,
    pub(super) unreadable: Unreadable,
}

/// A request to the writer.
pub(super) type Job = Box<dyn Work>;

/// What a request does, and who waits for it.
pub(super) trait Work: Send {
    /// Does it in the transaction, from the beginning each time; fails if that may not be committed. A refusal may: what
    /// time alone has changed stays.
    fn run(&mut self, session: &mut Session<'_>) -> Result<(), Failure>;
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
    /// Tells the caller what the last run came to, now that it is committed or has failed.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Task<W, T> {
    work: W,
    result: Result<T, ApprovalError>,
    caller: oneshot::Sender<Result<T, ApprovalError>>,
}

/// Why a transaction was not committed.
pub(super) enum Failure {
    /// One of its requests failed, perhaps after it had written.
    Request,
    /// The database failed for good under one of its requests.
    Database(rusqlite::Error),
    /// The transaction itself.
    Transaction(rusqlite::Error),
}

// === impl Writer ===

impl Writer {
    pub(super) fn start(workshop: Workshop, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        GroupCommit::start("approval-writer", workshop, MAX_WAITING, clock).map(Self)
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.is_open()
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
        self.0.submit(job).map_err(|_| StoreError::Stopped)?;
        receiver.await.map_err(|_| StoreError::InDoubt)?
    }
}

// === impl Task ===

impl<W, T> Work for Task<W, T>
where
    W: FnMut(&mut Session<'_>) -> Result<T, ApprovalError> + Send,
    T: Send,
{
    fn run(&mut self, session: &mut Session<'_>) -> Result<(), Failure> {
        self.result = match (self.work)(session) {
            Err(ApprovalError::StoreUnavailable(StoreError::Database(error))) if is_fatal(&error) => {
                return Err(Failure::Database(error));
            }
            result => result,
        };
        match self.result {
            Err(ApprovalError::StoreUnavailable(_) | ApprovalError::Internal(_)) => Err(Failure::Request),
            _ => Ok(()),
        }
    }

    fn is_abandoned(&self) -> bool {
        self.caller.is_closed()
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        // The caller may have gone; the transaction stands all the same.
        let _gone = self
            .caller
            .send(committed.map_err(ApprovalError::from).and(self.result));
    }
}

// === impl Workshop ===

impl Commit for Workshop {
    type Job = Job;

    const MAX_WEIGHT: usize = MAX_BATCH;

    fn commit(&mut self, mut jobs: Vec<Job>) -> ControlFlow<()> {
        // After a stall of the disk most callers have left, and what they asked for may be out of date.
        jobs.retain(|job| !job.is_abandoned());
        if jobs.is_empty() {
            return ControlFlow::Continue(());
        }
        if self.trust.is_lost() {
            answer(jobs, || Err(StoreError::Stopped));
            return ControlFlow::Break(());
        }
        match self.transact(jobs) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                tracing::error!(%error, "the approval store stops: the database failed and the disk can't be trusted");
                ControlFlow::Break(())
            }
        }
    }
}

impl Workshop {
    /// One transaction for all jobs. An error means that the store must not go on.
    fn transact(&mut self, mut jobs: Vec<Job>) -> Result<(), StoreError> {
        let failure = match self.transaction(&mut jobs) {
            Ok(published) => {
                let wrote = published.wrote;
                self.hub.publish(published);
                answer(jobs, || Ok(()));
                return if wrote { self.checkpoint() } else { Ok(()) };
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
            Failure::Database(error) => {
                answer(jobs, || Err(StoreError::Stopped));
                Err(error.into())
            }
            Failure::Transaction(error) if is_fatal(&error) => {
                // The write-ahead log may hold the commit all the same, and the next opening finds it there.
                answer(jobs, || Err(StoreError::InDoubt));
                Err(error.into())
            }
            Failure::Transaction(error) => {
                let error = Arc::new(error);
                answer(jobs, || Err(StoreError::Transaction(error.clone())));
                Ok(())
            }
        }
    }

    fn transaction(&mut self, jobs: &mut [Job]) -> Result<Published, Failure> {
        self.step("BEGIN IMMEDIATE")?;
        let mut session = Session {
            connection: &self.connection,
            now: self.clock.now(),
            ids: &*self.ids,
            terms: &self.terms,
            receipts: &self.receipts,
            hub: &self.hub,
            unreadable: &mut self.unreadable,
            published: Published::default(),
        };
        jobs.iter_mut().try_for_each(|job| job.run(&mut session))?;
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

    /// Copies the write-ahead log into the database, as far as readers allow, once it is long. SQLite would do so by
    /// itself in a commit, but keep an error to itself.
    fn checkpoint(&self) -> Result<(), StoreError> {
        let logged = |sql| {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row([], |row| row.get::<_, i64>("log"))
        };
        let copied = logged("PRAGMA wal_checkpoint = noop").and_then(|pages| match pages {
            ..CHECKPOINT_PAGES => Ok(pages),
            _ => logged("PRAGMA wal_checkpoint = passive"),
        });
        match copied {
            Ok(_) => Ok(()),
            Err(error) if is_fatal(&error) => Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "the write-ahead log grows: it can't be copied into the database");
                Ok(())
            }
        }
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
