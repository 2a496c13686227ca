//! What callers see, and what does and doesn't happen, when parts fail.

use std::time::Duration;

use chassis::fault::{metadata_of, reason_of};
use proto::{approval::v1::approval::State as ApprovalState, governance::v1::run::State};
use tokio::time::Instant;

use super::{
    super::*,
    fakes::{ANSWER, World},
    replica::*,
};
use crate::clients::Links;

#[tokio::test]
async fn an_unreachable_classifier_is_named_and_nothing_happens() {
    let (world, _replica, url) = world();
    let replica = Replica::start(
        Links {
            classifier: dead(PartName::Classifier),
            ..links(&url)
        },
        64,
    );
    let status = replica.create(GREEN).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert_eq!(metadata_of(&status, "part").unwrap(), "classifier-svc");
    assert_eq!(world.approvals(), 0);
}

#[tokio::test]
async fn an_unreachable_approval_service_is_named_and_nothing_happens() {
    let (world, _replica, url) = world();
    let replica = Replica::start(
        Links {
            approval: dead(PartName::Approval),
            ..links(&url)
        },
        64,
    );
    let status = replica.create(GREEN).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert_eq!(reason_of(&status), Some(ErrorReason::PartUnavailable));
    assert_eq!(metadata_of(&status, "part").unwrap(), "approval-svc");
    // Nothing was sent, and it says so by not calling the outcome unknown.
    assert_eq!(metadata_of(&status, "committed"), None);
    assert_eq!(world.approvals(), 0);
}

#[tokio::test]
async fn an_answer_lost_after_the_commit_is_read_back_and_the_run_goes_on() {
    let (world, replica, _) = world();
    world.faults(|faults| {
        faults.lost_creates.push_back(Status::cancelled("timeout expired"));
    });
    let mut stream = replica.stream(GREEN).await;
    assert_eq!(next(&mut stream).await, "Granted");
    world.end_leases();
    assert_eq!(rest(stream).await.pop().unwrap(), succeeded());
    assert_eq!(world.executed().len(), 1);
}

#[tokio::test]
async fn a_cancellation_whose_answer_is_lost_may_have_happened() {
    let (world, replica, _) = world();
    let mut stream = replica.stream(AMBER).await;
    assert_eq!(next(&mut stream).await, "PendingApproval");
    world.faults(|faults| faults.lost_cancels.push_back(Status::cancelled("timeout expired")));
    let cancel = CancelRunRequest {
        name: convert::run_name(&run().to_string()),
        reason: String::new(),
        request_id: REQUEST_ID.to_owned(),
    };
    let status = replica.api.cancel_run(by("alice", cancel)).await.unwrap_err();
    assert_eq!(reason_of(&status), Some(ErrorReason::DeadlineExceeded));
    assert_eq!(metadata_of(&status, "committed").unwrap(), "unknown");
    assert_eq!(world.cancels(), 1);
}

#[tokio::test]
async fn a_run_without_its_receipt_yet_is_dispatched_when_it_has_one() {
    let (world, replica, _) = world();
    world.faults(|faults| faults.no_warrant = true);
    let mut stream = replica.stream(GREEN).await;
    assert_eq!(next(&mut stream).await, "Granted");
    assert!(world.executed().is_empty());
    world.end_leases();
    assert_eq!(rest(stream).await.pop().unwrap(), succeeded());
}

#[tokio::test]
async fn work_that_the_executor_cannot_take_stays_granted_and_is_taken_later() {
    let (world, replica, _) = world();
    let reason = ErrorReason::GatewayUnavailable;
    let refusal = status("execution.countersign", Code::Unavailable, reason, "down");
    world.faults(|faults| {
        faults.refused_executions = [refusal.clone(), Status::unavailable("cut"), refusal].into();
    });
    let mut stream = replica.stream(GREEN).await;
    assert_eq!(next(&mut stream).await, "Granted");
    let rest = tokio::spawn(rest(stream));
    while !rest.is_finished() {
        world.end_leases();
        tokio::task::yield_now().await;
    }
    assert_eq!(rest.await.unwrap().pop().unwrap(), succeeded());
    assert_eq!(world.executed().len(), 1);
}

