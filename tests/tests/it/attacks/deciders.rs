//! Who may decide, and on what exactly.

use proto::{
    approval::v1::{
        Approval, GetApprovalRequest, GrantApprovalRequest, ListApprovalsRequest, approval::State, vote::Decision,
    },
    common::v1::{ErrorReason, Mode},
};
use testkit::{authority::Identity, clients::Person};
use tonic::Code;

use crate::{
    requests::fresh_id,
    support::{AMBER, Deployment, assert_refused, execution, grant, grant_of},
};

#[tokio::test]
async fn nobody_decides_on_a_request_of_their_own() {
    let deployment = Deployment::start().await;
    let alice = Identity::alice().in_groups(&["approvers", "operators", "auditors"]);
    let pending = deployment.pending(&alice).await;
    let own = deployment.sandbox.person(alice.clone());
    let refusal = grant(&own, &pending).await;
    assert_refused("grants", refusal, Code::PermissionDenied, ErrorReason::SelfApproval);
    let deny = proto::approval::v1::DenyApprovalRequest {
        name: pending.name.clone(),
        etag: pending.etag.clone(),
        action_digest: pending.action_digest.clone(),
        request_id: fresh_id(),
        reason: "not now".to_owned(),
    };
    let refusal = own.approvals().deny_approval(deny).await;
    assert_refused("denies", refusal, Code::PermissionDenied, ErrorReason::SelfApproval);
    assert_eq!(deployment.approval(&pending.name).await, pending);

    // Whoever has the same subject with another issuer is somebody else.
    let namesake = deployment.sandbox.person(alice.of_partners());
    let granted = grant(&namesake, &pending).await.unwrap();
    assert_eq!((granted.state(), granted.mode()), (State::Granted, Mode::People));
    let voters: Vec<_> = granted
        .votes
        .iter()
        .map(|vote| (vote.issuer.as_str(), vote.subject.as_str()))
        .collect();
    assert_eq!(voters, [("https://partners.example", "alice")]);
}

#[tokio::test]
async fn another_tenants_approver_sees_nothing_to_decide() {
    let deployment = Deployment::start().await;
    let pending = deployment.pending(&Identity::alice()).await;
    let stranger = deployment.sandbox.person(Identity::bob().of_tenant("umbrella"));
    let refusal = grant(&stranger, &pending).await;
    assert_refused("grants", refusal, Code::NotFound, ErrorReason::ApprovalNotFound);
    let request = GetApprovalRequest {
        name: pending.name.clone(),
    };
    let refusal = stranger.approvals().get_approval(request).await;
    assert_refused("reads", refusal, Code::NotFound, ErrorReason::ApprovalNotFound);
    let listed = stranger
        .approvals()
        .list_approvals(ListApprovalsRequest::default())
        .await
        .unwrap();
    assert_eq!(listed.into_inner().approvals, []);
    assert_eq!(deployment.approval(&pending.name).await, pending);
}

#[tokio::test]
async fn only_approvers_decide() {
    let deployment = Deployment::start().await;
    let pending = deployment.pending(&Identity::alice()).await;
    for groups in [
        &[][..],
        &["auditors"],
        &["operators"],
        &["Approvers"],
        &["approvers "],
        &["approver"],
    ] {
        let person = deployment.sandbox.person(Identity::named("eve").in_groups(groups));
        let refusal = grant(&person, &pending).await;
        assert_refused(
            &format!("{groups:?}"),
            refusal,
            Code::PermissionDenied,
            ErrorReason::NotPermitted,
        );
    }
    assert_eq!(deployment.approval(&pending.name).await, pending);
}

async fn try_grant(person: &Person, request: GrantApprovalRequest) -> Result<Approval, tonic::Status> {
    Ok(person
        .approvals()
        .grant_approval(request)
        .await?
        .into_inner()
        .approval
        .unwrap())
}

#[tokio::test]
async fn a_decision_holds_for_exactly_what_was_seen() {
    let deployment = Deployment::start().await;
    let (first, second) = (
        deployment.pending(&Identity::alice()).await,
        deployment.pending(&Identity::alice()).await,
    );
    let bob = deployment.bob();

    let swapped = GrantApprovalRequest {
        action_digest: second.action_digest.clone(),
        ..grant_of(&first)
    };
    let refusal = try_grant(&bob, swapped).await;
    assert_refused(
        "another digest",
        refusal,
        Code::FailedPrecondition,
        ErrorReason::DigestMismatch,
    );
    let swapped = GrantApprovalRequest {
        etag: format!("{}x", first.etag),
        ..grant_of(&first)
    };
    assert_refused(
        "another etag",
        try_grant(&bob, swapped).await,
        Code::Aborted,
        ErrorReason::StaleEtag,
    );
    assert_eq!(deployment.approval(&first.name).await, first);

    let granted = grant(&bob, &first).await.unwrap();
    assert_ne!(granted.etag, first.etag);
    let stale = proto::approval::v1::RevokeApprovalRequest {
        name: first.name.clone(),
        etag: first.etag.clone(),
        action_digest: first.action_digest.clone(),
        request_id: fresh_id(),
        reason: "no longer".to_owned(),
    };
    let refusal = bob.approvals().revoke_approval(stale).await;
    assert_refused("the etag of before", refusal, Code::Aborted, ErrorReason::StaleEtag);
}

#[tokio::test]
async fn a_decision_is_made_once() {
    let deployment = Deployment::start().await;
    let pending = deployment.pending(&Identity::alice()).await;
    let (bob, request) = (deployment.bob(), grant_of(&pending));
    let granted = try_grant(&bob, request.clone()).await.unwrap();
    assert_eq!(
        try_grant(&bob, request.clone()).await.unwrap(),
        granted,
        "the same request, the same answer"
    );

    let other_body = GrantApprovalRequest {
        reason: "on second thoughts".to_owned(),
        ..request
    };
    let refusal = try_grant(&bob, other_body).await;
    assert_refused(
        "same id, other body",
        refusal,
        Code::AlreadyExists,
        ErrorReason::RequestIdReused,
    );
    let refusal = grant(&bob, &granted).await;
    let status = assert_refused(
        "granted again",
        refusal,
        Code::FailedPrecondition,
        ErrorReason::WrongState,
    );
    assert_eq!(
        chassis::fault::metadata_of(&status, "state").as_deref(),
        Some("GRANTED")
    );
    let votes = deployment.approval(&pending.name).await.votes;
    assert_eq!(
        votes
            .iter()
            .map(proto::approval::v1::Vote::decision)
            .collect::<Vec<_>>(),
        [Decision::Grant]
    );
}

#[tokio::test]
async fn what_executes_is_what_was_granted() {
    let deployment = Deployment::start().await;
    let dispatch = deployment.granted_by_people(&Identity::alice()).await;
    let approval = dispatch.approval.unwrap();
    deployment
        .execute(execution(&approval, dispatch.warrant_jws))
        .await
        .unwrap();
    let requests = deployment.gateway.gateway.requests();
    assert_eq!(requests.len(), 1);
    let body: serde_json::Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!(body["messages"][1]["content"], AMBER);
}
