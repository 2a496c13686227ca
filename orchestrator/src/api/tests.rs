//! The API against fakes of the four parts, over real connections.

use chassis::fault::reason_of;
use proto::{
    approval::v1::approval::State as ApprovalState, common::v1::Action as WireAction, governance::v1::run::State,
};

use super::*;

mod fakes;
mod faults;
mod replica;

use fakes::{ANSWER, SAFE_ALTERNATIVE, World};
use replica::*;

#[tokio::test]
async fn a_green_run_is_executed_at_once_and_streamed() {
    let (world, replica, _) = world();
    let said = rest(replica.stream(GREEN).await).await;
    let chunks = ANSWER.map(|text| format!("+{text}"));
    let [first, second] = &chunks;
    assert_eq!(said, ["Granted", "Executing", first, second, &succeeded()]);
    let [executed] = world.executed().try_into().unwrap();
    assert_eq!(executed.run_id, run().to_string());
    assert_eq!(executed.requester, "alice");
    assert_eq!(executed.agent, "main");
    assert_eq!(executed.session, run().to_string());
}

#[tokio::test]
async fn create_run_returns_before_the_execution_ends() {
    let (world, replica, _) = world();
    world.may_finish.forget_permits(1000);
    let created = replica.create(GREEN).await.unwrap();
    assert_eq!(created.state(), State::Granted);
    let watch = replica.watch(&run()).await;
    world.may_finish.add_permits(1);
    assert_eq!(rest(watch).await.pop().unwrap(), succeeded());
    assert_eq!(replica.get("alice", &run()).await.unwrap().output, ANSWER.concat());
}

#[tokio::test]
async fn a_red_run_is_blocked_with_a_safe_alternative_and_nothing_executes() {
    let (world, replica, _) = world();
    let created = replica.create(RED).await.unwrap();
    assert_eq!(created.state(), State::Blocked);
    assert_eq!(created.safe_alternative, SAFE_ALTERNATIVE);
    assert_eq!(rest(replica.stream(RED).await).await, ["Blocked"]);
    assert!(world.executed().is_empty());
}

#[tokio::test]
async fn a_run_granted_after_a_restart_is_executed_by_the_fresh_replica() {
    let (world, first, url) = world();
    let created = first.create(AMBER).await.unwrap();
    assert_eq!(created.state(), State::PendingApproval);
    drop(first);
    world.end_leases();
    let second = Replica::start(links(&url), 64);
    let mut watch = second.watch(&run()).await;
    assert_eq!(next(&mut watch).await, "PendingApproval");
    world.grant(&run());
    let said = rest(watch).await;
    assert_eq!(said.last().unwrap(), &succeeded());
    assert_eq!(world.executed().len(), 1);
}

#[tokio::test]
async fn a_repeated_request_id_finds_the_same_run() {
    let (world, replica, _) = world();
    let pending = replica.create(AMBER).await.unwrap();
    let again = replica.create(AMBER).await.unwrap();
    assert_eq!(pending, again);
    let other = replica.create(GREEN).await.unwrap_err();
    assert_eq!(other.code(), tonic::Code::AlreadyExists);
    assert_eq!(reason_of(&other), Some(ErrorReason::RequestIdReused));
    world.transition(&run(), ApprovalState::Denied);
    let ended = replica.create(AMBER).await.unwrap();
    assert_eq!((ended.name, ended.state), (pending.name, State::Denied.into()));
    assert_eq!(world.approvals(), 1);
}

#[tokio::test]
async fn another_persons_run_does_not_exist() {
    let (world, replica, _) = world();
    replica.create(AMBER).await.unwrap();
    let name = convert::run_name(&run().to_string());
    let cancel = CancelRunRequest {
        name: name.clone(),
        request_id: REQUEST_ID.to_owned(),
        reason: String::new(),
    };
    let refused = [
        replica.get("bob", &run()).await.unwrap_err(),
        replica.api.cancel_run(by("bob", cancel)).await.unwrap_err(),
        replica
            .api
            .watch_run(by("bob", WatchRunRequest { name }))
            .await
            .err()
            .unwrap(),
        replica
            .get("alice", &RunId::derive("a", "b", "c", "d"))
            .await
            .unwrap_err(),
    ];
    for status in refused {
        assert_eq!(status.code(), tonic::Code::NotFound);
        assert_eq!(reason_of(&status), Some(ErrorReason::RunNotFound));
    }
    assert_eq!(world.cancels(), 0);
}

