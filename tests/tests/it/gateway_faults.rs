//! What a gateway's faults mean for a run: known to have come to nothing, or not known, and never tried twice.

use std::{sync::Arc, time::Duration};

use chassis::{Clock, ManualClock, SystemClock};
use proto::{
    common::v1::Outcome,
    governance::v1::{CancelRunRequest, run::State},
};
use testkit::{
    fake_gateway::{Behaviour, FakeGateway, Recording},
    gateway::FakeGatewayAndToken,
    sandbox::{Sandbox, SandboxOptions},
};

use crate::{
    requests::fresh_id,
    scenario::{AMBER, GREEN, Scenario},
};

/// The trace of a GREEN run up to its execution.
const STARTED: [&str; 5] = [
    "request.received",
    "request.classified",
    "approval.requested",
    "approval.granted",
    "execution.started",
];

/// Refusals that come from the gateway itself, before any work begins.
const REFUSALS: [Recording; 9] = [
    Recording::WrongToken401,
    Recording::NoToken401,
    Recording::RateLimited429,
    Recording::RateLimitedRightToken429,
    Recording::NotFound404,
    Recording::WrongMethod405,
    Recording::TooLarge413,
    Recording::UnknownAgent400,
    Recording::Draining503,
];

/// Failures after which nobody knows what the agent did.
const FAILURES: [Recording; 12] = [
    Recording::AgentTimeout500,
    Recording::AgentTimeoutStream,
    Recording::Provider400,
    Recording::Provider400Stream,
    Recording::Provider401,
    Recording::Provider401Stream,
    Recording::Provider502,
    Recording::Provider500Stream,
    Recording::ProviderCut408,
    Recording::ProviderCutStream,
    Recording::ProviderDisabled500,
    Recording::ProviderDisabledStream,
];

async fn impatient(gateway: &FakeGatewayAndToken) -> Sandbox {
    let options = SandboxOptions {
        executor: Some(|config| config.idle_timeout = Duration::from_millis(500)),
        ..SandboxOptions::default()
    };
    Sandbox::start_with(&gateway.address(), options).await
}

#[tokio::test]
async fn gateways_own_refusals_are_failures() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = impatient(&gateway).await;
    let scenario = Scenario::new(sandbox.channels(), &gateway.gateway);
    for (sent, refusal) in REFUSALS.into_iter().enumerate() {
        gateway.gateway.next(Behaviour::Recorded(refusal));
        let followed = scenario.follow(GREEN).await;
        let run = &followed.run;
        assert_eq!(
            (run.state(), run.outcome()),
            (State::Failed, Outcome::Failed),
            "{refusal:?}: {run:?}"
        );
        assert!(
            run.detail.starts_with("the gateway refused with"),
            "{refusal:?}: {}",
            run.detail
        );
        assert_eq!(gateway.gateway.requests().len(), sent + 1, "{refusal:?}");
        let types = scenario.recorded(run, "trace.closed").await;
        assert_eq!(
            types,
            [&STARTED[..], &["execution.failed", "approval.closed", "trace.closed"]].concat()
        );
    }
    scenario.judge().await;
}

