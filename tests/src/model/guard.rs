//! The checks that the parts make, each with what it is there for.

use super::{properties::Invariant, state::World};

/// A check that one of the parts makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guard {
    /// approval-svc takes the risk from the signed verdict on this action.
    VerdictIsVerified,
    /// RED is denied at once.
    RedIsDenied,
    /// Only members of the approvers' group vote.
    OnlyApproversVote,
    /// The requester doesn't vote, approver or not.
    RequesterIsNotApprover,
    /// A vote names the digest that the person saw.
    VoteBindsDigest,
    /// A person counts once.
    PersonCountsOnce,
    /// A grant waits for the whole quorum.
    QuorumBeforeGrant,
    /// A vote counts only before the pending expiry, by the database's clock.
    ExpiryInsideVote,
    /// The decision and its events are committed in one transaction.
    DecisionAndEventsInOneTransaction,
    /// No warrant is minted before the receipt of the decision's events.
    ReceiptBeforeWarrant,
    /// No warrant is claimed before the receipt of the decision's events.
    ReceiptBeforeClaim,
    /// trace-svc acknowledges an event only after it is synced.
    AckAfterSync,
    /// trace-svc knows an event that it already has.
    LogKnowsEventIds,
    /// The executor recomputes the digest from what it will send, and compares it with the warrant's.
    DigestRecomputedByExecutor,
    /// The claim compares the executor's digest with the approved one.
    ClaimBindsDigest,
    /// Nothing is sent without a claim.
    ClaimBeforeSend,
    /// The claim reads and writes in one step.
    ClaimIsCompareAndSet,
    /// The claim takes the latest warrant only.
    CurrentJtiOnly,
    /// The claim looks at the clock itself, and doesn't rely on a sweeper.
    ExpiryInsideClaim,
    /// The claim refuses a warrant that has run out, whatever the executor's clock said.
    WarrantExpiryInsideClaim,
    /// A claim that was answered is answered again to its holder only.
    RepeatedClaimIsOfItsHolder,
    /// The claim refuses what was denied after the grant.
    DenyCheckedAtClaim,
    /// The claim refuses what was revoked.
    RevokeCheckedAtClaim,
    /// The claim refuses what was cancelled.
    CancelCheckedAtClaim,
    /// Nothing is sent before the receipt of `execution.started`.
    StartedReceiptBeforeSend,
    /// Nothing is sent unless ample time of the lease remains.
    LeaseMarginBeforeSend,
    /// The executor sends one request for one claim.
    OneRequestPerClaim,
    /// `NOT_STARTED` is said only when nothing was sent.
    NotStartedOnlyWhenNothingSent,
    /// A completion is taken from the holder of the latest claim only.
    FencingOnComplete,
    /// A completion is taken only while its claim is open.
    CompleteOnlyOpenClaim,
    /// A cancellation that was asked for while executing holds when the claim is given back.
    CancelOutlivesAttempt,
    /// A lost lease never leads to another execution.
    NoBlindRetryAfterUnknown,
    /// A person says what came of an unknown outcome only.
    ReconcileOnlyUnknown,
}

// === impl Guard ===

impl Guard {
    /// All of them.
    pub const ALL: [Self; 33] = [
        Self::VerdictIsVerified,
        Self::RedIsDenied,
        Self::OnlyApproversVote,
        Self::RequesterIsNotApprover,
        Self::VoteBindsDigest,
        Self::PersonCountsOnce,
        Self::QuorumBeforeGrant,
        Self::ExpiryInsideVote,
        Self::DecisionAndEventsInOneTransaction,
        Self::ReceiptBeforeWarrant,
        Self::ReceiptBeforeClaim,
        Self::AckAfterSync,
        Self::LogKnowsEventIds,
        Self::DigestRecomputedByExecutor,
        Self::ClaimBindsDigest,
        Self::ClaimBeforeSend,
        Self::ClaimIsCompareAndSet,
        Self::CurrentJtiOnly,
        Self::ExpiryInsideClaim,
        Self::WarrantExpiryInsideClaim,
        Self::RepeatedClaimIsOfItsHolder,
        Self::DenyCheckedAtClaim,
        Self::RevokeCheckedAtClaim,
        Self::CancelCheckedAtClaim,
        Self::StartedReceiptBeforeSend,
        Self::LeaseMarginBeforeSend,
        Self::OneRequestPerClaim,
        Self::NotStartedOnlyWhenNothingSent,
        Self::FencingOnComplete,
        Self::CompleteOnlyOpenClaim,
        Self::CancelOutlivesAttempt,
        Self::NoBlindRetryAfterUnknown,
        Self::ReconcileOnlyUnknown,
    ];

    /// The property that falls without it.
    pub const fn protects(self) -> Invariant {
        match self {
            Self::ClaimBeforeSend
            | Self::ClaimIsCompareAndSet
            | Self::RepeatedClaimIsOfItsHolder
            | Self::OneRequestPerClaim
            | Self::NotStartedOnlyWhenNothingSent
            | Self::FencingOnComplete
            | Self::NoBlindRetryAfterUnknown => Invariant::AtMostOneEffect,
            Self::VerdictIsVerified
            | Self::OnlyApproversVote
            | Self::RequesterIsNotApprover
            | Self::VoteBindsDigest
            | Self::PersonCountsOnce
            | Self::QuorumBeforeGrant => Invariant::EffectHasQuorum,
            Self::DigestRecomputedByExecutor | Self::ClaimBindsDigest => Invariant::EffectIsWhatWasAsked,
            Self::DenyCheckedAtClaim
            | Self::RevokeCheckedAtClaim
            | Self::CancelCheckedAtClaim
            | Self::CancelOutlivesAttempt => Invariant::StopHolds,
            Self::ExpiryInsideClaim | Self::WarrantExpiryInsideClaim => Invariant::ClaimBeforeExpiry,
            Self::ExpiryInsideVote => Invariant::DecisionBeforeExpiry,
            Self::CompleteOnlyOpenClaim | Self::ReconcileOnlyUnknown => Invariant::EndIsFinal,
            Self::DecisionAndEventsInOneTransaction => Invariant::DecisionHasEvents,
            Self::ReceiptBeforeWarrant | Self::AckAfterSync => Invariant::WarrantHasReceipt,
            Self::ReceiptBeforeClaim => Invariant::ClaimHasReceipt,
            Self::RedIsDenied => Invariant::RedIsNeverGranted,
            Self::CurrentJtiOnly => Invariant::WarrantSpentOnce,
            Self::StartedReceiptBeforeSend => Invariant::EffectIsRecorded,
            Self::LeaseMarginBeforeSend => Invariant::EffectInLease,
            Self::LogKnowsEventIds => Invariant::EventWrittenOnce,
        }
    }

    /// The world in which it is needed: some are the second line, behind the signature on the warrant.
    pub const fn world(self) -> World {
        match self {
            Self::ReceiptBeforeClaim | Self::ClaimBindsDigest => World::WarrantKeyStolen,
            _ => World::Ordinary,
        }
    }
}
