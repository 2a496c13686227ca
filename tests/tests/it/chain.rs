//! The main job, end to end: the five reference requests through the whole chain, in one process and as five.

use proto::{
    approval::v1::{GrantApprovalRequest, ListApprovalsRequest},
    common::v1::{Instruction, Mode, Outcome, Risk},
    governance::v1::{
        GetRunRequest, Run, StreamRunRequest, run::State, stream_run_request::Operation, stream_run_response::Update,
    },
    trace::v1::{ExportEventsRequest, ListEventsRequest, export_events_request::Format},
};
use testkit::{
    authority::Identity,
    clients::{Channels, Person},
    eventually,
    fake_gateway::FakeGateway,
    fleet::Fleet,
    gateway::FakeGatewayAndToken,
    sandbox::Sandbox,
};

use crate::requests::{REFERENCE, Reference, fresh_id};

#[tokio::test]
async fn five_requests_in_one_process() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    five_requests(sandbox.channels(), &gateway.gateway).await;
}

mod processes {
    use testkit::fleet::FleetOptions;

    use super::{FakeGatewayAndToken, Fleet, five_requests};

    #[tokio::test]
    async fn five_requests_in_five_processes() {
        let gateway = FakeGatewayAndToken::start().await;
        let fleet = Fleet::start(&gateway.address()).await;
        five_requests(fleet.channels(), &gateway.gateway).await;
    }

    #[tokio::test]
    async fn five_requests_in_five_processes_of_one_program() {
        let gateway = FakeGatewayAndToken::start().await;
        let options = FleetOptions::default().as_one_program();
        let fleet = Fleet::start_with(&gateway.address(), options).await;
        five_requests(fleet.channels(), &gateway.gateway).await;
    }
}

async fn five_requests(channels: &Channels, gateway: &FakeGateway) {
    let (alice, bob) = (channels.person(Identity::alice()), channels.person(Identity::bob()));
    let mut executed = 0;
    for reference in REFERENCE {
        let (run, output) = match reference.risk {
            Risk::Amber => submit_and_grant(&alice, &bob, &reference).await,
            _ => follow(&alice, &reference).await,
        };
        assert_eq!(run.risk(), reference.risk, "{}", reference.text);
        if reference.risk == Risk::Red {
            assert_eq!(run.state(), State::Blocked);
            assert!(!run.safe_alternative.is_empty());
        } else {
            executed += 1;
            assert_eq!(
                (run.state(), run.outcome()),
                (State::Succeeded, Outcome::Succeeded),
                "{run:?}"
            );
            assert_eq!(
                (output.as_str(), run.output.as_str()),
                (FakeGateway::ANSWER, FakeGateway::ANSWER)
            );
            let mode = if reference.risk == Risk::Green {
                Mode::Policy
            } else {
                Mode::People
            };
            assert_eq!(run.mode(), mode);
        }
        assert_eq!(
            gateway.requests().len(),
            executed,
            "only what was granted reaches the gateway"
        );
        check_trace(&alice, &run, reference.risk).await;
    }
}

/// Submits and follows to the end; the last state of the run and all output.
async fn follow(person: &Person, reference: &Reference) -> (Run, String) {
    let mut updates = person.runs().stream_run(request(reference)).await.unwrap().into_inner();
    let (mut last, mut output) = (None, String::new());
    while let Some(message) = updates.message().await.unwrap() {
        match message.update.unwrap() {
            Update::Run(run) => last = Some(*run),
            Update::OutputChunk(chunk) => output.push_str(&chunk),
        }
    }
    (last.unwrap(), output)
}

async fn submit_and_grant(asks: &Person, decides: &Person, reference: &Reference) -> (Run, String) {
    let followed = follow(asks, reference);
    let deciding = async {
        let request = ListApprovalsRequest {
            filter: "state = PENDING".to_owned(),
            ..Default::default()
        };
        let approval = eventually("an approval is pending", async || {
            let page = decides
                .approvals()
                .list_approvals(request.clone())
                .await
                .unwrap()
                .into_inner();
            page.approvals.into_iter().next()
        })
        .await;
        let grant = GrantApprovalRequest {
            name: approval.name,
            etag: approval.etag,
            action_digest: approval.action_digest,
            request_id: fresh_id(),
            reason: "the text was agreed with HR".to_owned(),
        };
        decides.approvals().grant_approval(grant).await.unwrap();
    };
    let (followed, ()) = tokio::join!(followed, deciding);
    followed
}

/// The trace is complete and closed, in the order in which things must have happened.
async fn check_trace(person: &Person, run: &Run, risk: Risk) {
    let expected: &[&str] = match risk {
        Risk::Red => &[
            "request.received",
            "request.classified",
            "approval.requested",
            "approval.denied",
            "approval.closed",
            "trace.closed",
        ],
        Risk::Amber => &[
            "request.received",
            "request.classified",
            "approval.requested",
            "approval.voted",
            "approval.granted",
            "execution.started",
            "execution.finished",
            "approval.closed",
            "trace.closed",
        ],
        _ => &[
            "request.received",
            "request.classified",
            "approval.requested",
            "approval.granted",
            "execution.started",
            "execution.finished",
            "approval.closed",
            "trace.closed",
        ],
    };
    let request = ListEventsRequest {
        parent: run.trace.clone(),
        ..Default::default()
    };
    let types = eventually("the trace is closed", async || {
        let events = person
            .traces()
            .list_events(request.clone())
            .await
            .ok()?
            .into_inner()
            .events;
        let types: Vec<String> = events.into_iter().map(|event| event.r#type).collect();
        (types.last().map(String::as_str) == Some("trace.closed")).then_some(types)
    })
    .await;
    assert_eq!(types, expected);
    let again = person
        .runs()
        .get_run(GetRunRequest { name: run.name.clone() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again.run.unwrap().state(), run.state());
    for format in [Format::Jsonl, Format::Csv] {
        let request = ExportEventsRequest {
            parent: run.trace.clone(),
            format: format.into(),
            ..Default::default()
        };
        let mut chunks = person.traces().export_events(request).await.unwrap().into_inner();
        let mut export = Vec::new();
        while let Some(chunk) = chunks.message().await.unwrap() {
            export.extend(chunk.data);
        }
        let lines = String::from_utf8(export).unwrap().lines().count();
        assert!(lines >= expected.len(), "{lines} lines");
    }
}

fn request(reference: &Reference) -> StreamRunRequest {
    StreamRunRequest {
        request_id: fresh_id(),
        agent: "main".to_owned(),
        session: String::new(),
        operation: Some(Operation::Instruction(Instruction {
            text: reference.text.to_owned(),
        })),
    }
}
