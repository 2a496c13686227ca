//! What is kept in memory about the log: where each entry stands, never the entry itself.
//!
//! The index is derived: it is built from the lines when the log is opened, by the same [`Index::apply`] that the writer
//! uses, and nothing of it is stored.

mod select;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use uuid::Uuid;

use warrant::Risk;

use crate::{
    event::{EventType, Owner, TraceId},
    line::{Leaf, Line},
    log::TraceSummary,
};

pub use select::{STRETCH, Selection};

/// Where one entry stands, and what filters ask about it.
#[derive(Debug, Clone, Copy)]
struct Entry {
    offset: u32,
    trace: u32,
    length: u16,
    kind: EventType,
    risk: Option<Risk>,
}

/// Where an entry's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// The entry.
    pub index: u64,
    /// Index of its segment's first entry: the segment's name.
    pub segment: u64,
    /// Byte offset in the segment.
    pub offset: u64,
    /// Length in bytes, without the newline.
    pub length: usize,
}

/// The end of a trace's chain.
#[derive(Debug, Clone, Copy)]
pub struct Tail<'a> {
    /// How many events the trace has.
    pub seq: u64,
    /// Leaf hash of the last.
    pub leaf: Leaf,
    /// Whether the last is `trace.closed`.
    pub closed: bool,
    /// Whose the trace is.
    pub owner: &'a Owner,
}

#[derive(Debug)]
struct TraceRecord {
    id: TraceId,
    owner: Arc<Owner>,
    created_at: SystemTime,
    updated_at: SystemTime,
    closed: bool,
    risk: Option<Risk>,
    last_kind: EventType,
    tail: Leaf,
    events: Vec<u64>,
}

/// What one owner has in the log.
#[derive(Debug, Default)]
struct Owned {
    traces: Vec<u32>,
    events: Vec<u64>,
}

/// The log's contents by index, event id, trace and owner.
#[derive(Debug, Default)]
pub struct Index {
    segments: Vec<u64>,
    entries: Vec<Entry>,
    event_ids: HashMap<Uuid, u64>,
    traces: Vec<TraceRecord>,
    trace_ids: HashMap<TraceId, u32>,
    by_owner: HashMap<Arc<Owner>, Owned>,
    by_tenant: HashMap<String, Vec<u32>>,
    last_recorded_at: Option<SystemTime>,
}

/// Why a line can't be the next one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChainError {
    /// Another index was due.
    #[error("its index is {found}")]
    Index {
        /// What the line says.
        found: u64,
    },
    /// Another position in the trace was due.
    #[error("its position in the trace is {found}, not {expected}")]
    Sequence {
        /// What the line says.
        found: u64,
        /// What it should say.
        expected: u64,
    },
    /// The trace's previous event has another leaf hash.
    #[error("it doesn't follow the previous event of its trace")]
    Previous,
    /// The event is there already.
    #[error("its event id stands earlier in the log")]
    Repeated,
    /// It was recorded before its predecessor.
    #[error("it was recorded before the entry that precedes it")]
    Time,
    /// The trace is somebody else's.
    #[error("it names another owner than its trace's first event")]
    Owner,
}

// === impl Index ===

impl Index {
    /// How many entries there are: the index of the next.
    pub fn end(&self) -> u64 {
        self.entries.len() as u64
    }

    /// When the last entry was recorded.
    pub const fn last_recorded_at(&self) -> Option<SystemTime> {
        self.last_recorded_at
    }

    /// Where the event with this id stands.
    pub fn find(&self, event: &Uuid) -> Option<u64> {
        self.event_ids.get(event).copied()
    }

