//! The committed vectors, by which other implementations can check themselves, hold for this one.
#![expect(clippy::unwrap_used, reason = "a vector that is not as expected fails the test")]

use std::collections::BTreeSet;

use serde_json::Value;
use warrant::{Action, Operation, RunId, approval_id, session_key};

const ACTIONS: &str = include_str!("../vectors/action-digest.json");
const RUNS: &str = include_str!("../vectors/run-id.json");

fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn text<'v>(vector: &'v Value, name: &str) -> &'v str {
    vector[name].as_str().unwrap()
}

fn action(vector: &Value) -> Action {
    let own = |name| text(vector, name).to_owned();
    let operation = match text(vector, "kind") {
        "instruction" => Operation::Instruction {
            instruction: own("instruction"),
        },
        _ => Operation::ToolCall {
            tool: own("tool"),
            arguments_json: own("arguments_json"),
        },
    };
    Action {
        run: own("run").parse().unwrap(),
        tenant: own("tenant"),
        issuer: own("issuer"),
        requester: own("requester"),
        agent: own("agent"),
        session: own("session"),
        operation,
    }
}

#[test]
fn canonical_forms_and_digests_hold() {
    let vectors = vectors(ACTIONS);
    let mut digests = BTreeSet::new();
    for vector in &vectors {
        let action = action(&vector["action"]);
        assert_eq!(action.canonical(), text(vector, "canonical"), "{}", vector["name"]);
        assert_eq!(
            action.digest().to_string(),
            text(vector, "digest"),
            "{}",
            vector["name"]
        );
        digests.insert(action.digest());
    }
    assert!(vectors.len() >= 10);
    assert_eq!(digests.len(), vectors.len(), "no two vectors share a digest");
}

#[test]
fn derived_names_hold() {
    let vectors = vectors(RUNS);
    let mut runs = BTreeSet::new();
    for vector in &vectors {
        let [tenant, issuer, subject] = ["tenant", "issuer", "subject"].map(|name| text(vector, name));
        let run = RunId::derive(tenant, issuer, subject, text(vector, "request_id"));
        assert_eq!(run.to_string(), text(vector, "run"));
        assert_eq!(approval_id(&run).to_string(), text(vector, "approval"));
        assert_eq!(
            session_key("main", tenant, issuer, subject, &run.to_string()),
            text(vector, "session_key")
        );
        runs.insert(run);
    }
    assert_eq!(runs.len(), vectors.len(), "no two vectors share a run");
}
