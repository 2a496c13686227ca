//! From the claim of a warrant to its completion.

use super::{
    Guard, Protocol,
    actions::{Action, Warrant},
    state::{Content, Effect, Entry, Execution, Executor, Lease, State, Status, Step, Stop, bit},
};

// === impl Protocol ===

impl Protocol {
    /// The executor checks what it is given, and claims.
    pub(super) fn claim(self, state: &mut State, executor: usize, warrant: Warrant, action: Content) {
        let recomputes = self.has(Guard::DigestRecomputedByExecutor);
        if recomputes && action != warrant.content {
            return;
        }
        if !self.has(Guard::ClaimBeforeSend) {
            let claimed_after_stop = state.history.stopped;
            state.executors[executor] = executing(0, action, claimed_after_stop);
            return;
        }
        if self.has(Guard::ExpiryInsideClaim) {
            self.settle(state);
        }
        let digest = if recomputes { action } else { warrant.content };
        if self.repeats_claim(state, warrant.jti) {
            state.executors[executor] = executing(state.fence, action, state.history.stopped);
        } else if !self.may_claim(state, warrant, digest) {
            // Refused.
        } else if self.has(Guard::ClaimIsCompareAndSet) {
            state.note_spent(warrant);
            take_claim(state, executor, action);
        } else {
            state.executors[executor] = Executor::MayClaim(action);
        }
    }

    /// Whether a claim is answered like the one that holds. Its holder asking again, because the answer was lost, is the
    /// answer coming late, and so no action of its own.
    fn repeats_claim(self, state: &State, jti: u8) -> bool {
        let held = state.status == Status::Executing && jti == state.jti;
        held && !self.has(Guard::RepeatedClaimIsOfItsHolder)
    }

    fn may_claim(self, state: &State, warrant: Warrant, digest: Content) -> bool {
        let open = match state.status {
            Status::Granted => true,
            Status::Stopped(stop) => !self.has(match stop {
                Stop::LateDeny => Guard::DenyCheckedAtClaim,
                Stop::Revoke => Guard::RevokeCheckedAtClaim,
                Stop::Cancel => Guard::CancelCheckedAtClaim,
            }),
            _ => false,
        };
        open && (warrant.jti == state.jti || !self.has(Guard::CurrentJtiOnly))
            && (!warrant.overdue || !self.has(Guard::WarrantExpiryInsideClaim))
            && (digest == Content::Asked || !self.has(Guard::ClaimBindsDigest))
            && (state.receipt_known || !self.has(Guard::ReceiptBeforeClaim))
    }

    /// The second half of a claim that is no compare-and-set: nobody looks again.
    pub(super) fn finish_claim(state: &mut State, executor: usize) {
        if let Executor::MayClaim(action) = state.executors[executor] {
            take_claim(state, executor, action);
        }
    }

    /// A step of an execution that needs nobody but the executor, trace-svc and the gateway.
    pub(super) fn step(self, state: &mut State, executor: usize, action: Action) {
        let Executor::Executing(mut execution) = state.executors[executor] else {
            return;
        };
        match action {
            Action::Announce(_) => {
                execution.started = execution.started.max(Entry::Buffered);
            }
            Action::StartedReceipt(_) => execution.step = Step::Recorded,
            Action::DecideToSend(_) => {
                let in_time = state.seems_ample(execution);
                if in_time || !self.has(Guard::LeaseMarginBeforeSend) {
                    execution.step = Step::Sending { in_time };
                }
            }
            Action::Send(_) => {
                state.effects.push(state.effect_of(execution));
                execution.step = Step::Sent;
            }
            Action::GatewayRefuses(_) => execution.step = Step::Answered { success: false },
            Action::Answer(_) => execution.step = Step::Answered { success: true },
            Action::SayNotStarted(_) => {
                state.not_started |= bit(execution.fence);
                state.executors[executor] = Executor::Idle;
                return;
            }
            _ => {}
        }
        state.executors[executor] = Executor::Executing(execution);
    }

    pub(super) fn not_started(self, state: &mut State, fence: u8) {
        self.settle(state);
        if !self.takes_completion(state, fence) {
            return;
        }
        match state.status {
            Status::Executing => self.give_back(state),
            _ => state.status = Status::Failed,
        }
    }

    pub(super) fn complete(self, state: &mut State, executor: usize, known: bool) {
        let Executor::Executing(execution) = state.executors[executor] else {
            return;
        };
        state.executors[executor] = Executor::Idle;
        self.settle(state);
        if !self.takes_completion(state, execution.fence) {
            return;
        }
        state.status = match execution.step {
            Step::Answered { success: true } if known => Status::Succeeded,
            Step::Answered { success: false } if known => Status::Failed,
            _ => Status::OutcomeUnknown,
        };
    }

    fn takes_completion(self, state: &State, fence: u8) -> bool {
        let open = matches!(state.status, Status::Executing | Status::OutcomeUnknown);
        (fence == state.fence || !self.has(Guard::FencingOnComplete))
            && (open || !self.has(Guard::CompleteOnlyOpenClaim))
    }
}

fn take_claim(state: &mut State, executor: usize, action: Content) {
    state.history.late_claim |= state.grant_over;
    state.history.unrecorded_claim |= state.decision != Entry::Durable;
    state.status = Status::Executing;
    state.fence += 1;
    state.lease = Lease::Ample;
    state.executors[executor] = executing(state.fence, action, state.history.stopped);
}

fn executing(fence: u8, content: Content, claimed_after_stop: bool) -> Executor {
    let (step, started) = (Step::Claimed, Entry::Absent);
    Executor::Executing(Execution {
        fence,
        content,
        step,
        started,
        claimed_after_stop,
    })
}

// === impl State ===

impl State {
    /// What the executor's own clock says of its lease: it knows nothing of later claims.
    fn seems_ample(&self, execution: Execution) -> bool {
        execution.fence == 0 || execution.fence != self.fence || self.lease == Lease::Ample
    }

    fn effect_of(&self, execution: Execution) -> Effect {
        Effect {
            content: execution.content,
            recorded: execution.started == Entry::Durable,
            in_lease: execution.fence == self.fence && self.lease != Lease::Over,
            after_stop: execution.claimed_after_stop,
        }
    }

    fn note_spent(&mut self, warrant: Warrant) {
        self.history.overdue_claim |= warrant.overdue;
        self.history.spent_twice |= self.history.spent & bit(warrant.jti) != 0;
        self.history.spent |= bit(warrant.jti);
    }
}
