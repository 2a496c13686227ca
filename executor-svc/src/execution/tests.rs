//! The procedure step by step, against parts that do what the test says, and a journal of what happened in which order.

use chassis::fault::reason_of;
use futures_util::FutureExt as _;
use proto::{
    common::v1::{ErrorReason, Outcome},
    execution::v1::{ExecuteActionResponse, execute_action_response::Event},
};
use warrant::Action;

use super::*;
use crate::clients::FIRST_PAUSE;
use crate::fixtures::{
    self,
    world::{Plan, Scene, State},
};
use crate::gateway::Answer;

/// The last moment of the lease at which a request may go out.
const LAST_MOMENT: Duration = Duration::from_secs(50);

impl Scene {
    async fn run(&self) -> Result<Vec<ExecuteActionResponse>, Status> {
        read(self.begin(&fixtures::action())).await
    }

    async fn run_to_finish(&self) -> Finished {
        finished(self.run().await.unwrap())
    }

    async fn run_to_refusal(&self) -> Option<ErrorReason> {
        reason_of(&self.run().await.unwrap_err())
    }
}

async fn read(mut messages: Messages) -> Result<Vec<ExecuteActionResponse>, Status> {
    let mut all = Vec::new();
    while let Some(message) = messages.recv().await {
        all.push(message?);
    }
    Ok(all)
}

