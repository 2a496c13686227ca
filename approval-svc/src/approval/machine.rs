//! The state machine: pure functions from an approval, a command and a time to the approval after it.
//!
//! The store calls them inside its compare-and-set, with the time that it reads there. Nothing is returned that the
//! caller has to remember to check: a step either is allowed, or it is an error and changes nothing.

mod execution;

use std::sync::Arc;

use warrant::Mode;

use crate::{
    approval::{
        Approval, Content, Decision, PersonId, Progress, State, Vote,
        command::{CancelApproval, CastVote, Command, RevokeGrant, Seen},
        invariant,
        step::{Actor, At, Change, Fact, FactKind, Step},
    },
    error::ApprovalError,
    resolve::{Resolution, resolve},
};

/// A new approval, decided at once if policy decides: GREEN is granted, RED denied, AMBER pends.
pub fn create(content: Content, at: At<'_>) -> Step {
    let mut approval = Approval {
        progress: Progress::new(&at),
        content: Arc::new(content),
    };
    let requester = Actor::Person(approval.content.rule.requester.clone());
    let mut facts = vec![
        Fact::new(FactKind::Received, requester.clone(), ""),
        Fact::new(FactKind::Classified, Actor::Classifier, &approval.content.reason),
        Fact::new(FactKind::Requested, requester, ""),
    ];
    match resolve(&approval.content.rule, approval.progress.revision, &[], at.now) {
        Resolution::Granted(mode) => {
            grant(&mut approval.progress, mode, &at);
            approval.progress.dispatch_time = at.now.plus(at.terms.dispatch_lease);
            facts.push(Fact::new(FactKind::Granted, Actor::Policy, ""));
        }
        Resolution::Denied => {
            let reason = approval.content.reason.clone();
            approval.progress.decide_time = Some(at.now);
            close(&mut approval.progress, State::Denied, &reason);
            facts.push(Fact::new(FactKind::Denied, Actor::Policy, &reason));
            facts.push(Fact::new(FactKind::Closed, Actor::Service, &reason));
        }
        Resolution::Pending | Resolution::Expired => {}
    }
    checked(
        None,
        Step {
            after: approval,
            facts,
            change: Change::Visible,
        },
        &at,
    )
}

// === impl Approval ===

impl Approval {
    /// What the passing of time alone has made of the approval, if anything: the store applies it before every
    /// command, and in its own time to make it visible.
    pub fn settle(&self, at: At<'_>) -> Option<Step> {
        if self.due().is_none_or(|due| at.now < due) {
            return None;
        }
        let step = match self.state() {
            State::Pending => self.expire("nobody decided in time", &at),
            State::Granted => self.expire("nobody executed it in time", &at),
            _ => self.lose("the lease ended without an outcome", Actor::Service, &at),
        };
        Some(checked(Some(self), step, &at))
    }

    /// Does what the command says, or says why not. The approval must be settled.
    pub fn apply(&self, command: &Command, at: At<'_>) -> Result<Step, ApprovalError> {
        debug_assert!(
            self.due().is_none_or(|due| at.now < due),
            "AP-5: settled before a command"
        );
        let step = match command {
            Command::Vote(cast) => self.vote(cast, &at),
            Command::Revoke(revoke) => self.revoke(revoke, &at),
            Command::Cancel(cancel) => self.cancel(cancel, &at),
            Command::Dispatch => self.dispatch(&at),
            Command::Claim(claim) => self.claim(claim, &at),
            Command::Renew(renew) => self.renew(renew, &at),
            Command::Complete(complete) => self.complete(complete, &at),
            Command::Reconcile(reconcile) => self.reconcile(reconcile, &at),
        }?;
        Ok(checked(Some(self), step, &at))
    }

    fn vote(&self, cast: &CastVote, at: &At<'_>) -> Result<Step, ApprovalError> {
        self.check_vote(cast)?;
        let late_deny = self.state() == State::Granted;
        let mut next = self.next(at);
        next.votes.push(Vote {
            voter: cast.voter.clone(),
            decision: cast.decision,
            reason: cast.reason.clone(),
            time: at.now,
            revision: next.revision,
            simulated: cast.simulated,
        });
        let actor = if cast.simulated {
            Actor::SimulatedApprover
        } else {
            Actor::Person(cast.voter.clone())
        };
        let mut facts = vec![Fact::new(FactKind::Voted(cast.decision), actor.clone(), &cast.reason)];
        let (state, kind) = match resolve(&self.content.rule, next.revision, &next.votes, at.now) {
            // Whatever granted it: a deny before the claim takes it back.
            _ if late_deny => (State::Revoked, FactKind::Revoked),
            Resolution::Denied => (State::Denied, FactKind::Denied),
            Resolution::Granted(mode) => {
                grant(&mut next, mode, at);
                facts.push(Fact::new(FactKind::Granted, actor, &cast.reason));
                return Ok(self.step(next, facts));
            }
            Resolution::Pending | Resolution::Expired => return Ok(self.step(next, facts)),
        };
        next.decide_time = next.decide_time.or(Some(at.now));
        close(&mut next, state, &cast.reason);
        facts.push(Fact::new(kind, actor.clone(), &cast.reason));
        facts.push(Fact::new(FactKind::Closed, actor, &cast.reason));
        Ok(self.step(next, facts))
    }