    /// The end of a trace's chain.
    pub fn tail(&self, trace: TraceId) -> Option<Tail<'_>> {
        let record = self.record(trace)?;
        Some(Tail {
            seq: record.events.len() as u64,
            leaf: record.tail,
            closed: record.closed,
            owner: &record.owner,
        })
    }

    /// Where an entry's bytes are.
    pub fn locate(&self, index: u64) -> Option<Location> {
        let entry = self.entries.get(usize::try_from(index).ok()?)?;
        let following = self.segments.partition_point(|first| *first <= index);
        let segment = *self.segments.get(following.checked_sub(1)?)?;
        Some(Location {
            index,
            segment,
            offset: u64::from(entry.offset),
            length: usize::from(entry.length),
        })
    }

    /// Notes that a segment begins with the next entry.
    pub fn begin_segment(&mut self) {
        let first = self.end();
        if self.segments.last() != Some(&first) {
            self.segments.push(first);
        }
    }

    /// Whether `line` is the one that is due next (TR-2, TR-3, TR-5, TR-6).
    pub fn check(&self, line: &Line) -> Result<(), ChainError> {
        if line.index != self.end() {
            return Err(ChainError::Index { found: line.index });
        }
        if self.find(&line.event_id).is_some() {
            return Err(ChainError::Repeated);
        }
        if self.last_recorded_at.is_some_and(|last| line.recorded_at < last) {
            return Err(ChainError::Time);
        }
        let tail = self.tail(line.trace_id);
        let expected = tail.map_or(0, |tail| tail.seq) + 1;
        if line.trace_seq != expected {
            return Err(ChainError::Sequence {
                found: line.trace_seq,
                expected,
            });
        }
        if line.trace_prev != tail.map(|tail| tail.leaf) {
            return Err(ChainError::Previous);
        }
        if tail.is_some_and(|tail| !tail.owner.owns(&line.attrs)) {
            return Err(ChainError::Owner);
        }
        Ok(())
    }

    /// Adds the next line, which stands at `offset` of the last segment and has `length` bytes.
    pub fn apply(&mut self, line: &Line, leaf: Leaf, offset: u32, length: u16) {
        debug_assert_eq!(self.check(line), Ok(()), "only the line that is due is applied");
        let trace = self.trace_of(line, leaf);
        self.entries.push(Entry {
            offset,
            trace,
            length,
            kind: line.kind,
            risk: line.risk,
        });
        self.event_ids.insert(line.event_id, line.index);
        self.last_recorded_at = Some(line.recorded_at);
        if let Some(record) = self.traces.get_mut(trace as usize) {
            record.append(line, leaf);
            if let Some(owned) = self.by_owner.get_mut(&record.owner) {
                owned.events.push(line.index);
            }
        }
    }

    /// One trace, whoever asks.
    pub fn summary(&self, trace: TraceId) -> Option<TraceSummary> {
        self.record(trace).map(TraceRecord::summary)
    }

    fn record(&self, trace: TraceId) -> Option<&TraceRecord> {
        let position = *self.trace_ids.get(&trace)?;
        self.traces.get(position as usize)
    }

    fn trace_of(&mut self, line: &Line, leaf: Leaf) -> u32 {
        if let Some(position) = self.trace_ids.get(&line.trace_id) {
            return *position;
        }
        // More traces than that don't fit the memory of any machine.
        let position = u32::try_from(self.traces.len()).unwrap_or(u32::MAX);
        let owner = Arc::new(Owner::of(&line.attrs));
        self.traces.push(TraceRecord::new(line, leaf, Arc::clone(&owner)));
        self.trace_ids.insert(line.trace_id, position);
        self.by_tenant.entry(owner.tenant.clone()).or_default().push(position);
        self.by_owner.entry(owner).or_default().traces.push(position);
        position
    }
}

// === impl TraceRecord ===

impl TraceRecord {
    fn new(line: &Line, leaf: Leaf, owner: Arc<Owner>) -> Self {
        Self {
            id: line.trace_id,
            owner,
            created_at: line.recorded_at,
            updated_at: line.recorded_at,
            closed: false,
            risk: None,
            last_kind: line.kind,
            tail: leaf,
            events: Vec::new(),
        }
    }

    fn append(&mut self, line: &Line, leaf: Leaf) {
        self.updated_at = line.recorded_at;
        self.closed = line.kind == EventType::TraceClosed;
        self.risk = line.risk.or(self.risk);
        if !self.closed {
            self.last_kind = line.kind;
        }
        self.tail = leaf;
        self.events.push(line.index);
    }

    fn summary(&self) -> TraceSummary {
        TraceSummary {
            id: self.id,
            first_index: self.events.first().copied().unwrap_or_default(),
            owner: Owner::clone(&self.owner),
            created_at: self.created_at,
            updated_at: self.updated_at,
            event_count: self.events.len() as u64,
            closed: self.closed,
            risk: self.risk,
            last_kind: self.last_kind,
        }
    }
}
