//! What is known of receipts: at once in memory, durably with the next transaction.
//!
//! Rows go to trace-svc in the order of their positions, so one number says what is recorded: everything up to it. A run
//! whose event was refused for good is held: its later events stay in the outbox, and it gets no warrant.

use std::{
    collections::HashSet,
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

/// The receipt of one outbox row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The row's position.
    pub position: u64,
    /// Name of the log.
    pub log: String,
    /// Index of the entry.
    pub index: u64,
    /// Its leaf hash.
    pub leaf_hash: Vec<u8>,
}

#[derive(Debug, Default)]
struct Inner {
    unsaved: Vec<Receipt>,
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

    /// Takes receipts, and that every row up to `relayed` has either its receipt or a held run.
    pub fn record(&self, receipts: Vec<Receipt>, relayed: u64) {
        self.lock().unsaved.extend(receipts);
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

    /// Whether there are receipts that are not stored yet.
    pub fn has_unsaved(&self) -> bool {
        !self.lock().unsaved.is_empty()
    }

    /// Takes the receipts that are not stored yet.
    pub(super) fn take_unsaved(&self) -> Vec<Receipt> {
        std::mem::take(&mut self.lock().unsaved)
    }

    /// Gives receipts back that could not be stored.
    pub(super) fn put_back(&self, mut receipts: Vec<Receipt>) {
        let mut inner = self.lock();
        receipts.append(&mut inner.unsaved);
        inner.unsaved = receipts;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
