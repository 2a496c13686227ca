//! The store on SQLite: one file, one writer with group commit, a few readers.
//!
//! WAL with `synchronous=FULL`: a commit returns after its fdatasync, one for all requests that waited. The process holds a
//! lock file, since receipts, clock and change log are also known in memory.

mod clock;
mod hub;
mod query;
mod reader;
mod recent;
mod row;
mod schema;
mod session;
mod trust;
mod unreadable;
mod writer;

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use chassis::{Clock, Ids, events};
use rusqlite::{Connection, OptionalExtension as _};
use tokio::sync::{broadcast, watch};
use warrant::ApprovalId;

use crate::{
    approval::{Terms, command::Command},
    error::ApprovalError,
    moment::Moment,
    store::{
        Acquired, ApprovalStore, Changed, Committed, Draft, Listing, OutboxRow, Query, RequestKey, StoreError, Stored,
        receipts::Receipts,
        sqlite::{
            clock::StoreClock,
            hub::{Fed, Hub},
            reader::Readers,
            row::unsigned,
            trust::Trust,
            unreadable::Unreadable,
            writer::{Workshop, Writer},
        },
    },
};

/// Approvals in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    // Before the writer: the last connection to close copies the write-ahead log into the database.
    readers: Readers,
    writer: Writer,
    clock: Arc<StoreClock>,
    receipts: Arc<Receipts>,
    hub: Arc<Hub>,
    // Released when everything else is closed.
    _lock: File,
}

// === impl SqliteStore ===

