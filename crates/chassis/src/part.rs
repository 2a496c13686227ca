//! The names of Countersign's parts, as credentials, health checks and errors use them.

use std::{fmt, str::FromStr};

/// A part of Countersign that holds a credential of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartName {
    /// The chain: `GovernanceService`.
    Orchestrator,
    /// Verdicts: `ClassificationService`.
    Classifier,
    /// Decisions and warrants: `ApprovalService`, `WarrantService`.
    Approval,
    /// The conversation with the gateway: `ExecutionService`.
    Executor,
    /// The log: `TraceService`.
    Trace,
    /// A stand-in for a person, for demonstrations and tests; its votes always show as simulated.
    SimulatedApprover,
}

/// A name that is no part's.
#[derive(Debug, thiserror::Error)]
#[error("unknown part `{0}`")]
pub struct UnknownPart(String);

// === impl PartName ===

impl PartName {
    /// Every part.
    pub const ALL: [Self; 6] = [
        Self::Orchestrator,
        Self::Classifier,
        Self::Approval,
        Self::Executor,
        Self::Trace,
        Self::SimulatedApprover,
    ];

    /// The name as it stands in tokens (`sub`, `aud`), logs and errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Orchestrator => "orchestrator",
            Self::Classifier => "classifier-svc",
            Self::Approval => "approval-svc",
            Self::Executor => "executor-svc",
            Self::Trace => "trace-svc",
            Self::SimulatedApprover => "simulated-approver",
        }
    }

    /// The domain of the part's errors (`google.rpc.ErrorInfo.domain`).
    pub const fn domain(self) -> &'static str {
        match self {
            Self::Orchestrator => "governance.countersign",
            Self::Classifier => "classification.countersign",
            Self::Approval | Self::SimulatedApprover => "approval.countersign",
            Self::Executor => "execution.countersign",
            Self::Trace => "trace.countersign",
        }
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PartName {
    type Err = UnknownPart;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|part| part.as_str() == name)
            .ok_or_else(|| UnknownPart(name.to_owned()))
    }
}
