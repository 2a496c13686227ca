//! How votes become a decision: a pure function, so that anyone can compute a decision again from its record.

use serde::{Deserialize, Serialize};
use warrant::{Mode, Risk};

use crate::{
    approval::{Decision, PersonId, Vote},
    moment::Moment,
};

/// What decides an approval, as it stood when the approval was created. It never changes afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The classifier's risk.
    pub risk: Risk,
    /// How many people must grant an AMBER action; at least one, whatever stands here.
    pub quorum: u32,
    /// Who asked, and so may not decide.
    pub requester: PersonId,
    /// From when on silence is EXPIRED.
    pub pending_expire: Moment,
}

/// What the votes amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// People are still asked.
    Pending,
    /// May be executed once.
    Granted(Mode),
    /// Refused, by policy or by a person.
    Denied,
    /// Nobody decided in time.
    Expired,
}

/// Decides: GREEN is granted and RED denied by policy; AMBER is granted once `quorum` distinct people
/// other than the requester have granted this revision, and denied by any deny.
///
/// Votes on another revision, of the requester, or cast when the time was over count for nothing (AP-2). One
/// simulated vote makes the grant a simulated one (AP-9). No risk other than GREEN is granted without votes, and RED
/// never (AP-8).
pub fn resolve(rule: &Rule, revision: u32, votes: &[Vote], now: Moment) -> Resolution {
    match rule.risk {
        Risk::Green => return Resolution::Granted(Mode::Policy),
        Risk::Red => return Resolution::Denied,
        Risk::Amber => {}
    }
    let counted = || votes.iter().filter(|vote| counts(rule, revision, vote));
    if counted().any(|vote| vote.decision == Decision::Deny) {
        return Resolution::Denied;
    }
    let mut granters: Vec<&PersonId> = counted().map(|vote| &vote.voter).collect();
    granters.sort_unstable();
    granters.dedup();
    if granters.len() >= usize::try_from(rule.quorum.max(1)).unwrap_or(usize::MAX) {
        let simulated = counted().any(|vote| vote.simulated);
        return Resolution::Granted(if simulated { Mode::Simulated } else { Mode::People });
    }
    if now >= rule.pending_expire {
        Resolution::Expired
    } else {
        Resolution::Pending
    }
}

fn counts(rule: &Rule, revision: u32, vote: &Vote) -> bool {
    vote.revision == revision && vote.voter != rule.requester && vote.time < rule.pending_expire
}

#[cfg(test)]
mod tests;