#[tokio::test]
async fn malformed_requests_reach_no_part() {
    let (world, replica, _) = world();
    let get = GetRunRequest {
        name: "runs/1".to_owned(),
    };
    let watch = WatchRunRequest {
        name: "approvals/1".to_owned(),
    };
    let list = ListRunsRequest {
        page_size: -1,
        filter: "requester = bob".to_owned(),
        ..Default::default()
    };
    let refused = [
        replica.api.get_run(by("alice", get)).await.unwrap_err(),
        replica.api.watch_run(by("alice", watch)).await.err().unwrap(),
        replica.api.list_runs(by("alice", list)).await.unwrap_err(),
        replica
            .api
            .cancel_run(by("alice", CancelRunRequest::default()))
            .await
            .unwrap_err(),
        replica
            .api
            .create_run(by("alice", CreateRunRequest::default()))
            .await
            .unwrap_err(),
        replica
            .api
            .stream_run(by("alice", StreamRunRequest::default()))
            .await
            .err()
            .unwrap(),
    ];
    for status in refused {
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert_eq!(reason_of(&status), Some(ErrorReason::InvalidFields));
    }
    assert_eq!(world.approvals(), 0);
    assert!(world.filters().is_empty());
}

#[tokio::test]
async fn a_list_holds_ones_own_runs_only() {
    let (world, replica, _) = world();
    replica.create(AMBER).await.unwrap();
    world.insert(Approval {
        name: "approvals/other".to_owned(),
        action: Some(WireAction {
            tenant: "acme".to_owned(),
            issuer: "https://id.other.example".to_owned(),
            requester: "alice".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    });
    let list = ListRunsRequest {
        filter: "state = PENDING AND agent=\"ma\\\"in\"".to_owned(),
        ..Default::default()
    };
    let listed = replica
        .api
        .list_runs(by("al\"ice", list.clone()))
        .await
        .unwrap()
        .into_inner();
    assert!(listed.runs.is_empty());
    let listed = replica.api.list_runs(by("alice", list)).await.unwrap().into_inner();
    assert_eq!(listed.runs.len(), 1);
    assert_eq!(listed.next_page_token, "next");
    let expected = [
        r#"requester = "al\"ice" AND state = "PENDING" AND agent = "ma\"in""#,
        r#"requester = "alice" AND state = "PENDING" AND agent = "ma\"in""#,
    ];
    assert_eq!(world.filters(), expected);
}

#[tokio::test]
async fn a_pending_run_can_be_cancelled() {
    let (world, replica, _) = world();
    let mut stream = replica.stream(AMBER).await;
    assert_eq!(next(&mut stream).await, "PendingApproval");
    let cancel = CancelRunRequest {
        name: convert::run_name(&run().to_string()),
        request_id: REQUEST_ID.to_owned(),
        reason: "changed my mind".to_owned(),
    };
    let cancelled = replica.api.cancel_run(by("alice", cancel)).await.unwrap().into_inner();
    assert_eq!(cancelled.run.unwrap().state(), State::Cancelled);
    assert_eq!(rest(stream).await, ["Cancelled"]);
    assert!(world.executed().is_empty());
}

#[tokio::test]
async fn executions_are_bounded() {
    let world = World::new();
    let replica = Replica::start(links(&world.serve()), 1);
    world.may_finish.forget_permits(1000);
    replica.create(GREEN).await.unwrap();
    let mut first = replica.watch(&run()).await;
    while !next(&mut first).await.starts_with('+') {}
    let mut second_request = request(GREEN);
    second_request.request_id = "7f1c7b9e-3f0a-4a51-9d1c-6a1de6f0b1aa".to_owned();
    replica.api.create_run(by("alice", second_request)).await.unwrap();
    for _ in 0..20 {
        // Each call gives a dispatch that must not happen ample opportunity.
        replica.get("alice", &run()).await.unwrap();
    }
    assert_eq!(world.executed().len(), 1);
    world.may_finish.add_permits(2);
    assert_eq!(rest(first).await.pop().unwrap(), succeeded());
    while world.executed().len() < 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_agent_that_is_not_allowed_is_refused_before_anything_is_committed() {
    let (world, mut replica, _) = world();
    replica.api.agents = ["elsewhere=main", "*=other"]
        .map(|text| text.parse().unwrap())
        .into_iter()
        .collect();
    let status = replica.create(GREEN).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
    assert_eq!(reason_of(&status), Some(ErrorReason::AgentNotAllowed));
    assert_eq!(world.approvals(), 0);
}
