//! Finding traces and events in the index, a bounded stretch at a time, so that no reader holds up the writer.

use crate::log::{
    Budget, EventQuery, Scope, TraceFilter, TracePage,
    index::{Index, Location},
};

/// How many candidates one call looks at before it gives others the lock.
pub const STRETCH: usize = 8 * 1024;

/// What one stretch of a listing found.
#[derive(Debug)]
pub struct Selection {
    /// The entries, in order.
    pub found: Vec<Location>,
    /// Where to go on; `None` at the end.
    pub next: Option<u64>,
}

// === impl Index ===

impl Index {
    /// One stretch of the events that `query` asks for; `None` if its trace isn't there for the reader.
    ///
    /// A stretch ends when the budget is spent, or after [`STRETCH`] looks; it goes on at `next`.
    pub fn select(&self, query: &EventQuery, from: u64, until: u64, budget: Budget) -> Option<Selection> {
        let until = until.min(self.end());
        let events = match (query.trace, &query.scope) {
            (Some(trace), scope) => {
                let record = self.record(trace)?;
                scope.sees(trace, &record.owner).then_some(())?;
                Some(&record.events)
            }
            (None, Scope::Own(owner)) => self.by_owner.get(owner).map(|owned| &owned.events),
            (None, Scope::Tenant(_)) => return Some(self.take(query, from..until, budget)),
        };
        let events = events.map(Vec::as_slice).unwrap_or_default();
        let start = events.partition_point(|index| *index < from);
        let events = events.get(start..).unwrap_or_default().iter().copied();
        Some(self.take(query, events.take_while(|index| *index < until), budget))
    }

    /// One stretch of the traces, newest first, that began before the index `before`.
    ///
    /// A stretch ends with `limit` traces, after `looks`, or after [`STRETCH`] looks; it goes on at `next`.
    pub fn list(&self, scope: &Scope, filter: &TraceFilter, before: u64, limit: usize, looks: usize) -> TracePage {
        let mut page = TracePage {
            traces: Vec::new(),
            next: None,
        };
        for (looked_at, trace) in self.positions(scope, before).enumerate() {
            let Some(record) = self.traces.get(trace as usize) else {
                continue;
            };
            if looked_at == looks.min(STRETCH) || page.traces.len() == limit {
                page.next = record.events.first().map(|first| first + 1);
                break;
            }
            if filter.passes(record.risk, &record.owner.requester, record.closed) {
                page.traces.push(record.summary());
            }
        }
        page
    }

    /// Newest first. The log's own trace is no run and belongs to no tenant: it is read by its name.
    fn positions(&self, scope: &Scope, before: u64) -> impl Iterator<Item = u32> {
        let positions = match scope {
            Scope::Own(owner) => self.by_owner.get(owner).map(|owned| &owned.traces),
            Scope::Tenant(tenant) => self.by_tenant.get(tenant),
        };
        let positions = positions.map(Vec::as_slice).unwrap_or_default();
        let began_before = |trace: &u32| {
            let record = self.traces.get(*trace as usize);
            record
                .and_then(|record| record.events.first())
                .is_some_and(|first| *first < before)
        };
        let end = positions.partition_point(began_before);
        positions.get(..end).unwrap_or_default().iter().rev().copied()
    }

    fn take(&self, query: &EventQuery, events: impl Iterator<Item = u64>, budget: Budget) -> Selection {
        let mut selection = Selection {
            found: Vec::new(),
            next: None,
        };
        let mut bytes = 0;
        for (looked_at, index) in events.enumerate() {
            let full = selection.found.len() >= budget.events || bytes >= budget.bytes;
            if (full && !selection.found.is_empty()) || looked_at == budget.looks.min(STRETCH) {
                selection.next = Some(index);
                break;
            }
            if let Some(location) = self.seen(query, index) {
                bytes += location.length;
                selection.found.push(location);
            }
        }
        selection
    }

    fn seen(&self, query: &EventQuery, index: u64) -> Option<Location> {
        let entry = self.entries.get(usize::try_from(index).ok()?)?;
        query.passes(entry.kind, entry.risk).then_some(())?;
        let record = self.traces.get(entry.trace as usize)?;
        query.scope.sees(record.id, &record.owner).then_some(())?;
        self.locate(index)
    }
}
