//! What a step of the state machine comes from and what it comes to.

use crate::{
    approval::{Approval, Decision, PersonId, Terms},
    moment::Moment,
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

// === impl Fact ===

impl Fact {
    pub(super) fn new(kind: FactKind, actor: Actor, reason: &str) -> Self {
        Self {
            kind,
            actor,
            reason: reason.to_owned(),
        }
    }
}
