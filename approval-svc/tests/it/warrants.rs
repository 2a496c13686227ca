//! Spending warrants, and saying what came of it.

use std::time::Duration;

use proto::{
    approval::v1::{
        CancelApprovalRequest, ClaimWarrantRequest, GetKeySetRequest, ReconcileWarrantRequest, RenewClaimRequest,
        approval::State,
    },
    common::v1::{ErrorReason, Outcome},
};
use tonic::Code;
use warrant::{KeySet, Risk};

use crate::{
    authority::{NOW, key, token},
    fixture::{Setting, alice, as_person, assert_refused, bob, uuid},
};

#[tokio::test]
async fn a_warrant_is_spent_once() {
    let setting = Setting::new().await;
    let created = setting.create(1, Risk::Green).await;
    let approval = created.approval.unwrap();
    let claim = |id| ClaimWarrantRequest {
        request_id: uuid(id),
        warrant_jws: created.warrant_jws.clone(),
        action_digest: approval.action_digest.clone(),
        executor_instance: "executor-1".into(),
    };
    let mut executor = setting.executor();
    let first = executor
        .claim_warrant(claim(1))
        .await
        .unwrap()
        .into_inner()
        .claim
        .unwrap();
    assert_eq!(first.lease_duration.as_ref().unwrap().seconds, 60);
    let again = executor
        .claim_warrant(claim(1))
        .await
        .unwrap()
        .into_inner()
        .claim
        .unwrap();
    assert_eq!(again, first);
    let second = executor.claim_warrant(claim(2)).await;
    assert_refused(second, Code::FailedPrecondition, ErrorReason::WarrantSpent);

    let done = setting
        .complete(&approval, &first.fencing_token, Outcome::Succeeded)
        .await
        .unwrap();
    assert_eq!((done.state(), done.outcome()), (State::Succeeded, Outcome::Succeeded));
    let repeated = setting
        .complete(&approval, &first.fencing_token, Outcome::Succeeded)
        .await;
    assert_eq!(repeated.unwrap(), done);
    let third = executor.claim_warrant(claim(3)).await;
    assert_refused(third, Code::FailedPrecondition, ErrorReason::WarrantSpent);
}

#[tokio::test]
async fn forged_expired_and_misdirected_warrants_are_refused() {
    let setting = Setting::new().await;
    let created = setting.create(1, Risk::Green).await;
    let other = setting.create(2, Risk::Green).await.approval.unwrap();
    let approval = created.approval.unwrap();
    let refused = setting.claim(&other, &created.warrant_jws).await;
    assert_refused(refused, Code::FailedPrecondition, ErrorReason::DigestMismatch);

    let claims = setting.read(&created.warrant_jws);
    let forged = warrant::Signer::new("approval-svc", key("people"))
        .sign(&claims)
        .unwrap();
    let signer = warrant::Signer::new("approval-svc", key("warrant"));
    let mut misdirected = claims.clone();
    misdirected.aud = "trace-svc".into();
    let mut short = claims;
    short.exp = short.iat + 1;
    for bad in [forged, signer.sign(&misdirected).unwrap(), "a.b.c".into()] {
        let refused = setting.claim(&approval, &bad).await;
        assert_refused(refused, Code::PermissionDenied, ErrorReason::WarrantRejected);
    }
    setting.pass(1);
    let refused = setting.claim(&approval, &signer.sign(&short).unwrap()).await;
    assert_refused(refused, Code::PermissionDenied, ErrorReason::WarrantRejected);
    setting.pass(60);
    let refused = setting.claim(&approval, &created.warrant_jws).await;
    assert_refused(refused, Code::FailedPrecondition, ErrorReason::ApprovalExpired);
}

#[tokio::test]
async fn nothing_sent_is_dispatched_again_with_a_new_warrant() {
    let setting = Setting::new().await;
    let created = setting.create(1, Risk::Green).await;
    let approval = created.approval.unwrap();
    let fencing_token = setting.claim(&approval, &created.warrant_jws).await.unwrap();
    let returned = setting
        .complete(&approval, &fencing_token, Outcome::NotStarted)
        .await
        .unwrap();
    assert_eq!((returned.state(), returned.attempt), (State::Granted, 2));
    let refused = setting.claim(&approval, &created.warrant_jws).await;
    assert_refused(refused, Code::FailedPrecondition, ErrorReason::WarrantSpent);
    setting.pass(1);
    let dispatches = setting.acquire(Duration::ZERO).await;
    let warrant = setting.read(&dispatches[0].warrant_jws);
    assert_eq!((warrant.attempt, warrant.exp), (2, NOW + 60));
    let fencing_token = setting.claim(&approval, &dispatches[0].warrant_jws).await.unwrap();
    let done = setting
        .complete(&returned, &fencing_token, Outcome::Failed)
        .await
        .unwrap();
    assert_eq!(done.state(), State::Failed);
}

