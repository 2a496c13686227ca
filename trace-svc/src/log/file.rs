//! The log in files: append-only segments of lines, a blob for each large content, one writer.
//!
//! ```text
//! <data-dir>/
//!   LOCK          held while the log is open: two processes never write one log
//!   segments/     00000000000000000000.jsonl …: named by the index of their first entry
//!   blobs/        named by the SHA-256 of their bytes
//!   quarantine/   torn tails that recovery cut off
//! ```
//!
//! - TR-8: a blob is durable, file and folder, before the line that names it is written.
//! - TR-9: after a failed sync nothing is acknowledged ever again, and nothing is synced again: the log has failed.
//! - TR-10: a full disk loses nothing acknowledged: the segment is cut back to its last durable line.
//! - TR-11: recovery keeps every complete line, and cuts off at most a torn tail, which it keeps and records.

mod blobs;
mod disk;
mod folders;
mod recovery;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    fs::File,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use tokio::{
    sync::{Semaphore, oneshot, watch},
    task::spawn_blocking,
};

use chassis::{GroupCommit, clock::Clock, group_commit::NotTaken, ids::Ids};

use crate::{
    error::{OpenError, TraceError},
    event::{NewEvent, Receipt, TraceId},
    line::{BlobId, Draft},
    log::{
        Budget, EventPage, EventQuery, Scope, TraceFilter, TraceLog, TracePage, TraceSummary,
        index::{Index, STRETCH},
    },
    prepare::{Blob, prepare_all},
};

use self::{
    blobs::Blobs,
    disk::{Disk, RealDisk},
    folders::Folders,
    writer::{Job, Writer},
};

/// Content beyond this is looked through for secrets off the async threads.
const MAX_LIGHT_BYTES: usize = 64 * 1024;

/// How the log is kept.
#[derive(Debug, Clone)]
pub struct FileLogOptions {
    /// Where.
    pub data_dir: PathBuf,
    /// Its name, as in receipts.
    pub name: String,
    /// A segment this long is followed by another.
    pub segment_bytes: u32,
    /// At most this many requests wait to be written.
    pub queue_requests: usize,
    /// At most about this many bytes wait to be written.
    pub queue_bytes: usize,
}

/// A log in files. Closing it (dropping it) waits for what is being written.
#[derive(Debug)]
pub struct FileLog {
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    writer: GroupCommit<Writer>,
    // Released when everything else is closed.
    _lock: File,
}

/// What the writer and the readers share.
#[derive(Debug)]
struct Shared {
    name: String,
    folders: Folders,
    blobs: Blobs,
    index: RwLock<Index>,
    failed: watch::Sender<bool>,
}

// === impl FileLogOptions ===

impl FileLogOptions {
    /// The defaults, for a log in `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            name: "main".to_owned(),
            segment_bytes: 64 * 1024 * 1024,
            queue_requests: 4096,
            queue_bytes: 64 * 1024 * 1024,
        }
    }
}

// === impl FileLog ===

impl FileLog {
    /// Opens the log, or makes one: recovers, builds the index, starts the writer.
    ///
    /// Fails if another process has it, or if anything but a torn tail is wrong with it.
    pub fn open(options: FileLogOptions, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(RealDisk), options, clock, ids)
    }

    fn open_on(
        disk: Arc<dyn Disk>,
        options: FileLogOptions,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, OpenError> {
        let folders = Folders::create(&options.data_dir)?;
        let lock = folders.lock()?;
        let recovered = recovery::recover(&folders)?;
        let shared = Arc::new(Shared {
            name: options.name,
            blobs: Blobs::open(folders.blobs(), Arc::clone(&disk))?,
            folders,
            index: RwLock::new(recovered.index),
            failed: watch::Sender::new(false),
        });
        let mut writer = Writer::open(
            Arc::clone(&shared),
            disk,
            recovered.end,
            options.segment_bytes,
            Arc::clone(&clock),
            ids,
        )?;
        writer.record_recoveries(recovered.quarantined)?;
        let writer = GroupCommit::start("trace-log", writer, options.queue_requests, clock)
            .map_err(OpenError::io(options.data_dir))?;
        Ok(Self {
            shared,
            room: Arc::new(Semaphore::new(options.queue_bytes.min(Semaphore::MAX_PERMITS))),
            writer,
            _lock: lock,
        })
    }

    /// Turns true, for good, when the log has failed: then the process should end with a failure.
    pub fn failed(&self) -> watch::Receiver<bool> {
        self.shared.failed.subscribe()
    }

    /// Whether it takes events. A writer that has panicked can't say so: the log has failed once somebody asks.
    pub fn is_open(&self) -> bool {
        if !self.writer.is_open() {
            self.shared.failed.send_replace(true);
        }
        !*self.shared.failed.borrow()
    }

    /// The events as they will be written, and about how many bytes their lines take; their blobs are durable.
    async fn prepare(&self, events: Vec<NewEvent>) -> Result<(Vec<Draft>, usize), TraceError> {
        let content = |event: &NewEvent| event.content.as_ref().map_or(0, |content| content.data.len());
        let heavy = events.iter().map(content).sum::<usize>() > MAX_LIGHT_BYTES;
        let work = move || prepare_all(events);
        let prepared = if heavy { blocking(work).await?? } else { work()? };
        let bytes = prepared.iter().map(|prepared| prepared.line_bytes).sum();
        let (drafts, blobs): (Vec<_>, Vec<_>) = prepared
            .into_iter()
            .map(|prepared| (prepared.draft, prepared.blob))
            .unzip();
        self.store(blobs.into_iter().flatten().collect()).await?;
        Ok((drafts, bytes))
    }

    async fn store(&self, blobs: Vec<Blob>) -> Result<(), TraceError> {
        if blobs.is_empty() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        blocking(move || blobs.iter().try_for_each(|blob| shared.store(blob))).await?
    }

    async fn write(&self, drafts: Vec<Draft>, bytes: usize) -> Result<Vec<Receipt>, TraceError> {
        let room = Arc::clone(&self.room)
            .try_acquire_many_owned(u32::try_from(bytes).unwrap_or(u32::MAX))
            .map_err(|_| TraceError::Overloaded)?;
        let (reply, answer) = oneshot::channel();
        self.writer
            .submit(Job { drafts, reply, room })
            .map_err(|error| match error {
                NotTaken::Full => TraceError::Overloaded,
                NotTaken::Stopped => self.shared.stopped(),
            })?;
        answer.await.map_err(|_| TraceError::Interrupted)?
    }
}

