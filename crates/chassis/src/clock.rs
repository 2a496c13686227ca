//! Time enters through [`Clock`], so that tests own it.

use std::{
    fmt::Debug,
    sync::Mutex,
    time::{Duration, Instant, SystemTime},
};

/// Where a part reads the time.
pub trait Clock: Send + Sync + Debug {
    /// Wall-clock time.
    fn now(&self) -> SystemTime;
    /// Time since a fixed, arbitrary origin; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    origin: Instant,
}

/// A clock that moves only when told to; both readings move together.
#[derive(Debug)]
pub struct ManualClock {
    reading: Mutex<(SystemTime, Duration)>,
}

// === impl SystemClock ===

impl Default for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    fn default() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

// === impl ManualClock ===

impl ManualClock {
    /// A clock that stands at `now`.
    pub const fn new(now: SystemTime) -> Self {
        Self {
            reading: Mutex::new((now, Duration::ZERO)),
        }
    }

    /// Moves both readings forward.
    pub fn advance(&self, by: Duration) {
        let mut reading = self.lock();
        reading.0 += by;
        reading.1 += by;
    }

    /// Sets the wall clock alone, as an operator or NTP would; it may go back.
    pub fn set(&self, now: SystemTime) {
        self.lock().0 = now;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (SystemTime, Duration)> {
        self.reading.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        self.lock().0
    }

    fn monotonic(&self) -> Duration {
        self.lock().1
    }
}
