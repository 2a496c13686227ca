//! What callers were told must be so, and stay so.

use std::collections::BTreeMap;

use chassis::semconv::{self, event};
use proto::governance::v1::run::State;

use super::{Told, evidence::Evidence};

/// TR-1: whatever has a receipt stands where the receipt says, as it was.
pub(super) fn receipts_are_kept(evidence: &Evidence<'_>) -> Vec<String> {
    let recorded: BTreeMap<_, _> = evidence
        .lines
        .iter()
        .map(|line| (line.event_id.as_str(), line))
        .collect();
    let mut found = Vec::new();
    for told in &evidence.history.told {
        let Told::Recorded {
            event_id,
            index,
            leaf_hash,
        } = told
        else {
            continue;
        };
        match recorded.get(event_id.as_str()) {
            None => found.push(format!("event {event_id} had a receipt and is gone")),
            Some(line) if line.position() == Some(*index) && line.leaf == hex::encode(leaf_hash) => {}
            Some(line) => found.push(format!("event {event_id} is another one now, line {}", line.index)),
        }
    }
    found
}

/// AP-6: a run that is over has one end, for everybody and in the log.
pub(super) fn terminal_states_stay(evidence: &Evidence<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for trace in evidence.traces() {
        let ends = trace.all(event::APPROVAL_CLOSED).count();
        if ends > 1 {
            found.push(format!("{} was closed {ends} times", trace.id));
        }
    }
    for (run, states) in evidence.history.states() {
        let told: Vec<&str> = states.into_iter().filter_map(outcome).collect();
        let closed = evidence
            .trace(run)
            .and_then(|trace| trace.first(event::APPROVAL_CLOSED));
        let logged = closed.map(|line| line.attr(semconv::OUTCOME));
        if told.iter().any(|state| Some(*state) != logged) {
            found.push(format!("{run} was said to be {told:?} and was closed as {logged:?}"));
        }
    }
    found
}

/// How `approval.closed` calls a state of a run that is over.
const fn outcome(state: State) -> Option<&'static str> {
    Some(match state {
        State::Succeeded => "SUCCEEDED",
        State::Failed => "FAILED",
        State::Blocked | State::Denied => "DENIED",
        State::Expired => "EXPIRED",
        State::Cancelled => "CANCELLED",
        State::Revoked => "REVOKED",
        State::OutcomeUnknown | State::Unspecified | State::PendingApproval | State::Granted | State::Executing => {
            return None;
        }
    })
}

/// AP-7: a run that anybody was told of, and a decision that anybody was told of, is in the log.
pub(super) fn decisions_are_recorded(evidence: &Evidence<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (run, states) in evidence.history.states() {
        let trace = evidence.trace(run);
        let recorded = |kind| trace.is_some_and(|trace| trace.first(kind).is_some());
        if !recorded(event::APPROVAL_REQUESTED) {
            found.push(format!("{run} was told of and is not in the log"));
        }
        if states.contains(&State::Granted) && !recorded(event::APPROVAL_GRANTED) {
            found.push(format!("{run} was said to be granted, and the log knows of no grant"));
        }
        if states.contains(&State::OutcomeUnknown) && !recorded(event::EXECUTION_UNKNOWN) {
            found.push(format!("{run} was said to be unknown, and the log doesn't say so"));
        }
    }
    for told in &evidence.history.told {
        let Told::Decided { run, event, by } = told else {
            continue;
        };
        let recorded = evidence
            .trace(run)
            .is_some_and(|trace| trace.all(event).any(|line| line.actor.id == *by));
        if !recorded {
            found.push(format!("{run}: {event} by {by} was acknowledged and is not in the log"));
        }
    }
    found
}
