//! Tools: called where the gateway has them, and none for the shipped agent.

use std::fs;

use proto::{
    common::v1::{Outcome, Risk, ToolCall},
    governance::v1::{StreamRunRequest, run::State, stream_run_request::Operation},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Deployment, follow, fresh_text, http, instruct, said};
use crate::requests::fresh_id;

/// An empty folder under a name that no verdict depends on, unlike the letters of a usual one's.
fn fresh_folder() -> TempDir {
    tempfile::Builder::new()
        .prefix(&fresh_id())
        .rand_bytes(0)
        .tempdir()
        .unwrap()
}

fn call_tool(agent: &str, tool: &str) -> StreamRunRequest {
    let call = ToolCall {
        tool: tool.to_owned(),
        arguments_json: "{}".to_owned(),
    };
    StreamRunRequest {
        operation: Some(Operation::ToolCall(call)),
        ..instruct(agent, "", "")
    }
}

/// The model was asked without a tool on offer, called this one all the same, and was told that there is none.
fn assert_no_tools(asked: &[Value], tool: &str) {
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked.iter().all(|request| request["tools"] == json!([])), "{asked:?}");
    assert_eq!(said(&asked[1], "tool"), [format!("Tool {tool} not found")], "{asked:?}");
}

impl Deployment {
    /// Asks the gateway past Countersign, and waits for the end of its answer.
    async fn ask_the_gateway(&self, text: &str) -> String {
        let address = self.gateway.address();
        let token = fs::read_to_string(&address.token_file).unwrap();
        let body = json!({ "model": "openclaw/main", "messages": [{ "role": "user", "content": text }] });
        let request = http()
            .post(format!("{}/v1/chat/completions", address.url))
            .bearer_auth(token.trim())
            .json(&body);
        request.send().await.unwrap().text().await.unwrap()
    }
}

#[tokio::test]
async fn a_tool_is_called_where_the_gateway_has_it() {
    let deployment = Deployment::start().await;
    let alice = deployment.alice();
    let (called, ()) = tokio::join!(
        follow(&alice, call_tool("ops", "sessions_list")),
        deployment.grant_next()
    );
    assert_eq!(
        called.run.risk(),
        Risk::Amber,
        "it shows the sessions of everybody: {called:?}"
    );
    assert_eq!(called.ended(), (State::Succeeded, Outcome::Succeeded), "{called:?}");
    let result: Value = serde_json::from_str(&called.run.output).unwrap();
    assert!(result.to_string().contains("sessions"), "{result}");

    let listed = follow(&alice, call_tool("ops", "agents_list")).await;
    assert_eq!(listed.run.risk(), Risk::Green, "{listed:?}");
    assert_eq!(listed.ended(), (State::Succeeded, Outcome::Succeeded), "{listed:?}");

    let refused = follow(&alice, call_tool("main", "agents_list")).await;
    assert_eq!(refused.ended(), (State::Failed, Outcome::Failed), "{refused:?}");
    assert!(refused.run.detail.contains("404"), "{refused:?}");
}

#[tokio::test]
async fn an_agent_has_no_tools_even_if_its_model_insists() {
    let (deployment, folder) = (Deployment::start().await, fresh_folder());
    let (written, notes) = (folder.path().join("written"), folder.path().join("notes"));
    fs::write(&notes, "what is in the notes").unwrap();
    for (tool, arguments) in [
        ("write", json!({ "path": written, "content": "x" })),
        ("read", json!({ "path": notes })),
        ("sessions_list", json!({})),
    ] {
        let (text, marker) = fresh_text(&format!("[[tool:{tool}:{arguments}]]"));
        let followed = follow(&deployment.alice(), instruct("main", "", &text)).await;
        assert_eq!(
            followed.run.output,
            format!("tool said: Tool {tool} not found"),
            "{followed:?}"
        );
        assert_no_tools(&deployment.model().asked(&marker).await, tool);
    }
    assert!(!written.exists(), "a tool ran");
}

#[tokio::test]
async fn a_command_is_blocked_and_would_not_run_either() {
    let (deployment, folder) = (Deployment::start().await, fresh_folder());
    let made = folder.path().join("made");
    let (text, marker) = fresh_text(&format!(r#"[[tool:exec:{{"command":"touch {}"}}]]"#, made.display()));
    let followed = follow(&deployment.alice(), instruct("main", "", &text)).await;
    assert_eq!(followed.ended(), (State::Blocked, Outcome::Unspecified), "{followed:?}");
    assert_eq!(deployment.model().asked(&marker).await, Vec::<Value>::new());
    // Whoever gets past policy gets no further.
    deployment.ask_the_gateway(&text).await;
    assert_no_tools(&deployment.model().asked(&marker).await, "exec");
    assert!(!made.exists(), "the command ran");
}
