//! How requests come, and how quick the disk is.

use std::time::Duration;

/// A commit that takes longer is not waited for on a thread that has other work.
const QUICK: Duration = Duration::from_millis(1);
/// So many calm commits make a calm pace.
const CALM_AFTER: u32 = 16;
/// A request that comes sooner, in parts of what the commit before it took, may have waited for that one. Somebody who asks
/// again when the answer is there needs longer.
const REST: u32 = 4;

/// What the last commits were like.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How many calm ones there were, of one request, quick and after a rest, since the last that was slow or of several.
    calm: u32,
    ended: Duration,
    took: Duration,
}

// === impl Pace ===

impl Pace {
    /// Whether one request at a time comes to a quick disk that has rested. Where more come, those that wait would not share a
    /// commit; where the disk is slow, one commit is enough to find out.
    pub(super) fn is_calm(&self, now: Duration) -> bool {
        self.calm >= CALM_AFTER && self.has_rested(now)
    }

    /// Takes note of a commit of `jobs` requests.
    pub(super) fn note(&mut self, jobs: usize, began: Duration, ended: Duration) {
        let took = ended.saturating_sub(began);
        let calm = match (jobs, took <= QUICK) {
            (1, true) if self.has_rested(began) => self.calm.saturating_add(1),
            // It tells nothing: the commit before it may have taken longer than most.
            (1, true) => self.calm,
            _ => 0,
        };
        *self = Self { calm, ended, took };
    }

    fn has_rested(&self, now: Duration) -> bool {
        now.saturating_sub(self.ended) >= self.took / REST
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
        assert!(pace.is_calm(now + micros(25)));
        assert!(!pace.is_calm(now + micros(24)), "the disk has not rested");
    }

    #[test]
    fn a_commit_without_a_rest_neither_makes_it_nor_ends_it() {
        for commits in [CALM_AFTER - 1, CALM_AFTER] {
            let (mut pace, now) = after(commits);
            let ended = now + micros(120);
            pace.note(1, now + micros(20), ended);
            assert_eq!(pace.is_calm(ended + micros(100)), commits == CALM_AFTER);
        }
    }

    #[test]
    fn one_commit_ends_it() {
        let busy = [("two requests", 2, 100), ("a slow disk", 1, 1_001)];
        for (what, jobs, took) in busy {
            let (mut pace, now) = after(CALM_AFTER);
            let began = now + micros(1_000);
            pace.note(jobs, began, began + micros(took));
            assert!(!pace.is_calm(began + micros(1_000_000)), "{what}");
        }
    }
}
