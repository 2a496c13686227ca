//! Warrants whose time is over: spent, replaced, expired, revoked, cancelled, denied, or merely simulated.

use std::{sync::Arc, time::Duration};

use chassis::{PartName, clock::Clock, fault::metadata_of};
use proto::{
    approval::v1::{
        Approval, CancelApprovalRequest, ClaimWarrantRequest, DenyApprovalRequest, RevokeApprovalRequest,
        approval::State,
    },
    common::v1::{ErrorReason, Mode as WireMode, Outcome},
    execution::v1::ExecuteActionRequest,
    trace::v1::ListEventsRequest,
};
use testkit::{authority::Identity, eventually, sandbox::SandboxOptions};
use tonic::{Code, Status};
use warrant::{Mode, Risk};

use super::forgery::{claims, warrant_for};
use crate::{
    requests::fresh_id,
    support::{AMBER, Asked, Deployment, RED, assert_refused, execution, grant, grant_of, still_clock},
};

fn deny_of(approval: &Approval) -> DenyApprovalRequest {
    DenyApprovalRequest {
        name: approval.name.clone(),
        etag: approval.etag.clone(),
        action_digest: approval.action_digest.clone(),
        request_id: fresh_id(),
        reason: "not now".to_owned(),
    }
}

fn revoke_of(approval: &Approval) -> RevokeApprovalRequest {
    RevokeApprovalRequest {
        name: approval.name.clone(),
        etag: approval.etag.clone(),
        action_digest: approval.action_digest.clone(),
        request_id: fresh_id(),
        reason: "no longer".to_owned(),
    }
}

/// Refused because the approval is in this state.
async fn refused_in(deployment: &Deployment, state: &str, request: ExecuteActionRequest) {
    let before = deployment.effects();
    let status = deployment.execute(request).await;
    let status = assert_refused(state, status, Code::FailedPrecondition, ErrorReason::WrongState);
    assert_eq!(metadata_of(&status, "state").as_deref(), Some(state));
    assert_eq!(deployment.effects(), before, "{state}: something reached the gateway");
}

#[tokio::test]
async fn a_spent_warrant_is_spent() {
    let deployment = Deployment::start().await;
    let permitted = deployment.permitted(&Identity::alice()).await;
    let finished = deployment.execute(permitted.clone()).await.unwrap();
    assert_eq!(finished.outcome(), Outcome::Succeeded);
    for _ in 0..2 {
        let again = permitted.clone();
        deployment
            .refuses("replayed", again, Code::FailedPrecondition, ErrorReason::WarrantSpent)
            .await;
    }
    assert_eq!(deployment.effects(), 1);
}

#[tokio::test]
async fn a_replaced_warrant_is_spent() {
    let (deployment, clock) = Deployment::start_with_clock().await;
    let old = deployment.permitted(&Identity::alice()).await;
    assert_eq!(
        deployment.acquire_all().await,
        [],
        "whoever created it has ten seconds to dispatch it"
    );
    clock.advance(Duration::from_secs(11));
    let dispatch = deployment.acquire().await;
    let new = execution(&dispatch.approval.unwrap(), dispatch.warrant_jws);
    assert_ne!(claims(&old.warrant_jws)["jti"], claims(&new.warrant_jws)["jti"]);
    deployment
        .refuses("replaced", old, Code::FailedPrecondition, ErrorReason::WarrantSpent)
        .await;
    deployment.execute(new).await.unwrap();
    assert_eq!(deployment.effects(), 1);
}

#[tokio::test]
async fn an_expired_warrant_is_nothing() {
    let (deployment, clock) = Deployment::start_with_clock().await;
    let permitted = deployment.permitted(&Identity::alice()).await;
    clock.advance(Duration::from_mins(1));
    deployment
        .refuses(
            "expired",
            permitted,
            Code::PermissionDenied,
            ErrorReason::WarrantRejected,
        )
        .await;

    let dispatch = deployment.granted_by_people(&Identity::alice()).await;
    let approval = dispatch.approval.unwrap();
    clock.advance(Duration::from_mins(2));
    let late = execution(&approval, dispatch.warrant_jws);
    deployment
        .refuses("expired", late, Code::PermissionDenied, ErrorReason::WarrantRejected)
        .await;
    assert_eq!(
        deployment.approval(&approval.name).await.state(),
        State::Granted,
        "the grant lasts longer"
    );
}

