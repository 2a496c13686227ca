//! What is taken from a request, and how an approval looks as a run.

use std::collections::BTreeSet;

use chassis::auth::Audience;
use proto::approval::v1::Vote;
use tonic_types::StatusExt as _;
use warrant::DEFAULT_LIMITS;

use super::*;

const REQUEST_ID: &str = "6f1c7b9e-3f0a-4a51-9d1c-6a1de6f0b1aa";

fn alice() -> Person {
    Person {
        issuer: "https://id.acme.example".to_owned(),
        subject: "alice".to_owned(),
        tenant: "acme".to_owned(),
        groups: BTreeSet::new(),
        audience: Audience::Governance,
    }
}

fn rules() -> Rules {
    Rules {
        default_agent: "main".to_owned(),
        limits: Limits {
            text_bytes: 32,
            ..DEFAULT_LIMITS
        },
    }
}

fn instruction(text: &str) -> create_run_request::Operation {
    let text = text.to_owned();
    create_run_request::Operation::Instruction(Instruction { text })
}

fn request(text: &str) -> CreateRunRequest {
    CreateRunRequest {
        request_id: REQUEST_ID.to_owned(),
        operation: Some(instruction(text)),
        ..CreateRunRequest::default()
    }
}

fn violated(request: CreateRunRequest) -> Vec<String> {
    let status = NewRun::check(request, &alice(), &rules()).unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    let bad = status.get_details_bad_request().unwrap();
    bad.field_violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[test]
fn the_requester_is_the_one_of_the_credential_and_defaults_are_filled_in() {
    let new = NewRun::check(request("Summarise it"), &alice(), &rules()).unwrap();
    let run = RunId::derive("acme", "https://id.acme.example", "alice", REQUEST_ID);
    assert_eq!(new.action.run, run);
    assert_eq!(new.action.requester, "alice");
    assert_eq!(new.action.agent, "main");
    assert_eq!(new.action.session, run.to_string());
}

#[test]
fn a_request_id_has_one_meaning_in_any_spelling() {
    let mut shouting = request("Summarise it");
    shouting.request_id = REQUEST_ID.to_uppercase();
    let one = NewRun::check(request("Summarise it"), &alice(), &rules()).unwrap();
    let other = NewRun::check(shouting, &alice(), &rules()).unwrap();
    assert_eq!(one, other);
}

#[test]
fn everything_wrong_is_said_at_once() {
    let wrong = CreateRunRequest {
        request_id: "1".to_owned(),
        agent: "Main!".to_owned(),
        session: "a\u{202e}b".to_owned(),
        operation: Some(instruction(&"x".repeat(33))),
    };
    assert_eq!(violated(wrong), ["request_id", "agent", "session", "instruction.text"]);
    assert_eq!(violated(CreateRunRequest::default()), ["request_id", "operation"]);
    assert_eq!(
        violated(request_with_tool("", "{\"a\":1,\"a\":2}")),
        ["tool_call.tool", "tool_call.arguments_json"]
    );
    assert_eq!(violated(request("")), ["instruction.text"]);
    assert_eq!(violated(request("a\u{0}b")), ["instruction.text"]);
}

fn request_with_tool(tool: &str, arguments_json: &str) -> CreateRunRequest {
    CreateRunRequest {
        operation: Some(create_run_request::Operation::ToolCall(ToolCall {
            tool: tool.to_owned(),
            arguments_json: arguments_json.to_owned(),
        })),
        ..request("")
    }
}

#[test]
fn a_tool_call_keeps_its_arguments_byte_for_byte() {
    let arguments = "{ \"a\" : 1.0 }";
    let new = NewRun::check(request_with_tool("sessions_list", arguments), &alice(), &rules());
    let expected = Operation::ToolCall {
        tool: "sessions_list".to_owned(),
        arguments_json: arguments.to_owned(),
    };
    assert_eq!(new.unwrap().action.operation, expected);
}

#[test]
fn only_ones_own_runs_are_ones_own() {
    let of = |tenant: &str, issuer: &str, requester: &str| Approval {
        action: Some(proto::common::v1::Action {
            tenant: tenant.to_owned(),
            issuer: issuer.to_owned(),
            requester: requester.to_owned(),
            ..Default::default()
        }),
        ..Approval::default()
    };
    let issuer = "https://id.acme.example";
    assert!(is_own(&of("acme", issuer, "alice"), &alice()));
    assert!(!is_own(&of("umbrella", issuer, "alice"), &alice()));
    assert!(!is_own(&of("acme", "https://id.other.example", "alice"), &alice()));
    assert!(!is_own(&of("acme", issuer, "bob"), &alice()));
    assert!(!is_own(&Approval::default(), &alice()));
    assert!(own(of("acme", issuer, "bob"), &alice()).is_err());
}

#[test]
fn names_have_one_spelling() {
    let read = |name: &str| run_id(&mut Violations::new(DOMAIN), "name", name);
    let id = "0123456789abcdef0123456789abcdef";
    assert_eq!(read(&run_name(id)), Some(id.parse().unwrap()));
    for bad in [
        "",
        id,
        "runs/",
        "runs/0123",
        "run/0123456789abcdef0123456789abcdef",
        "runs/0123456789ABCDEF0123456789ABCDEF",
    ] {
        assert_eq!(read(bad), None, "{bad}");
    }
}

#[test]
fn a_run_shows_what_its_approval_says() {
    let approval = Approval {
        name: "approvals/x".to_owned(),
        run_id: "0123456789abcdef0123456789abcdef".to_owned(),
        state: approval::State::Denied.into(),
        risk: Risk::Amber.into(),
        close_reason: "not now".to_owned(),
        votes: vec![Vote {
            subject: "bob".to_owned(),
            ..Vote::default()
        }],
        ..Approval::default()
    };
    let run = run_of(&approval);
    assert_eq!(run.state(), run::State::Denied);
    assert_eq!(run.trace, "traces/0123456789abcdef0123456789abcdef");
    assert_eq!(run.detail, "not now");
    assert_eq!(run.deciders, ["bob"]);
    let blocked = run_of(&Approval {
        risk: Risk::Red.into(),
        ..approval
    });
    assert_eq!(blocked.state(), run::State::Blocked);
}
