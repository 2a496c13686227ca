//! Texts that are too long, or not what they look like.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::convert::action_to_proto;
use proto::{
    classification::v1::ClassifyActionRequest,
    common::v1::{ErrorReason, Instruction},
    governance::v1::{CreateRunRequest, ListRunsRequest, create_run_request::Operation},
};
use testkit::{authority::Identity, clients::Tokens, gateway::FakeGatewayAndToken, sandbox::Sandbox};
use tonic::Code;
use warrant::Operation as Asking;

use super::fields::fields;
use crate::{
    requests::fresh_id,
    support::{AMBER, Asked, Deployment, GREEN, assert_refused, execution, nothing_but},
};

const CAP: usize = 64 * 1024;

fn asking(text: &str) -> CreateRunRequest {
    CreateRunRequest {
        request_id: fresh_id(),
        operation: Some(Operation::Instruction(Instruction { text: text.to_owned() })),
        ..Default::default()
    }
}

#[tokio::test]
async fn an_instruction_is_taken_whole_or_not_at_all() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let alice = sandbox.person(Identity::alice());
    let longest = format!("{AMBER} {}", "a".repeat(CAP - AMBER.len() - 1));
    let run = alice
        .runs()
        .create_run(asking(&longest))
        .await
        .unwrap()
        .into_inner()
        .run
        .unwrap();
    let kept = run.action.unwrap().operation.unwrap();
    assert_eq!(kept, crate::support::instruction(&longest));

    let refusal = alice.runs().create_run(asking(&format!("{longest}a"))).await;
    let status = assert_refused(
        "a byte too long",
        refusal,
        Code::InvalidArgument,
        ErrorReason::InvalidFields,
    );
    assert_eq!(fields(&status), ["instruction.text"]);
    let runs = alice
        .runs()
        .list_runs(ListRunsRequest::default())
        .await
        .unwrap()
        .into_inner()
        .runs;
    assert_eq!((runs.len(), gateway.gateway.requests().len()), (1, 0));
}

#[tokio::test]
async fn every_part_refuses_what_is_too_long_or_hidden() {
    let (deployment, alice) = (Deployment::start().await, Identity::alice());
    let permitted = deployment.permitted(&alice).await;
    let too_long = "a".repeat(CAP + 1);
    for text in [
        "a\u{0}b",
        "a\u{7}b",
        "a\rb",
        "a\u{1b}[2Jb",
        "pay \u{202e}ecila",
        "a\u{2066}b",
        "",
        "  ",
        &too_long,
    ] {
        let mut asked = Asked::by(&alice, GREEN);
        asked.action.operation = Asking::Instruction {
            instruction: text.to_owned(),
        };
        let what = format!("{:?}", text.chars().take(20).collect::<String>());

        let request = ClassifyActionRequest {
            action: Some(action_to_proto(&asked.action)),
        };
        let refusal = deployment
            .orchestrator_for(&alice)
            .classifier()
            .classify_action(request)
            .await;
        let status = assert_refused(&what, refusal, Code::InvalidArgument, ErrorReason::InvalidFields);
        assert!(
            fields(&status).iter().all(|field| field == "action.instruction.text"),
            "{status:?}"
        );

        let refusal = deployment
            .create(&alice, &asked, nothing_but("verdict".to_owned()))
            .await;
        let status = assert_refused(&what, refusal, Code::InvalidArgument, ErrorReason::InvalidFields);
        assert!(
            fields(&status).iter().all(|field| field == "action.instruction.text"),
            "{status:?}"
        );

        let mut request = permitted.clone();
        request.action = Some(action_to_proto(&asked.action));
        deployment
            .refuses(&what, request, Code::InvalidArgument, ErrorReason::InvalidFields)
            .await;
    }
}

#[tokio::test]
async fn a_refusal_does_not_repeat_what_is_too_long() {
    let (deployment, alice) = (Deployment::start().await, Identity::alice());
    let asked = Asked::by(&alice, GREEN);
    let header = serde_json::json!({ "alg": "EdDSA", "typ": "verdict+jwt", "kid": "ä".repeat(4_000) });
    let verdict = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header.to_string()));
    let refusal = deployment.create(&alice, &asked, nothing_but(verdict)).await;
    let status = assert_refused("key id", refusal, Code::InvalidArgument, ErrorReason::VerdictRejected);
    assert!(status.message().len() < 2 * 1024, "{}", status.message());

    let path = format!("/countersign.trace.v1.TraceService/{}", "x".repeat(8_000));
    let channel = deployment.sandbox.channels().to(chassis::PartName::Trace);
    let refusal = crate::raw::call_path(channel, &path, &Tokens::bearer(&alice.governance_token())).await;
    let status = assert_refused("path", refusal, Code::Unimplemented, ErrorReason::UnknownMethod);
    assert!(status.message().len() < 2 * 1024, "{}", status.message());
}

#[tokio::test]
async fn what_an_approver_sees_is_what_was_sent() {
    let deployment = Deployment::start().await;
    // Zero-width characters carry meaning in some scripts: they are kept as they are, never dropped.
    let text = format!("{AMBER}\n\tمی\u{200c}خواهم 👩\u{200d}👧");
    let created = deployment.submit(&Identity::alice(), &text).await;
    let seen = deployment.approval(&created.approval.unwrap().name).await;
    assert_eq!(
        seen.action.clone().unwrap().operation.unwrap(),
        crate::support::instruction(&text)
    );
    let granted = crate::support::grant(&deployment.bob(), &seen).await.unwrap();
    let dispatch = deployment.acquire().await;
    deployment
        .execute(execution(&granted, dispatch.warrant_jws))
        .await
        .unwrap();
    let sent: serde_json::Value = serde_json::from_slice(&deployment.gateway.gateway.requests()[0].body).unwrap();
    assert_eq!(sent["messages"][1]["content"], text);
}
