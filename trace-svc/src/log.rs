//! The log as the rest of the service sees it; how it is kept is an adapter's business.

#[cfg(test)]
mod conformance;
pub mod file;
pub mod index;
mod plan;

use std::{fmt::Debug, future::Future, time::SystemTime};

use warrant::Risk;

use crate::{
    error::TraceError,
    event::{EventType, NewEvent, Owner, Receipt, TraceId},
    line::BlobId,
};

/// How many events, or traces, one call looks at: some milliseconds, some tens at worst. Then it answers with what it has
/// found, however long the log is, so whoever looks for something rare gets on with every call.
pub const MAX_LOOKS: usize = 512 * 1024;

/// Who reads, and so what there is to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A requester: the traces of their own runs.
    Own(Owner),
    /// An auditor: all traces of the tenant, and that of the log itself.
    Tenant(String),
}

/// Which traces to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceFilter {
    /// Only those of this risk.
    pub risk: Option<Risk>,
    /// Only those of this requester.
    pub requester: Option<String>,
    /// Only those that are, or aren't, closed.
    pub closed: Option<bool>,
}

/// Which events to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventQuery {
    /// Who reads.
    pub scope: Scope,
    /// One trace, or all that the reader may see.
    pub trace: Option<TraceId>,
    /// Only events of this type.
    pub kind: Option<EventType>,
    /// Only events of this risk.
    pub risk: Option<Risk>,
    /// Only events of this producer.
    pub producer: Option<chassis::part::PartName>,
}

/// How much to do at once.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// At most this many events are looked at.
    pub looks: usize,
    /// At most this many are returned.
    pub events: usize,
    /// About this many bytes of lines; one event is returned in any case.
    pub bytes: usize,
}

/// What is known of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceSummary {
    /// Its id.
    pub id: TraceId,
    /// Index of its first event: its place among the traces.
    pub first_index: u64,
    /// Whose it is.
    pub owner: Owner,
    /// When its first event was recorded.
    pub created_at: SystemTime,
    /// When its last event was recorded.
    pub updated_at: SystemTime,
    /// How many events it has.
    pub event_count: u64,
    /// Whether its last event is `trace.closed`.
    pub closed: bool,
    /// The risk of its action.
    pub risk: Option<Risk>,
    /// Type of its last event other than `trace.closed`.
    pub last_kind: EventType,
}

/// Traces, newest first.
#[derive(Debug)]
pub struct TracePage {
    /// The traces.
    pub traces: Vec<TraceSummary>,
    /// Pass as `before` for the next page, also after one without traces; `None` on the last.
    pub next: Option<u64>,
}

/// An entry as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its index.
    pub index: u64,
    /// Its exact bytes, without the newline.
    pub bytes: Vec<u8>,
}

/// Events, in the order of the log.
#[derive(Debug)]
pub struct EventPage {
    /// The events.
    pub events: Vec<Recorded>,
    /// Where the next page starts, also after one without events; `None` on the last.
    pub next: Option<u64>,
}

/// An append-only log of events.
///
/// - TR-1: when `append` returns receipts, their events survive any crash.
/// - TR-2: each trace's lines form a chain: `trace_seq` counts from 1, `trace_prev` is the leaf hash of the one before.
/// - TR-3: an event id stands for one event: the same event gives its first receipt, another is refused.
/// - TR-4: a call to `append` records all of its events or none.
/// - TR-5: indexes are dense from 0, and `recorded_at` never decreases along them.
/// - TR-6: a trace has one owner; only the owner and the auditors of the owner's tenant see it.
/// - TR-7: `approval.closed`, and every event of a trace that was closed before, is followed by a counted `trace.closed`.
pub trait TraceLog: Send + Sync + Debug + 'static {
    /// Records events, in order, all or none; returns when they are durable.
    fn append(&self, events: Vec<NewEvent>) -> impl Future<Output = Result<Vec<Receipt>, TraceError>> + Send;

    /// One trace.
    fn trace(&self, scope: &Scope, id: TraceId) -> impl Future<Output = Result<TraceSummary, TraceError>> + Send;

    /// Traces, newest first, that began before the index `before`: at most `limit` of the next `looks`.
    fn traces(
        &self,
        scope: &Scope,
        filter: &TraceFilter,
        before: Option<u64>,
        limit: usize,
        looks: usize,
    ) -> impl Future<Output = Result<TracePage, TraceError>> + Send;

    /// Events from the index `from` on, but before `until`, as far as the budget goes.
    fn events(
        &self,
        query: &EventQuery,
        from: u64,
        until: u64,
        budget: Budget,
    ) -> impl Future<Output = Result<EventPage, TraceError>> + Send;

    /// Bytes kept beside the log, checked against their name.
    fn blob(&self, id: BlobId) -> impl Future<Output = Result<Vec<u8>, TraceError>> + Send;

    /// The index that the next entry will have.
    fn end(&self) -> u64;

    /// The log's name, as in receipts.
    fn name(&self) -> &str;
}

// === impl Scope ===

impl Scope {
    /// Whether a trace of this owner is to be seen (TR-6).
    pub fn sees(&self, trace: TraceId, owner: &Owner) -> bool {
        match self {
            Self::Own(own) => trace != TraceId::LOG && own == owner,
            Self::Tenant(_) if trace == TraceId::LOG => true,
            Self::Tenant(tenant) => *tenant == owner.tenant,
        }
    }
}

// === impl TraceFilter ===

impl TraceFilter {
    /// Whether a trace passes.
    pub fn passes(&self, risk: Option<Risk>, requester: &str, closed: bool) -> bool {
        self.risk.is_none_or(|wanted| risk == Some(wanted))
            && self.requester.as_ref().is_none_or(|wanted| wanted == requester)
            && self.closed.is_none_or(|wanted| wanted == closed)
    }
}

// === impl EventQuery ===

impl EventQuery {
    /// Whether an event passes the filter.
    pub fn passes(&self, kind: EventType, risk: Option<Risk>) -> bool {
        self.kind.is_none_or(|wanted| wanted == kind)
            && self.risk.is_none_or(|wanted| risk == Some(wanted))
            && self.producer.is_none_or(|wanted| wanted == kind.producer())
    }
}

// === impl Budget ===

impl Budget {
    /// Whether nothing more can be done.
    pub const fn is_spent(&self) -> bool {
        self.looks == 0 || self.events == 0 || self.bytes == 0
    }
}
