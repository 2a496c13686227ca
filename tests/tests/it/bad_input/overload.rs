//! Too much at once.

use std::time::Duration;

use chassis::{PartName, time::duration_to_proto};
use proto::{
    approval::v1::{AcquireApprovalsRequest, GetKeySetRequest},
    common::v1::ErrorReason,
};
use testkit::{authority::Identity, eventually, sandbox::SandboxOptions};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt as _;

use crate::support::{AMBER, Asked, Deployment, assert_refused};

#[tokio::test]
async fn past_the_limit_a_call_is_turned_away_and_told_when_to_come_back() {
    let options = SandboxOptions {
        node: Some(|config| config.max_requests = 1),
        ..Default::default()
    };
    let deployment = Deployment::start_with(options).await;
    let mut orchestrator = deployment.sandbox.service(PartName::Orchestrator).approvals();
    let waits = AcquireApprovalsRequest {
        wait_duration: Some(duration_to_proto(Duration::from_secs(30))),
        ..Default::default()
    };
    // It may meet one of the calls below inside, and then tries again.
    let inside = tokio::spawn(async move {
        while orchestrator.acquire_approvals(waits).await.is_err() {
            tokio::task::yield_now().await;
        }
    });

    let mut warrants = deployment.bob().warrants();
    let refusal = eventually("there is no place left", async || {
        warrants.get_key_set(GetKeySetRequest {}).await.err()
    });
    let refusal: Result<(), _> = Err(refusal.await);
    let status = assert_refused("too many", refusal, Code::ResourceExhausted, ErrorReason::Overloaded);
    let retry = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(retry > Duration::ZERO && retry <= Duration::from_mins(1));
    let mut health = HealthClient::new(deployment.sandbox.channels().to(PartName::Approval));
    health.check(HealthCheckRequest::default()).await.unwrap();

    inside.abort();
    eventually("the place is free again", async || {
        warrants.get_key_set(GetKeySetRequest {}).await.ok()
    })
    .await;
}

#[tokio::test]
async fn one_requester_cannot_bury_the_approvers() {
    let options = SandboxOptions {
        approval: Some(|config| config.max_pending = 1),
        ..Default::default()
    };
    let (deployment, alice) = (Deployment::start_with(options).await, Identity::alice());
    deployment.pending(&alice).await;
    let asked = Asked::by(&alice, AMBER);
    let classified = deployment.classify(&alice, &asked.action).await;
    let refusal = deployment.create(&alice, &asked, classified).await;
    let status = assert_refused(
        "one too many",
        refusal,
        Code::ResourceExhausted,
        ErrorReason::TooManyPending,
    );
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
    deployment.pending(&Identity::named("mallory")).await;
    deployment.permitted(&alice).await;
}
