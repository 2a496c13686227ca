//! The store's time: the node's clock, never going back.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chassis::Clock;

use crate::moment::Moment;

/// A clock that stands still rather than go back.
#[derive(Debug)]
pub(super) struct StoreClock {
    clock: Arc<dyn Clock>,
    latest: AtomicI64,
}

// === impl StoreClock ===

impl StoreClock {
    /// A clock that never reads less than `stored`, the latest time that the store has seen.
    pub(super) fn new(clock: Arc<dyn Clock>, stored: Moment) -> Self {
        let read = Moment::from(clock.now());
        if read < stored {
            let behind = read.until(stored).as_secs();
            tracing::warn!(
                behind_seconds = behind,
                "the clock is behind the store's; the store's time stands still"
            );
        }
        Self {
            clock,
            latest: AtomicI64::new(stored.nanos()),
        }
    }

    /// Reads the clock.
    pub(super) fn now(&self) -> Moment {
        let read = Moment::from(self.clock.now()).nanos();
        Moment::from_nanos(self.latest.fetch_max(read, Ordering::AcqRel).max(read))
    }

    /// The latest reading.
    pub(super) fn latest(&self) -> Moment {
        Moment::from_nanos(self.latest.load(Ordering::Acquire))
    }
}