#[tokio::test]
async fn a_renewal_says_that_cancellation_was_asked_for() {
    let setting = Setting::new().await;
    let created = setting.create(1, Risk::Green).await;
    let approval = created.approval.unwrap();
    let fencing_token = setting.claim(&approval, &created.warrant_jws).await.unwrap();
    let renew = |fencing_token: &str| RenewClaimRequest {
        approval: approval.name.clone(),
        fencing_token: fencing_token.to_owned(),
    };
    let mut executor = setting.executor();
    setting.pass(50);
    let executing = setting.get(&approval).await;
    assert_eq!(executing.expire_time, None, "a renewal would move it under one etag");
    setting.pass(1);
    let renewed = executor.renew_claim(renew(&fencing_token)).await.unwrap().into_inner();
    assert!(!renewed.claim.unwrap().cancel_requested);
    assert_eq!(setting.get(&approval).await, executing);
    let refused = executor.renew_claim(renew("another")).await;
    assert_refused(refused, Code::FailedPrecondition, ErrorReason::ClaimLost);

    let (name, request_id) = (approval.name.clone(), uuid(1));
    let cancel = CancelApprovalRequest {
        name,
        request_id,
        reason: String::new(),
    };
    setting
        .people()
        .cancel_approval(as_person(cancel, &alice()))
        .await
        .unwrap();
    setting.pass(50);
    let renewed = executor.renew_claim(renew(&fencing_token)).await.unwrap().into_inner();
    assert!(renewed.claim.unwrap().cancel_requested);
    let done = setting
        .complete(&approval, &fencing_token, Outcome::Cancelled)
        .await
        .unwrap();
    assert_eq!(done.state(), State::Cancelled);
}

#[tokio::test]
async fn a_person_other_than_the_requester_reconciles_what_was_lost() {
    let setting = Setting::new().await;
    let created = setting.create(1, Risk::Green).await;
    let approval = created.approval.unwrap();
    let fencing_token = setting.claim(&approval, &created.warrant_jws).await.unwrap();
    let lost = setting
        .complete(&approval, &fencing_token, Outcome::Unknown)
        .await
        .unwrap();
    assert_eq!(lost.state(), State::OutcomeUnknown);
    let reconcile = |outcome: Outcome, id| ReconcileWarrantRequest {
        approval: lost.name.clone(),
        etag: lost.etag.clone(),
        outcome: outcome.into(),
        reason: "the outbox shows the mail".into(),
        request_id: uuid(id),
    };
    let mut people = setting.reconcilers();
    let own = token("alice", "acme", &["approvers"], "approval");
    let refused = people
        .reconcile_warrant(as_person(reconcile(Outcome::Succeeded, 1), &own))
        .await;
    assert_refused(refused, Code::PermissionDenied, ErrorReason::SelfApproval);
    let refused = people
        .reconcile_warrant(as_person(reconcile(Outcome::NotStarted, 2), &bob()))
        .await;
    assert_refused(refused, Code::InvalidArgument, ErrorReason::InvalidFields);
    let done = people
        .reconcile_warrant(as_person(reconcile(Outcome::Succeeded, 3), &bob()))
        .await;
    assert_eq!(done.unwrap().into_inner().approval.unwrap().state(), State::Succeeded);
    let refused = people
        .reconcile_warrant(as_person(reconcile(Outcome::Failed, 4), &bob()))
        .await;
    assert_refused(refused, Code::FailedPrecondition, ErrorReason::WrongState);
}

#[tokio::test]
async fn the_key_set_verifies_warrants() {
    let setting = Setting::new().await;
    let response = setting.executor().get_key_set(GetKeySetRequest {}).await.unwrap();
    let key_set = response.into_inner().key_set.unwrap();
    assert_eq!(key_set.issuer, "approval-svc");
    assert!(
        KeySet::from_json(&key_set.jwks_json)
            .unwrap()
            .contains(key("warrant").key_id())
    );
}
