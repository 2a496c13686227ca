//! What others are told of a commit, in memory: the relay, the watchers, the dispatchers.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use chassis::events;
use tokio::sync::{Notify, broadcast, watch};
use warrant::ApprovalId;

use crate::store::{
    Changed, OutboxRow,
    sqlite::{recent::Recent, row::ApprovalRow, session::Published},
};

/// How many changes a watcher may fall behind before it has to read them from the database.
pub(super) const WATCH_CAPACITY: usize = 1_024;
/// How many rows wait for the relay in memory before it has to read them from the database.
pub(super) const FEED_CAPACITY: usize = 1_024;

/// Tells others of commits.
#[derive(Debug)]
pub(super) struct Hub {
    last_change: AtomicU64,
    last_row: AtomicU64,
    changes: broadcast::Sender<Arc<Changed>>,
    feed: Mutex<VecDeque<OutboxRow>>,
    recent: Mutex<Recent>,
    pub(super) rows: Notify,
    pub(super) dispatch: watch::Sender<u64>,
}

/// Where the rows after a position are.
#[derive(Debug)]
pub(super) enum Fed {
    /// Here.
    Rows(Vec<OutboxRow>),
    /// In the database.
    Stored,
    /// Nowhere yet.
    None,
}

// === impl Hub ===

impl Hub {
    pub(super) fn new(last_change: u64, last_row: u64) -> Self {
        Self {
            last_change: AtomicU64::new(last_change),
            last_row: AtomicU64::new(last_row),
            changes: broadcast::Sender::new(WATCH_CAPACITY),
            feed: Mutex::default(),
            recent: Mutex::default(),
            rows: Notify::new(),
            dispatch: watch::Sender::new(0),
        }
    }

    pub(super) fn publish(&self, published: Published) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        published.written.into_iter().for_each(|row| recent.put(row));
        drop(recent);
        if let Some(last) = published.rows.last() {
            let position = last.position;
            let mut feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
            feed.extend(published.rows);
            if feed.len() > FEED_CAPACITY {
                feed.clear();
            }
            drop(feed);
            self.last_row.store(position, Ordering::Release);
            self.rows.notify_waiters();
        }
        for changed in published.changes {
            self.last_change.store(changed.position, Ordering::Release);
            // Nobody may be watching.
            let _watchers = self.changes.send(changed);
        }
        if published.given_back {
            self.wake_dispatch();
        }
    }

    pub(super) fn wake_dispatch(&self) {
        self.dispatch.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(super) fn last_change(&self) -> u64 {
        self.last_change.load(Ordering::Acquire)
    }

    /// Position of the newest outbox row.
    pub(super) fn last_row(&self) -> u64 {
        self.last_row.load(Ordering::Acquire)
    }

    /// The approval as its last commit left it, if that was not long ago.
    pub(super) fn recent(&self, id: &ApprovalId) -> Option<ApprovalRow> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.get(id).cloned()
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<Changed>> {
        self.changes.subscribe()
    }

    /// The rows after `position`, at most `max` and of at most `max_bytes` unless one alone is larger.
    pub(super) fn rows_after(&self, position: u64, max: usize, max_bytes: usize) -> Fed {
        let mut feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        while feed.front().is_some_and(|row| row.position <= position) {
            feed.pop_front();
        }
        match feed.front() {
            Some(row) if row.position == position + 1 => {
                let count = fitting(feed.iter(), max, max_bytes);
                Fed::Rows(feed.drain(..count).collect())
            }
            Some(_) => Fed::Stored,
            None if self.last_row() > position => Fed::Stored,
            None => Fed::None,
        }
    }
}

/// How many of the first rows fit.
pub(super) fn fitting<'a>(rows: impl Iterator<Item = &'a OutboxRow>, max: usize, max_bytes: usize) -> usize {
    events::fitting(rows.take(max).map(|row| &row.event), max_bytes)
}
