//! Waiting longer after each failure in a row.

use std::time::Duration;

/// How long to wait before the next try; grows with each failure up to a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    limit: Duration,
    failures: u32,
}

// === impl Backoff ===

impl Backoff {
    pub(crate) const fn new(first: Duration, limit: Duration) -> Self {
        Self {
            first,
            limit,
            failures: 0,
        }
    }

    /// Notes a failure.
    pub(crate) const fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Forgets all failures.
    pub(crate) const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// How long to wait now; nothing without a failure.
    pub(crate) fn delay(&self) -> Duration {
        let Some(doublings) = self.failures.checked_sub(1) else {
            return Duration::ZERO;
        };
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_doubles_up_to_the_limit_and_starts_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(5));
        assert_eq!(backoff.delay(), Duration::ZERO);
        let delays: Vec<_> = (0..6)
            .map(|_| {
                backoff.failed();
                backoff.delay().as_millis()
            })
            .collect();
        assert_eq!(delays, [250, 500, 1000, 2000, 4000, 5000]);
        for _ in 0..100 {
            backoff.failed();
        }
        assert_eq!(backoff.delay(), Duration::from_secs(5));
        backoff.succeeded();
        assert_eq!(backoff.delay(), Duration::ZERO);
    }
}
