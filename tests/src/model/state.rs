//! What the parts know and hold, durably and in memory, and what an observer who misses nothing remembers.

/// How often an approval may be executed, when each time nothing was sent.
pub const MAX_ATTEMPTS: u8 = 3;
/// Beyond so many claims nothing is explored; the sound protocol makes one for each attempt.
pub const MAX_CLAIMS: u8 = 3;
/// How often a warrant is minted anew while nobody claims.
pub const MAX_RENEWED_WARRANTS: u8 = 1;
/// How many people have to grant an AMBER action.
pub const QUORUM: usize = 2;

/// What the attacker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// The orchestrator: any action, with any warrant that was ever minted, at any time.
    Ordinary,
    /// The key that signs warrants as well: a warrant that says anything.
    WarrantKeyStolen,
}

/// What the action is, and what the classifier's verdict says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Risk {
    /// Granted by policy.
    Green,
    /// Decided by people.
    Amber,
    /// Denied by policy.
    Red,
}

/// What somebody sees, signs or sends: it stands for the action's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Content {
    /// The action that was asked for.
    Asked,
    /// Another one.
    Altered,
}

/// Who may try to vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Person {
    /// Asked for the action, and is an approver otherwise.
    Requester,
    /// An approver.
    Alice,
    /// An approver.
    Bob,
    /// Not an approver.
    Mallory,
}

/// A vote to grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vote {
    /// Whose.
    pub person: Person,
    /// What the person saw.
    pub content: Content,
}

/// Why an approval ended before its execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stop {
    /// An approver denied after the grant.
    LateDeny,
    /// An approver revoked the grant.
    Revoke,
    /// The requester cancelled.
    Cancel,
}

/// The state of the approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Not created yet.
    Absent,
    /// People are asked.
    Pending,
    /// May be claimed.
    Granted,
    /// Claimed.
    Executing,
    /// Claimed, and nobody knows what came of it.
    OutcomeUnknown,
    /// Executed.
    Succeeded,
    /// Executed without success, or not at all.
    Failed,
    /// Refused by policy or people.
    Denied,
    /// Stopped.
    Stopped(Stop),
    /// Its time ran out.
    Expired,
}

/// How far an event has come in trace-svc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// Not there.
    Absent,
    /// Written, and lost in a crash.
    Buffered,
    /// Synced.
    Durable,
}

/// What is left of the lease of the latest claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lease {
    /// More than it takes to send.
    Ample,
    /// Less than that.
    Thin,
    /// Nothing.
    Over,
}

/// An executor, as far as it remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Executor {
    /// It does nothing.
    Idle,
    /// It was told that it may claim, but has not claimed yet: only where the claim is no compare-and-set.
    MayClaim(Content),
    /// It executes.
    Executing(Execution),
}

/// One execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Execution {
    /// The fencing token of its claim; 0 without a claim.
    pub fence: u8,
    /// What it sends.
    pub content: Content,
    /// Where it stands.
    pub step: Step,
    /// Its `execution.started`.
    pub started: Entry,
    /// Observed: whether a deny, revoke or cancel had been committed before the claim.
    pub claimed_after_stop: bool,
}

/// Where an execution stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The warrant is claimed; `execution.started` may be on its way to trace-svc.
    Claimed,
    /// Its receipt is there.
    Recorded,
    /// The request is about to leave; whether there was ample time when that was decided.
    Sending {
        /// Whether the lease was ample then.
        in_time: bool,
    },
    /// The gateway has the request.
    Sent,
    /// The gateway has answered.
    Answered {
        /// Whether it did what was asked.
        success: bool,
    },
}

/// Something that the gateway was told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Effect {
    /// What.
    pub content: Content,
    /// Whether `execution.started` was durable.
    pub recorded: bool,
    /// Whether the lease of its claim lived.
    pub in_lease: bool,
    /// Whether a deny, revoke or cancel had been committed before its claim.
    pub after_stop: bool,
}

/// What an observer remembers who misses nothing; no part reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct History {
    /// A deny, revoke or cancel was committed.
    pub stopped: bool,
    /// A decision of people was taken after the time for it.
    pub late_decision: bool,
    /// A claim succeeded after the grant had expired.
    pub late_claim: bool,
    /// A claim succeeded with a warrant that had run out.
    pub overdue_claim: bool,
    /// A claim succeeded before the decision's events were durable.
    pub unrecorded_claim: bool,
    /// An event was written to the log twice.
    pub written_twice: bool,
    /// A warrant was claimed twice.
    pub spent_twice: bool,
    /// The warrants that were claimed, one bit for each.
    pub spent: u8,
    /// A person said what came of an unknown outcome.
    pub reconciled: bool,
    /// The first terminal state.
    pub end: Option<Status>,
}

