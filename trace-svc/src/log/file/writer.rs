//! The one writer: takes what waits, plans it, writes it at once, syncs it once, and only then answers.

use std::{io, ops::ControlFlow, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use chassis::{Commit, clock::Clock, ids::Ids};

use crate::{
    error::{OpenError, TraceError},
    event::Receipt,
    line::Draft,
    log::plan::{Plan, PlannedLine},
};

use super::{
    Shared,
    disk::{Disk, DiskFile, DiskFolder, Shortage},
    recovery::SegmentEnd,
    segment::Segment,
};

/// At most this many events are committed together, give or take one request.
const MAX_COMMIT_EVENTS: usize = 1024;

type Answer = Result<Vec<Receipt>, TraceError>;

/// A request that waits to be written.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) drafts: Vec<Draft>,
    pub(super) reply: oneshot::Sender<Answer>,
    /// Its share of the queue; given back when it is answered.
    pub(super) room: OwnedSemaphorePermit,
}

/// Writes the log. There is one.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    segments: Box<dyn DiskFolder>,
    segment: Segment,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    short: bool,
}

/// Why nothing was committed.
enum CommitError {
    Short(Shortage),
    Failed,
}

struct Entries {
    lines: Vec<PlannedLine>,
    bytes: Vec<u8>,
    answers: Vec<Answer>,
}

// === impl Writer ===

impl Commit for Writer {
    type Job = Job;

    const MAX_WEIGHT: usize = MAX_COMMIT_EVENTS;

    fn weight(job: &Job) -> usize {
        job.drafts.len()
    }

    fn commit(&mut self, jobs: Vec<Job>) -> ControlFlow<()> {
        let (requests, replies): (Vec<_>, Vec<_>) =
            jobs.into_iter().map(|job| (job.drafts, (job.reply, job.room))).unzip();
        let answers = self.append(requests);
        for (answer, (reply, room)) in answers.into_iter().zip(replies) {
            drop(room);
            // The caller may have gone; the events are recorded all the same.
            let _ = reply.send(answer);
        }
        // A log that has failed refuses by itself (TR-9).
        ControlFlow::Continue(())
    }
}

