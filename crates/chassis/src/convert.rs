//! Shared types between their form on the wire and their form in the domain.

use proto::common::v1 as wire;
use warrant::{Action, Disposition, Mode, Operation, Risk, RunId};

use crate::violations::Violations;

/// An action on the wire.
pub fn action_to_proto(action: &Action) -> wire::Action {
    let operation = match &action.operation {
        Operation::Instruction { instruction } => wire::action::Operation::Instruction(wire::Instruction {
            text: instruction.clone(),
        }),
        Operation::ToolCall { tool, arguments_json } => wire::action::Operation::ToolCall(wire::ToolCall {
            tool: tool.clone(),
            arguments_json: arguments_json.clone(),
        }),
    };
    wire::Action {
        run_id: action.run.to_string(),
        tenant: action.tenant.clone(),
        issuer: action.issuer.clone(),
        requester: action.requester.clone(),
        agent: action.agent.clone(),
        session: action.session.clone(),
        operation: Some(operation),
    }
}

/// The action in `message`; what is wrong with it is added to `violations`, under `field`.
pub fn action_from_proto(violations: &mut Violations, field: &str, message: Option<wire::Action>) -> Option<Action> {
    let Some(message) = message else {
        violations.add(field, "is required");
        return None;
    };
    let run = message.run_id.parse::<RunId>();
    if run.is_err() {
        violations.add(
            format!("{field}.run_id"),
            "must be 32 lowercase hexadecimal digits, not all zero",
        );
    }
    let operation = match message.operation {
        Some(wire::action::Operation::Instruction(instruction)) => Some(Operation::Instruction {
            instruction: instruction.text,
        }),
        Some(wire::action::Operation::ToolCall(call)) => Some(Operation::ToolCall {
            tool: call.tool,
            arguments_json: call.arguments_json,
        }),
        None => {
            violations.add(format!("{field}.operation"), "needs an `instruction` or a `tool_call`");
            None
        }
    };
    let action = Action {
        run: run.ok()?,
        tenant: message.tenant,
        issuer: message.issuer,
        requester: message.requester,
        agent: message.agent,
        session: message.session,
        operation: operation?,
    };
    let found = action.validate();
    let valid = found.is_empty();
    for violation in found {
        violations.add(
            format!("{field}.{}", wire_field(violation.field)),
            violation.description,
        );
    }
    valid.then_some(action)
}

/// The path of an action's field in the contract, from its name in [`Action`].
pub fn wire_field(field: &str) -> &str {
    match field {
        "run" => "run_id",
        "instruction" => "instruction.text",
        "tool" => "tool_call.tool",
        "arguments_json" => "tool_call.arguments_json",
        other => other,
    }
}

/// A risk on the wire.
pub const fn risk_to_proto(risk: Risk) -> wire::Risk {
    match risk {
        Risk::Green => wire::Risk::Green,
        Risk::Amber => wire::Risk::Amber,
        Risk::Red => wire::Risk::Red,
    }
}

/// The risk in `value`; `None` when it is not set or not known, which never means allowed.
pub fn risk_from_proto(value: i32) -> Option<Risk> {
    match wire::Risk::try_from(value).ok()? {
        wire::Risk::Unspecified => None,
        wire::Risk::Green => Some(Risk::Green),
        wire::Risk::Amber => Some(Risk::Amber),
        wire::Risk::Red => Some(Risk::Red),
    }
}

/// A disposition on the wire.
pub const fn disposition_to_proto(disposition: Disposition) -> wire::Disposition {
    match disposition {
        Disposition::Allow => wire::Disposition::Allow,
        Disposition::RequireApproval => wire::Disposition::RequireApproval,
        Disposition::Block => wire::Disposition::Block,
    }
}

/// What follows from a risk, on the wire.
pub const fn disposition_of(risk: wire::Risk) -> wire::Disposition {
    match risk {
        wire::Risk::Unspecified => wire::Disposition::Unspecified,
        wire::Risk::Green => wire::Disposition::Allow,
        wire::Risk::Amber => wire::Disposition::RequireApproval,
        wire::Risk::Red => wire::Disposition::Block,
    }
}

/// A mode on the wire.
pub const fn mode_to_proto(mode: Mode) -> wire::Mode {
    match mode {
        Mode::Policy => wire::Mode::Policy,
        Mode::People => wire::Mode::People,
        Mode::Simulated => wire::Mode::Simulated,
        Mode::BreakGlass => wire::Mode::BreakGlass,
    }
}
