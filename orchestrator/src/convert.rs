//! Between the contract's messages and what the orchestrator works with.

use chassis::{auth::Person, violations::Violations};
use proto::{
    approval::v1::{Approval, approval},
    common::v1::{Instruction, Risk, ToolCall},
    governance::v1::{CreateRunRequest, Run, StreamRunRequest, create_run_request, run, stream_run_request},
};
use tonic::Status;
use warrant::{Action, Limits, Operation, RunId};

use crate::error::{DOMAIN, OrchestratorError};

const RUNS: &str = "runs/";

/// What a person asks for, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewRun {
    /// The caller's request id, in its one canonical spelling.
    pub(crate) request_id: String,
    /// The action, with the requester of the credential.
    pub(crate) action: Action,
}

/// What a request is held to.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// The agent of requests that name none.
    pub(crate) default_agent: String,
    /// How long texts may be.
    pub(crate) limits: Limits,
}

/// Reads a resource name `runs/{run_id}`; adds a violation if it is none.
pub(crate) fn run_id(violations: &mut Violations, field: &str, name: &str) -> Option<RunId> {
    let id = name.strip_prefix(RUNS).and_then(|id| id.parse().ok());
    if id.is_none() {
        violations.add(field, "must be a run's name, `runs/{run_id}`");
    }
    id
}

/// The resource name of a run.
pub(crate) fn run_name(run: &str) -> String {
    format!("{RUNS}{run}")
}

/// Whether the approval belongs to this person's own run.
pub(crate) fn is_own(approval: &Approval, person: &Person) -> bool {
    approval.action.as_ref().is_some_and(|action| {
        action.tenant == person.tenant && action.issuer == person.issuer && action.requester == person.subject
    })
}

/// The approval, if it belongs to this person's own run; else as if there were none.
pub(crate) fn own(approval: Approval, person: &Person) -> Result<Approval, Status> {
    if is_own(&approval, person) {
        return Ok(approval);
    }
    let run = approval.run_id;
    Err(chassis::fault::to_status(&OrchestratorError::RunNotFound { run }))
}

/// The run that an approval decides; without output.
pub(crate) fn run_of(approval: &Approval) -> Run {
    let detail = if approval.outcome_detail.is_empty() {
        &approval.close_reason
    } else {
        &approval.outcome_detail
    };
    Run {
        name: run_name(&approval.run_id),
        state: state_of(approval).into(),
        action: approval.action.clone(),
        action_digest: approval.action_digest.clone(),
        risk: approval.risk,
        disposition: chassis::convert::disposition_of(approval.risk()).into(),
        reason: approval.reason.clone(),
        safe_alternative: approval.safe_alternative.clone(),
        rule_ids: approval.rule_ids.clone(),
        approval: approval.name.clone(),
        trace: format!("traces/{}", approval.run_id),
        output: String::new(),
        outcome: approval.outcome,
        detail: detail.clone(),
        mode: approval.mode,
        create_time: approval.create_time,
        update_time: approval.update_time,
        expire_time: approval.expire_time,
        deciders: approval.votes.iter().map(|vote| vote.subject.clone()).collect(),
    }
}

/// Where the run of an approval is.
pub(crate) fn state_of(approval: &Approval) -> run::State {
    match approval.state() {
        approval::State::Unspecified => run::State::Unspecified,
        approval::State::Pending => run::State::PendingApproval,
        approval::State::Granted => run::State::Granted,
        approval::State::Executing => run::State::Executing,
        approval::State::Succeeded => run::State::Succeeded,
        approval::State::Failed => run::State::Failed,
        // Only policy denies a RED action, and nobody else can.
        approval::State::Denied if approval.risk() == Risk::Red => run::State::Blocked,
        approval::State::Denied => run::State::Denied,
        approval::State::Expired => run::State::Expired,
        approval::State::Cancelled => run::State::Cancelled,
        approval::State::Revoked => run::State::Revoked,
        approval::State::OutcomeUnknown => run::State::OutcomeUnknown,
    }
}

/// Whether following a run ends in this state. An unknown outcome may still be reconciled, yet by people, in days.
pub(crate) const fn is_over(state: run::State) -> bool {
    match state {
        run::State::Unspecified | run::State::PendingApproval | run::State::Granted | run::State::Executing => false,
        run::State::Succeeded
        | run::State::Failed
        | run::State::Blocked
        | run::State::Denied
        | run::State::Expired
        | run::State::Cancelled
        | run::State::Revoked
        | run::State::OutcomeUnknown => true,
    }
}

// === impl NewRun ===

impl NewRun {
    /// Checks a request of `person`; says everything that is wrong with it at once.
    ///
    /// Who asks is the person of the credential; no field can say otherwise.
    pub(crate) fn check(request: CreateRunRequest, person: &Person, rules: &Rules) -> Result<Self, Status> {
        let mut violations = Violations::new(DOMAIN);
        let request_id = violations
            .uuid("request_id", &request.request_id)
            .map(|id| id.to_string())
            .unwrap_or_default();
        let run = RunId::derive(&person.tenant, &person.issuer, &person.subject, &request_id);
        let operation = request.operation.map(operation);
        if operation.is_none() {
            violations.add("operation", "is required: `instruction` or `tool_call`");
        }
        let asked = operation.is_some();
        let action = Action {
            run,
            tenant: person.tenant.clone(),
            issuer: person.issuer.clone(),
            requester: person.subject.clone(),
            agent: or_default(request.agent, &rules.default_agent),
            session: or_default(request.session, &run.to_string()),
            operation: operation.unwrap_or_else(nothing),
        };
        for violation in action.validate_with(&rules.limits) {
            if let Some(field) = field_of(violation.field, asked) {
                violations.add(field, violation.description);
            }
        }
        violations.check()?;
        Ok(Self { request_id, action })
    }
}

fn operation(operation: create_run_request::Operation) -> Operation {
    match operation {
        create_run_request::Operation::Instruction(Instruction { text }) => {
            Operation::Instruction { instruction: text }
        }
        create_run_request::Operation::ToolCall(ToolCall { tool, arguments_json }) => {
            Operation::ToolCall { tool, arguments_json }
        }
    }
}

fn nothing() -> Operation {
    Operation::Instruction {
        instruction: String::new(),
    }
}

fn or_default(value: String, default: &str) -> String {
    if value.is_empty() { default.to_owned() } else { value }
}

/// The request's field in which a fault of the action stands; none when the request has no operation at all, which
/// is said once.
fn field_of(action_field: &'static str, asked: bool) -> Option<&'static str> {
    match action_field {
        "instruction" if !asked => None,
        "tenant" => Some("authorization.tenant"),
        "issuer" => Some("authorization.iss"),
        "requester" => Some("authorization.sub"),
        other => Some(chassis::convert::wire_field(other)),
    }
}

/// The two ways to submit take the same request.
pub(crate) fn create_request(request: StreamRunRequest) -> CreateRunRequest {
    let operation = request.operation.map(|operation| match operation {
        stream_run_request::Operation::Instruction(instruction) => {
            create_run_request::Operation::Instruction(instruction)
        }
        stream_run_request::Operation::ToolCall(tool_call) => create_run_request::Operation::ToolCall(tool_call),
    });
    CreateRunRequest {
        request_id: request.request_id,
        agent: request.agent,
        session: request.session,
        operation,
    }
}

#[cfg(test)]
mod tests;