impl TraceLog for FileLog {
    async fn append(&self, events: Vec<NewEvent>) -> Result<Vec<Receipt>, TraceError> {
        self.shared.check_health()?;
        let (drafts, bytes) = self.prepare(events).await?;
        self.write(drafts, bytes).await
    }

    async fn trace(&self, scope: &Scope, id: TraceId) -> Result<TraceSummary, TraceError> {
        let summary = self.shared.index().summary(id);
        summary
            .filter(|summary| scope.sees(id, &summary.owner))
            .ok_or(TraceError::NotFound(id))
    }

    async fn traces(
        &self,
        scope: &Scope,
        filter: &TraceFilter,
        before: Option<u64>,
        limit: usize,
        looks: usize,
    ) -> Result<TracePage, TraceError> {
        let (shared, scope, filter) = (Arc::clone(&self.shared), scope.clone(), filter.clone());
        let before = before.unwrap_or(u64::MAX);
        blocking(move || shared.list(&scope, &filter, before, limit, looks)).await
    }

    async fn events(&self, query: &EventQuery, from: u64, until: u64, budget: Budget) -> Result<EventPage, TraceError> {
        let (shared, query) = (Arc::clone(&self.shared), query.clone());
        blocking(move || shared.page(&query, from, until, budget)).await?
    }

    async fn blob(&self, id: BlobId) -> Result<Vec<u8>, TraceError> {
        let shared = Arc::clone(&self.shared);
        let unreadable = move |error| TraceError::BlobUnreadable(id.to_string(), error);
        blocking(move || shared.blobs.read(id)).await?.map_err(unreadable)
    }

    fn end(&self) -> u64 {
        self.shared.index().end()
    }

    fn name(&self) -> &str {
        &self.shared.name
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, TraceError> {
    spawn_blocking(work).await.map_err(|_| TraceError::Interrupted)
}

// === impl Shared ===

impl Shared {
    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_health(&self) -> Result<(), TraceError> {
        if *self.failed.borrow() {
            return Err(TraceError::Unavailable(
                "it has failed; the service's log has the cause",
            ));
        }
        Ok(())
    }

    /// Ends the log for writers; readers go on (TR-9).
    fn fail(&self, what: &'static str, error: &std::io::Error) {
        tracing::error!(%error, "{what}; the log has failed and takes no more events");
        self.failed.send_replace(true);
    }

    /// Ends the log as well: only a panic stops its writer.
    fn stopped(&self) -> TraceError {
        self.failed.send_replace(true);
        TraceError::Unavailable("its writer has stopped")
    }

    fn store(&self, blob: &Blob) -> Result<(), TraceError> {
        self.check_health()?;
        match self.blobs.store(blob) {
            Ok(()) => Ok(()),
            Err(blobs::StoreError::Short(shortage, error)) => {
                tracing::warn!(%error, "a blob was refused");
                Err(shortage.into())
            }
            Err(blobs::StoreError::Broken(error)) => {
                self.fail("a blob could not be made durable", &error);
                self.check_health()
            }
        }
    }

    fn list(&self, scope: &Scope, filter: &TraceFilter, before: u64, limit: usize, mut looks: usize) -> TracePage {
        let mut page = TracePage {
            traces: Vec::new(),
            next: Some(before),
        };
        while let Some(before) = page.next
            && page.traces.len() < limit
            && looks > 0
        {
            let missing = limit - page.traces.len();
            let stretch = self.index().list(scope, filter, before, missing, looks);
            looks = looks.saturating_sub(STRETCH);
            page.traces.extend(stretch.traces);
            page.next = stretch.next;
        }
        page
    }

    fn page(&self, query: &EventQuery, from: u64, until: u64, mut budget: Budget) -> Result<EventPage, TraceError> {
        let (mut found, mut next) = (Vec::new(), Some(from));
        while let Some(from) = next
            && !budget.is_spent()
        {
            let stretch = self.index().select(query, from, until, budget);
            let stretch = stretch.ok_or(TraceError::NotFound(query.trace.unwrap_or(TraceId::LOG)))?;
            let bytes: usize = stretch.found.iter().map(|location| location.length).sum();
            budget = Budget {
                looks: budget.looks.saturating_sub(STRETCH),
                events: budget.events.saturating_sub(stretch.found.len()),
                bytes: budget.bytes.saturating_sub(bytes),
            };
            found.extend(stretch.found);
            next = stretch.next;
        }
        let events = self.folders.read(&found)?;
        Ok(EventPage { events, next })
    }
}
