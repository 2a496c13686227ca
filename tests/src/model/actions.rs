//! Everything that can happen, and when it can.

use super::{
    Guard, Protocol,
    state::{
        Content, Entry, Execution, Executor, Lease, MAX_RENEWED_WARRANTS, Person, Risk, State, Status, Step, Stop,
        Vote, World, bit,
    },
};

/// Something that happens. An executor is named by its place in [`State::executors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The orchestrator creates the approval, saying that the risk is this.
    Create(Risk),
    /// A person votes to grant.
    Grant(Vote),
    /// An approver votes to deny what is pending.
    Deny,
    /// An approver or the requester stops the approval, or asks a running execution to stop.
    Stop(Stop),
    /// approval-svc writes events that the decision's transaction left out.
    WriteEvents,
    /// The relay's events arrive at trace-svc.
    Relay,
    /// The relay learns their receipt.
    RelayReceipt,
    /// approval-svc mints the current warrant.
    Mint,
    /// approval-svc mints a warrant that takes the place of the current one.
    MintAnew,
    /// approval-svc makes visible what the time has made of the approval.
    Sweep,
    /// A person says what came of an unknown outcome.
    Reconcile {
        /// That it succeeded.
        success: bool,
    },
    /// Somebody presents an action with a warrant to an executor, which checks it and claims.
    Claim {
        /// Which executor.
        executor: usize,
        /// The warrant.
        warrant: Warrant,
        /// The action.
        action: Content,
    },
    /// The second half of a claim that is no compare-and-set.
    FinishClaim(usize),
    /// `execution.started` arrives at trace-svc.
    Announce(usize),
    /// The executor learns its receipt.
    StartedReceipt(usize),
    /// The executor decides to send.
    DecideToSend(usize),
    /// The request arrives at the gateway and has its effect.
    Send(usize),
    /// The gateway refuses the request, without effect.
    GatewayRefuses(usize),
    /// The answer of the gateway arrives.
    Answer(usize),
    /// The executor gives its claim back.
    SayNotStarted(usize),
    /// A `NOT_STARTED` with this fencing token arrives at approval-svc.
    NotStarted(u8),
    /// The executor completes its claim; or does not know how.
    Complete {
        /// Which executor.
        executor: usize,
        /// Whether it knows the outcome.
        known: bool,
    },
    /// trace-svc syncs what it has.
    SyncLog,
    /// The time to decide is over.
    PendingDeadline,
    /// The time to claim is over.
    GrantDeadline,
    /// The current warrant runs out.
    WarrantDeadline,
    /// The lease of the latest claim comes to its margin, then to its end.
    LeaseRunsDown,
    /// An executor crashes.
    CrashExecutor(usize),
    /// approval-svc crashes.
    CrashApproval,
    /// trace-svc crashes.
    CrashTrace,
}

/// A warrant, as somebody presents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Warrant {
    /// Its id.
    pub jti: u8,
    /// What it permits.
    pub content: Content,
    /// Whether it has run out.
    pub overdue: bool,
}

// === impl Protocol ===

impl Protocol {
    /// Everything that may happen next; what changes nothing is dropped later.
    pub(super) fn enabled(self, state: &State, actions: &mut Vec<Action>) {
        self.decisions(state, actions);
        self.relays_and_warrants(state, actions);
        self.claims(state, actions);
        for (place, executor) in state.executors.iter().enumerate() {
            match executor {
                Executor::Idle => {}
                Executor::MayClaim(_) => actions.push(Action::FinishClaim(place)),
                Executor::Executing(execution) => self.steps(place, *execution, actions),
            }
            if *executor != Executor::Idle {
                actions.push(Action::CrashExecutor(place));
            }
        }
        let arriving = (1..=state.fence).filter(|fence| state.not_started & bit(*fence) != 0);
        actions.extend(arriving.map(Action::NotStarted));
        actions.extend([Action::SyncLog, Action::CrashTrace, Action::Sweep]);
        // While executing nobody asks approval-svc's memory, so a crash then is like one afterwards.
        if matches!(state.status, Status::Pending | Status::Granted) || state.events_unwritten {
            actions.push(Action::CrashApproval);
        }
        Self::clock(state, actions);
    }

