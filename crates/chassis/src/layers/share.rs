//! Fairness: how much of what a part can carry one caller may take.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::auth::{Caller, Principal};

/// How much each caller has taken.
#[derive(Debug)]
pub(super) struct Shares {
    largest: usize,
    taken: Mutex<HashMap<Holder, usize>>,
}

/// Who is counted as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    /// A person or platform, by [`crate::auth::Person::id`].
    Person(String),
    /// All who present no credential, together.
    Strangers,
}

/// One piece that a caller has taken; given back when dropped.
#[derive(Debug)]
pub(super) struct Piece {
    shares: Arc<Shares>,
    holder: Holder,
}

// === impl Shares ===

impl Shares {
    pub(super) fn new(largest: usize) -> Self {
        Self {
            largest,
            taken: Mutex::default(),
        }
    }

    /// One piece more for the holder, unless its share is used up.
    pub(super) fn take(self: &Arc<Self>, holder: &Holder) -> Option<Piece> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(holder) {
            Some(count) if *count >= self.largest => return None,
            Some(count) => *count += 1,
            None if self.largest == 0 => return None,
            None => {
                taken.insert(holder.clone(), 1);
            }
        }
        Some(Piece {
            shares: Arc::clone(self),
            holder: holder.clone(),
        })
    }

    fn give_back(&self, holder: &Holder) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(holder) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(holder);
            }
        }
    }
}

// === impl Holder ===

impl Holder {
    /// Whose share a call takes from. A part has none: it calls for many, and has counted them itself.
    pub(super) fn of(caller: Option<&Caller>) -> Option<Self> {
        match caller.map(|caller| &caller.principal) {
            Some(Principal::Person(person)) => Some(Self::Person(person.id())),
            Some(Principal::Service(_)) => None,
            None => Some(Self::Strangers),
        }
    }
}

// === impl Piece ===

impl Drop for Piece {
    fn drop(&mut self) {
        self.shares.give_back(&self.holder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::{Audience, Person},
        part::PartName,
    };

    fn person(issuer: &str, subject: &str) -> Caller {
        caller(Principal::Person(Person {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            tenant: "acme".to_owned(),
            groups: std::collections::BTreeSet::new(),
            audience: Audience::Governance,
        }))
    }

    fn caller(principal: Principal) -> Caller {
        Caller {
            principal,
            subject: None,
        }
    }

    #[test]
    fn whoever_has_used_up_a_share_leaves_the_others_theirs() {
        let shares = Arc::new(Shares::new(2));
        let take = |caller: Option<&Caller>| shares.take(&Holder::of(caller).unwrap());
        let alice = person("https://people", "alice");
        let first = take(Some(&alice)).unwrap();
        let _second = take(Some(&alice)).unwrap();
        assert!(take(Some(&alice)).is_none());
        let _others = [
            take(None).unwrap(),
            take(Some(&person("https://people", "bob"))).unwrap(),
            take(Some(&person("https://elsewhere", "alice"))).unwrap(),
        ];
        drop(first);
        let _third = take(Some(&alice)).unwrap();
        assert!(take(Some(&alice)).is_none());
    }

    #[test]
    fn what_is_given_back_is_forgotten() {
        let shares = Arc::new(Shares::new(2));
        let pieces = [Holder::Strangers, Holder::Strangers].map(|holder| shares.take(&holder).unwrap());
        drop(pieces);
        assert!(shares.taken.lock().unwrap().is_empty());
    }

    #[test]
    fn parts_have_no_share() {
        assert_eq!(
            Holder::of(Some(&caller(Principal::Service(PartName::Orchestrator)))),
            None
        );
    }
}
