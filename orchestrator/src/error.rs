//! What can go wrong in the orchestrator itself; what goes wrong in another part is passed on as that part said it.

use std::time::Duration;

use chassis::{
    fault::{self, Code, Fault},
    part::PartName,
};
use proto::common::v1::ErrorReason;
use tonic::Status;

/// The domain of the orchestrator's errors.
pub(crate) const DOMAIN: &str = PartName::Orchestrator.domain();

/// What can go wrong in the orchestrator itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrchestratorError {
    /// No such run, or another person's.
    #[error("no run `{run}` of yours")]
    RunNotFound { run: String },
    /// The request id belongs to a run with another action.
    #[error("the request id was used before with another body")]
    RequestIdReused,
    /// The tenant may not use the agent.
    #[error("`{tenant}` may not use the agent `{agent}`")]
    AgentNotAllowed { tenant: String, agent: String },
    /// Another part did not answer, and whether the request took effect can't be found out now.
    #[error(
        "{part} gave no answer, and the request may or may not have taken effect; \
             repeat it with the same `request_id`"
    )]
    CommitUnknown { part: PartName, timed_out: bool },
    /// Another part's answer lacks what the contract promises.
    #[error("{part} answered without `{field}`")]
    BrokenAnswer { part: PartName, field: &'static str },
    /// The caller's deadline passed while it followed a run.
    #[error("the deadline passed; the run goes on")]
    DeadlinePassed,
    /// This replica is draining.
    #[error("this replica is shutting down; follow the run at another with WatchRun")]
    ShuttingDown,
}

/// Whether a part itself said no, and would say so again: not unreachable, not overloaded, no fault of its own.
pub(crate) fn is_refusal(status: &Status) -> bool {
    let temporary = matches!(
        status.code(),
        tonic::Code::Unavailable
            | tonic::Code::DeadlineExceeded
            | tonic::Code::Cancelled
            | tonic::Code::ResourceExhausted
            | tonic::Code::Internal
            | tonic::Code::Unknown
    );
    !temporary && fault::reason_of(status).is_some()
}

/// What a caller is told when another part answered `status` instead of what was asked of it.
pub(crate) fn relay(part: PartName, status: Status) -> Status {
    fault::relay(DOMAIN, part, status)
}

/// Whether no answer came in time; a timeout on our side shows as `CANCELLED`.
pub(crate) fn is_timeout(status: &Status) -> bool {
    matches!(status.code(), tonic::Code::DeadlineExceeded | tonic::Code::Cancelled)
}

// === impl OrchestratorError ===

impl OrchestratorError {
    /// The error of a call to `part` that may have taken effect although `status` came instead of an answer.
    pub(crate) fn if_unanswered(part: PartName, status: &Status) -> Option<Self> {
        fault::outcome_unknown(status).then(|| Self::CommitUnknown {
            part,
            timed_out: is_timeout(status),
        })
    }
}

impl Fault for OrchestratorError {
    fn domain(&self) -> &'static str {
        DOMAIN
    }

    fn code(&self) -> Code {
        match self {
            Self::RunNotFound { .. } => Code::NotFound,
            Self::RequestIdReused => Code::AlreadyExists,
            Self::AgentNotAllowed { .. } => Code::PermissionDenied,
            Self::CommitUnknown { timed_out: true, .. } | Self::DeadlinePassed => Code::DeadlineExceeded,
            Self::CommitUnknown { timed_out: false, .. } | Self::ShuttingDown => Code::Unavailable,
            Self::BrokenAnswer { .. } => Code::Internal,
        }
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::RunNotFound { .. } => ErrorReason::RunNotFound,
            Self::RequestIdReused => ErrorReason::RequestIdReused,
            Self::AgentNotAllowed { .. } => ErrorReason::AgentNotAllowed,
            Self::CommitUnknown { timed_out: true, .. } | Self::DeadlinePassed => ErrorReason::DeadlineExceeded,
            Self::CommitUnknown { timed_out: false, .. } => ErrorReason::PartUnavailable,
            Self::BrokenAnswer { .. } => ErrorReason::Internal,
            Self::ShuttingDown => ErrorReason::ShuttingDown,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::CommitUnknown { .. } | Self::ShuttingDown => Some(fault::SOON),
            _ => None,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::RunNotFound { run } => vec![("run", run.clone())],
            Self::AgentNotAllowed { tenant, agent } => vec![("tenant", tenant.clone()), ("agent", agent.clone())],
            Self::CommitUnknown { part, .. } => {
                vec![("part", part.to_string()), ("committed", "unknown".to_owned())]
            }
            _ => Vec::new(),
        }
    }
}