/// The state of everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct State {
    /// What the classifier says of the action.
    pub risk: Risk,
    /// approval-svc, durable: where the approval stands.
    pub status: Status,
    /// approval-svc, durable: who granted, in order of the persons.
    pub votes: Vec<Vote>,
    /// approval-svc, durable: the decision's events are in the outbox.
    pub outbox: bool,
    /// approval-svc, durable: the current warrant's id; 0 before the grant.
    pub jti: u8,
    /// approval-svc, durable: the current attempt; from 1 on.
    pub attempt: u8,
    /// approval-svc, durable: the fencing token of the latest claim; 0 before.
    pub fence: u8,
    /// approval-svc, durable: the requester wants a running execution to stop.
    pub cancel_requested: bool,
    /// approval-svc, in memory: the decision's events have their receipt.
    pub receipt_known: bool,
    /// approval-svc, in memory: the decision's events are still to be written.
    pub events_unwritten: bool,
    /// trace-svc: the decision's events.
    pub decision: Entry,
    /// Clock: the time for people to decide is over.
    pub pending_over: bool,
    /// Clock: the time to claim is over.
    pub grant_over: bool,
    /// Clock: the current warrant has run out. Earlier ones are taken to be still in time.
    pub overdue: bool,
    /// Clock: the lease of the latest claim.
    pub lease: Lease,
    /// The executors, in order.
    pub executors: [Executor; 2],
    /// Warrants that were minted and may be presented at any time, one bit for each id.
    pub warrants: u8,
    /// How many of them were minted anew.
    pub renewed_warrants: u8,
    /// `NOT_STARTED` messages that may arrive at any time and any number of times, one bit for each fencing token.
    pub not_started: u8,
    /// What the gateway was told to do.
    pub effects: Vec<Effect>,
    /// What was observed.
    pub history: History,
}

// === impl Risk ===

impl Risk {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Green, Self::Amber, Self::Red];
}

// === impl Content ===

impl Content {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Asked, Self::Altered];
}

// === impl Person ===

impl Person {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Requester, Self::Alice, Self::Bob, Self::Mallory];

    /// Whether the person's vote may count.
    pub fn may_grant(self) -> bool {
        matches!(self, Self::Alice | Self::Bob)
    }
}

// === impl Stop ===

impl Stop {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::LateDeny, Self::Revoke, Self::Cancel];
}

// === impl Status ===

impl Status {
    /// Whether it is final.
    pub fn is_terminal(self) -> bool {
        !matches!(
            self,
            Self::Absent | Self::Pending | Self::Granted | Self::Executing | Self::OutcomeUnknown
        )
    }

    /// Whether somebody, or the policy, has decided.
    pub fn is_decided(self) -> bool {
        !matches!(
            self,
            Self::Absent | Self::Pending | Self::Expired | Self::Stopped(Stop::Cancel)
        )
    }
}

// === impl Executor ===

impl Executor {
    /// Its execution, if any.
    pub fn execution(&self) -> Option<&Execution> {
        if let Self::Executing(execution) = self {
            Some(execution)
        } else {
            None
        }
    }
}

// === impl State ===

impl State {
    /// Before anything was asked.
    pub fn new(risk: Risk) -> Self {
        Self {
            risk,
            status: Status::Absent,
            votes: Vec::new(),
            outbox: false,
            jti: 0,
            attempt: 1,
            fence: 0,
            cancel_requested: false,
            receipt_known: false,
            events_unwritten: false,
            decision: Entry::Absent,
            pending_over: false,
            grant_over: false,
            overdue: false,
            lease: Lease::Over,
            executors: [Executor::Idle; 2],
            warrants: 0,
            renewed_warrants: 0,
            not_started: 0,
            effects: Vec::new(),
            history: History::default(),
        }
    }

    /// Whether distinct approvers of the quorum granted exactly this content.
    pub fn has_quorum_for(&self, content: Content) -> bool {
        let granted = |person: &Person| {
            self.votes.contains(&Vote {
                person: *person,
                content,
            })
        };
        Person::ALL
            .iter()
            .filter(|person| person.may_grant() && granted(person))
            .count()
            >= QUORUM
    }

    /// The next warrant takes the place of the current one.
    pub fn take_next_jti(&mut self) {
        self.jti += 1;
        self.overdue = false;
    }

    /// The observer notes the first terminal state.
    pub fn note_end(&mut self) {
        if self.history.end.is_none() && self.status.is_terminal() {
            self.history.end = Some(self.status);
        }
    }
}

/// The bit that stands for a number.
pub fn bit(number: u8) -> u8 {
    1 << number
}
