//! The state machine: pure functions from an approval, a command and a time to the approval after it.
//!
//! The store calls them inside its compare-and-set, with the time that it reads there. Nothing is returned that the
//! caller has to remember to check: a step either is allowed, or it is an error and changes nothing.

use std::{sync::Arc, time::Duration};

use warrant::Mode;

use crate::{
    approval::{
        Approval, Claim, Content, Decision, Outcome, PersonId, Progress, State, Terms, Vote,
        command::{
            CancelApproval, CastVote, ClaimWarrant, Command, CompleteWarrant, ReconcileWarrant,
            RenewClaim, RevokeGrant, Seen,
        },
        invariant,
    },
    error::ApprovalError,
    moment::Moment,
    resolve::{Resolution, resolve},
};

/// The circumstances of a step.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// The time, by the store's clock.
    pub now: Moment,
    /// 128 unpredictable bits, for a warrant's id or a fencing token.
    pub nonce: [u8; 16],
    /// Whether the decision's events have their receipt (AP-7).
    pub recorded: bool,
    /// How long things last.
    pub terms: &'a Terms,
}

/// What a command comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The approval afterwards.
    pub after: Approval,
    /// What is to be recorded, in order.
    pub facts: Vec<Fact>,
    /// What changed.
    pub change: Change,
}

/// What a step changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it had happened before.
    None,
    /// Only what readers don't see: leases and the id of the next warrant.
    Hidden,
    /// What readers see.
    Visible,
}

/// Something that is recorded of an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What.
    pub kind: FactKind,
    /// Who did it.
    pub actor: Actor,
    /// Why; may be empty.
    pub reason: String,
}

/// The kinds of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactKind {
    /// The request came in.
    Received,
    /// The classifier's verdict on it.
    Classified,
    /// The approval was created.
    Requested,
    /// Somebody voted.
    Voted(Decision),
    /// It may be executed.
    Granted,
    /// It was refused.
    Denied,
    /// Its time ran out.
    Expired,
    /// Its requester withdrew it, or asked a running execution to stop.
    Cancelled,
    /// Its grant was taken back.
    Revoked,
    /// What came of its execution is not known.
    Unknown,
    /// It reached a terminal state.
    Closed,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person.
    Person(PersonId),
    /// The policy that classified the action.
    Policy,
    /// The classifier.
    Classifier,
    /// This service.
    Service,
    /// The claim's holder.
    Executor,
    /// The simulated approver.
    SimulatedApprover,
}

