//! Messages and answers that are too large, and pages of other listings.

use prost::Message;
use proto::{
    approval::v1::ListApprovalsRequest,
    common::v1::ErrorReason,
    governance::v1::{CreateRunRequest, ListRunsRequest},
    trace::v1::{BatchCreateEventsRequest, ListEventsRequest, ListTracesRequest, NewEvent},
};
use testkit::{authority::Identity, gateway::FakeGatewayAndToken, sandbox::Sandbox};
use tonic::Code;

use super::fields::{allowed, fields, nothing_is_stored};
use crate::{raw, support::assert_refused};

/// Messages with so much wrong, or with such long values, that the answer must not say it all.
fn boundless() -> Vec<(&'static str, Vec<u8>)> {
    let long = "x".repeat(100_000);
    let filter = format!("state = {long}");
    let attributes = [(format!("{long}\n"), String::new())].into();
    let event = NewEvent {
        r#type: long.clone(),
        attributes,
        ..Default::default()
    };
    let name = proto::governance::v1::GetRunRequest {
        name: format!("runs/{long}"),
    };
    let runs = ListRunsRequest {
        filter: filter.clone(),
        ..Default::default()
    };
    let approvals = ListApprovalsRequest {
        filter,
        ..Default::default()
    };
    let traces = ListTracesRequest {
        filter: format!("{long} = {long}"),
        ..Default::default()
    };
    let events = ListEventsRequest {
        filter: format!("type = {long}"),
        parent: long.clone(),
        ..Default::default()
    };
    let run = CreateRunRequest {
        request_id: long.clone(),
        agent: long.clone(),
        session: long,
        ..Default::default()
    };
    vec![
        (
            "TraceService/BatchCreateEvents",
            BatchCreateEventsRequest {
                events: vec![NewEvent::default(); 256],
            }
            .encode_to_vec(),
        ),
        (
            "TraceService/BatchCreateEvents",
            BatchCreateEventsRequest { events: vec![event] }.encode_to_vec(),
        ),
        ("TraceService/ListTraces", traces.encode_to_vec()),
        ("TraceService/ListEvents", events.encode_to_vec()),
        ("ApprovalService/ListApprovals", approvals.encode_to_vec()),
        ("GovernanceService/ListRuns", runs.encode_to_vec()),
        ("GovernanceService/GetRun", name.encode_to_vec()),
        ("GovernanceService/CreateRun", run.encode_to_vec()),
    ]
}

#[tokio::test]
async fn a_refusal_fits_however_much_is_wrong() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    for (name, message) in boundless() {
        let rpc = raw::rpc(name);
        let refusal = raw::send(sandbox.channels(), &rpc, &allowed(&rpc), message).await;
        let status = assert_refused(name, refusal, Code::InvalidArgument, ErrorReason::InvalidFields);
        assert!(!fields(&status).is_empty());
        // Some clients take no more than 8 KiB of headers; details come in base64, next to the message.
        let size = status.message().len() + status.details().len() * 4 / 3;
        assert!(size < 7 * 1024, "{name}: {size} bytes");
    }
}

#[tokio::test]
async fn a_message_beyond_all_bounds_is_refused_unread() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let message = CreateRunRequest {
        request_id: "x".repeat(5 * 1024 * 1024),
        ..Default::default()
    };
    for name in [
        "GovernanceService/CreateRun",
        "ApprovalService/GrantApproval",
        "TraceService/ListTraces",
    ] {
        let rpc = raw::rpc(name);
        let refusal = raw::send(sandbox.channels(), &rpc, &allowed(&rpc), message.encode_to_vec()).await;
        assert_refused(name, refusal, Code::ResourceExhausted, ErrorReason::MessageTooLarge);
    }
    nothing_is_stored(&sandbox, &gateway).await;
}

#[tokio::test]
async fn a_page_token_is_good_for_its_own_listing_alone() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let alice = sandbox.person(Identity::alice());
    for _ in 0..2 {
        let request = CreateRunRequest {
            request_id: crate::requests::fresh_id(),
            operation: Some(proto::governance::v1::create_run_request::Operation::Instruction(
                proto::common::v1::Instruction {
                    text: crate::support::AMBER.to_owned(),
                },
            )),
            ..Default::default()
        };
        alice.runs().create_run(request).await.unwrap();
    }
    let page = ListApprovalsRequest {
        page_size: 1,
        ..Default::default()
    };
    let first = alice
        .own_approvals()
        .list_approvals(page.clone())
        .await
        .unwrap()
        .into_inner();
    let token = first.next_page_token;
    let next = ListApprovalsRequest {
        page_token: token.clone(),
        ..page.clone()
    };
    let second = alice
        .own_approvals()
        .list_approvals(next.clone())
        .await
        .unwrap()
        .into_inner();
    assert!(second.approvals.len() == 1 && second.approvals[0].name != first.approvals[0].name);

    let (invalid, refused) = (ErrorReason::InvalidPageToken, Code::InvalidArgument);
    let bob = sandbox.person(Identity::bob());
    assert_refused(
        "another's",
        bob.approvals().list_approvals(next.clone()).await,
        refused,
        invalid,
    );
    let filtered = ListApprovalsRequest {
        filter: "risk = AMBER".to_owned(),
        ..next
    };
    assert_refused(
        "another filter's",
        alice.own_approvals().list_approvals(filtered).await,
        refused,
        invalid,
    );
    let traces = ListTracesRequest {
        page_token: token,
        ..Default::default()
    };
    assert_refused(
        "another listing's",
        alice.traces().list_traces(traces).await,
        refused,
        invalid,
    );
    for page_token in ["x", "AAAA", "ä", &"A".repeat(10_000)] {
        let made_up = ListApprovalsRequest {
            page_token: page_token.to_owned(),
            ..Default::default()
        };
        assert_refused(
            page_token,
            alice.own_approvals().list_approvals(made_up).await,
            refused,
            invalid,
        );
        let made_up = ListRunsRequest {
            page_token: page_token.to_owned(),
            ..Default::default()
        };
        assert_refused(page_token, alice.runs().list_runs(made_up).await, refused, invalid);
    }
}
