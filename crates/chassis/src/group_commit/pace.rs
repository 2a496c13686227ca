//! How requests come, and how quick the disk is.

use std::time::Duration;

/// A commit that takes longer is not waited for on a thread that has other work.
const QUICK: Duration = Duration::from_millis(1);
/// So many commits in a row must have been of one request and quick.
const CALM_AFTER: u32 = 16;

/// What the last commits were like.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How many of them in a row were of one request, quick, and after a rest.
    calm: u32,
    ended: Duration,
    took: Duration,
}

// === impl Pace ===

impl Pace {
    /// Whether one request at a time comes to a quick disk that rests at least half of the time. Where more come, those that
    /// wait would not share a commit; where the disk is slow, one commit is enough to find out.
    pub(super) fn is_calm(&self, now: Duration) -> bool {
        self.calm >= CALM_AFTER && self.has_rested(now)
    }

    /// Takes note of a commit of `jobs` requests.
    pub(super) fn note(&mut self, jobs: usize, began: Duration, ended: Duration) {
        let took = ended.saturating_sub(began);
        let is_calm = jobs == 1 && took <= QUICK && self.has_rested(began);
        *self = Self {
            calm: if is_calm { self.calm.saturating_add(1) } else { 0 },
            ended,
            took,
        };
    }

    fn has_rested(&self, now: Duration) -> bool {
        now.saturating_sub(self.ended) >= self.took
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    /// After `commits` calm ones, each of 100 µs and a millisecond after the one before.
    fn after(commits: u32) -> (Pace, Duration) {
        let mut pace = Pace::default();
        let mut now = Duration::ZERO;
        for _ in 0..commits {
            pace.note(1, now + micros(1_000), now + micros(1_100));
            now += micros(1_100);
        }
        (pace, now)
    }

    #[test]
    fn it_takes_some_calm_commits() {
        let (pace, now) = after(CALM_AFTER - 1);
        assert!(!pace.is_calm(now + micros(1_000)));
        let (pace, now) = after(CALM_AFTER);
        assert!(pace.is_calm(now + micros(1_000)));
        assert!(!pace.is_calm(now + micros(99)), "the disk has not rested");
    }

    #[test]
    fn one_commit_ends_it() {
        let busy = [
            ("two requests", 2, 1_000, 100),
            ("a slow disk", 1, 1_000, 1_001),
            ("no rest", 1, 99, 100),
        ];
        for (what, jobs, rest, took) in busy {
            let (mut pace, now) = after(CALM_AFTER);
            let began = now + micros(rest);
            pace.note(jobs, began, began + micros(took));
            assert!(!pace.is_calm(began + micros(1_000_000)), "{what}");
        }
    }
}