/// A new approval, decided at once if policy decides: GREEN is granted, RED denied, AMBER pends.
pub fn create(content: Content, at: At<'_>) -> Step {
    let mut approval = Approval { progress: Progress::new(&at), content: Arc::new(content) };
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
    checked(None, Step { after: approval, facts, change: Change::Visible }, &at)
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
        debug_assert!(self.due().is_none_or(|due| at.now < due), "AP-5: settled before a command");
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
        self.refuse_requester(&cast.voter)?;
        let late_deny = self.state() == State::Granted && cast.decision == Decision::Deny;
        if self.state() != State::Pending && !late_deny {
            return Err(self.wrong_state());
        }
        let votes = &self.progress.votes;
        if votes.iter().any(|vote| vote.voter == cast.voter && vote.decision == cast.decision) {
            return Err(ApprovalError::AlreadyDecided { state: self.state() });
        }
        self.check_seen(&cast.seen)?;

        let mut next = self.next(at);
        next.votes.push(Vote {
            voter: cast.voter.clone(),
            decision: cast.decision,
            reason: cast.reason.clone(),
            time: at.now,
            revision: next.revision,
            simulated: cast.simulated,
        });
        let actor = match cast.simulated {
            true => Actor::SimulatedApprover,
            false => Actor::Person(cast.voter.clone()),
        };
        let mut facts =
            vec![Fact::new(FactKind::Voted(cast.decision), actor.clone(), &cast.reason)];
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

    fn dispatch(&self, at: &At<'_>) -> Result<Step, ApprovalError> {
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
    fn claim(&self, claim: &ClaimWarrant, at: &At<'_>) -> Result<Step, ApprovalError> {
        let state = self.state();
        let held = self.progress.claim.as_ref();
        if state == State::Executing && held.is_some_and(|held| held.is_of(claim)) {
            return Ok(self.unchanged());
        }
        if state != State::Granted {
            let spent = held.is_some();
            return Err(if spent { ApprovalError::WarrantSpent { state } } else { self.wrong_state() });
        }
        if claim.digest != self.content.digest {
            return Err(ApprovalError::DigestMismatch);
        }
        if claim.jti != self.progress.jti || claim.revision != u64::from(self.progress.revision) {
            return Err(ApprovalError::WarrantSpent { state });
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

    fn renew(&self, renew: &RenewClaim, at: &At<'_>) -> Result<Step, ApprovalError> {
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

    fn complete(&self, done: &CompleteWarrant, at: &At<'_>) -> Result<Step, ApprovalError> {
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

    /// NOT_STARTED: nothing was sent, so the approved work isn't lost, unless it was withdrawn or its time is over.
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
            let returned = Self { content: self.content.clone(), progress: next };
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

    fn reconcile(&self, reconcile: &ReconcileWarrant, at: &At<'_>) -> Result<Step, ApprovalError> {
        self.refuse_requester(&reconcile.by)?;
        if self.state() != State::OutcomeUnknown {
            return Err(self.wrong_state());
        }
        self.check_etag(&reconcile.etag)?;
        let (state, outcome) = match reconcile.succeeded {
            true => (State::Succeeded, Outcome::Succeeded),
            false => (State::Failed, Outcome::Failed),
        };
        let actor = Actor::Person(reconcile.by.clone());
        let mut step = self.end(state, None, actor, &reconcile.reason, at);
        step.after.progress.outcome = Some(outcome);
        Ok(step)
    }

    fn expire(&self, reason: &str, at: &At<'_>) -> Step {
        self.end(State::Expired, Some(FactKind::Expired), Actor::Service, reason, at)
    }

    fn lose(&self, reason: &str, actor: Actor, at: &At<'_>) -> Step {
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

    fn end(
        &self,
        state: State,
        kind: Option<FactKind>,
        actor: Actor,
        reason: &str,
        at: &At<'_>,
    ) -> Step {
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
        let after = Self { content: self.content.clone(), progress: next };
        Step { after, facts, change: Change::Visible }
    }

    fn hidden(&self, next: Progress) -> Step {
        Step { change: Change::Hidden, ..self.step(next, Vec::new()) }
    }

    fn unchanged(&self) -> Step {
        Step { after: self.clone(), facts: Vec::new(), change: Change::None }
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

    fn check_claim(&self, fencing_token: &str) -> Result<(), ApprovalError> {
        let held = self.progress.claim.as_ref().map(|claim| claim.fencing_token.as_str());
        if held != Some(fencing_token) {
            return Err(ApprovalError::ClaimLost { state: self.state() });
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
    let ttl = if mode == Mode::Policy { at.terms.green_grant_ttl } else { at.terms.grant_ttl };
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

/// 1, 2, 4, 8 s: a gateway that refuses connections isn't tried in a tight loop.
fn pause_after(attempt: u32) -> Duration {
    Duration::from_secs(1 << attempt.saturating_sub(1).min(3))
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

// === impl Claim ===

impl Claim {
    fn is_of(&self, claim: &ClaimWarrant) -> bool {
        self.request_id == claim.request_id
            && self.jti == claim.jti
            && self.executor == claim.executor
    }
}

// === impl Fact ===

impl Fact {
    fn new(kind: FactKind, actor: Actor, reason: &str) -> Self {
        Self { kind, actor, reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests;
