//! What can be asked of an approval that exists. Who asks has been established before a command is built.

use warrant::{ActionDigest, Mode};

use crate::{
    approval::{Decision, Outcome, PersonId},
    moment::Moment,
};

/// One thing asked of an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A person decides.
    Vote(CastVote),
    /// A person takes a grant back.
    Revoke(RevokeGrant),
    /// The requester withdraws.
    Cancel(CancelApproval),
    /// An orchestrator takes it for dispatch.
    Dispatch,
    /// An executor spends its warrant.
    Claim(ClaimWarrant),
    /// The claim's holder is still at work.
    Renew(RenewClaim),
    /// The claim's holder is done.
    Complete(CompleteWarrant),
    /// A person says what came of an execution.
    Reconcile(ReconcileWarrant),
}

/// What a decider saw: a decision holds only for exactly that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The etag.
    pub etag: String,
    /// The action digest.
    pub digest: ActionDigest,
}

/// A person's or the simulated approver's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CastVote {
    /// Who.
    pub voter: PersonId,
    /// For or against.
    pub decision: Decision,
    /// What they saw.
    pub seen: Seen,
    /// Why.
    pub reason: String,
    /// Whether this is the simulated approver.
    pub simulated: bool,
}

/// Taking back a grant that nobody has claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokeGrant {
    /// Who.
    pub by: PersonId,
    /// What they saw.
    pub seen: Seen,
    /// Why.
    pub reason: String,
}

/// Withdrawing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelApproval {
    /// Who: must be the requester.
    pub by: PersonId,
    /// Why.
    pub reason: String,
}

/// Spending a warrant whose signature, issuer and audience have been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimWarrant {
    /// The warrant's id.
    pub jti: String,
    /// The revision that the warrant names.
    pub revision: u64,
    /// On whose authority, as the warrant says.
    pub mode: Mode,
    /// The digest that the warrant names, which is the one the executor computed.
    pub digest: ActionDigest,
    /// When the warrant expires.
    pub expire: Moment,
    /// The claiming request: the same one gets the same claim while it lives.
    pub request_id: String,
    /// Which executor process.
    pub executor: String,
}

/// Extending a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewClaim {
    /// Proof of the claim.
    pub fencing_token: String,
}

/// Ending a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteWarrant {
    /// Proof of the claim.
    pub fencing_token: String,
    /// How it ended.
    pub outcome: Outcome,
    /// One sentence.
    pub detail: String,
    /// Index of the log entry that records it.
    pub receipt_index: Option<u64>,
}

/// Saying what came of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconcileWarrant {
    /// Who.
    pub by: PersonId,
    /// The etag they saw.
    pub etag: String,
    /// Whether it succeeded; else it failed.
    pub succeeded: bool,
    /// The evidence.
    pub reason: String,
}
