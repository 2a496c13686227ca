//! From GRANTED to an outcome: dispatch, claim, and how a claim ends.

use std::time::Duration;

use crate::{
    approval::{
        Approval, Claim, Outcome, State,
        command::{ClaimWarrant, CompleteWarrant, ReconcileWarrant, RenewClaim},
        step::{Actor, At, Fact, FactKind, Step},
    },
    error::ApprovalError,
};

// === impl Approval ===

impl Approval {
    pub(super) fn dispatch(&self, at: &At<'_>) -> Result<Step, ApprovalError> {
        if self.state() != State::Granted || at.now < self.progress.dispatch_time {
            return Err(self.wrong_state());
        }
        if !at.recorded {
            return Err(ApprovalError::ReceiptPending);
        }
        let mut next = self.progress.clone();
        next.jti = hex::encode(at.nonce);
        next.dispatch_time = at.now.plus(at.terms.dispatch_lease);
        next.dispatches = next.dispatches.saturating_add(1);
        Ok(self.hidden(next))
    }

    /// AP-1, AP-3, AP-4, AP-5, AP-7: all that stands between a warrant and its one effect.
    pub(super) fn claim(&self, claim: &ClaimWarrant, at: &At<'_>) -> Result<Step, ApprovalError> {
        let state = self.state();
        let held = self.progress.claim.as_ref();
        if state == State::Executing && held.is_some_and(|held| held.is_of(claim)) {
            return Ok(self.unchanged());
        }
        if state != State::Granted {
            let spent = held.is_some();
            return Err(if spent {
                ApprovalError::WarrantSpent { state }
            } else {
                self.wrong_state()
            });
        }
        if claim.digest != self.content.digest {
            return Err(ApprovalError::DigestMismatch);
        }
        if claim.jti != self.progress.jti || claim.revision != u64::from(self.progress.revision) {
            return Err(ApprovalError::WarrantSpent { state });
        }
        if Some(claim.mode) != self.progress.mode {
            return Err(ApprovalError::WarrantRejected(
                "its mode is not the approval's".to_owned(),
            ));
        }
        if at.now >= claim.expire {
            return Err(ApprovalError::WarrantRejected("the warrant has expired".to_owned()));
        }
        if !at.recorded {
            return Err(ApprovalError::ReceiptPending);
        }
        let mut next = self.next(at);
        next.state = State::Executing;
        next.claim = Some(Claim {
            jti: claim.jti.clone(),
            request_id: claim.request_id.clone(),
            executor: claim.executor.clone(),
            fencing_token: format!("{}-{}", hex::encode(at.nonce), next.attempt),
            time: at.now,
            lease_expire: at.now.plus(at.terms.lease),
        });
        Ok(self.step(next, Vec::new()))
    }

    pub(super) fn renew(&self, renew: &RenewClaim, at: &At<'_>) -> Result<Step, ApprovalError> {
        self.check_claim(&renew.fencing_token)?;
        if self.state() != State::Executing {
            return Err(ApprovalError::ClaimLost { state: self.state() });
        }
        Ok(self.extended(at))
    }

    /// The approval with the lease of its claim extended, if it has a live one.
    pub fn extended(&self, at: &At<'_>) -> Step {
        let mut next = self.progress.clone();
        if let Some(claim) = &mut next.claim {
            claim.lease_expire = claim.lease_expire.max(at.now.plus(at.terms.lease));
        }
        self.hidden(next)
    }