fn finished(messages: Vec<ExecuteActionResponse>) -> Finished {
    match messages.into_iter().last().and_then(|message| message.event) {
        Some(Event::Finished(finished)) => *finished,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_execution_takes_its_steps_in_order() {
    let scene = Scene::succeeding();
    let messages = scene.run().await.unwrap();
    let journal = scene.world.journal();
    assert_eq!(
        journal,
        [
            "claim",
            "record execution.started",
            "send",
            "record execution.finished",
            "complete SUCCEEDED"
        ]
    );
    let kinds: Vec<_> = messages.into_iter().map(|message| message.event.unwrap()).collect();
    let [
        Event::Accepted(accepted),
        Event::OutputChunk(_),
        Event::Finished(finished),
    ] = &kinds[..]
    else {
        panic!("{kinds:?}")
    };
    assert_eq!((accepted.receipt_index, finished.receipt_index), (1, 2));
    assert!(finished.approval.is_some());
    let state = scene.world.state();
    assert_eq!(state.completed[0].receipt_index, 2);
    let (started, ended) = (&state.events[0].attributes, &state.events[1]);
    for key in [
        "countersign.verdict_jws",
        "countersign.warrant_jws",
        "countersign.gateway_request_sha256",
    ] {
        assert!(!started[key].is_empty(), "{key}");
    }
    assert_eq!(started["countersign.mode"], "policy");
    assert_eq!(ended.attributes["gen_ai.response.id"], "chatcmpl_1");
    assert_eq!(ended.content.as_ref().unwrap().data, b"half of it");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_before_the_receipt() {
    let scene = Scene::succeeding();
    scene.plan(|state| state.records.push_back(Plan::Hang));
    assert_eq!(scene.run_to_refusal().now_or_never(), None);
    tokio::time::sleep(Duration::from_secs(19)).await;
    assert_eq!(scene.world.journal(), ["claim", "record execution.started"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_receipt_nothing_is_sent_and_the_claim_is_given_back() {
    let scene = Scene::succeeding();
    scene.plan(|state| state.usual_record = Some(Plan::Unreachable));
    assert_eq!(scene.run_to_refusal().await, Some(ErrorReason::PartUnavailable));
    let journal = scene.world.journal();
    assert!(journal.iter().all(|entry| entry != "send"), "{journal:?}");
    assert_eq!(journal.last().unwrap(), "complete NOT_STARTED");
    let state = scene.world.state();
    assert!(state.events.len() > 5, "it was tried again");
    assert!(
        state.events.iter().all(|event| *event == state.events[0]),
        "with the same bytes"
    );
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_was_lost_is_asked_for_again() {
    let scene = Scene::succeeding();
    scene.plan(|state| state.records.extend([Plan::AnswerLost, Plan::Unreachable, Plan::Work]));
    assert_eq!(scene.run_to_finish().await.outcome(), Outcome::Succeeded);
    let state = scene.world.state();
    assert_eq!(state.events[0], state.events[2]);
}

#[tokio::test(start_paused = true)]
async fn too_short_a_lease_sends_nothing() {
    let scene = Scene::succeeding();
    scene.plan(|state| {
        state
            .records
            .push_back(Plan::After(LAST_MOMENT + Duration::from_millis(1)));
    });
    assert_eq!(scene.run_to_refusal().await, Some(ErrorReason::LeaseTooShort));
    let journal = scene.world.journal();
    assert_eq!(
        journal,
        [
            "claim",
            "record execution.started",
            "record execution.failed",
            "complete NOT_STARTED"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_lease_counts_from_before_the_claim_was_asked_for() {
    let scene = Scene::succeeding();
    scene.plan(|state| {
        state
            .claims
            .push_back(Plan::After(LAST_MOMENT + Duration::from_millis(1)));
    });
    assert_eq!(scene.run_to_refusal().await, Some(ErrorReason::LeaseTooShort));
    let scene = Scene::succeeding();
    scene.plan(|state| state.claims.push_back(Plan::After(LAST_MOMENT)));
    assert_eq!(scene.run_to_finish().await.outcome(), Outcome::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn clocks_that_differ_by_more_than_half_a_minute_send_nothing() {
    for ahead in [31, -31] {
        let scene = Scene::succeeding();
        scene.plan(|state| state.server_ahead = ahead);
        assert_eq!(scene.run_to_refusal().await, Some(ErrorReason::ClockSkew));
        assert_eq!(scene.world.journal(), ["claim", "complete NOT_STARTED"]);
    }
    for ahead in [30, 6, -30] {
        let scene = Scene::succeeding();
        scene.plan(|state| state.server_ahead = ahead);
        assert_eq!(scene.run_to_finish().await.outcome(), Outcome::Succeeded);
    }
}

#[tokio::test(start_paused = true)]
async fn an_executor_whose_clock_is_wrong_leaves_work_to_others_for_a_while() {
    let scene = Scene::succeeding();
    scene.plan(|state| state.server_ahead = 31);
    assert_eq!(scene.run_to_refusal().await, Some(ErrorReason::ClockSkew));
    scene.plan(|state| state.server_ahead = 0);
    let claimed = scene.world.journal();
    scene.world.advance(Duration::from_secs(179));
    assert_eq!(scene.run_to_refusal().await, Some(ErrorReason::ClockSkew));
    assert_eq!(scene.world.journal(), claimed, "nothing is claimed");
    scene.world.advance(Duration::from_secs(1));
    assert_eq!(scene.run_to_finish().await.outcome(), Outcome::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_refused_claim_ends_it() {
    let scene = Scene::succeeding();
    scene.plan(|state| state.claims.push_back(Plan::Refuse(ErrorReason::WarrantSpent)));
    assert_eq!(scene.run_to_refusal().await, Some(ErrorReason::WarrantSpent));
    assert_eq!(scene.world.journal(), ["claim"]);
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_was_lost_is_asked_for_again_with_the_same_id() {
    let scene = Scene::succeeding();
    scene.plan(|state| state.claims.extend([Plan::AnswerLost, Plan::Unreachable]));
    assert_eq!(scene.run_to_finish().await.outcome(), Outcome::Succeeded);
    let ids = scene.world.state().claim_ids.clone();
    assert_eq!(ids, vec![ids[0].clone(); 3]);
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_comes_too_late_is_given_back() {
    let scene = Scene::succeeding();
    scene.plan(|state| state.usual_claim = Some(Plan::AnswerLost));
    assert_eq!(scene.run_to_refusal().await, Some(ErrorReason::PartUnavailable));
    scene.plan(|state| state.usual_claim = None);
    scene.rest().await;
    let journal = scene.world.journal();
    let (last, claims) = journal.split_last().unwrap();
    assert_eq!(last, "complete NOT_STARTED");
    assert!(claims.iter().all(|entry| entry == "claim"), "{claims:?}");
    let ids = scene.world.state().claim_ids.clone();
    assert_eq!(ids, vec![ids[0].clone(); ids.len()]);
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_not_asked_for_to_give_it_back_if_there_can_be_none() {
    for plan in [
        Plan::Refuse(ErrorReason::WarrantSpent),
        Plan::Refuse(ErrorReason::ReceiptPending),
    ] {
        let scene = Scene::succeeding();
        scene.plan(|state| state.usual_claim = Some(plan));
        scene.run_to_refusal().await;
        let asked = scene.world.journal().len();
        scene.rest().await;
        assert_eq!(scene.world.journal().len(), asked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_claim_is_asked_for_while_there_is_a_lease_and_time() {
    let scene = Scene::succeeding();
    scene.plan(|state| state.usual_claim = Some(Plan::AnswerLost));
    scene.run_to_refusal().await;
    let refused_at = Instant::now();
    scene.rest().await;
    let asked_for = refused_at.elapsed();
    assert!(
        (Duration::from_secs(55)..=Duration::from_mins(1)).contains(&asked_for),
        "{asked_for:?}"
    );

    let scene = Scene::succeeding();
    scene.plan(|state| state.usual_claim = Some(Plan::AnswerLost));
    scene.run_to_refusal().await;
    scene.executor.closing.cancel();
    let closed_at = Instant::now();
    scene.rest().await;
    assert_eq!(closed_at.elapsed(), scene.executor.limits.grace);
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_before_sending_sends_nothing() {
    let scene = Scene::succeeding();
    scene.plan(|state| state.cancel_requested = true);
    assert_eq!(scene.run_to_refusal().await, Some(ErrorReason::WrongState));
    assert_eq!(scene.world.journal(), ["claim", "complete NOT_STARTED"]);

    let scene = Scene::succeeding();
    scene.plan(|state| state.records.push_back(Plan::Hang));
    let messages = scene.begin(&fixtures::action());
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.plan(|state| state.cancel_requested = true);
    assert_eq!(
        reason_of(&read(messages).await.unwrap_err()),
        Some(ErrorReason::WrongState)
    );
    assert_eq!(
        scene.world.journal(),
        ["claim", "record execution.started", "complete NOT_STARTED"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_closes_sends_nothing_more() {
    let scene = Scene::succeeding();
    scene.executor.closing.cancel();
    assert_eq!(scene.run_to_refusal().await, Some(ErrorReason::ShuttingDown));
    assert!(scene.world.journal().is_empty(), "nothing is claimed");

    let scene = Scene::succeeding();
    scene.plan(|state| state.records.push_back(Plan::AnswerLost));
    let messages = scene.begin(&fixtures::action());
    while scene.world.journal().len() < 2 {
        tokio::task::yield_now().await;
    }
    // The receipt comes as the port closes.
    tokio::time::sleep(FIRST_PAUSE).await;
    scene.executor.closing.cancel();
    let refused = read(messages).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(ErrorReason::ShuttingDown));
    let journal = scene.world.journal();
    assert!(journal.iter().all(|entry| entry != "send"), "{journal:?}");
    assert_eq!(
        journal[journal.len() - 2..],
        ["record execution.failed", "complete NOT_STARTED"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_closes_gives_back_at_once_what_it_could_not_begin() {
    let scene = Scene::succeeding();
    scene.plan(|state| state.usual_record = Some(Plan::Unreachable));
    let messages = scene.begin(&fixtures::action());
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.executor.closing.cancel();
    let closed_at = Instant::now();
    let refused = read(messages).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(ErrorReason::ShuttingDown));
    assert_eq!(closed_at.elapsed(), Duration::ZERO);
    assert_eq!(scene.world.journal().last().unwrap(), "complete NOT_STARTED");
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_cannot_be_recorded_is_told_before_the_grace_period_ends() {
    let scene = Scene::succeeding();
    scene.plan(|state| {
        state.records.push_back(Plan::Work);
        state.usual_record = Some(Plan::Unreachable);
    });
    let messages = scene.begin(&fixtures::action());
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.executor.closing.cancel();
    let closed_at = Instant::now();
    assert_eq!(finished(read(messages).await.unwrap()).outcome(), Outcome::Succeeded);
    let Limits { grace, parting, .. } = scene.executor.limits;
    assert_eq!(closed_at.elapsed(), grace + parting);
    assert_eq!(scene.world.journal().last().unwrap(), "complete SUCCEEDED");
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_as_time_runs_out_is_still_recorded() {
    for (record, receipt_index) in [(Plan::Unreachable, 3), (Plan::Hang, 0)] {
        let scene = Scene::new(None);
        scene.plan(|state| state.records.extend([Plan::Work, record]));
        let messages = scene.begin(&fixtures::action());
        tokio::time::sleep(Duration::from_secs(1)).await;
        scene.executor.closing.cancel();
        let closed_at = Instant::now();
        assert_eq!(finished(read(messages).await.unwrap()).outcome(), Outcome::Unknown);
        let Limits { grace, parting, .. } = scene.executor.limits;
        assert!(closed_at.elapsed() <= grace + parting);
        assert_eq!(scene.world.state().completed[0].receipt_index, receipt_index);
    }
}

/// Begins an execution that hangs at the gateway, then changes the world.
async fn interrupt(action: &Action, change: impl FnOnce(&mut State)) -> (Scene, Finished) {
    let scene = Scene::new(None);
    let messages = scene.begin(action);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(scene.world.journal().last().unwrap(), "send");
    scene.plan(change);
    let finished = finished(read(messages).await.unwrap());
    (scene, finished)
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_is_disconnected_and_recorded_as_such() {
    let (scene, finished) = interrupt(&fixtures::action(), |state| state.cancel_requested = true).await;
    assert_eq!(finished.outcome(), Outcome::Cancelled);
    let journal = scene.world.journal();
    assert_eq!(
        journal[2..],
        ["send", "disconnect", "record execution.failed", "complete CANCELLED"]
    );
    let state = scene.world.state();
    let event = &state.events[1];
    assert_eq!(event.attributes["countersign.execution.stopped_by"], "disconnected");
    assert_eq!(event.attributes["countersign.outcome"], "CANCELLED");
    assert_eq!(event.content.as_ref().unwrap().data, b"half of it");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_tool_call_may_have_run() {
    let (_, finished) = interrupt(&fixtures::tool_action(), |state| state.cancel_requested = true).await;
    assert_eq!(finished.outcome(), Outcome::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_lost_claim_gives_the_run_up_as_unknown() {
    let lose = |state: &mut State| state.usual_renewal = Some(Plan::Refuse(ErrorReason::ClaimLost));
    let (scene, finished) = interrupt(&fixtures::action(), lose).await;
    assert_eq!(finished.outcome(), Outcome::Unknown);
    assert_eq!(
        scene.world.journal()[3..],
        ["disconnect", "record execution.failed", "complete OUTCOME_UNKNOWN"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_as_the_claim_is_lost_is_taken() {
    let scene = Scene::new(None);
    scene.plan(|state| state.usual_renewal = Some(Plan::Refuse(ErrorReason::ClaimLost)));
    let messages = scene.begin(&fixtures::action());
    tokio::time::sleep(lease::RENEW_EVERY + Duration::from_millis(500)).await;
    scene.plan(|state| state.answer = Some(Answer::new(Outcome::Succeeded, "done")));
    assert_eq!(finished(read(messages).await.unwrap()).outcome(), Outcome::Succeeded);
    assert_eq!(
        scene.world.journal()[2..],
        ["send", "record execution.finished", "complete SUCCEEDED"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_approval_service_does_not_stop_a_run() {
    let scene = Scene::new(None);
    scene.plan(|state| state.usual_renewal = Some(Plan::Unreachable));
    let messages = scene.begin(&fixtures::action());
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(scene.world.journal().last().unwrap(), "send");
    scene.executor.closing.cancel();
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert_eq!(scene.world.journal().last().unwrap(), "send", "within its grace");
    assert_eq!(finished(read(messages).await.unwrap()).outcome(), Outcome::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_changes_nothing() {
    let scene = Scene::succeeding();
    scene.plan(|state| state.records.push_back(Plan::Unreachable));
    drop(scene.begin(&fixtures::action()));
    scene.rest().await;
    assert_eq!(scene.world.journal().last().unwrap(), "complete SUCCEEDED");
}

#[tokio::test(start_paused = true)]
async fn no_connection_gives_the_claim_back() {
    let scene = Scene::new(Some(Answer::new(Outcome::NotStarted, "no connection")));
    assert_eq!(scene.run_to_finish().await.outcome(), Outcome::NotStarted);
    assert_eq!(
        scene.world.journal()[2..],
        ["send", "record execution.failed", "complete NOT_STARTED"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_not_lost_when_its_record_or_its_completion_is() {
    let scene = Scene::succeeding();
    scene.plan(|state| {
        state.records.push_back(Plan::Work);
        state.usual_record = Some(Plan::Unreachable);
        state.completions.extend([Plan::Unreachable, Plan::AnswerLost]);
    });
    let finished = scene.run_to_finish().await;
    assert_eq!((finished.outcome(), finished.receipt_index), (Outcome::Succeeded, 0));
    let state = scene.world.state();
    let ended = &state.events[1..];
    assert!(
        ended.len() > 10 && ended.iter().all(|event| *event == ended[0]),
        "the same bytes"
    );
    assert_eq!(state.completed.len(), 3);
    assert!(
        state.completed.iter().all(|request| *request == state.completed[0]),
        "the same request"
    );
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_is_not_taken_is_told_with_that() {
    let scene = Scene::succeeding();
    scene.plan(|state| state.completions.push_back(Plan::Refuse(ErrorReason::ClaimLost)));
    let finished = scene.run_to_finish().await;
    assert_eq!(finished.outcome(), Outcome::Succeeded);
    assert!(finished.detail.contains("has not taken"), "{}", finished.detail);
}
