//! Between the contract's messages and what the executor works with.

use chassis::{PartName, Violations, convert::action_from_proto};
use proto::{common::v1::Outcome, execution::v1::ExecuteActionRequest};
use tonic::Status;
use warrant::Action;

/// What the orchestrator asks for.
#[derive(Debug, Clone)]
pub(crate) struct ExecuteAction {
    pub(crate) action: Action,
    pub(crate) verdict_jws: String,
    pub(crate) warrant_jws: String,
}

impl TryFrom<ExecuteActionRequest> for ExecuteAction {
    type Error = Status;

    fn try_from(request: ExecuteActionRequest) -> Result<Self, Status> {
        let mut violations = Violations::new(PartName::Executor.domain());
        let action = action_from_proto(&mut violations, "action", request.action);
        violations.required("verdict_jws", &request.verdict_jws);
        violations.required("warrant_jws", &request.warrant_jws);
        violations.check()?;
        let action = action.ok_or_else(|| Status::internal("an invalid action passed its check"))?;
        Ok(Self {
            action,
            verdict_jws: request.verdict_jws,
            warrant_jws: request.warrant_jws,
        })
    }
}

/// The name of an outcome in records, such as `SUCCEEDED`; the same as the state that it leads to, where there is one.
pub(crate) fn outcome_name(outcome: Outcome) -> &'static str {
    let name = outcome.as_str_name();
    match outcome {
        Outcome::Unknown => name,
        _ => name.strip_prefix("OUTCOME_").unwrap_or(name),
    }
}