#[tokio::test]
async fn an_expired_verdict_creates_nothing() {
    let ((deployment, clock), alice) = (Deployment::start_with_clock().await, Identity::alice());
    let asked = Asked::by(&alice, AMBER);
    let classified = deployment.classify(&alice, &asked.action).await;
    clock.advance(Duration::from_mins(1));
    let refusal = deployment.create(&alice, &asked, classified).await;
    assert_refused(
        "expired verdict",
        refusal,
        Code::InvalidArgument,
        ErrorReason::VerdictRejected,
    );
}

#[tokio::test]
async fn what_nobody_decided_in_time_is_expired_and_never_granted() {
    let clock = still_clock();
    let options = SandboxOptions {
        clock: Some(Arc::clone(&clock) as Arc<dyn Clock>),
        approval: Some(|config| {
            (config.pending_ttl, config.grant_ttl) = (Duration::from_mins(1), Duration::from_secs(30));
        }),
        ..Default::default()
    };
    let deployment = Deployment::start_with(options).await;
    let undecided = deployment.pending(&Identity::alice()).await;
    let dispatch = deployment.granted_by_people(&Identity::alice()).await;
    clock.advance(Duration::from_mins(1));
    let refusal = grant(&deployment.bob(), &undecided).await;
    assert_refused(
        "decided too late",
        refusal,
        Code::FailedPrecondition,
        ErrorReason::ApprovalExpired,
    );

    // The warrant ends with the grant. Should an executor's clock be slow, the claim still refuses.
    let approval = dispatch.approval.unwrap();
    let request = execution(&approval, dispatch.warrant_jws.clone());
    deployment
        .refuses(
            "executed too late",
            request,
            Code::PermissionDenied,
            ErrorReason::WarrantRejected,
        )
        .await;
    let claim = ClaimWarrantRequest {
        request_id: fresh_id(),
        warrant_jws: dispatch.warrant_jws,
        action_digest: approval.action_digest.clone(),
        executor_instance: "executor-svc/slow".to_owned(),
    };
    let refusal = deployment
        .sandbox
        .service(PartName::Executor)
        .warrants()
        .claim_warrant(claim)
        .await;
    assert_refused(
        "claimed too late",
        refusal,
        Code::FailedPrecondition,
        ErrorReason::ApprovalExpired,
    );
    for name in [undecided.name, approval.name] {
        let state = eventually("it shows as expired", async || {
            let state = deployment.approval(&name).await.state();
            (state == State::Expired).then_some(state)
        });
        state.await;
    }
    assert_eq!(deployment.acquire_all().await, []);
}

#[tokio::test]
async fn a_revoked_grant_executes_nothing() {
    let deployment = Deployment::start().await;
    for late_deny in [false, true] {
        let dispatch = deployment.granted_by_people(&Identity::alice()).await;
        let approval = dispatch.approval.unwrap();
        let mut bob = deployment.bob().approvals();
        if late_deny {
            bob.deny_approval(deny_of(&approval)).await.unwrap();
        } else {
            bob.revoke_approval(revoke_of(&approval)).await.unwrap();
        }
        refused_in(&deployment, "REVOKED", execution(&approval, dispatch.warrant_jws)).await;
    }
    assert_eq!(deployment.effects(), 0);
}

#[tokio::test]
async fn a_cancelled_approval_executes_nothing() {
    let deployment = Deployment::start().await;
    let created = deployment.submit(&Identity::alice(), crate::support::GREEN).await;
    let approval = created.approval.unwrap();
    let cancel = CancelApprovalRequest {
        name: approval.name.clone(),
        request_id: fresh_id(),
        reason: "a mistake".to_owned(),
    };
    deployment
        .alice()
        .own_approvals()
        .cancel_approval(cancel)
        .await
        .unwrap();
    refused_in(&deployment, "CANCELLED", execution(&approval, created.warrant_jws)).await;
}

#[tokio::test]
async fn a_denied_approval_executes_nothing_and_is_never_granted() {
    let (deployment, alice) = (Deployment::start().await, Identity::alice());
    let asked = Asked::by(&alice, AMBER);
    let classified = deployment.classify(&alice, &asked.action).await;
    let pending = deployment
        .create(&alice, &asked, classified.clone())
        .await
        .unwrap()
        .approval
        .unwrap();
    let denied = deployment
        .bob()
        .approvals()
        .deny_approval(deny_of(&pending))
        .await
        .unwrap()
        .into_inner();
    let denied = denied.approval.unwrap();
    assert_eq!(denied.state(), State::Denied);

    let dora = deployment
        .sandbox
        .person(Identity::named("dora").in_groups(&["approvers"]));
    assert_refused(
        "late grant",
        grant(&dora, &denied).await,
        Code::FailedPrecondition,
        ErrorReason::WrongState,
    );
    assert_eq!(deployment.acquire_all().await, []);
    // There is no warrant to steal; not even a forged one helps.
    let warrant = warrant_for(&asked.action, &classified.verdict_jws, Risk::Amber, Mode::People);
    let forged = deployment.sandbox.authority().warrant_signer().sign(&warrant).unwrap();
    refused_in(&deployment, "DENIED", execution(&denied, forged)).await;
}

