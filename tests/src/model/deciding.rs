//! What approval-svc does until there is a warrant, and what ends an approval without an execution.

use super::{
    Guard, Protocol,
    state::{Content, Entry, Lease, MAX_ATTEMPTS, QUORUM, Risk, State, Status, Stop, Vote},
};

// === impl Protocol ===

impl Protocol {
    pub(super) fn create(self, state: &mut State, risk: Risk) {
        match risk {
            Risk::Green => {
                grant(state);
                self.record_decision(state);
            }
            Risk::Red if self.has(Guard::RedIsDenied) => {
                state.status = Status::Denied;
                self.record_decision(state);
            }
            Risk::Amber | Risk::Red => state.status = Status::Pending,
        }
    }

    pub(super) fn grant_vote(self, state: &mut State, vote: Vote) {
        self.settle_before_decision(state);
        if state.status != Status::Pending || !self.accepts(state, vote) {
            return;
        }
        state.history.late_decision |= state.pending_over;
        state.votes.push(vote);
        state.votes.sort_unstable();
        let quorum = if self.has(Guard::QuorumBeforeGrant) { QUORUM } else { 1 };
        if state.votes.len() >= quorum {
            grant(state);
            self.record_decision(state);
        }
    }

    fn accepts(self, state: &State, vote: Vote) -> bool {
        use super::state::Person::{Mallory, Requester};
        let once = state.votes.iter().all(|other| other.person != vote.person);
        (vote.person != Mallory || !self.has(Guard::OnlyApproversVote))
            && (vote.person != Requester || !self.has(Guard::RequesterIsNotApprover))
            && (vote.content == Content::Asked || !self.has(Guard::VoteBindsDigest))
            && (once || !self.has(Guard::PersonCountsOnce))
    }

    pub(super) fn deny(self, state: &mut State) {
        self.settle_before_decision(state);
        if state.status != Status::Pending {
            return;
        }
        state.history.late_decision |= state.pending_over;
        state.history.stopped = true;
        state.status = Status::Denied;
        self.record_decision(state);
    }

    pub(super) fn stop(self, state: &mut State, stop: Stop) {
        self.settle(state);
        match state.status {
            Status::Executing => state.cancel_requested = true,
            Status::Pending | Status::Granted => state.status = Status::Stopped(stop),
            _ => return,
        }
        state.history.stopped = true;
    }

    fn settle_before_decision(self, state: &mut State) {
        if self.has(Guard::ExpiryInsideVote) {
            self.settle(state);
        }
    }

    /// What the passing of time has made of the approval.
    pub(super) fn settle(self, state: &mut State) {
        match state.status {
            Status::Pending if state.pending_over => state.status = Status::Expired,
            Status::Granted if state.grant_over => state.status = Status::Expired,
            Status::Executing if state.lease == Lease::Over => {
                if self.has(Guard::NoBlindRetryAfterUnknown) {
                    state.status = Status::OutcomeUnknown;
                } else {
                    self.give_back(state);
                }
            }
            _ => {}
        }
    }

    /// Nothing was done, so that it may be done yet: unless it was stopped, or tried too often, or its time is over.
    pub(super) fn give_back(self, state: &mut State) {
        if state.cancel_requested && self.has(Guard::CancelOutlivesAttempt) {
            state.status = Status::Stopped(Stop::Cancel);
        } else if state.attempt >= MAX_ATTEMPTS {
            state.status = Status::Failed;
        } else if state.grant_over {
            state.status = Status::Expired;
        } else {
            state.status = Status::Granted;
            state.attempt += 1;
            state.take_next_jti();
            state.cancel_requested = false;
        }
    }

    pub(super) fn reconcile(self, state: &mut State, success: bool) {
        self.settle(state);
        state.status = if success { Status::Succeeded } else { Status::Failed };
        state.history.reconciled = true;
    }

    pub(super) fn relay(self, state: &mut State) {
        if state.decision == Entry::Absent {
            state.decision = Entry::Buffered;
        } else if !self.has(Guard::LogKnowsEventIds) {
            state.history.written_twice = true;
        }
    }

    fn record_decision(self, state: &mut State) {
        if self.has(Guard::DecisionAndEventsInOneTransaction) {
            state.outbox = true;
        } else {
            state.events_unwritten = true;
        }
    }
}

fn grant(state: &mut State) {
    state.status = Status::Granted;
    state.jti = 1;
}