impl Writer {
    /// Continues the segment that recovery found last, or begins the first.
    pub(super) fn open(
        shared: Arc<Shared>,
        disk: Arc<dyn Disk>,
        end: Option<SegmentEnd>,
        segment_bytes: u32,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, OpenError> {
        let folder = shared.folders.segments();
        let segments = disk.open_folder(&folder).map_err(OpenError::io(folder))?;
        let (path, length) = match end {
            Some(end) => (shared.folders.segment(end.first_index), end.length),
            None => (shared.folders.segment(0), 0),
        };
        let file = match end {
            Some(_) => disk.open(&path),
            None => create_segment(&shared, disk.as_ref()).and_then(|file| begin_segment(&shared, &*segments, file)),
        };
        let file = file.map_err(OpenError::io(path))?;
        Ok(Self {
            shared,
            disk,
            segments,
            segment: Segment::new(file, length, segment_bytes.into()),
            clock,
            ids,
            short: false,
        })
    }

    /// Finishes what a crash interrupted, and records what recovery cut off, once each.
    pub(super) fn record_recoveries(&mut self, events: Vec<Draft>) -> Result<(), OpenError> {
        let segments = self.shared.folders.segments();
        let failed = |error: TraceError| OpenError::io(segments)(io::Error::other(error));
        let entries = self.plan(|plan| vec![plan.close_interrupted().and_then(|()| plan.add(events))]);
        let answers = if entries.lines.is_empty() {
            entries.answers
        } else {
            self.commit(entries)
        };
        answers
            .into_iter()
            .try_for_each(|answer| answer.map(drop))
            .map_err(failed)
    }

    /// One commit: an answer for each request, given only when its lines are durable (TR-1).
    fn append(&mut self, requests: Vec<Vec<Draft>>) -> Vec<Answer> {
        let count = requests.len();
        if let Err(error) = self.shared.check_health() {
            return refuse(count, error, || self.unhealthy());
        }
        let entries = self.plan(|plan| requests.into_iter().map(|drafts| plan.add(drafts)).collect());
        self.commit(entries)
    }

    fn commit(&mut self, entries: Entries) -> Vec<Answer> {
        let count = entries.answers.len();
        match self.write(&entries) {
            Ok(()) => entries.answers,
            Err(CommitError::Short(shortage)) => refuse(count, shortage.into(), || shortage.into()),
            Err(CommitError::Failed) => refuse(count, self.unhealthy(), || self.unhealthy()),
        }
    }

    fn unhealthy(&self) -> TraceError {
        let fallback = TraceError::Unavailable("it has failed");
        self.shared.check_health().err().unwrap_or(fallback)
    }

    fn plan(&self, fill: impl FnOnce(&mut Plan<'_>) -> Vec<Answer>) -> Entries {
        let index = self.shared.index();
        let now = self.clock.now();
        let mut plan = Plan::new(&self.shared.name, &index, &self.shared.folders, self.ids.as_ref(), now);
        let answers = fill(&mut plan);
        Entries {
            lines: plan.lines,
            bytes: plan.bytes,
            answers,
        }
    }

    fn write(&mut self, entries: &Entries) -> Result<(), CommitError> {
        if entries.bytes.is_empty() {
            return Ok(());
        }
        if self.segment.is_full_for(entries.bytes.len()) {
            self.roll()?;
        }
        if let Err(error) = self.segment.write(&entries.bytes) {
            return Err(self.refused("lines could not be written", &error));
        }
        if let Err(error) = self.segment.sync() {
            return Err(self.unsynced(&error));
        }
        self.apply(entries);
        if std::mem::take(&mut self.short) {
            tracing::info!("the log takes events again");
        }
        Ok(())
    }

    fn apply(&mut self, entries: &Entries) {
        let mut index = self.shared.index_mut();
        for planned in &entries.lines {
            // A segment is at most 1 GiB and a line fits 16 bits, so neither number is ever cut.
            let offset = u32::try_from(self.segment.length() + planned.start as u64).unwrap_or(u32::MAX);
            let length = u16::try_from(planned.length).unwrap_or(u16::MAX);
            index.apply(&planned.line, planned.leaf, offset, length);
        }
        self.segment.extend(entries.bytes.len());
    }

    fn roll(&mut self) -> Result<(), CommitError> {
        if let Err(error) = self.segment.close() {
            return Err(self.broken("a segment could not be ended", &error));
        }
        let created = match create_segment(&self.shared, self.disk.as_ref()) {
            Ok(created) => created,
            Err(error) => {
                return Err(match Shortage::of_open(&error) {
                    Some(shortage) => self.short(shortage, &error),
                    None => self.broken("a segment could not be created", &error),
                });
            }
        };
        match begin_segment(&self.shared, &*self.segments, created) {
            Ok(file) => {
                self.segment.go_on_in(file);
                Ok(())
            }
            Err(error) => Err(self.broken("a segment could not be made durable", &error)),
        }
    }

    fn broken(&self, what: &'static str, error: &io::Error) -> CommitError {
        self.shared.fail(what, error);
        CommitError::Failed
    }

    /// A sync has failed. The kernel may keep such lines as if they were on the disk, and the next start would find them, so
    /// they are cut off, as far as the disk lets that happen (TR-1).
    fn unsynced(&mut self, error: &io::Error) -> CommitError {
        if let Err(error) = self.segment.cut_back() {
            tracing::error!(%error, "a segment could not be cut back");
        }
        self.broken("lines could not be made durable", error)
    }

    /// A write was refused: cuts the segment back to its last durable line (TR-10), or gives up.
    fn refused(&mut self, what: &'static str, error: &io::Error) -> CommitError {
        let Some(shortage) = Shortage::of_write(error) else {
            return self.broken(what, error);
        };
        // Durable as well: what was answered with "not written" doesn't come back after a crash.
        if let Err(error) = self.segment.cut_back().and_then(|()| self.segment.sync()) {
            return self.broken("a segment could not be cut back", &error);
        }
        self.short(shortage, error)
    }

    fn short(&mut self, shortage: Shortage, error: &io::Error) -> CommitError {
        if !std::mem::replace(&mut self.short, true) {
            tracing::warn!(%error, "the log takes no events until this has passed");
        }
        CommitError::Short(shortage)
    }
}

impl Drop for Writer {
    /// A log that has failed is left as it is (TR-9).
    fn drop(&mut self) {
        if self.shared.check_health().is_ok()
            && let Err(error) = self.segment.close()
        {
            tracing::warn!(%error, "the last segment could not be cut to its lines; the next start does it");
        }
    }
}

/// The file of a segment that begins with the next entry.
fn create_segment(shared: &Shared, disk: &dyn Disk) -> io::Result<Box<dyn DiskFile>> {
    let first_index = shared.index().end();
    disk.create(&shared.folders.segment(first_index))
}

/// Makes a new segment durable, file and name, before anything is written to it.
fn begin_segment(
    shared: &Shared,
    segments: &dyn DiskFolder,
    mut file: Box<dyn DiskFile>,
) -> io::Result<Box<dyn DiskFile>> {
    file.sync()?;
    segments.sync()?;
    shared.index_mut().begin_segment();
    Ok(file)
}

fn refuse(count: usize, first: TraceError, more: impl Fn() -> TraceError) -> Vec<Answer> {
    let mut answers = vec![Err(first)];
    answers.resize_with(count, || Err(more()));
    answers
}
