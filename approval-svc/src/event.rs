//! From facts to the exact bytes of their events.

use std::collections::BTreeMap;

use bytes::Bytes;
use chassis::{PartName, convert, semconv, time};
use prost::Message as _;
use proto::trace::v1::{Actor as EventActor, Content as EventContent, NewEvent};
use uuid::Uuid;
use warrant::Operation;

use crate::{
    approval::{
        Approval, State,
        step::{Actor, Fact, FactKind},
    },
    moment::Moment,
};

/// Media type of an instruction.
const TEXT: &str = "text/plain; charset=utf-8";
/// Media type of a tool call's arguments.
const JSON: &str = "application/json";
/// How much of a person's reason or a rule list an event repeats; the approval has all of it.
const MAX_ATTRIBUTE_BYTES: usize = 4 * 1024;

/// The bytes of the event that records `fact` of `approval`, as it is after the step.
pub fn encode(approval: &Approval, fact: &Fact, now: Moment, id: Uuid) -> Bytes {
    event(approval, fact, now, id).encode_to_vec().into()
}

fn event(approval: &Approval, fact: &Fact, now: Moment, id: Uuid) -> NewEvent {
    let content = &approval.content;
    NewEvent {
        event_id: id.to_string(),
        trace_id: content.action.run.to_string(),
        r#type: event_type(fact.kind).to_owned(),
        occur_time: Some(time::to_proto(now.into())),
        actor: Some(actor(approval, &fact.actor)),
        risk: convert::risk_to_proto(content.rule.risk).into(),
        action_digest: content.digest.to_string(),
        attributes: attributes(approval, fact),
        content: (fact.kind == FactKind::Received).then(|| text_of(&content.action.operation)),
    }
}

fn event_type(kind: FactKind) -> &'static str {
    match kind {
        FactKind::Received => semconv::event::REQUEST_RECEIVED,
        FactKind::Classified => semconv::event::REQUEST_CLASSIFIED,
        FactKind::Requested => semconv::event::APPROVAL_REQUESTED,
        FactKind::Voted(_) => semconv::event::APPROVAL_VOTED,
        FactKind::Granted => semconv::event::APPROVAL_GRANTED,
        FactKind::Denied => semconv::event::APPROVAL_DENIED,
        FactKind::Expired => semconv::event::APPROVAL_EXPIRED,
        FactKind::Cancelled => semconv::event::APPROVAL_CANCELLED,
        FactKind::Revoked => semconv::event::APPROVAL_REVOKED,
        FactKind::Unknown => semconv::event::EXECUTION_UNKNOWN,
        FactKind::Closed => semconv::event::APPROVAL_CLOSED,
    }
}

fn actor(approval: &Approval, actor: &Actor) -> EventActor {
    let (kind, id) = match actor {
        Actor::Person(person) => ("person", person.to_string()),
        Actor::Policy => ("policy", approval.content.policy_digest.clone()),
        Actor::Classifier => ("service", PartName::Classifier.to_string()),
        Actor::Service => ("service", PartName::Approval.to_string()),
        Actor::Executor => ("service", PartName::Executor.to_string()),
        Actor::SimulatedApprover => ("service", PartName::SimulatedApprover.to_string()),
    };
    EventActor {
        r#type: kind.to_owned(),
        id,
    }
}

fn attributes(approval: &Approval, fact: &Fact) -> BTreeMap<String, String> {
    let (content, progress) = (&approval.content, &approval.progress);
    let action = &content.action;
    let mut all = Attributes::default();
    all.add(semconv::TENANT, &action.tenant);
    all.add(semconv::ISSUER, &action.issuer);
    all.add(semconv::REQUESTER, &action.requester);
    all.add(semconv::APPROVAL, content.id.name());
    all.add(semconv::REVISION, progress.revision.to_string());
    all.add(semconv::ATTEMPT, progress.attempt.to_string());
    if let Some(mode) = progress.mode {
        all.add(semconv::MODE, mode.as_str());
    }
    all.add_some(semconv::REASON, &fact.reason);
    match fact.kind {
        FactKind::Received => {
            all.add(semconv::AGENT, &action.agent);
            all.add(semconv::CONVERSATION, &action.session);
            all.add_some(semconv::LINK_TRACEPARENT, &content.traceparent);
            match &action.operation {
                Operation::Instruction { .. } => all.add(semconv::OPERATION, "invoke_agent"),
                Operation::ToolCall { tool, .. } => {
                    all.add(semconv::OPERATION, "execute_tool");
                    all.add(semconv::TOOL, tool);
                }
            }
        }
        FactKind::Classified => {
            all.add(semconv::POLICY_DIGEST, &content.policy_digest);
            all.add_some(semconv::RULES, &content.rule_ids.join(","));
            // Whole, whatever its length: it is verified, not read.
            all.0
                .insert(semconv::VERDICT_JWS.to_owned(), content.verdict_jws.clone());
        }
        FactKind::Voted(decision) => all.add(semconv::OUTCOME, decision.as_str()),
        FactKind::Granted => {
            all.add(semconv::WARRANT_JTI, &progress.jti);
            all.add(semconv::POLICY_DIGEST, &content.policy_digest);
        }
        FactKind::Closed => {
            all.add(semconv::OUTCOME, progress.state.as_str());
        }
        _ if progress.state == State::OutcomeUnknown => {
            all.add(semconv::OUTCOME, State::OutcomeUnknown.as_str());
        }
        _ => {}
    }
    all.0
}

fn text_of(operation: &Operation) -> EventContent {
    let (media_type, text) = match operation {
        Operation::Instruction { instruction } => (TEXT, instruction),
        Operation::ToolCall { arguments_json, .. } => (JSON, arguments_json),
    };
    EventContent {
        media_type: media_type.to_owned(),
        data: text.clone().into_bytes(),
    }
}

/// Attributes, each within its bound.
#[derive(Default)]
struct Attributes(BTreeMap<String, String>);

// === impl Attributes ===

impl Attributes {
    fn add(&mut self, key: &str, value: impl Into<String>) {
        let mut value: String = value.into();
        value.truncate(value.floor_char_boundary(MAX_ATTRIBUTE_BYTES));
        self.0.insert(key.to_owned(), value);
    }

    fn add_some(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.add(key, value);
        }
    }
}
