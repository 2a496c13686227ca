//! What is known of receipts: at once in memory, durably with a later transaction.
//!
//! Rows go to trace-svc in the order of their positions, so one number says what is recorded: everything up to it. A run
//! whose event was refused for good is held: its later events stay in the outbox, and it gets no warrant.

use std::{
    collections::HashSet,
    ops::RangeInclusive,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;
use warrant::RunId;

/// What is known of receipts.
#[derive(Debug)]
pub struct Receipts {
    relayed: watch::Sender<u64>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Positions of rows that have their receipt and are still in the stored outbox, in order.
    unsaved: Vec<RangeInclusive<u64>>,
    /// How many positions those are.
    count: usize,
    held: HashSet<RunId>,
}

// === impl Receipts ===

impl Receipts {
    /// Everything up to `relayed` is recorded.
    pub fn new(relayed: u64) -> Self {
        Self {
            relayed: watch::Sender::new(relayed),
            inner: Mutex::default(),
        }
    }

    /// Takes that the rows at `positions` have their receipts, and that every row up to `relayed` has either its receipt
    /// or a held run.
    pub fn record(&self, positions: impl IntoIterator<Item = u64>, relayed: u64) {
        let mut inner = self.lock();
        positions.into_iter().for_each(|position| inner.add(position));
        drop(inner);
        self.relayed.send_if_modified(|known| {
            let grows = relayed > *known;
            *known = relayed.max(*known);
            grows
        });
    }

    /// Holds a run: an event of it was refused for good.
    pub fn hold(&self, run: RunId) {
        self.lock().held.insert(run);
    }

    /// Whether the run is held.
    pub fn is_held(&self, run: &RunId) -> bool {
        self.lock().held.contains(run)
    }

    /// Up to which position everything is recorded, held runs apart.
    pub fn relayed(&self) -> u64 {
        *self.relayed.borrow()
    }

    /// Whether the run's events up to `position` are recorded.
    pub fn covers(&self, run: &RunId, position: u64) -> bool {
        position > 0 && self.relayed() >= position && !self.is_held(run)
    }

    /// Waits until the run's events up to `position` are recorded; says whether they are.
    pub async fn wait(&self, run: &RunId, position: u64, at_most: Duration) -> bool {
        let mut relayed = self.relayed.subscribe();
        let known = tokio::time::timeout(at_most, relayed.wait_for(|known| *known >= position));
        matches!(known.await, Ok(Ok(_))) && self.covers(run, position)
    }

    /// Whether there are rows to be taken from the stored outbox.
    pub fn has_unsaved(&self) -> bool {
        !self.lock().unsaved.is_empty()
    }

    /// Takes the positions that are to be taken from the stored outbox, if there are at least so many.
    pub(super) fn take_unsaved(&self, at_least: usize) -> Vec<RangeInclusive<u64>> {
        let mut inner = self.lock();
        if inner.count < at_least {
            return Vec::new();
        }
        inner.count = 0;
        std::mem::take(&mut inner.unsaved)
    }

    /// Gives positions back that are still in the stored outbox.
    pub(super) fn put_back(&self, mut positions: Vec<RangeInclusive<u64>>) {
        let mut inner = self.lock();
        positions.append(&mut inner.unsaved);
        inner.count = positions.iter().map(|range| range.clone().count()).sum();
        inner.unsaved = positions;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Inner ===

impl Inner {
    fn add(&mut self, position: u64) {
        self.count += 1;
        match self.unsaved.last_mut() {
            Some(last) if last.end() + 1 == position => *last = *last.start()..=position,
            _ => self.unsaved.push(position..=position),
        }
    }
}
