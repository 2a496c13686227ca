//! The events that the executor writes: what starts, with its evidence, and how it ended.

use std::{collections::BTreeMap, time::SystemTime};

use bytes::Bytes;
use chassis::{
    PartName,
    convert::risk_to_proto,
    semconv::{self, event},
    time,
};
use prost::Message as _;
use proto::{
    common::v1::Outcome,
    trace::v1::{Actor, Content, NewEvent},
};
use uuid::Uuid;
use warrant::Operation;

use super::{caller::Caller, ended::Ended};
use crate::{convert::outcome_name, gateway::GatewayRequest, permit::Permit};

/// How a run was stopped on request: `confirmed` by the gateway, or by closing the connection (`disconnected`).
const STOPPED_BY: &str = "countersign.execution.stopped_by";

/// Makes a permit's events, encoded.
#[derive(Debug)]
pub(crate) struct Recorder<'a> {
    pub(crate) permit: &'a Permit,
    pub(crate) request: &'a GatewayRequest,
}

// === impl Recorder ===

impl Recorder<'_> {
    /// `execution.started`: verdict and warrant as evidence, and the hash of what goes out.
    pub(crate) fn started(&self, event_id: Uuid, at: SystemTime, request_sha256: &str) -> Bytes {
        let mut started = self.event(event_id, at, event::EXECUTION_STARTED);
        started.attributes.extend([
            (semconv::VERDICT_JWS.to_owned(), self.permit.verdict_jws.clone()),
            (semconv::WARRANT_JWS.to_owned(), self.permit.warrant_jws.clone()),
            (semconv::GATEWAY_REQUEST_SHA256.to_owned(), request_sha256.to_owned()),
        ]);
        started.encode_to_vec().into()
    }

    /// `execution.finished` with the whole answer, or `execution.failed` with what there is of it.
    pub(crate) fn ended(&self, event_id: Uuid, at: SystemTime, ended: &Ended, caller: &Caller) -> Bytes {
        let succeeded = ended.outcome == Outcome::Succeeded;
        let kind = if succeeded {
            event::EXECUTION_FINISHED
        } else {
            event::EXECUTION_FAILED
        };
        let mut event = self.event(event_id, at, kind);
        let mut set = |key: &str, value: &str| {
            if !value.is_empty() {
                event.attributes.insert(key.to_owned(), value.to_owned());
            }
        };
        set(semconv::OUTCOME, outcome_name(ended.outcome));
        set(semconv::RESPONSE_ID, caller.gateway_run_id());
        if !succeeded {
            set(semconv::REASON, &ended.detail);
        }
        if let Some(stopped_by) = ended.stopped_by {
            set(STOPPED_BY, stopped_by.as_str());
        }
        if let Some(usage) = ended.usage {
            set(semconv::INPUT_TOKENS, &usage.input_tokens.to_string());
            set(semconv::OUTPUT_TOKENS, &usage.output_tokens.to_string());
        }
        let output = caller.output_text();
        event.content = (!output.is_empty()).then(|| Content {
            media_type: self.request.output_media_type.to_owned(),
            data: output.as_bytes().to_vec(),
        });
        event.encode_to_vec().into()
    }

    fn event(&self, event_id: Uuid, at: SystemTime, kind: &str) -> NewEvent {
        let (action, warrant) = (&self.permit.action, &self.permit.warrant);
        NewEvent {
            event_id: event_id.to_string(),
            trace_id: action.run.to_string(),
            r#type: kind.to_owned(),
            occur_time: Some(time::to_proto(at)),
            actor: Some(Actor {
                r#type: "service".to_owned(),
                id: PartName::Executor.as_str().to_owned(),
            }),
            risk: risk_to_proto(warrant.risk).into(),
            action_digest: warrant.act_digest.to_string(),
            attributes: self.attributes(),
            content: None,
        }
    }

    /// What every event of an execution says.
    fn attributes(&self) -> BTreeMap<String, String> {
        let Permit {
            action,
            verdict,
            warrant,
            ..
        } = self.permit;
        let (operation, tool) = match &action.operation {
            Operation::Instruction { .. } => ("invoke_agent", None),
            Operation::ToolCall { tool, .. } => ("execute_tool", Some((semconv::TOOL, tool.clone()))),
        };
        [
            (semconv::TENANT, action.tenant.clone()),
            (semconv::ISSUER, action.issuer.clone()),
            (semconv::REQUESTER, action.requester.clone()),
            (semconv::APPROVAL, warrant.approval.name()),
            (semconv::REVISION, warrant.revision.to_string()),
            (semconv::WARRANT_JTI, warrant.jti.clone()),
            (semconv::MODE, warrant.mode.to_string()),
            (semconv::ATTEMPT, warrant.attempt.to_string()),
            (semconv::POLICY_DIGEST, verdict.policy.clone()),
            (semconv::RULES, verdict.rules.join(",")),
            (semconv::AGENT, action.agent.clone()),
            (semconv::CONVERSATION, action.session.clone()),
            (semconv::OPERATION, operation.to_owned()),
        ]
        .into_iter()
        .chain(tool)
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }
}
