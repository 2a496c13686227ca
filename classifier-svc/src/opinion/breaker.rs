//! Circuit breaker: whoever fails again and again is left alone for a while, then tried once.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chassis::Clock;
use tokio::sync::watch;

/// After this many failures in a row nobody is asked.
const MAX_FAILURES: u32 = 5;
/// For this long.
const PAUSE: Duration = Duration::from_secs(10);

/// Decides whether to ask.
#[derive(Debug)]
pub(super) struct Breaker {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    closed: watch::Sender<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Asking, after so many failures in a row.
    Closed { failures: u32 },
    /// Not asking until then, by the monotonic clock.
    Open { until: Duration },
    /// One question is under way; its answer decides.
    Probing,
}

/// One question under way. Given up by whoever asked, it says nothing of the model.
#[derive(Debug)]
pub(super) struct Attempt<'b> {
    breaker: &'b Breaker,
    probes: bool,
    result: Option<bool>,
}

// === impl Breaker ===

impl Breaker {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::new(State::Closed { failures: 0 }),
            closed: watch::Sender::new(true),
        }
    }

    /// Whether asking goes on.
    pub(super) fn closed(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }

    /// Leave to ask, if there is.
    pub(super) fn attempt(&self) -> Option<Attempt<'_>> {
        let mut state = self.lock();
        let probes = match *state {
            State::Closed { .. } => false,
            State::Open { until } if self.clock.monotonic() >= until => true,
            State::Open { .. } | State::Probing => return None,
        };
        if probes {
            *state = State::Probing;
        }
        Some(Attempt {
            breaker: self,
            probes,
            result: None,
        })
    }

    fn ended(&self, probed: bool, result: Option<bool>) {
        let mut state = self.lock();
        let opened = || State::Open {
            until: self.clock.monotonic() + PAUSE,
        };
        *state = match (*state, result) {
            (State::Closed { .. }, Some(true)) => State::Closed { failures: 0 },
            (State::Closed { failures }, Some(false)) if failures + 1 < MAX_FAILURES => {
                State::Closed { failures: failures + 1 }
            }
            (State::Closed { .. }, Some(false)) => opened(),
            (State::Probing, Some(true)) if probed => State::Closed { failures: 0 },
            (State::Probing, Some(false)) if probed => opened(),
            // The next question is the probe.
            (State::Probing, None) if probed => State::Open {
                until: self.clock.monotonic(),
            },
            // What was asked before it opened decides nothing any more.
            (state, _) => state,
        };
        let closed = matches!(*state, State::Closed { .. });
        drop(state);
        if self
            .closed
            .send_if_modified(|known| std::mem::replace(known, closed) != closed)
        {
            tracing::warn!(
                asking = closed,
                "second opinion: the model is asked again, or left alone for a while"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Attempt ===

impl Attempt<'_> {
    /// Says how it ended.
    pub(super) fn ended(mut self, good: bool) {
        self.result = Some(good);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.breaker.ended(self.probes, self.result);
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use chassis::ManualClock;

    use super::*;

    fn fail(breaker: &Breaker) {
        breaker.attempt().unwrap().ended(false);
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_after_one_good_try() {
        let clock = Arc::new(ManualClock::new(UNIX_EPOCH));
        let breaker = Breaker::new(Arc::clone(&clock) as _);
        for _ in 0..3 {
            (1..MAX_FAILURES).for_each(|_| fail(&breaker));
            breaker.attempt().unwrap().ended(true);
        }
        (0..MAX_FAILURES).for_each(|_| fail(&breaker));
        assert!(breaker.attempt().is_none() && !*breaker.closed().borrow());

        clock.advance(PAUSE);
        let probe = breaker.attempt().unwrap();
        assert!(breaker.attempt().is_none(), "one at a time");
        probe.ended(false);
        assert!(breaker.attempt().is_none());

        clock.advance(PAUSE);
        breaker.attempt().unwrap().ended(true);
        assert!(breaker.attempt().is_some() && *breaker.closed().borrow());
    }

    #[test]
    fn a_question_that_is_given_up_counts_for_nothing_and_leaves_the_probe_to_the_next() {
        let clock = Arc::new(ManualClock::new(UNIX_EPOCH));
        let breaker = Breaker::new(Arc::clone(&clock) as _);
        (0..=MAX_FAILURES).for_each(|_| drop(breaker.attempt().unwrap()));
        (0..MAX_FAILURES).for_each(|_| fail(&breaker));
        clock.advance(PAUSE);
        drop(breaker.attempt().unwrap());
        breaker.attempt().unwrap().ended(true);
        assert!(*breaker.closed().borrow());
    }

    #[test]
    fn an_answer_to_an_earlier_question_neither_closes_it_nor_ends_its_probe() {
        let clock = Arc::new(ManualClock::new(UNIX_EPOCH));
        let breaker = Breaker::new(Arc::clone(&clock) as _);
        let (early, also_early) = (breaker.attempt().unwrap(), breaker.attempt().unwrap());
        (0..MAX_FAILURES).for_each(|_| fail(&breaker));
        early.ended(true);
        assert!(breaker.attempt().is_none(), "still open");
        clock.advance(PAUSE);
        let probe = breaker.attempt().unwrap();
        also_early.ended(false);
        assert!(breaker.attempt().is_none(), "still probing");
        probe.ended(true);
        assert!(*breaker.closed().borrow());
    }
}
