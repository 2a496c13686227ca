//! Judges what happened: from the exported log, what reached the gateway, and what callers were told.
//!
//! A test lets things happen, whatever they are, and hands over the [`History`]. Each [`Predicate`] is named by the id of
//! the invariant in `docs/invariants.md` that it looks at, and reads evidence only: the exact bytes of the log's lines, the
//! signatures inside them, and the requests as the gateway received them. It shares no code with the log and its index.
//!
//! A history has to be complete: every run that is over has its `trace.closed` in the log. What was under way when the
//! log was exported would be told as missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use proto::governance::v1::run::State;

use self::evidence::Evidence;
use crate::fake_gateway::RecordedRequest;

mod evidence;
mod execution;
mod log;
mod told;

/// Everything that is known about what happened.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// What callers were told, in any order.
    pub told: Vec<Told>,
    /// The exported log: lines, each ended by a newline.
    pub log: Vec<u8>,
    /// What reached the gateway.
    pub requests: Vec<RecordedRequest>,
}

/// What a caller was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A run is in this state.
    Run {
        /// Its id.
        run: String,
        /// The state.
        state: State,
    },
    /// A decision was taken.
    Decided {
        /// The approval's run.
        run: String,
        /// Type of the event that records it, such as `approval.granted`.
        event: &'static str,
        /// Who decided, `issuer#subject`.
        by: String,
    },
    /// An event is recorded for good.
    Recorded {
        /// The event.
        event_id: String,
        /// Where in the log.
        index: u64,
        /// Its leaf hash.
        leaf_hash: Vec<u8>,
    },
}

/// One thing that must hold, and what speaks against it.
#[derive(Debug, Clone, Copy)]
pub struct Predicate {
    /// Ids of the invariants.
    pub ids: &'static str,
    find: fn(&Evidence<'_>) -> Vec<String>,
}

/// Something that must not have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Ids of the invariants that it breaks.
    pub ids: &'static str,
    /// What happened.
    pub what: String,
}

/// Everything that is looked at.
pub const PREDICATES: [Predicate; 19] = [
    Predicate {
        ids: "TR-1",
        find: told::receipts_are_kept,
    },
    Predicate {
        ids: "TR-2",
        find: log::chains_verify,
    },
    Predicate {
        ids: "TR-3",
        find: log::events_stand_once,
    },
    Predicate {
        ids: "TR-5",
        find: log::order_holds,
    },
    Predicate {
        ids: "TR-7",
        find: log::closings_count,
    },
    Predicate {
        ids: "TR-12",
        find: log::producers_keep_to_their_types,
    },
    Predicate {
        ids: "AP-1",
        find: execution::one_effect_at_most,
    },
    Predicate {
        ids: "AP-2",
        find: execution::amber_has_its_quorum,
    },
    Predicate {
        ids: "AP-3",
        find: execution::one_digest_throughout,
    },
    Predicate {
        ids: "AP-4, AP-5",
        find: execution::withdrawn_means_no_effect,
    },
    Predicate {
        ids: "AP-6",
        find: told::terminal_states_stay,
    },
    Predicate {
        ids: "AP-7",
        find: told::decisions_are_recorded,
    },
    Predicate {
        ids: "AP-8",
        find: execution::red_is_never_granted,
    },
    Predicate {
        ids: "AP-9",
        find: execution::modes_agree,
    },
    Predicate {
        ids: "EX-1, EX-3",
        find: execution::effects_are_covered,
    },
    Predicate {
        ids: "EX-2",
        find: execution::warrants_are_spent_once,
    },
    Predicate {
        ids: "EX-5",
        find: execution::outcomes_are_honest,
    },
    Predicate {
        ids: "EX-7",
        find: execution::sessions_keep_to_their_owner,
    },
    Predicate {
        ids: "AU-6",
        find: execution::requesters_decide_nothing,
    },
];

// === impl History ===

impl History {
    /// Everything that must not have happened.
    pub fn violations(&self) -> Vec<Violation> {
        let evidence = match Evidence::read(self) {
            Ok(evidence) => evidence,
            Err(what) => return vec![Violation { ids: "TR-14", what }],
        };
        let judge = |predicate: Predicate| {
            let found = (predicate.find)(&evidence).into_iter();
            found.map(move |what| Violation {
                ids: predicate.ids,
                what,
            })
        };
        PREDICATES.into_iter().flat_map(judge).collect()
    }

    /// Stops the test unless everything holds.
    pub fn check(&self) {
        let violations: Vec<String> = self.violations().iter().map(ToString::to_string).collect();
        assert!(
            violations.is_empty(),
            "{}\n\ntold: {:#?}\n\nlog:\n{}",
            violations.join("\n"),
            self.told,
            String::from_utf8_lossy(&self.log)
        );
    }

    /// The states in which callers were shown each run.
    fn states(&self) -> BTreeMap<&str, BTreeSet<State>> {
        let mut states = BTreeMap::<&str, BTreeSet<State>>::new();
        for told in &self.told {
            if let Told::Run { run, state } = told {
                states.entry(run).or_default().insert(*state);
            }
        }
        states
    }
}

// === impl Violation ===

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.ids, self.what)
    }
}
