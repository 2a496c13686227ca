//! Decides, without touching the disk, which lines a commit will write and which receipts it will give.
//!
//! Requests are planned one after another against the log as it will be after the ones before them; a request that is
//! refused leaves no trace in the plan. Nothing planned counts until the commit is durable.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    time::SystemTime,
};

use uuid::Uuid;

use chassis::{ids::Ids, part::PartName, semconv};

use crate::{
    error::{ReadError, TraceError},
    event::{Actor, ActorType, EventType, Owner, Receipt, TraceId},
    line::{Draft, Leaf, Line, Position},
    log::index::{Index, Location},
};

/// Reads back an entry that is in the log, to compare it with one that comes again.
pub(crate) trait Lookup {
    /// The entry's bytes.
    fn read(&self, location: Location) -> Result<Vec<u8>, ReadError>;
}

/// A line that the commit will write.
#[derive(Debug)]
pub(crate) struct PlannedLine {
    pub(crate) line: Line,
    pub(crate) leaf: Leaf,
    /// Offset in [`Plan::bytes`].
    pub(crate) start: usize,
    /// Length without the newline.
    pub(crate) length: usize,
}

/// One commit in the making.
pub(crate) struct Plan<'a> {
    log: &'a str,
    index: &'a Index,
    lookup: &'a dyn Lookup,
    fresh: &'a dyn Ids,
    recorded_at: SystemTime,
    /// The lines, in order.
    pub(crate) lines: Vec<PlannedLine>,
    /// Their exact bytes, each followed by a newline.
    pub(crate) bytes: Vec<u8>,
    by_event: HashMap<Uuid, usize>,
    last_of_trace: HashMap<TraceId, usize>,
}

struct TailNow {
    seq: u64,
    leaf: Leaf,
    closed: bool,
}

/// Whether an event is followed at once by a `trace.closed` (TR-7).
fn closes_trace(kind: EventType, late: bool) -> bool {
    late || kind == EventType::ApprovalClosed
}

// === impl Plan ===

impl<'a> Plan<'a> {
    /// An empty commit on top of `index`. All its lines carry one time, never before that of the line before (TR-5).
    pub(crate) fn new(
        log: &'a str,
        index: &'a Index,
        lookup: &'a dyn Lookup,
        fresh: &'a dyn Ids,
        now: SystemTime,
    ) -> Self {
        let recorded_at = index.last_recorded_at().map_or(now, |last| last.max(now));
        Self {
            log,
            index,
            lookup,
            fresh,
            recorded_at,
            lines: Vec::new(),
            bytes: Vec::new(),
            by_event: HashMap::new(),
            last_of_trace: HashMap::new(),
        }
    }

    /// Plans one request: all of its events or none (TR-4).
    pub(crate) fn add(&mut self, drafts: Vec<Draft>) -> Result<Vec<Receipt>, TraceError> {
        let lines_before = self.lines.len();
        let receipts = drafts.into_iter().map(|draft| self.add_one(draft)).collect();
        if Result::is_err(&receipts) {
            self.take_back(lines_before);
        }
        receipts
    }

    fn add_one(&mut self, draft: Draft) -> Result<Receipt, TraceError> {
        if let Some(receipt) = self.recorded_before(&draft)? {
            return Ok(receipt);
        }
        let owner = Owner::of(&draft.attrs);
        self.check_owner(&draft)?;
        let (trace, kind) = (draft.trace_id, draft.kind);
        let late = self.tail(trace).is_some_and(|tail| tail.closed);
        let mut draft = draft;
        if late {
            draft.attrs.insert(semconv::LATE.to_owned(), "true".to_owned());
        }
        let receipt = self.push(draft);
        if closes_trace(kind, late) {
            self.close(trace, &owner);
        }
        Ok(receipt)
    }

    /// Closes the trace of the log's last line if a crash came between that line and its `trace.closed` (TR-7).
    pub(crate) fn close_interrupted(&mut self) -> Result<(), TraceError> {
        let last = self.index.end().checked_sub(1).map(|index| self.line_at(index));
        if let Some((line, _)) = last.transpose()?.flatten()
            && closes_trace(line.kind, line.attrs.contains_key(semconv::LATE))
        {
            self.close(line.trace_id, &Owner::of(&line.attrs));
        }
        Ok(())
    }

    /// The first receipt of an event that comes again (TR-3).
    fn recorded_before(&self, draft: &Draft) -> Result<Option<Receipt>, TraceError> {
        let planned = self
            .by_event
            .get(&draft.event_id)
            .and_then(|line| self.lines.get(*line));
        if let Some(planned) = planned {
            return self.again(draft, &planned.line, planned.leaf).map(Some);
        }
        let Some(index) = self.index.find(&draft.event_id) else {
            return Ok(None);
        };
        let Some((line, leaf)) = self.line_at(index)? else {
            return Ok(None);
        };
        self.again(draft, &line, leaf).map(Some)
    }

