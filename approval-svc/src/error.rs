//! Everything that can go wrong here, and how it looks on the wire.

use std::time::Duration;

use chassis::{
    PartName,
    fault::{Code, Fault, to_status},
};
use proto::common::v1::ErrorReason;
use tonic::Status;

use crate::approval::State;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// No such approval, or not the caller's to see.
    #[error("no such approval, or not yours to see")]
    NotFound,
    /// The state doesn't allow it.
    #[error("the approval is {state}")]
    WrongState {
        /// The state.
        state: State,
    },
    /// Its time is over.
    #[error("the time for this has passed; the approval is EXPIRED")]
    Expired,
    /// It changed since the caller read it.
    #[error("the approval changed since you read it; read it again")]
    StaleEtag,
    /// The digest is another action's.
    #[error("the action digest is not the one of the approval")]
    DigestMismatch,
    /// The requester tried to decide.
    #[error("the requester can't decide on their own action")]
    SelfApproval,
    /// This person has voted before.
    #[error("you have already decided; the approval is {state}")]
    AlreadyDecided {
        /// The state.
        state: State,
    },
    /// The simulated approver is not switched on.
    #[error("the simulated approver is not switched on")]
    SimulationDisabled,
    /// The verdict doesn't hold.
    #[error("the verdict is refused: {0}")]
    VerdictRejected(String),
    /// The action names somebody other than the credential.
    #[error("the action's {field} is not the one of the forwarded credential")]
    RequesterMismatch {
        /// What differs.
        field: &'static str,
    },
    /// No person's credential came along.
    #[error("a person's credential must be forwarded here")]
    SubjectMissing,
    /// The caller may see it but not do this.
    #[error("{0}")]
    NotPermitted(&'static str),
    /// The request id stands for something else.
    #[error("the request id was used before with another body")]
    RequestIdReused,
    /// The requester has too many approvals pending.
    #[error("{limit} approvals of this requester are pending already")]
    TooManyPending {
        /// How many may be.
        limit: u32,
    },
    /// The decision's events have no receipt.
    #[error("the decision's events have no receipt from trace-svc yet")]
    ReceiptPending,
    /// The warrant doesn't hold.
    #[error("the warrant is refused: {0}")]
    WarrantRejected(String),
    /// The warrant was spent or replaced.
    #[error("the warrant was spent, or replaced by a newer one; the approval is {state}")]
    WarrantSpent {
        /// The state of the approval.
        state: State,
    },
    /// The fencing token is not the current claim's.
    #[error("the claim is lost; the approval is {state}")]
    ClaimLost {
        /// The state of the approval.
        state: State,
    },
    /// The store can't take it now; nothing happened.
    #[error("the approval store is not available now")]
    StoreUnavailable(#[source] crate::store::StoreError),
    /// A fault of ours.
    #[error("internal error")]
    Internal(#[source] chassis::BoxError),
}

// === impl ApprovalError ===

impl ApprovalError {
    fn state(&self) -> Option<State> {
        match self {
            Self::WrongState { state }
            | Self::AlreadyDecided { state }
            | Self::WarrantSpent { state }
            | Self::ClaimLost { state } => Some(*state),
            Self::Expired => Some(State::Expired),
            _ => None,
        }
    }
}

impl Fault for ApprovalError {
    fn domain(&self) -> &'static str {
        PartName::Approval.domain()
    }

    fn code(&self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            Self::WrongState { .. }
            | Self::Expired
            | Self::DigestMismatch
            | Self::AlreadyDecided { .. }
            | Self::WarrantSpent { .. }
            | Self::ClaimLost { .. } => Code::FailedPrecondition,
            Self::StaleEtag => Code::Aborted,
            Self::SelfApproval
            | Self::SimulationDisabled
            | Self::RequesterMismatch { .. }
            | Self::NotPermitted(_)
            | Self::WarrantRejected(_) => Code::PermissionDenied,
            Self::VerdictRejected(_) => Code::InvalidArgument,
            Self::SubjectMissing => Code::Unauthenticated,
            Self::RequestIdReused => Code::AlreadyExists,
            Self::TooManyPending { .. } => Code::ResourceExhausted,
            Self::ReceiptPending | Self::StoreUnavailable(_) => Code::Unavailable,
            Self::Internal(_) => Code::Internal,
        }
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::NotFound => ErrorReason::ApprovalNotFound,
            Self::WrongState { .. } => ErrorReason::WrongState,
            Self::Expired => ErrorReason::ApprovalExpired,
            Self::StaleEtag => ErrorReason::StaleEtag,
            Self::DigestMismatch => ErrorReason::DigestMismatch,
            Self::SelfApproval => ErrorReason::SelfApproval,
            Self::AlreadyDecided { .. } => ErrorReason::AlreadyDecided,
            Self::SimulationDisabled => ErrorReason::SimulationDisabled,
            Self::VerdictRejected(_) => ErrorReason::VerdictRejected,
            Self::RequesterMismatch { .. } => ErrorReason::RequesterMismatch,
            Self::SubjectMissing => ErrorReason::SubjectMissing,
            Self::NotPermitted(_) => ErrorReason::NotPermitted,
            Self::RequestIdReused => ErrorReason::RequestIdReused,
            Self::TooManyPending { .. } => ErrorReason::TooManyPending,
            Self::ReceiptPending => ErrorReason::ReceiptPending,
            Self::WarrantRejected(_) => ErrorReason::WarrantRejected,
            Self::WarrantSpent { .. } => ErrorReason::WarrantSpent,
            Self::ClaimLost { .. } => ErrorReason::ClaimLost,
            Self::StoreUnavailable(_) => ErrorReason::PartUnavailable,
            Self::Internal(_) => ErrorReason::Internal,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::RequesterMismatch { field } => vec![("field", (*field).to_owned())],
            Self::TooManyPending { limit } => vec![("limit", limit.to_string())],
            Self::StoreUnavailable(_) => vec![("part", PartName::Approval.to_string())],
            _ => self
                .state()
                .map(|state| ("state", state.to_string()))
                .into_iter()
                .collect(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::ReceiptPending | Self::StoreUnavailable(_) => Some(Duration::from_secs(1)),
            Self::TooManyPending { .. } => Some(Duration::from_mins(1)),
            _ => None,
        }
    }
}

impl From<ApprovalError> for Status {
    fn from(error: ApprovalError) -> Self {
        if let ApprovalError::StoreUnavailable(cause) = &error {
            tracing::error!(error = %cause, "the approval store refused a transaction");
        }
        to_status(&error)
    }
}