impl SqliteStore {
    /// Opens the store in `folder`, and makes it if there is none. Leases that are live are extended once.
    pub async fn open(
        folder: &Path,
        terms: Terms,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, ApprovalError> {
        let store = Self::open_files(folder, terms, clock, ids)?;
        let opening = store.writer.write(|session| {
            // Also if there is nothing to extend: a store that can't write must not open.
            session.published.wrote = true;
            session.extend_leases()
        });
        opening.await?;
        Ok(store)
    }

    fn open_files(folder: &Path, terms: Terms, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Result<Self, StoreError> {
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |source| StoreError::File { path, source }
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed(folder))?;
        let lock = lock(&folder.join("approvals.lock"))?;
        let path = folder.join("approvals.sqlite");
        // SQLite gives its other files the mode of this one.
        private_file(&path)?;
        // SQLite makes its files' names durable; the folder may be new as well.
        let above = folder.join("..");
        sync(&above).map_err(failed(&above))?;
        let connection = connect(&path)?;

        let known = Known::read(&connection)?;
        let time = Arc::new(StoreClock::new(Arc::clone(&clock), known.clock));
        let receipts = Arc::new(Receipts::new(known.relayed));
        let hub = Arc::new(Hub::new(known.last_change, known.last_row));
        let trust = Arc::new(Trust::default());
        let workshop = Workshop {
            connection,
            clock: Arc::clone(&time),
            ids,
            terms,
            receipts: receipts.clone(),
            hub: hub.clone(),
            trust: trust.clone(),
            unreadable: Unreadable::default(),
        };
        let writer = Writer::start(workshop, clock).map_err(failed(&path))?;
        Ok(Self {
            writer,
            readers: Readers::new(path, trust),
            clock: time,
            receipts,
            hub,
            _lock: lock,
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApprovalError> {
        self.readers.read(work).await
    }
}

impl ApprovalStore for SqliteStore {
    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn is_open(&self) -> bool {
        self.writer.is_open() && !self.readers.have_failed()
    }

    async fn create(&self, draft: Draft) -> Result<Committed, ApprovalError> {
        self.writer.write(move |session| session.create(&draft)).await
    }

    async fn execute(
        &self,
        id: ApprovalId,
        command: Command,
        request: Option<RequestKey>,
    ) -> Result<Committed, ApprovalError> {
        self.writer
            .write(move |session| session.execute(id, &command, request.as_ref()))
            .await
    }

    async fn acquire(&self, max: usize) -> Result<Acquired, ApprovalError> {
        let (now, relayed) = (self.clock.now(), self.receipts.relayed());
        let (ready, next) = self
            .read(move |connection| query::dispatchable(connection, now, relayed))
            .await?;
        if !ready {
            return Ok(Acquired {
                approvals: Vec::new(),
                now,
                next,
            });
        }
        let acquired = self.writer.write(move |session| session.acquire(max)).await?;
        Ok(Acquired { next, ..acquired })
    }

    async fn sweep(&self, max: usize) -> Result<usize, ApprovalError> {
        let now = self.clock.now();
        let due = self.read(move |connection| query::is_due(connection, now)).await?;
        if !due {
            return Ok(0);
        }
        self.writer.write(move |session| session.sweep(max)).await
    }

    async fn get(&self, id: ApprovalId) -> Result<Stored, ApprovalError> {
        if let Some(row) = self.hub.recent(&id) {
            return Ok(row.stored);
        }
        let found = self.read(move |connection| query::get(connection, &id)).await?;
        found.ok_or(ApprovalError::NotFound)
    }

    async fn list(&self, query: Query) -> Result<Listing, ApprovalError> {
        self.read(move |connection| query::list(connection, &query, query::MAX_LOOKS))
            .await
    }

    fn last_change(&self) -> u64 {
        self.hub.last_change()
    }

    async fn changes_after(&self, position: u64, max: usize) -> Result<Vec<Arc<Changed>>, ApprovalError> {
        self.read(move |connection| query::changes_after(connection, position, max))
            .await
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<Changed>> {
        self.hub.subscribe()
    }

    async fn outbox_after(&self, position: u64, max: usize) -> Result<Vec<OutboxRow>, ApprovalError> {
        loop {
            let mut bell = std::pin::pin!(self.hub.rows.notified());
            bell.as_mut().enable();
            let newest = self.hub.last_row();
            match self.hub.rows_after(position, max, events::MAX_BYTES) {
                Fed::Rows(rows) => return Ok(rows),
                Fed::Stored => {
                    let rows = self
                        .read(move |connection| query::outbox_after(connection, position, max, events::MAX_BYTES))
                        .await?;
                    if !rows.is_empty() {
                        return Ok(rows);
                    }
                    // Nothing is left of what was committed: all of it had been recorded before.
                    self.receipts.record([], newest);
                }
                Fed::None => {}
            }
            bell.await;
        }
    }

    fn receipts(&self) -> &Arc<Receipts> {
        &self.receipts
    }

    async fn flush_receipts(&self) -> Result<(), ApprovalError> {
        if !self.receipts.has_unsaved() {
            return Ok(());
        }
        let write = self.writer.write(|session| {
            session.published.wrote = true;
            session.published.flush = true;
            Ok(())
        });
        write.await
    }

    fn dispatch_signal(&self) -> watch::Receiver<u64> {
        self.hub.dispatch.subscribe()
    }

    fn wake_dispatch(&self) {
        self.hub.wake_dispatch();
    }
}

/// What is known in memory, as the database has it.
struct Known {
    clock: Moment,
    relayed: u64,
    last_row: u64,
    last_change: u64,
}

// === impl Known ===

impl Known {
    fn read(connection: &Connection) -> Result<Self, StoreError> {
        let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let last_row = "SELECT max(last_row, (SELECT ifnull(max(position), 0) FROM outbox)) FROM clock WHERE id = 1";
        let last_row = unsigned(number(last_row)?)?;
        let noted = Moment::from_nanos(number("SELECT now FROM clock WHERE id = 1")?);
        let newest = connection
            .query_row(
                "SELECT progress FROM changes ORDER BY position DESC LIMIT 1",
                [],
                |row| row.get::<_, String>(0),
            )
            .optional()?;
        let changed = newest.map(|progress| row::decode_progress(&progress)).transpose()?;
        let first_unsent = connection.query_row("SELECT min(position) FROM outbox", [], |row| {
            row.get::<_, Option<i64>>(0)
        })?;
        Ok(Self {
            clock: changed.map_or(noted, |progress| progress.update_time.max(noted)),
            relayed: match first_unsent {
                Some(first) => unsigned(first)?.saturating_sub(1),
                None => last_row,
            },
            last_row,
            last_change: unsigned(number("SELECT ifnull(max(position), 0) FROM changes")?)?,
        })
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The writer does so.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.set_prepared_statement_cache_capacity(64);
    schema::migrate(&mut connection)?;
    Ok(connection)
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let file = private_file(path)?;
    file.try_lock().map_err(|error| not_locked(path, error))?;
    Ok(file)
}

fn not_locked(path: &Path, error: TryLockError) -> StoreError {
    let path = path.display().to_string();
    match error {
        TryLockError::WouldBlock => StoreError::Locked(path),
        TryLockError::Error(source) => StoreError::File { path, source },
    }
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn private_file(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| StoreError::File {
            path: path.display().to_string(),
            source,
        })
}

#[cfg(test)]
mod tests;