#[tokio::test]
async fn whatever_is_not_known_to_be_final_is_unknown() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = impatient(&gateway).await;
    let scenario = Scenario::new(sandbox.channels(), &gateway.gateway);
    let recorded = FAILURES.map(Behaviour::Recorded);
    let others = [
        Behaviour::HangBeforeFirstByte,
        Behaviour::HangMidStream,
        Behaviour::CutBeforeFirstByte,
        Behaviour::CutMidStream,
        Behaviour::Garbage,
        Behaviour::Stream(vec![
            r#"{"error":{"message":"internal error","type":"api_error"}}"#.to_owned(),
        ]),
        Behaviour::Stream(vec!["[DONE]".to_owned()]),
        Behaviour::Stream(vec!["garbage".to_owned()]),
        Behaviour::Answer {
            status: 200,
            media_type: "text/html".to_owned(),
            body: "<html>".to_owned(),
        },
        Behaviour::Answer {
            status: 307,
            media_type: "text/plain".to_owned(),
            body: String::new(),
        },
    ];
    for (sent, behaviour) in recorded.into_iter().chain(others).enumerate() {
        gateway.gateway.next(behaviour.clone());
        let run = scenario.follow(GREEN).await.run;
        assert_eq!(
            (run.state(), run.outcome()),
            (State::OutcomeUnknown, Outcome::Unknown),
            "{behaviour:?}: {run:?}"
        );
        assert_eq!(gateway.gateway.requests().len(), sent + 1, "{behaviour:?}");
        let types = scenario.recorded(&run, "execution.unknown").await;
        assert_eq!(
            types,
            [&STARTED[..], &["execution.failed", "execution.unknown"]].concat(),
            "{behaviour:?}"
        );
    }
    scenario.judge().await;
}

#[tokio::test]
async fn unknown_outcome_is_closed_by_a_person_who_did_not_ask_for_it() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = impatient(&gateway).await;
    let scenario = Scenario::new(sandbox.channels(), &gateway.gateway);
    let asked_by_alice = testkit::authority::Identity::alice().in_groups(&["approvers", "operators"]);
    for (outcome, state) in [(Outcome::Succeeded, State::Succeeded), (Outcome::Failed, State::Failed)] {
        gateway.gateway.next(Behaviour::CutMidStream);
        let run = scenario.follow(GREEN).await.run;
        assert_eq!(run.state(), State::OutcomeUnknown);
        let own = scenario
            .reconcile_as(&sandbox.person(asked_by_alice.clone()), &run, outcome)
            .await;
        assert!(own.is_err(), "the requester must not say what came of it");
        scenario.reconcile(&run, outcome).await.unwrap();
        assert!(
            scenario.reconcile(&run, outcome).await.is_err(),
            "what is closed stays closed"
        );
        let run = scenario.reaches(&run, state).await;
        let types = scenario.recorded(&run, "trace.closed").await;
        let end = [
            "execution.failed",
            "execution.unknown",
            "approval.closed",
            "trace.closed",
        ];
        assert_eq!(types, [&STARTED[..], &end].concat());
    }
    assert_eq!(gateway.gateway.requests().len(), 2);
    scenario.judge().await;
}

#[tokio::test]
async fn nothing_is_claimed_while_the_gateway_is_down() {
    let gateway = FakeGatewayAndToken::start().await;
    gateway.gateway.set_reachable(false).await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let scenario = Scenario::new(sandbox.channels(), &gateway.gateway);
    let (followed, run) = tokio::join!(scenario.follow(GREEN), async {
        let run = scenario.submit(AMBER).await;
        scenario.grant(&run).await;
        let run = scenario.reaches(&run, State::Granted).await;
        let types = scenario.recorded(&run, "approval.granted").await;
        assert!(!types.iter().any(|kind| kind == "execution.started"), "{types:?}");
        assert_eq!(scenario.approval(&run).await.unwrap().attempt, 1);
        gateway.gateway.set_reachable(true).await;
        scenario.reaches(&run, State::Succeeded).await
    });
    assert_eq!(
        (followed.run.state(), followed.output.as_str()),
        (State::Succeeded, FakeGateway::ANSWER)
    );
    assert_eq!(followed.states.first(), Some(&State::Granted));
    assert_eq!(run.output, FakeGateway::ANSWER);
    assert_eq!(gateway.gateway.requests().len(), 2);
    scenario.judge().await;
}

