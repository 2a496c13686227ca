//! What a shadow says otherwise than the live policy.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::{assessment::Assessment, rule::Risk};

/// How many kinds of differences are told apart; further rules are counted together.
const MAX_KINDS: usize = 1_000;

/// Counts differences.
#[derive(Debug, Default)]
pub struct Differences(Mutex<Counts>);

/// One kind of difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// What the live policy says.
    pub live: Risk,
    /// What the shadow says.
    pub shadow: Risk,
    /// The rule that decides the graver of the two.
    pub rule: String,
}

#[derive(Debug, Default)]
struct Counts {
    judged: u64,
    passed_over: u64,
    differences: BTreeMap<Difference, u64>,
}

// === impl Differences ===

impl Differences {
    /// Counts what both say of one action; the difference, if there is one.
    pub fn compare(&self, live: &Assessment, shadow: &Assessment) -> Option<Difference> {
        let difference = Difference::between(live, shadow);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.judged += 1;
        if let Some(difference) = &difference {
            let mut kind = difference.clone();
            if counts.differences.len() >= MAX_KINDS && !counts.differences.contains_key(&kind) {
                kind.rule.clear();
            }
            *counts.differences.entry(kind).or_default() += 1;
        }
        difference
    }

    /// Counts an action that was not judged: too many were under way.
    pub fn pass_over(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).passed_over += 1;
    }

    /// How many actions were not judged.
    pub fn passed_over(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).passed_over
    }

    /// How many actions were judged, and every kind of difference with how often it occurred.
    pub fn counts(&self) -> (u64, Vec<(Difference, u64)>) {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let differences = counts.differences.iter();
        (
            counts.judged,
            differences.map(|(kind, count)| (kind.clone(), *count)).collect(),
        )
    }
}

// === impl Difference ===

impl Difference {
    /// The difference between what two policies say of one text, if there is one.
    pub fn between(live: &Assessment, shadow: &Assessment) -> Option<Self> {
        let graver = if shadow.risk > live.risk { shadow } else { live };
        (live.risk != shadow.risk).then(|| Self {
            live: live.risk,
            shadow: shadow.risk,
            rule: graver.decider().to_owned(),
        })
    }
}