    fn decisions(self, state: &State, actions: &mut Vec<Action>) {
        match state.status {
            Status::Absent if self.has(Guard::VerdictIsVerified) => {
                actions.push(Action::Create(state.risk));
            }
            Status::Absent => actions.extend(Risk::ALL.map(Action::Create)),
            Status::Pending => {
                for person in Person::ALL {
                    let votes = Content::ALL.map(|content| Vote { person, content });
                    actions.extend(votes.map(Action::Grant));
                }
                actions.extend([Action::Deny, Action::Stop(Stop::Cancel)]);
            }
            Status::Granted => actions.extend(Stop::ALL.map(Action::Stop)),
            Status::Executing => actions.push(Action::Stop(Stop::Cancel)),
            _ => {}
        }
        let may_reconcile = state.status == Status::OutcomeUnknown || !self.has(Guard::ReconcileOnlyUnknown);
        if may_reconcile && state.status != Status::Absent {
            actions.extend([true, false].map(|success| Action::Reconcile { success }));
        }
    }

    fn relays_and_warrants(self, state: &State, actions: &mut Vec<Action>) {
        if state.events_unwritten {
            actions.push(Action::WriteEvents);
        }
        if state.outbox && !state.receipt_known {
            actions.push(Action::Relay);
            if self.acknowledges(state.decision) {
                actions.push(Action::RelayReceipt);
            }
        }
        let may_mint = state.receipt_known || !self.has(Guard::ReceiptBeforeWarrant);
        if state.status == Status::Granted && !state.grant_over && may_mint {
            actions.push(Action::Mint);
            if state.renewed_warrants < MAX_RENEWED_WARRANTS {
                actions.push(Action::MintAnew);
            }
        }
    }

    /// Any warrant that exists, with any action, to any executor that is free.
    fn claims(self, state: &State, actions: &mut Vec<Action>) {
        let forged = self.world == World::WarrantKeyStolen;
        // Two free executors are the same, so the first one will do.
        let Some(executor) = state.executors.iter().position(|it| *it == Executor::Idle) else {
            return;
        };
        for jti in 1..=state.jti {
            let overdue = state.overdue && jti == state.jti;
            let minted = Warrant {
                jti,
                content: Content::Asked,
                overdue,
            };
            let forgeries = Content::ALL.map(|content| Warrant {
                jti,
                content,
                overdue: false,
            });
            let presented = (state.warrants & bit(jti) != 0).then_some(minted);
            let forged = forgeries.into_iter().filter(|_| forged);
            for warrant in presented.into_iter().chain(forged) {
                let with = |action| Action::Claim {
                    executor,
                    warrant,
                    action,
                };
                actions.extend(Content::ALL.map(with));
            }
        }
    }

    fn steps(self, place: usize, execution: Execution, actions: &mut Vec<Action>) {
        let unrecorded = !self.has(Guard::StartedReceiptBeforeSend);
        match execution.step {
            Step::Claimed => {
                actions.push(Action::Announce(place));
                if self.acknowledges(execution.started) {
                    actions.push(Action::StartedReceipt(place));
                }
                if unrecorded {
                    actions.push(Action::DecideToSend(place));
                }
            }
            Step::Recorded => actions.push(Action::DecideToSend(place)),
            Step::Sending { .. } => {
                actions.extend([Action::Send(place), Action::GatewayRefuses(place)]);
            }
            Step::Sent => {
                if !self.has(Guard::OneRequestPerClaim) {
                    actions.push(Action::Send(place));
                }
                actions.push(Action::Answer(place));
                actions.push(Action::Complete {
                    executor: place,
                    known: false,
                });
            }
            Step::Answered { .. } => {
                actions.push(Action::Complete {
                    executor: place,
                    known: true,
                });
            }
        }
        let sent = matches!(execution.step, Step::Sent | Step::Answered { .. });
        if !sent || !self.has(Guard::NotStartedOnlyWhenNothingSent) {
            actions.push(Action::SayNotStarted(place));
        }
    }