#[tokio::test]
async fn grant_expires_while_the_gateway_is_down() {
    let gateway = FakeGatewayAndToken::start().await;
    gateway.gateway.set_ready(false);
    let options = SandboxOptions {
        approval: Some(|config| config.green_grant_ttl = Duration::from_secs(2)),
        ..SandboxOptions::default()
    };
    let sandbox = Sandbox::start_with(&gateway.address(), options).await;
    let scenario = Scenario::new(sandbox.channels(), &gateway.gateway);
    let run = scenario.follow(GREEN).await.run;
    assert_eq!(
        (run.state(), run.outcome()),
        (State::Expired, Outcome::Unspecified),
        "{run:?}"
    );
    let types = scenario.recorded(&run, "trace.closed").await;
    assert_eq!(
        types,
        [&STARTED[..4], &["approval.expired", "approval.closed", "trace.closed"]].concat()
    );
    gateway.gateway.set_ready(true);
    // The executor believes the gateway's last word for a second.
    testkit::eventually("what comes later is executed", async || {
        (scenario.follow(GREEN).await.run.state() == State::Succeeded).then_some(())
    })
    .await;
    assert_eq!(gateway.gateway.requests().len(), 1);
    scenario.judge().await;
}

#[tokio::test]
async fn connection_that_fails_gives_the_claim_back() {
    let gateway = FakeGatewayAndToken::start().await;
    // The clock stands still, so that the gateway's health is believed after it has gone.
    let clock = Arc::new(ManualClock::new(SystemClock::default().now()));
    let options = SandboxOptions {
        clock: Some(Arc::clone(&clock) as _),
        ..SandboxOptions::default()
    };
    let sandbox = Sandbox::start_with(&gateway.address(), options).await;
    let scenario = Scenario::new(sandbox.channels(), &gateway.gateway);
    assert_eq!(scenario.follow(GREEN).await.run.state(), State::Succeeded);

    gateway.gateway.set_reachable(false).await;
    let run = scenario.submit(GREEN).await;
    let types = scenario.recorded(&run, "execution.failed").await;
    assert_eq!(types, [&STARTED[..], &["execution.failed"]].concat());
    let returned = testkit::eventually("the claim is given back", async || {
        scenario.approval(&run).await.filter(|approval| approval.attempt == 2)
    })
    .await;
    assert_eq!(
        (returned.outcome_detail.as_str(), returned.revision),
        ("no connection to the gateway; nothing was sent", 1)
    );
    assert_eq!(gateway.gateway.requests().len(), 1);

    gateway.gateway.set_reachable(true).await;
    clock.advance(Duration::from_secs(2));
    let run = scenario.reaches(&run, State::Succeeded).await;
    let types = scenario.recorded(&run, "trace.closed").await;
    let again = [
        "execution.failed",
        "execution.started",
        "execution.finished",
        "approval.closed",
        "trace.closed",
    ];
    assert_eq!(types, [&STARTED[..], &again].concat());
    assert_eq!(gateway.gateway.requests().len(), 2);
    scenario.judge().await;
}

#[tokio::test]
async fn cancelling_stops_what_is_executing() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let scenario = Scenario::new(sandbox.channels(), &gateway.gateway);
    gateway.gateway.next(Behaviour::HangMidStream);
    let run = scenario.submit(GREEN).await;
    gateway.gateway.wait_for_requests(1).await;
    let cancel = CancelRunRequest {
        name: run.name.clone(),
        request_id: fresh_id(),
        reason: "changed my mind".to_owned(),
    };
    scenario.alice().runs().cancel_run(cancel).await.unwrap();
    gateway.gateway.wait_for_disconnects(1).await;
    let run = scenario.reaches(&run, State::Cancelled).await;
    assert_eq!(run.outcome(), Outcome::Cancelled);
    let types = scenario.recorded(&run, "trace.closed").await;
    let end = [
        "approval.cancelled",
        "execution.failed",
        "approval.closed",
        "trace.closed",
    ];
    assert_eq!(types, [&STARTED[..], &end].concat());
    assert_eq!(gateway.gateway.requests().len(), 1);
    scenario.judge().await;
}
