//! Second decisions, second claims, second endings: the same answer for the same request, else the state.

use chassis::{PartName, fault::metadata_of};
use proto::{
    approval::v1::{
        CancelApprovalRequest, ClaimWarrantRequest, CompleteWarrantRequest, DenyApprovalRequest,
        ReconcileWarrantRequest, approval::State,
    },
    common::v1::{ErrorReason, Outcome},
};
use testkit::authority::Identity;
use tonic::Code;

use crate::{
    requests::fresh_id,
    support::{Deployment, assert_refused, grant},
};

#[tokio::test]
async fn a_second_decision_is_told_the_state() {
    let deployment = Deployment::start().await;
    let pending = deployment.pending(&Identity::alice()).await;
    let deny = DenyApprovalRequest {
        name: pending.name.clone(),
        etag: pending.etag.clone(),
        action_digest: pending.action_digest.clone(),
        request_id: fresh_id(),
        reason: "not now".to_owned(),
    };
    let mut bob = deployment.bob().approvals();
    let denied = bob.deny_approval(deny.clone()).await.unwrap().into_inner();
    assert_eq!(
        bob.deny_approval(deny.clone()).await.unwrap().into_inner(),
        denied,
        "the same request, the same answer"
    );

    let again = DenyApprovalRequest {
        request_id: fresh_id(),
        ..deny.clone()
    };
    let late_cancel = CancelApprovalRequest {
        name: pending.name.clone(),
        request_id: fresh_id(),
        reason: String::new(),
    };
    let refusals = [
        bob.deny_approval(again).await.map(drop),
        grant(&deployment.bob(), &pending).await.map(drop),
        deployment
            .alice()
            .own_approvals()
            .cancel_approval(late_cancel)
            .await
            .map(drop),
    ];
    for refusal in refusals {
        let status = assert_refused("again", refusal, Code::FailedPrecondition, ErrorReason::WrongState);
        assert_eq!(metadata_of(&status, "state").as_deref(), Some("DENIED"));
    }
    let other_body = DenyApprovalRequest {
        reason: "never".to_owned(),
        ..deny
    };
    let refusal = bob.deny_approval(other_body).await;
    assert_refused(
        "same id, other body",
        refusal,
        Code::AlreadyExists,
        ErrorReason::RequestIdReused,
    );
}

#[tokio::test]
async fn a_claim_is_made_and_ended_once() {
    let deployment = Deployment::start().await;
    let dispatch = deployment.granted_by_people(&Identity::alice()).await;
    let approval = dispatch.approval.unwrap();
    let mut executor = deployment.sandbox.service(PartName::Executor).warrants();
    let claim = ClaimWarrantRequest {
        request_id: fresh_id(),
        warrant_jws: dispatch.warrant_jws,
        action_digest: approval.action_digest.clone(),
        executor_instance: "executor-svc/1".to_owned(),
    };
    let other_digest = ClaimWarrantRequest {
        action_digest: format!("sha256:{}", "0".repeat(64)),
        request_id: fresh_id(),
        ..claim.clone()
    };
    let refusal = executor.claim_warrant(other_digest).await;
    assert_refused(
        "another digest",
        refusal,
        Code::FailedPrecondition,
        ErrorReason::DigestMismatch,
    );

    let claimed = executor
        .claim_warrant(claim.clone())
        .await
        .unwrap()
        .into_inner()
        .claim
        .unwrap();
    let second = ClaimWarrantRequest {
        request_id: fresh_id(),
        ..claim
    };
    let status = executor.claim_warrant(second.clone()).await;
    let status = assert_refused(
        "claimed again",
        status,
        Code::FailedPrecondition,
        ErrorReason::WarrantSpent,
    );
    assert_eq!(metadata_of(&status, "state").as_deref(), Some("EXECUTING"));

    let complete = CompleteWarrantRequest {
        approval: approval.name.clone(),
        fencing_token: claimed.fencing_token,
        outcome: Outcome::Succeeded.into(),
        request_id: fresh_id(),
        ..Default::default()
    };
    let first = executor.complete_warrant(complete.clone()).await.unwrap().into_inner();
    assert_eq!(first.approval.as_ref().unwrap().state(), State::Succeeded);
    assert_eq!(
        executor.complete_warrant(complete.clone()).await.unwrap().into_inner(),
        first
    );
    let otherwise = CompleteWarrantRequest {
        outcome: Outcome::Failed.into(),
        request_id: fresh_id(),
        ..complete.clone()
    };
    let status = executor.complete_warrant(otherwise).await;
    let status = assert_refused(
        "ended otherwise",
        status,
        Code::FailedPrecondition,
        ErrorReason::WrongState,
    );
    assert_eq!(metadata_of(&status, "state").as_deref(), Some("SUCCEEDED"));
    let refusal = executor.claim_warrant(second).await;
    assert_refused(
        "claimed after its end",
        refusal,
        Code::FailedPrecondition,
        ErrorReason::WarrantSpent,
    );

    let reconcile = ReconcileWarrantRequest {
        approval: approval.name.clone(),
        etag: first.approval.unwrap().etag,
        outcome: Outcome::Failed.into(),
        reason: "I know better".to_owned(),
        request_id: fresh_id(),
    };
    let refusal = deployment.bob().warrants().reconcile_warrant(reconcile).await;
    assert_refused("reconciled", refusal, Code::FailedPrecondition, ErrorReason::WrongState);
    assert_eq!(deployment.effects(), 0);
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_not_there() {
    let deployment = Deployment::start().await;
    let mut pending = deployment.pending(&Identity::alice()).await;
    pending.name = "approvals/00000000-0000-8000-8000-000000000001".to_owned();
    assert_refused(
        "grants",
        grant(&deployment.bob(), &pending).await,
        Code::NotFound,
        ErrorReason::ApprovalNotFound,
    );
    let complete = CompleteWarrantRequest {
        approval: pending.name,
        fencing_token: "guessed".to_owned(),
        outcome: Outcome::Succeeded.into(),
        request_id: fresh_id(),
        ..Default::default()
    };
    let refusal = deployment
        .sandbox
        .service(PartName::Executor)
        .warrants()
        .complete_warrant(complete)
        .await;
    assert_refused("completes", refusal, Code::NotFound, ErrorReason::ApprovalNotFound);
}
