//! An action, its verdict and its warrant, as the other parts would make them.

use warrant::{
    Action, Disposition, Mode, Operation, Risk, RunId, Signer, SigningKey, VERDICT_AUDIENCE, Verdict, Warrant,
    approval_id, token_hash,
};

pub(crate) mod world;

/// The time at which all of this is made and valid, in seconds since the epoch.
pub(crate) const NOW: u64 = 1_790_000_000;

pub(crate) fn action() -> Action {
    Action {
        run: RunId::derive("acme", "https://id.acme.example", "alice", "request-1"),
        tenant: "acme".into(),
        issuer: "https://id.acme.example".into(),
        requester: "alice".into(),
        agent: "main".into(),
        session: "inbox".into(),
        operation: Operation::Instruction {
            instruction: "Summarize our AI governance policy for internal use.".into(),
        },
    }
}

pub(crate) fn tool_action() -> Action {
    let operation = Operation::ToolCall {
        tool: "sessions_list".into(),
        arguments_json: "{\"limit\": 1}".into(),
    };
    Action { operation, ..action() }
}

pub(crate) fn classifier() -> Signer {
    Signer::new("classifier-svc", SigningKey::from_seed(&[1; 32]))
}

pub(crate) fn approver() -> Signer {
    Signer::new("approval-svc", SigningKey::from_seed(&[2; 32]))
}

pub(crate) fn verdict(action: &Action) -> Verdict {
    Verdict {
        iss: "classifier-svc".into(),
        aud: VERDICT_AUDIENCE.into(),
        act_digest: action.digest(),
        run: action.run,
        tenant: action.tenant.clone(),
        issuer: action.issuer.clone(),
        requester: action.requester.clone(),
        ctx: "sha256:00".into(),
        risk: Risk::Green,
        disposition: Disposition::Allow,
        rules: vec!["compose.internal".into()],
        reason_digest: "sha256:01".into(),
        policy: "sha256:9a".into(),
        policy_version: "1.0.0".into(),
        iat: NOW,
        exp: NOW + 60,
    }
}

pub(crate) fn warrant(action: &Action, verdict_jws: &str) -> Warrant {
    Warrant {
        iss: "approval-svc".into(),
        aud: "executor-svc".into(),
        sub: action.agent.clone(),
        act: action.requester.clone(),
        tenant: action.tenant.clone(),
        jti: "0192f0c1-2b3c-7d4e-8f90-123456789abc".into(),
        iat: NOW,
        nbf: NOW,
        exp: NOW + 120,
        act_digest: action.digest(),
        approval: approval_id(&action.run),
        revision: 1,
        risk: Risk::Green,
        policy: "sha256:9a".into(),
        mode: Mode::Policy,
        run: action.run,
        attempt: 1,
        idem: "cs-0192f0c1".into(),
        verdict: token_hash(verdict_jws),
    }
}