    pub(super) fn complete(&self, done: &CompleteWarrant, at: &At<'_>) -> Result<Step, ApprovalError> {
        self.check_claim(&done.fencing_token)?;
        let state = match (self.state(), done.outcome) {
            (State::Executing, Outcome::NotStarted) => return Ok(self.give_back(done, at)),
            (State::Executing, Outcome::Unknown) => {
                let mut step = self.lose(&done.detail, Actor::Executor, at);
                step.after.progress.receipt_index = done.receipt_index;
                return Ok(step);
            }
            (State::OutcomeUnknown, Outcome::Unknown) => return Ok(self.unchanged()),
            (State::Executing | State::OutcomeUnknown, outcome) => match outcome {
                Outcome::Succeeded => State::Succeeded,
                Outcome::Cancelled => State::Cancelled,
                // Out of OUTCOME_UNKNOWN nothing returns to GRANTED, also when nothing was sent.
                Outcome::Failed | Outcome::NotStarted | Outcome::Unknown => State::Failed,
            },
            _ => return Err(self.wrong_state()),
        };
        Ok(self.finish(state, done, at))
    }

    /// `NOT_STARTED`: nothing was sent, so the approved work isn't lost, unless it was withdrawn or its time is over.
    fn give_back(&self, done: &CompleteWarrant, at: &At<'_>) -> Step {
        if self.progress.cancel_requested {
            return self.finish(State::Cancelled, done, at);
        }
        if self.progress.attempt >= at.terms.max_attempts {
            return self.finish(State::Failed, done, at);
        }
        let mut next = self.next(at);
        next.outcome_detail.clone_from(&done.detail);
        next.claim = None;
        if next.grant_expire.is_none_or(|expire| at.now >= expire) {
            next.state = State::Granted;
            let returned = Self {
                content: self.content.clone(),
                progress: next,
            };
            let mut step = returned.expire("nobody executed it in time", at);
            step.after.progress.version = self.progress.version.saturating_add(1);
            return step;
        }
        next.state = State::Granted;
        next.dispatch_time = at.now.plus(pause_after(next.attempt));
        next.attempt = next.attempt.saturating_add(1);
        next.jti = hex::encode(at.nonce);
        self.step(next, Vec::new())
    }

    pub(super) fn reconcile(&self, reconcile: &ReconcileWarrant, at: &At<'_>) -> Result<Step, ApprovalError> {
        self.refuse_requester(&reconcile.by)?;
        if self.state() != State::OutcomeUnknown {
            return Err(self.wrong_state());
        }
        self.check_etag(&reconcile.etag)?;
        let (state, outcome) = if reconcile.succeeded {
            (State::Succeeded, Outcome::Succeeded)
        } else {
            (State::Failed, Outcome::Failed)
        };
        let actor = Actor::Person(reconcile.by.clone());
        let mut step = self.end(state, None, actor, &reconcile.reason, at);
        step.after.progress.outcome = Some(outcome);
        Ok(step)
    }

    pub(super) fn lose(&self, reason: &str, actor: Actor, at: &At<'_>) -> Step {
        let mut next = self.next(at);
        next.state = State::OutcomeUnknown;
        next.outcome = Some(Outcome::Unknown);
        reason.clone_into(&mut next.outcome_detail);
        self.step(next, vec![Fact::new(FactKind::Unknown, actor, reason)])
    }

    fn finish(&self, state: State, done: &CompleteWarrant, at: &At<'_>) -> Step {
        let mut step = self.end(state, None, Actor::Executor, &done.detail, at);
        let after = &mut step.after.progress;
        after.outcome = Some(done.outcome);
        after.outcome_detail.clone_from(&done.detail);
        after.receipt_index = done.receipt_index;
        step
    }

    fn check_claim(&self, fencing_token: &str) -> Result<(), ApprovalError> {
        let held = self.progress.claim.as_ref().map(|claim| claim.fencing_token.as_str());
        if held != Some(fencing_token) {
            return Err(ApprovalError::ClaimLost { state: self.state() });
        }
        Ok(())
    }
}

/// 1, 2, 4, 8 s: a gateway that refuses connections isn't tried in a tight loop.
fn pause_after(attempt: u32) -> Duration {
    Duration::from_secs(1 << attempt.saturating_sub(1).min(3))
}

// === impl Claim ===

impl Claim {
    fn is_of(&self, claim: &ClaimWarrant) -> bool {
        self.request_id == claim.request_id && self.jti == claim.jti && self.executor == claim.executor
    }
}
