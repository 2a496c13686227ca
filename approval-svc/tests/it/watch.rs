//! Following approvals: in order, from any token, and only one's own.

use proto::{
    approval::v1::{Approval, WatchApprovalsRequest, WatchApprovalsResponse, approval::State},
    common::v1::{ErrorReason, Outcome},
};
use tonic::{Code, Streaming};
use warrant::Risk;

use crate::{
    authority::token,
    fixture::{Setting, alice, as_person, assert_refused, bob},
};

async fn watch(setting: &Setting, token: &str, resume_token: &str, filter: &str) -> Streaming<WatchApprovalsResponse> {
    let request = WatchApprovalsRequest {
        resume_token: resume_token.into(),
        filter: filter.into(),
    };
    setting
        .people()
        .watch_approvals(as_person(request, token))
        .await
        .unwrap()
        .into_inner()
}

async fn next(stream: &mut Streaming<WatchApprovalsResponse>) -> (Option<Approval>, String) {
    let message = stream.message().await.unwrap().unwrap();
    (message.approval, message.resume_token)
}

#[tokio::test]
async fn every_transition_is_seen_live_and_after_any_token() {
    let setting = Setting::new().await;
    setting.create(1, Risk::Green).await;
    let mut live = watch(&setting, &alice(), "", "").await;
    let (greeting, start) = next(&mut live).await;
    assert_eq!(greeting, None);

    let created = setting.create(2, Risk::Green).await;
    let approval = created.approval.unwrap();
    let fencing_token = setting.claim(&approval, &created.warrant_jws).await.unwrap();
    setting
        .complete(&approval, &fencing_token, Outcome::Succeeded)
        .await
        .unwrap();
    let expected = [State::Granted, State::Executing, State::Succeeded];
    let mut tokens = vec![start];
    for state in expected {
        let (seen, token) = next(&mut live).await;
        assert_eq!(seen.unwrap().state(), state);
        tokens.push(token);
    }
    for (skipped, token) in tokens.iter().take(3).enumerate() {
        let mut resumed = watch(&setting, &alice(), token, "").await;
        assert_eq!(next(&mut resumed).await.0, None);
        for state in &expected[skipped..] {
            let seen = next(&mut resumed).await.0.unwrap();
            assert_eq!((seen.name.as_str(), seen.state()), (approval.name.as_str(), *state));
        }
    }
}

#[tokio::test]
async fn watchers_see_only_what_is_theirs_and_what_they_asked_for() {
    let setting = Setting::new().await;
    let mut stranger = watch(&setting, &token("mallory", "evil", &["auditors"], "governance"), "", "").await;
    let mut approver = watch(&setting, &bob(), "", "state = PENDING").await;
    let (_, start) = next(&mut stranger).await;
    next(&mut approver).await;
    setting.create(1, Risk::Green).await;
    let pending = setting.create(2, Risk::Amber).await.approval.unwrap();
    assert_eq!(next(&mut approver).await.0, Some(pending));
    setting.node.closing().cancel();
    let ended = stranger.message().await;
    assert_refused(ended, Code::Unavailable, ErrorReason::ShuttingDown);

    let request = WatchApprovalsRequest {
        resume_token: format!("{start}x"),
        filter: String::new(),
    };
    let refused = setting.people().watch_approvals(as_person(request, &alice())).await;
    assert_refused(refused, Code::InvalidArgument, ErrorReason::InvalidPageToken);
}
