//! An action, a verdict on it and a warrant for it, to be altered by the tests.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    Action, Disposition, Mode, Operation, Risk, RunId, Signer, SigningKey, VERDICT_AUDIENCE, Verdict, VerdictVerifier,
    Warrant, WarrantVerifier, approval_id, reason_digest, token_hash,
};

/// When the fixtures were issued.
pub(crate) const ISSUED: u64 = 1_800_000_000;

pub(crate) fn after(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(ISSUED + seconds)
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub(crate) fn classifier() -> Signer {
    Signer::new("classifier-svc", key(1))
}

pub(crate) fn approvals() -> Signer {
    Signer::new("approval-svc", key(2))
}

pub(crate) fn verdict_verifier() -> VerdictVerifier {
    VerdictVerifier::new("classifier-svc", VERDICT_AUDIENCE, classifier().key_set())
}

pub(crate) fn warrant_verifier() -> WarrantVerifier {
    WarrantVerifier::new("approval-svc", "executor-svc", approvals().key_set())
}

pub(crate) fn instruction() -> Action {
    Action {
        run: RunId::derive("acme", "https://id.acme.example", "alice", "request-1"),
        tenant: "acme".into(),
        issuer: "https://id.acme.example".into(),
        requester: "alice".into(),
        agent: "main".into(),
        session: "inbox".into(),
        operation: Operation::Instruction {
            instruction: "Summarise my unread mail".into(),
        },
    }
}

pub(crate) fn tool_call() -> Action {
    let operation = Operation::ToolCall {
        tool: "mail.send".into(),
        arguments_json: r#"{"to":"bob"}"#.into(),
    };
    Action {
        operation,
        ..instruction()
    }
}

/// The action with each field altered in turn.
pub(crate) fn alterations(action: &Action) -> Vec<Action> {
    let change: [fn(&mut Action); 9] = [
        |a| a.run = RunId::derive("acme", "https://id.acme.example", "alice", "request-2"),
        |a| a.tenant.push('x'),
        |a| a.issuer.push('/'),
        |a| a.requester = "mallory".into(),
        |a| a.agent = "ops".into(),
        |a| a.session.push(' '),
        |a| match &mut a.operation {
            Operation::Instruction { instruction } => instruction.push(' '),
            Operation::ToolCall { arguments_json, .. } => arguments_json.push(' '),
        },
        |a| match &mut a.operation {
            Operation::Instruction { instruction } => *instruction = instruction.to_lowercase(),
            Operation::ToolCall { tool, .. } => tool.push('x'),
        },
        |a| {
            a.operation = match &a.operation {
                Operation::Instruction { instruction } => Operation::ToolCall {
                    tool: instruction.clone(),
                    arguments_json: "{}".into(),
                },
                Operation::ToolCall { tool, .. } => Operation::Instruction {
                    instruction: tool.clone(),
                },
            }
        },
    ];
    let altered = change.into_iter().map(|change| {
        let mut altered = action.clone();
        change(&mut altered);
        altered
    });
    altered.collect()
}

pub(crate) fn verdict() -> Verdict {
    let action = instruction();
    Verdict {
        iss: "classifier-svc".into(),
        aud: VERDICT_AUDIENCE.into(),
        act_digest: action.digest(),
        run: action.run,
        tenant: action.tenant,
        issuer: action.issuer,
        requester: action.requester,
        ctx: "sha256:c0".into(),
        risk: Risk::Green,
        disposition: Disposition::Allow,
        rules: vec!["read.mail".into()],
        reason_digest: reason_digest("it only reads mail", ""),
        policy: "sha256:9a".into(),
        policy_version: "2026-11".into(),
        iat: ISSUED,
        exp: ISSUED + 60,
    }
}

pub(crate) fn warrant() -> Warrant {
    let action = instruction();
    Warrant {
        iss: "approval-svc".into(),
        aud: "executor-svc".into(),
        sub: action.agent.clone(),
        act: action.requester.clone(),
        tenant: action.tenant.clone(),
        jti: "jti-1".into(),
        iat: ISSUED,
        nbf: ISSUED,
        exp: ISSUED + 120,
        act_digest: action.digest(),
        approval: approval_id(&action.run),
        revision: 3,
        risk: Risk::Green,
        policy: "sha256:9a".into(),
        mode: Mode::Policy,
        run: action.run,
        attempt: 1,
        idem: "cs-1".into(),
        verdict: token_hash(&classifier().sign(&verdict()).unwrap()),
    }
}

/// A token of any header and payload under a good signature.
pub(crate) fn forge(key: &SigningKey, header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

pub(crate) fn header(typ: &str, key_id: &str) -> String {
    format!(r#"{{"alg":"EdDSA","typ":"{typ}","kid":"{key_id}"}}"#)
}

/// The claims with each one altered in turn, every other type kept.
pub(crate) fn altered_claims(claims: &impl serde::Serialize) -> Vec<(String, Value)> {
    let claims = serde_json::to_value(claims).unwrap();
    let names: Vec<String> = claims.as_object().unwrap().keys().cloned().collect();
    let alter = |name: String| {
        let mut altered = claims.clone();
        let claim = &mut altered[&name];
        *claim = match (name.as_str(), claim.take()) {
            ("risk", _) => json!("AMBER"),
            ("disposition", _) => json!("BLOCK"),
            ("mode", _) => json!("people"),
            ("run" | "verdict" | "act_digest" | "approval", Value::String(hex)) => {
                let (rest, last) = hex.split_at(hex.len() - 1);
                json!(format!("{rest}{}", if last == "0" { "1" } else { "0" }))
            }
            (_, Value::String(text)) => json!(format!("{text}x")),
            (_, Value::Number(number)) => json!(number.as_u64().unwrap() - 1),
            (_, Value::Array(mut list)) => {
                list.push(json!("x"));
                Value::Array(list)
            }
            (_, other) => panic!("no alteration for {other}"),
        };
        (name, altered)
    };
    names.into_iter().map(alter).collect()
}