    /// Deadlines pass at any time, with one exception: a request that leaves while the lease is ample arrives within
    /// it. That is what the margin is for.
    fn clock(state: &State, actions: &mut Vec<Action>) {
        if state.status == Status::Pending {
            actions.push(Action::PendingDeadline);
        }
        if matches!(state.status, Status::Granted | Status::Executing) {
            actions.push(Action::GrantDeadline);
        }
        if state.status == Status::Granted && state.warrants & bit(state.jti) != 0 {
            actions.push(Action::WarrantDeadline);
        }
        let under_way = state
            .executors
            .iter()
            .filter_map(Executor::execution)
            .any(|execution| execution.fence == state.fence && execution.step == Step::Sending { in_time: true });
        let ends = state.lease == Lease::Thin;
        if state.status == Status::Executing && !(ends && under_way) {
            actions.push(Action::LeaseRunsDown);
        }
    }

    /// Whether trace-svc would acknowledge an event.
    fn acknowledges(self, entry: Entry) -> bool {
        let buffered = !self.has(Guard::AckAfterSync) && entry == Entry::Buffered;
        buffered || entry == Entry::Durable
    }

    /// Lets it happen.
    pub(super) fn apply(self, state: &mut State, action: Action) {
        match action {
            Action::Create(risk) => self.create(state, risk),
            Action::Grant(vote) => self.grant_vote(state, vote),
            Action::Deny => self.deny(state),
            Action::Stop(stop) => self.stop(state, stop),
            Action::WriteEvents => {
                state.outbox = true;
                state.events_unwritten = false;
            }
            Action::Relay => self.relay(state),
            Action::RelayReceipt => state.receipt_known = true,
            Action::Mint => state.warrants |= bit(state.jti),
            Action::MintAnew => {
                state.take_next_jti();
                state.renewed_warrants += 1;
                state.warrants |= bit(state.jti);
            }
            Action::Sweep => self.settle(state),
            Action::Reconcile { success } => self.reconcile(state, success),
            Action::Claim {
                executor,
                warrant,
                action,
            } => {
                self.claim(state, executor, warrant, action);
            }
            Action::FinishClaim(executor) => Self::finish_claim(state, executor),
            Action::NotStarted(fence) => self.not_started(state, fence),
            Action::Complete { executor, known } => self.complete(state, executor, known),
            Action::Announce(executor)
            | Action::StartedReceipt(executor)
            | Action::DecideToSend(executor)
            | Action::Send(executor)
            | Action::GatewayRefuses(executor)
            | Action::Answer(executor)
            | Action::SayNotStarted(executor) => self.step(state, executor, action),
            Action::SyncLog => sync_log(state),
            Action::PendingDeadline => state.pending_over = true,
            Action::GrantDeadline => state.grant_over = true,
            Action::WarrantDeadline => state.overdue = true,
            Action::LeaseRunsDown => {
                state.lease = if state.lease == Lease::Ample {
                    Lease::Thin
                } else {
                    Lease::Over
                };
            }
            Action::CrashExecutor(executor) => state.executors[executor] = Executor::Idle,
            Action::CrashApproval => {
                state.receipt_known = false;
                state.events_unwritten = false;
            }
            Action::CrashTrace => crash_log(state),
        }
    }
}

fn sync_log(state: &mut State) {
    for entry in entries(state) {
        if *entry == Entry::Buffered {
            *entry = Entry::Durable;
        }
    }
}

fn crash_log(state: &mut State) {
    for entry in entries(state) {
        if *entry == Entry::Buffered {
            *entry = Entry::Absent;
        }
    }
}

fn entries(state: &mut State) -> impl Iterator<Item = &mut Entry> {
    let started = state.executors.iter_mut().filter_map(|executor| match executor {
        Executor::Executing(execution) => Some(&mut execution.started),
        Executor::Idle | Executor::MayClaim(_) => None,
    });
    std::iter::once(&mut state.decision).chain(started)
}
