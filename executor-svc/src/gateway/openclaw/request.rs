//! Requests to the gateway: pure functions of the action and the verdict.

use serde_json::json;
use warrant::{Action, Operation, Verdict, session_key};

use super::prompt::system_prompt;
use crate::gateway::GatewayRequest;

/// Where instructions go.
pub(crate) const CHAT_PATH: &str = "/v1/chat/completions";
/// Where tool calls go.
pub(crate) const TOOL_PATH: &str = "/tools/invoke";

/// The request for a valid action.
pub(crate) fn prepare(action: &Action, verdict: &Verdict) -> GatewayRequest {
    let session_key = session_key(
        &action.agent,
        &action.tenant,
        &action.issuer,
        &action.requester,
        &action.session,
    );
    match &action.operation {
        Operation::Instruction { instruction } => GatewayRequest {
            path: CHAT_PATH,
            body: chat_body(&action.agent, &system_prompt(verdict), instruction),
            session_key,
            stops_on_disconnect: true,
            output_media_type: "text/plain; charset=utf-8",
        },
        Operation::ToolCall { tool, arguments_json } => GatewayRequest {
            path: TOOL_PATH,
            body: tool_body(tool, arguments_json, &session_key),
            session_key,
            stops_on_disconnect: false,
            output_media_type: "application/json",
        },
    }
}

// Bodies are put together by hand, so that the order of their members is fixed.

fn chat_body(agent: &str, system: &str, instruction: &str) -> String {
    let model = json!(format!("openclaw/{agent}"));
    let (system, instruction) = (json!(system), json!(instruction));
    format!(
        r#"{{"model":{model},"stream":true,"stream_options":{{"include_usage":true}},"messages":[{{"role":"system","content":{system}}},{{"role":"user","content":{instruction}}}]}}"#
    )
}

/// The arguments stand in the body byte for byte; a valid action's arguments are one JSON object, which can't reach
/// beyond its braces.
fn tool_body(tool: &str, arguments_json: &str, session_key: &str) -> String {
    let (tool, session_key) = (json!(tool), json!(session_key));
    format!(r#"{{"tool":{tool},"args":{arguments_json},"sessionKey":{session_key}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn verdict() -> Verdict {
        fixtures::verdict(&fixtures::action())
    }

    #[test]
    fn an_instruction_goes_out_as_it_was_approved() {
        let mut action = fixtures::action();
        action.operation = Operation::Instruction {
            instruction: " Say \"hi\"\n\tto 👩‍👧 \\ ".into(),
        };
        let request = prepare(&action, &verdict());
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(request.path, "/v1/chat/completions");
        assert_eq!(body["model"], "openclaw/main");
        assert_eq!(body["stream"], true);
        assert_eq!(body["messages"][1]["content"], " Say \"hi\"\n\tto 👩‍👧 \\ ");
        let system = body["messages"][0]["content"].as_str().unwrap();
        assert!(
            system.contains("GREEN (ALLOW)") && system.contains("compose.internal"),
            "{system}"
        );
    }

    #[test]
    fn arguments_go_out_byte_for_byte() {
        let mut action = fixtures::action();
        let arguments = "{\"b\" : 1.0,\n \"a\":\"\\u00e9\",\"n\":12345678901234567890123}";
        action.operation = Operation::ToolCall {
            tool: "a\"b".into(),
            arguments_json: arguments.into(),
        };
        let request = prepare(&action, &verdict());
        assert_eq!(request.path, "/tools/invoke");
        assert!(request.body.contains(&format!(r#""args":{arguments},"sessionKey""#)));
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body["tool"], "a\"b");
        assert_eq!(body["sessionKey"], request.session_key.as_str());
    }

    #[test]
    fn the_session_is_the_agents_and_nobody_elses() {
        let action = fixtures::action();
        let request = prepare(&action, &verdict());
        assert!(
            request.session_key.starts_with("agent:main:cs-"),
            "{}",
            request.session_key
        );
        for change in [
            |action: &mut Action| action.tenant = "other".into(),
            |action: &mut Action| action.requester = "mallory".into(),
            |action: &mut Action| action.session = "another".into(),
            |action: &mut Action| action.agent = "ops".into(),
        ] {
            let mut other = action.clone();
            change(&mut other);
            assert_ne!(prepare(&other, &verdict()).session_key, request.session_key);
        }
    }

    #[test]
    fn the_hash_covers_path_session_and_body() {
        let request = prepare(&fixtures::action(), &verdict());
        assert_eq!(prepare(&fixtures::action(), &verdict()).sha256(), request.sha256());
        let changed = [
            GatewayRequest {
                path: TOOL_PATH,
                ..request.clone()
            },
            GatewayRequest {
                session_key: "agent:main:x".into(),
                ..request.clone()
            },
            GatewayRequest {
                body: request.body.replace("policy", "Policy"),
                ..request.clone()
            },
        ];
        for other in changed {
            assert_ne!(other.sha256(), request.sha256());
        }
    }

    #[test]
    fn the_hash_of_a_request_stays_what_it_was() {
        let tool = fixtures::tool_action();
        let request = prepare(&tool, &fixtures::verdict(&tool));
        assert_eq!(
            request.body,
            r#"{"tool":"sessions_list","args":{"limit": 1},"sessionKey":"agent:main:cs-9c4dcad4156fd6b3c6ba2fc769edbe1916b41f5db52ffbf9a971583820e52485"}"#
        );
        assert_eq!(
            request.sha256(),
            "sha256:ddfb33d3eebd41c6fcf8b8163929519cd708040735641f52711b3e6da1b44855"
        );
    }
}
