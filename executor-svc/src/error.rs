//! Everything that keeps an action from being executed.

use std::time::Duration;

use chassis::{Code, Fault, PartName};
use proto::common::v1::ErrorReason;
use warrant::{BindingError, TokenError};

/// The domain of the executor's errors.
pub(crate) const DOMAIN: &str = PartName::Executor.domain();

/// Why an action is not executed. None of these means that anything was sent to the gateway.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutionError {
    /// The warrant is not good.
    #[error("warrant rejected: {0}")]
    InvalidWarrant(#[source] TokenError),
    /// The verdict is not good.
    #[error("warrant rejected: its verdict is not good: {0}")]
    InvalidVerdict(#[source] TokenError),
    /// The warrant does not belong to the action.
    #[error("warrant rejected: {0}")]
    WarrantMismatch(#[source] BindingError),
    /// The verdict does not belong to the action or the warrant.
    #[error("warrant rejected: its verdict doesn't fit: {0}")]
    VerdictMismatch(#[source] BindingError),
    /// RED actions are never executed, whatever was signed.
    #[error("warrant rejected: the verdict is RED")]
    Red,
    /// The disposition does not follow from the risk.
    #[error("warrant rejected: risk and disposition contradict each other")]
    Contradiction,
    /// People, not policy, grant what is not GREEN.
    #[error("warrant rejected: mode `{mode}` is no authority for {risk}")]
    WrongAuthority {
        /// The warrant's mode.
        mode: warrant::Mode,
        /// The verdict's risk.
        risk: warrant::Risk,
    },
    /// The warrant was granted by the simulated approver.
    #[error("the warrant is simulated, and this executor doesn't accept simulated warrants")]
    SimulatedWarrant,
    /// The tenant may not use the agent.
    #[error("tenant `{tenant}` may not use agent `{agent}`")]
    AgentNotAllowed {
        /// The tenant.
        tenant: String,
        /// The agent.
        agent: String,
    },
    /// The gateway takes no work.
    #[error("the OpenClaw Gateway can't be reached or takes no work; nothing was claimed")]
    GatewayUnavailable,
    /// The clocks differ by too much to rely on any expiry.
    #[error("the clocks of executor-svc and approval-svc differ by {} s; nothing was sent", .0.as_secs())]
    ClockSkew(Duration),
    /// Too little of the lease is left to send anything.
    #[error("too little of the claim's lease remains; nothing was sent")]
    LeaseTooShort,
    /// The claim was taken away before anything was sent.
    #[error("the claim was lost; nothing was sent")]
    ClaimLost,
    /// The requester withdrew before anything was sent.
    #[error("cancellation was asked for; nothing was sent")]
    CancelRequested,
    /// The executor is closing: it could not follow the request to its end.
    #[error("the service is closing; nothing was sent")]
    ShuttingDown,
}

// === impl ExecutionError ===

impl Fault for ExecutionError {
    fn domain(&self) -> &'static str {
        DOMAIN
    }

    fn code(&self) -> Code {
        match self.reason() {
            ErrorReason::WarrantRejected | ErrorReason::SimulatedWarrant | ErrorReason::AgentNotAllowed => {
                Code::PermissionDenied
            }
            ErrorReason::GatewayUnavailable | ErrorReason::ShuttingDown => Code::Unavailable,
            _ => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::InvalidWarrant(_)
            | Self::InvalidVerdict(_)
            | Self::WarrantMismatch(_)
            | Self::VerdictMismatch(_)
            | Self::Red
            | Self::Contradiction
            | Self::WrongAuthority { .. } => ErrorReason::WarrantRejected,
            Self::SimulatedWarrant => ErrorReason::SimulatedWarrant,
            Self::AgentNotAllowed { .. } => ErrorReason::AgentNotAllowed,
            Self::GatewayUnavailable => ErrorReason::GatewayUnavailable,
            Self::ClockSkew(_) => ErrorReason::ClockSkew,
            Self::LeaseTooShort => ErrorReason::LeaseTooShort,
            Self::ClaimLost => ErrorReason::ClaimLost,
            Self::CancelRequested => ErrorReason::WrongState,
            Self::ShuttingDown => ErrorReason::ShuttingDown,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::AgentNotAllowed { tenant, agent } => vec![("tenant", tenant.clone()), ("agent", agent.clone())],
            Self::ClockSkew(skew) => vec![("skewSeconds", skew.as_secs().to_string())],
            Self::CancelRequested => vec![("state", "CANCELLED".to_owned())],
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::GatewayUnavailable).then_some(Duration::from_secs(1))
    }
}