#[tokio::test]
async fn red_is_granted_by_nobody() {
    let simulated = SandboxOptions {
        approval: Some(|config| config.simulated_approver = true),
        ..Default::default()
    };
    let deployment = Deployment::start_with(simulated).await;
    let created = deployment.submit(&Identity::alice(), RED).await;
    let approval = created.approval.unwrap();
    assert_eq!((approval.state(), created.warrant_jws.as_str()), (State::Denied, ""));
    let groups = ["approvers", "operators", "auditors"];
    let root = deployment.sandbox.person(Identity::named("root").in_groups(&groups));
    let refusal = grant(&root, &approval).await;
    assert_refused("by people", refusal, Code::FailedPrecondition, ErrorReason::WrongState);
    let mut simulated = deployment.sandbox.service(PartName::SimulatedApprover).approvals();
    let refusal = simulated.grant_approval(grant_of(&approval)).await;
    assert_refused(
        "by the simulated approver",
        refusal,
        Code::FailedPrecondition,
        ErrorReason::WrongState,
    );
    assert_eq!(deployment.acquire_all().await, []);
    assert_eq!(deployment.approval(&approval.name).await.state(), State::Denied);
}

/// Has the simulated approver grant a new AMBER request.
async fn simulated_grant(deployment: &Deployment) -> Result<Approval, Status> {
    let pending = deployment.pending(&Identity::alice()).await;
    let mut simulated = deployment.sandbox.service(PartName::SimulatedApprover).approvals();
    let granted = simulated.grant_approval(grant_of(&pending)).await?;
    Ok(granted.into_inner().approval.unwrap())
}

#[tokio::test]
async fn simulated_votes_must_be_switched_on() {
    let deployment = Deployment::start().await;
    let refusal = simulated_grant(&deployment).await;
    assert_refused(
        "not switched on",
        refusal,
        Code::PermissionDenied,
        ErrorReason::SimulationDisabled,
    );
}

#[tokio::test]
async fn a_simulated_warrant_is_not_accepted_as_a_real_one() {
    let simulated = SandboxOptions {
        approval: Some(|config| config.simulated_approver = true),
        ..Default::default()
    };
    let deployment = Deployment::start_with(simulated).await;
    let granted = simulated_grant(&deployment).await.unwrap();
    assert_eq!((granted.state(), granted.mode()), (State::Granted, WireMode::Simulated));
    assert!(granted.votes.iter().all(|vote| vote.simulated), "{:?}", granted.votes);
    let dispatch = deployment.acquire().await;
    assert_eq!(claims(&dispatch.warrant_jws)["mode"], "simulated");
    let request = execution(&granted, dispatch.warrant_jws);
    deployment
        .refuses(
            "simulated",
            request,
            Code::PermissionDenied,
            ErrorReason::SimulatedWarrant,
        )
        .await;
}

#[tokio::test]
async fn a_simulated_execution_shows_as_one_everywhere() {
    let options = SandboxOptions {
        approval: Some(|config| config.simulated_approver = true),
        executor: Some(|config| config.accept_simulated = true),
        ..Default::default()
    };
    let deployment = Deployment::start_with(options).await;
    let granted = simulated_grant(&deployment).await.unwrap();
    let dispatch = deployment.acquire().await;
    deployment
        .execute(execution(&granted, dispatch.warrant_jws))
        .await
        .unwrap();
    assert_eq!(
        (deployment.effects(), deployment.approval(&granted.name).await.mode()),
        (1, WireMode::Simulated)
    );
    let request = ListEventsRequest {
        parent: format!("traces/{}", granted.run_id),
        ..Default::default()
    };
    let events = deployment
        .alice()
        .traces()
        .list_events(request)
        .await
        .unwrap()
        .into_inner()
        .events;
    let executions = events.iter().filter(|event| event.r#type.starts_with("execution."));
    let modes: Vec<_> = executions
        .map(|event| event.attributes["countersign.mode"].as_str())
        .collect();
    assert_eq!(modes, ["simulated", "simulated"]);
}