    fn line_at(&self, index: u64) -> Result<Option<(Line, Leaf)>, TraceError> {
        let unreadable = |source| TraceError::Unreadable { index, source };
        let Some(location) = self.index.locate(index) else {
            return Ok(None);
        };
        let bytes = self.lookup.read(location).map_err(unreadable)?;
        let line = Line::parse(&bytes).map_err(|error| unreadable(error.into()))?;
        Ok(Some((line, Leaf::of(&bytes))))
    }

    fn again(&self, draft: &Draft, line: &Line, leaf: Leaf) -> Result<Receipt, TraceError> {
        if !line.records(draft) {
            return Err(TraceError::Conflict(draft.event_id));
        }
        Ok(self.receipt(line, leaf, true))
    }

    fn receipt(&self, line: &Line, leaf: Leaf, duplicate: bool) -> Receipt {
        Receipt {
            log: self.log.to_owned(),
            index: line.index,
            leaf: *leaf.as_bytes(),
            duplicate,
            recorded_at: line.recorded_at,
        }
    }

    fn check_owner(&self, draft: &Draft) -> Result<(), TraceError> {
        let same = match self.last_planned(draft.trace_id) {
            Some(planned) => Owner::of(&planned.line.attrs).owns(&draft.attrs),
            None => self
                .index
                .tail(draft.trace_id)
                .is_none_or(|tail| tail.owner.owns(&draft.attrs)),
        };
        same.then_some(()).ok_or(TraceError::TraceMismatch {
            event: draft.event_id,
            trace: draft.trace_id,
        })
    }

    fn last_planned(&self, trace: TraceId) -> Option<&PlannedLine> {
        self.last_of_trace.get(&trace).and_then(|line| self.lines.get(*line))
    }

    fn tail(&self, trace: TraceId) -> Option<TailNow> {
        if let Some(planned) = self.last_planned(trace) {
            let closed = planned.line.kind == EventType::TraceClosed;
            return Some(TailNow {
                seq: planned.line.trace_seq,
                leaf: planned.leaf,
                closed,
            });
        }
        let tail = self.index.tail(trace)?;
        Some(TailNow {
            seq: tail.seq,
            leaf: tail.leaf,
            closed: tail.closed,
        })
    }

    /// Closes a trace by counting its events (TR-7).
    fn close(&mut self, trace: TraceId, owner: &Owner) {
        let count = self.tail(trace).map_or(0, |tail| tail.seq);
        let mut attrs: BTreeMap<_, _> = owner.attrs();
        attrs.insert(semconv::EVENT_COUNT.to_owned(), count.to_string());
        self.push(Draft {
            event_id: self.fresh.uuid(),
            trace_id: trace,
            kind: EventType::TraceClosed,
            occurred_at: self.recorded_at,
            actor: Actor {
                kind: ActorType::Service,
                id: PartName::Trace.as_str().to_owned(),
            },
            risk: None,
            action_digest: None,
            attrs,
            content: None,
        });
    }

    fn push(&mut self, draft: Draft) -> Receipt {
        let tail = self.tail(draft.trace_id);
        let position = Position {
            index: self.index.end() + self.lines.len() as u64,
            trace_seq: tail.as_ref().map_or(0, |tail| tail.seq) + 1,
            trace_prev: tail.map(|tail| tail.leaf),
            recorded_at: self.recorded_at,
        };
        let line = Line::new(draft, position);
        let start = self.bytes.len();
        line.encode_to(&mut self.bytes);
        let length = self.bytes.len() - start;
        let leaf = Leaf::of(self.bytes.get(start..).unwrap_or_default());
        self.bytes.push(b'\n');
        let receipt = self.receipt(&line, leaf, false);
        self.by_event.insert(line.event_id, self.lines.len());
        self.last_of_trace.insert(line.trace_id, self.lines.len());
        self.lines.push(PlannedLine {
            line,
            leaf,
            start,
            length,
        });
        receipt
    }

    fn take_back(&mut self, keep: usize) {
        for planned in self.lines.drain(keep..) {
            self.by_event.remove(&planned.line.event_id);
        }
        let end = self.lines.last().map_or(0, |last| last.start + last.length + 1);
        self.bytes.truncate(end);
        self.last_of_trace.clear();
        for (at, planned) in self.lines.iter().enumerate() {
            self.last_of_trace.insert(planned.line.trace_id, at);
        }
    }
}