    /// Who may vote, when, and on what. Whoever granted may still deny.
    fn check_vote(&self, cast: &CastVote) -> Result<(), ApprovalError> {
        self.refuse_requester(&cast.voter)?;
        match (self.state(), cast.decision) {
            (State::Pending, _) | (State::Granted, Decision::Deny) => {}
            _ => return Err(self.wrong_state()),
        }
        let is_same = |vote: &Vote| vote.voter == cast.voter && vote.decision == cast.decision;
        if self.progress.votes.iter().any(is_same) {
            return Err(ApprovalError::AlreadyDecided { state: self.state() });
        }
        self.check_seen(&cast.seen)
    }

    fn revoke(&self, revoke: &RevokeGrant, at: &At<'_>) -> Result<Step, ApprovalError> {
        self.refuse_requester(&revoke.by)?;
        if self.state() != State::Granted {
            return Err(self.wrong_state());
        }
        self.check_seen(&revoke.seen)?;
        let actor = Actor::Person(revoke.by.clone());
        Ok(self.end(State::Revoked, Some(FactKind::Revoked), actor, &revoke.reason, at))
    }

    fn cancel(&self, cancel: &CancelApproval, at: &At<'_>) -> Result<Step, ApprovalError> {
        if cancel.by != self.content.rule.requester {
            return Err(ApprovalError::NotPermitted("only its requester can cancel an approval"));
        }
        let actor = Actor::Person(cancel.by.clone());
        match self.state() {
            State::Pending | State::Granted => {
                let kind = Some(FactKind::Cancelled);
                Ok(self.end(State::Cancelled, kind, actor, &cancel.reason, at))
            }
            State::Executing if self.progress.cancel_requested => Ok(self.unchanged()),
            State::Executing => {
                let mut next = self.next(at);
                next.cancel_requested = true;
                let reason = format!("asked to stop while executing: {}", cancel.reason);
                Ok(self.step(next, vec![Fact::new(FactKind::Cancelled, actor, &reason)]))
            }
            _ => Err(self.wrong_state()),
        }
    }

    fn expire(&self, reason: &str, at: &At<'_>) -> Step {
        self.end(State::Expired, Some(FactKind::Expired), Actor::Service, reason, at)
    }

    fn end(&self, state: State, kind: Option<FactKind>, actor: Actor, reason: &str, at: &At<'_>) -> Step {
        let mut next = self.next(at);
        close(&mut next, state, reason);
        let mut facts = Vec::with_capacity(2);
        facts.extend(kind.map(|kind| Fact::new(kind, actor.clone(), reason)));
        facts.push(Fact::new(FactKind::Closed, actor, reason));
        self.step(next, facts)
    }

    fn next(&self, at: &At<'_>) -> Progress {
        let mut next = self.progress.clone();
        next.version = next.version.saturating_add(1);
        next.update_time = at.now;
        next
    }

    fn step(&self, next: Progress, facts: Vec<Fact>) -> Step {
        let after = Self {
            content: self.content.clone(),
            progress: next,
        };
        Step {
            after,
            facts,
            change: Change::Visible,
        }
    }

    fn hidden(&self, next: Progress) -> Step {
        Step {
            change: Change::Hidden,
            ..self.step(next, Vec::new())
        }
    }

    fn unchanged(&self) -> Step {
        Step {
            after: self.clone(),
            facts: Vec::new(),
            change: Change::None,
        }
    }

    fn refuse_requester(&self, person: &PersonId) -> Result<(), ApprovalError> {
        if *person == self.content.rule.requester {
            return Err(ApprovalError::SelfApproval);
        }
        Ok(())
    }

    fn check_seen(&self, seen: &Seen) -> Result<(), ApprovalError> {
        if seen.digest != self.content.digest {
            return Err(ApprovalError::DigestMismatch);
        }
        self.check_etag(&seen.etag)
    }

    fn check_etag(&self, etag: &str) -> Result<(), ApprovalError> {
        if etag != self.etag() {
            return Err(ApprovalError::StaleEtag);
        }
        Ok(())
    }

    fn wrong_state(&self) -> ApprovalError {
        match self.state() {
            State::Expired => ApprovalError::Expired,
            state => ApprovalError::WrongState { state },
        }
    }
}

fn grant(progress: &mut Progress, mode: Mode, at: &At<'_>) {
    let ttl = if mode == Mode::Policy {
        at.terms.green_grant_ttl
    } else {
        at.terms.grant_ttl
    };
    progress.state = State::Granted;
    progress.mode = Some(mode);
    progress.decide_time = Some(at.now);
    progress.grant_expire = Some(at.now.plus(ttl));
    progress.dispatch_time = at.now;
    progress.jti = hex::encode(at.nonce);
}

fn close(progress: &mut Progress, state: State, reason: &str) {
    progress.state = state;
    reason.clone_into(&mut progress.close_reason);
}

fn checked(before: Option<&Approval>, step: Step, at: &At<'_>) -> Step {
    debug_assert_eq!(invariant::violated(before, &step, at), None);
    step
}

// === impl Progress ===

impl Progress {
    fn new(at: &At<'_>) -> Self {
        Self {
            state: State::Pending,
            version: 1,
            revision: 1,
            votes: Vec::new(),
            mode: None,
            update_time: at.now,
            decide_time: None,
            grant_expire: None,
            jti: String::new(),
            dispatch_time: at.now,
            dispatches: 0,
            attempt: 1,
            claim: None,
            outcome: None,
            outcome_detail: String::new(),
            receipt_index: None,
            cancel_requested: false,
            close_reason: String::new(),
        }
    }
}

#[cfg(test)]
mod tests;