#[tokio::test]
async fn work_is_asked_for_more_slowly_while_it_cannot_be_brought_about() {
    let (world, replica, _) = world();
    replica.create(AMBER).await.unwrap();
    let reason = ErrorReason::GatewayUnavailable;
    let refusal = status("execution.countersign", Code::Unavailable, reason, "down");
    world.faults(|faults| faults.refused_executions = vec![refusal; 100].into());
    // Sleeping here keeps the paused time from running ahead of the sockets.
    tokio::time::pause();
    let began = Instant::now();
    world.grant(&run());
    while world.asked_for_work() < 12 {
        world.end_leases();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let took = began.elapsed();
    assert!(took > Duration::from_secs(20), "{took:?}");
}

#[tokio::test]
async fn a_replica_that_loses_the_claim_follows_the_approval() {
    let (world, replica, _) = world();
    let spent = status(
        "execution.countersign",
        Code::FailedPrecondition,
        ErrorReason::WarrantSpent,
        "spent",
    );
    world.faults(|faults| faults.refused_executions.push_back(spent));
    let mut stream = replica.stream(GREEN).await;
    assert_eq!(next(&mut stream).await, "Granted");
    world.transition(&run(), ApprovalState::Executing);
    world.transition(&run(), ApprovalState::Succeeded);
    // The answer comes once, from the trace.
    let said = rest(stream).await;
    assert_eq!(said.last().unwrap(), &succeeded());
    assert!(!said.iter().any(|message| message.starts_with('+')));
    assert!(world.executed().is_empty());
}

#[tokio::test]
async fn an_executor_whose_stream_breaks_is_followed_through_the_approval() {
    let (world, replica, _) = world();
    world.faults(|faults| faults.cut_streams = true);
    let said = rest(replica.stream(GREEN).await).await;
    assert_eq!(said.last().unwrap(), &succeeded());
}

#[tokio::test]
async fn an_executor_that_takes_its_time_is_listened_to() {
    let world = World::new();
    let replica = Replica::start(links(&world.serve()), 1);
    world.may_begin.forget_permits(1000);
    world.may_finish.forget_permits(1000);
    let mut stream = replica.stream(GREEN).await;
    assert_eq!(next(&mut stream).await, "Granted");
    let said = tokio::spawn(async move {
        while !next(&mut stream).await.starts_with('+') {}
        stream
    });
    while world.asked_to_execute() == 0 {
        tokio::task::yield_now().await;
    }
    pass(Duration::from_secs(40)).await;
    world.may_begin.add_permits(2);
    let stream = tokio::time::timeout(Duration::from_secs(20), said)
        .await
        .unwrap()
        .unwrap();
    pass(Duration::from_mins(29)).await;
    // It is followed still, in the only slot.
    let mut second = request(GREEN);
    second.request_id = "7f1c7b9e-3f0a-4a51-9d1c-6a1de6f0b1aa".to_owned();
    replica.api.create_run(by("alice", second)).await.unwrap();
    for _ in 0..20 {
        replica.get("alice", &run()).await.unwrap();
    }
    assert_eq!(world.executed().len(), 1);
    world.may_finish.add_permits(1);
    assert_eq!(rest(stream).await.pop().unwrap(), succeeded());
}

#[tokio::test]
async fn a_disconnect_stops_no_execution_and_another_follower_hears_it_all() {
    let (world, replica, _) = world();
    world.may_finish.forget_permits(1000);
    let mut stream = replica.stream(GREEN).await;
    while next(&mut stream).await != format!("+{}", ANSWER.concat().split_at(9).0) {}
    drop(stream);
    let watch = replica.watch(&run()).await;
    world.may_finish.add_permits(1);
    let said = rest(watch).await;
    assert_eq!(said.iter().filter(|message| message.starts_with('+')).count(), 2);
    assert_eq!(said.last().unwrap(), &succeeded());
}

#[tokio::test]
async fn an_unreadable_trace_hides_the_answer_but_not_the_state() {
    let (world, replica, _) = world();
    rest(replica.stream(GREEN).await).await;
    world.faults(|faults| faults.trace_down = true);
    let got = replica.get("alice", &run()).await.unwrap();
    assert_eq!(got.state(), State::Succeeded);
    assert!(got.output.is_empty());
    assert!(got.detail.contains("trace-svc can't be reached"), "{}", got.detail);
}

#[tokio::test]
async fn a_follower_survives_an_interrupted_watch() {
    let (world, replica, _) = world();
    world.faults(|faults| faults.broken_watches = 2);
    let mut stream = replica.stream(AMBER).await;
    assert_eq!(next(&mut stream).await, "PendingApproval");
    let rest = tokio::spawn(rest(stream));
    world.transition(&run(), ApprovalState::Denied);
    assert_eq!(rest.await.unwrap(), ["Denied"]);
}

#[tokio::test]
async fn followers_of_an_execution_stay_while_there_is_time_and_are_told_when_there_is_none() {
    let (world, replica, _) = world();
    world.may_finish.forget_permits(1000);
    let mut stream = replica.stream(GREEN).await;
    while next(&mut stream).await != format!("+{}", ANSWER[1]) {}
    replica.shutdown.cancel();
    assert!(futures_util::poll!(stream.next()).is_pending());
    replica.parting.cancel();
    let status = stream.next().await.unwrap().unwrap_err();
    assert_eq!(reason_of(&status), Some(ErrorReason::ShuttingDown));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn shutdown_ends_followers_of_waiting_runs() {
    let (_world, replica, _) = world();
    let mut stream = replica.stream(AMBER).await;
    assert_eq!(next(&mut stream).await, "PendingApproval");
    replica.shutdown.cancel();
    let status = stream.next().await.unwrap().unwrap_err();
    assert_eq!(reason_of(&status), Some(ErrorReason::ShuttingDown));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_part_without_the_others_is_built_and_not_ready() {
    let node = chassis::Node::open(PartName::Orchestrator, chassis::NodeConfig::default()).unwrap();
    let links = Links {
        classifier: dead(PartName::Classifier),
        approval: dead(PartName::Approval),
        executor: dead(PartName::Executor),
        trace: dead(PartName::Trace),
    };
    assert!(!Clients::new(links.clone()).all_serving().await);
    let config = Config::new(chassis::NodeConfig::default());
    let part = crate::build(&config, &node, links).unwrap();
    assert_eq!(part.name(), PartName::Orchestrator);
}
