//! Other people's runs, traces, sessions and agents.

use proto::{
    approval::v1::{CancelApprovalRequest, GetApprovalRequest, approval::State},
    common::v1::{ErrorReason, Instruction},
    governance::v1::{
        CancelRunRequest, CreateRunRequest, GetRunRequest, ListRunsRequest, WatchRunRequest,
        create_run_request::Operation, run,
    },
    trace::v1::{
        ExportEventsRequest, GetTraceRequest, ListEventsRequest, ListTracesRequest, export_events_request::Format,
    },
};
use testkit::{authority::Identity, clients::Person, gateway::FakeGatewayAndToken, sandbox::Sandbox};
use tonic::Code;

use crate::{
    requests::fresh_id,
    support::{AMBER, Asked, Deployment, GREEN, assert_refused, execution},
};

/// Has the action executed under a GREEN grant; the session key and the model that the gateway was sent.
async fn executed(deployment: &Deployment, identity: &Identity, session: &str) -> (String, String) {
    let mut asked = Asked::by(identity, GREEN);
    session.clone_into(&mut asked.action.session);
    let classified = deployment.classify(identity, &asked.action).await;
    let created = deployment.create(identity, &asked, classified).await.unwrap();
    let mut approval = created.approval.unwrap();
    let mut warrant_jws = created.warrant_jws;
    if warrant_jws.is_empty() {
        crate::support::grant(&deployment.bob(), &approval).await.unwrap();
        let dispatch = deployment.acquire().await;
        (approval, warrant_jws) = (dispatch.approval.unwrap(), dispatch.warrant_jws);
    }
    deployment.execute(execution(&approval, warrant_jws)).await.unwrap();
    let request = deployment.gateway.gateway.requests().pop().unwrap();
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    let key = request.header("x-openclaw-session-key").unwrap().to_owned();
    (key, body["model"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_session_is_its_requesters_alone_whatever_it_is_called() {
    let deployment = Deployment::start().await;
    let alice = Identity::alice();
    let (own, _) = executed(&deployment, &alice, "inbox").await;
    assert_eq!(
        executed(&deployment, &alice, "inbox").await.0,
        own,
        "the same session, continued"
    );
    let strangers = [
        Identity::named("mallory"),
        alice.clone().of_tenant("umbrella"),
        alice.clone().of_partners(),
        Identity::named("aliceinbox"),
    ];
    for stranger in strangers {
        assert_ne!(executed(&deployment, &stranger, "inbox").await.0, own, "{stranger:?}");
    }
    let mallory = Identity::named("mallory");
    let names = [
        own.as_str(),
        "agent:main:main",
        "agent:ops:main",
        "main",
        "../main",
        "agent:main:cs-",
        "INBOX",
        "inbox ",
    ];
    for name in names {
        let (key, model) = executed(&deployment, &mallory, name).await;
        assert_ne!(key, own, "{name}");
        let hash = key.strip_prefix("agent:main:cs-").unwrap();
        assert!(
            hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{key}"
        );
        assert_eq!(model, "openclaw/main");
    }
}

#[tokio::test]
async fn an_agent_that_is_not_allowed_does_nothing() {
    let (deployment, alice) = (Deployment::start().await, Identity::alice());
    let mut asked = Asked::by(&alice, GREEN);
    asked.action.agent = "ops".to_owned();
    let classified = deployment.classify(&alice, &asked.action).await;
    let created = deployment.create(&alice, &asked, classified).await.unwrap();
    let request = execution(&created.approval.unwrap(), created.warrant_jws);
    deployment
        .refuses("ops", request, Code::PermissionDenied, ErrorReason::AgentNotAllowed)
        .await;
}

fn run_of(agent: &str, session: &str) -> CreateRunRequest {
    CreateRunRequest {
        request_id: fresh_id(),
        agent: agent.to_owned(),
        session: session.to_owned(),
        operation: Some(Operation::Instruction(Instruction { text: AMBER.to_owned() })),
    }
}

#[tokio::test]
async fn an_agents_name_reaches_nothing_but_an_agent() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let alice = sandbox.person(Identity::alice());
    let long = "a".repeat(65);
    let agents = [
        "agent:main:x",
        "Main",
        "MAIN",
        "main ",
        " main",
        "../main",
        "main/../ops",
        "main%2f",
        "ma\u{200b}in",
        "mаin",
        "main\n",
        "openclaw/main",
        "*",
        "main,ops",
        ".",
        "\0",
        &long,
    ];
    for agent in agents {
        let refusal = alice.runs().create_run(run_of(agent, "")).await;
        assert_refused(agent, refusal, Code::InvalidArgument, ErrorReason::InvalidFields);
    }
    for session in ["a\nb", "a\u{202e}b", "a\u{200b}b", "\0", &"a".repeat(257), " "] {
        let refusal = alice.runs().create_run(run_of("main", session)).await;
        assert_refused(
            &format!("{session:?}"),
            refusal,
            Code::InvalidArgument,
            ErrorReason::InvalidFields,
        );
    }
    let runs = alice
        .runs()
        .list_runs(ListRunsRequest::default())
        .await
        .unwrap()
        .into_inner()
        .runs;
    assert_eq!((runs, gateway.gateway.requests().len()), (Vec::new(), 0));
}

/// Nothing of the run can be seen or changed by this person.
async fn reaches_nothing(person: &Person, run: &str) {
    let (name, trace) = (format!("runs/{run}"), format!("traces/{run}"));
    let who = format!("{:?}", person.identity());
    let mut runs = person.runs();
    let of_run = [
        runs.get_run(GetRunRequest { name: name.clone() }).await.map(drop),
        runs.watch_run(WatchRunRequest { name: name.clone() }).await.map(drop),
        runs.cancel_run(CancelRunRequest {
            name,
            request_id: fresh_id(),
            reason: String::new(),
        })
        .await
        .map(drop),
    ];
    for refusal in of_run {
        assert_refused(&who, refusal, Code::NotFound, ErrorReason::RunNotFound);
    }
    let listed = runs.list_runs(ListRunsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.runs, [], "{who}");

    let approval = warrant::approval_id(&run.parse().unwrap()).name();
    let mut approvals = person.own_approvals();
    let of_approval = [
        approvals
            .get_approval(GetApprovalRequest { name: approval.clone() })
            .await
            .map(drop),
        approvals
            .cancel_approval(CancelApprovalRequest {
                name: approval,
                request_id: fresh_id(),
                reason: String::new(),
            })
            .await
            .map(drop),
    ];
    for refusal in of_approval {
        assert_refused(&who, refusal, Code::NotFound, ErrorReason::ApprovalNotFound);
    }

    let mut traces = person.traces();
    let list = ListEventsRequest {
        parent: trace.clone(),
        ..Default::default()
    };
    let export = |parent: &str| ExportEventsRequest {
        parent: parent.to_owned(),
        format: Format::Jsonl.into(),
        ..Default::default()
    };
    let of_trace = [
        traces
            .get_trace(GetTraceRequest { name: trace.clone() })
            .await
            .map(drop),
        traces.export_events(export(&trace)).await.map(drop),
    ];
    for refusal in of_trace {
        assert_refused(&who, refusal, Code::NotFound, ErrorReason::TraceNotFound);
    }
    let events = traces.list_events(list).await;
    assert!(
        events.as_ref().map_or(true, |found| found.get_ref().events.is_empty()),
        "{who}: {events:?}"
    );
    let listed = traces
        .list_traces(ListTracesRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.traces, [], "{who}");
    let mut all = traces.export_events(export("traces/-")).await.unwrap().into_inner();
    while let Some(piece) = all.message().await.unwrap() {
        assert!(piece.data.is_empty(), "{who}");
    }
}

#[tokio::test]
async fn somebody_elses_run_is_as_if_it_were_not_there() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let alice = sandbox.person(Identity::alice());
    let created = alice
        .runs()
        .create_run(run_of("main", "inbox"))
        .await
        .unwrap()
        .into_inner()
        .run
        .unwrap();
    let run = created.name.strip_prefix("runs/").unwrap();
    let strangers = [
        Identity::named("mallory"),
        Identity::alice().of_tenant("umbrella"),
        Identity::alice().of_partners(),
        Identity::bob().of_tenant("umbrella"),
        Identity::carol().of_tenant("umbrella"),
    ];
    for stranger in strangers {
        reaches_nothing(&sandbox.person(stranger), run).await;
    }
    let again = alice
        .runs()
        .get_run(GetRunRequest {
            name: created.name.clone(),
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again.run.unwrap().state(), run::State::PendingApproval);

    // Whoever may see it all may still not withdraw it, nor does it become a run of theirs.
    for identity in [Identity::bob(), Identity::carol()] {
        let reader = sandbox.person(identity);
        let name = warrant::approval_id(&run.parse().unwrap()).name();
        let seen = reader
            .own_approvals()
            .get_approval(GetApprovalRequest { name: name.clone() })
            .await
            .unwrap();
        assert_eq!(seen.into_inner().approval.unwrap().state(), State::Pending);
        let cancel = CancelApprovalRequest {
            name,
            request_id: fresh_id(),
            reason: String::new(),
        };
        let refusal = reader.own_approvals().cancel_approval(cancel).await;
        assert_refused("withdraws", refusal, Code::PermissionDenied, ErrorReason::NotPermitted);
        let refusal = reader
            .runs()
            .get_run(GetRunRequest {
                name: created.name.clone(),
            })
            .await;
        assert_refused("reads", refusal, Code::NotFound, ErrorReason::RunNotFound);
    }
    assert_eq!(gateway.gateway.requests(), []);
}

#[tokio::test]
async fn a_request_id_stands_for_one_request() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let alice = sandbox.person(Identity::alice());
    let request = run_of("main", "inbox");
    let first = alice
        .runs()
        .create_run(request.clone())
        .await
        .unwrap()
        .into_inner()
        .run
        .unwrap();
    let again = alice
        .runs()
        .create_run(request.clone())
        .await
        .unwrap()
        .into_inner()
        .run
        .unwrap();
    assert_eq!(again.name, first.name);
    let others = [
        CreateRunRequest {
            session: "outbox".to_owned(),
            ..request.clone()
        },
        CreateRunRequest {
            agent: "ops".to_owned(),
            ..request.clone()
        },
        CreateRunRequest {
            operation: Some(Operation::Instruction(Instruction { text: GREEN.to_owned() })),
            ..request.clone()
        },
    ];
    for other in others {
        let refusal = alice.runs().create_run(other).await;
        assert_refused(
            "same id, other body",
            refusal,
            Code::AlreadyExists,
            ErrorReason::RequestIdReused,
        );
    }
    // Another person's request with the same id is another request.
    let mallory = sandbox.person(Identity::named("mallory"));
    let run = mallory
        .runs()
        .create_run(request)
        .await
        .unwrap()
        .into_inner()
        .run
        .unwrap();
    assert_ne!(run.name, first.name);
    assert_eq!(gateway.gateway.requests(), []);
}
