//! Many hands reach for one warrant; one gets it.

use std::sync::Arc;

use chassis::{PartName, fault::reason_of};
use futures_util::future::join_all;
use proto::{
    approval::v1::{ClaimWarrantRequest, CompleteWarrantRequest, RenewClaimRequest, approval::State},
    common::v1::{ErrorReason, Outcome},
};
use testkit::{authority::Identity, fake_gateway::Behaviour};
use tonic::Code;

use crate::{
    requests::fresh_id,
    support::{Deployment, assert_refused, grant},
};

const HANDS: usize = 32;

#[tokio::test]
async fn of_32_executions_of_one_warrant_one_has_an_effect() {
    let deployment = Arc::new(Deployment::start().await);
    let permitted = deployment.permitted(&Identity::alice()).await;
    deployment.gateway.gateway.usually(Behaviour::HangMidStream);
    let attempts = (0..HANDS).map(|_| {
        let (deployment, request) = (Arc::clone(&deployment), permitted.clone());
        async move {
            let ended = deployment.execute(request).await;
            // Whoever was refused was so while the one execution was still under way.
            if ended.is_err() {
                assert!(deployment.effects() <= 1);
            }
            ended
        }
    });
    let release = async {
        deployment.gateway.gateway.wait_for_requests(1).await;
        let name = warrant::approval_id(&permitted.action.as_ref().unwrap().run_id.parse().unwrap()).name();
        assert_eq!(deployment.approval(&name).await.state(), State::Executing);
        deployment.gateway.gateway.release();
    };
    let (ended, ()) = tokio::join!(join_all(attempts), release);
    let (won, lost): (Vec<_>, Vec<_>) = ended.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), deployment.effects()), (1, 1));
    assert_eq!(won[0].as_ref().unwrap().outcome(), Outcome::Succeeded);
    for refusal in lost {
        assert_refused(
            "a slower hand",
            refusal,
            Code::FailedPrecondition,
            ErrorReason::WarrantSpent,
        );
    }
}

#[tokio::test]
async fn of_32_claims_of_one_warrant_one_succeeds() {
    let deployment = Deployment::start().await;
    let dispatch = deployment.granted_by_people(&Identity::alice()).await;
    let approval = dispatch.approval.unwrap();
    let claims = (0..HANDS).map(|hand| {
        let mut executor = deployment.sandbox.service(PartName::Executor).warrants();
        let request = ClaimWarrantRequest {
            request_id: fresh_id(),
            warrant_jws: dispatch.warrant_jws.clone(),
            action_digest: approval.action_digest.clone(),
            executor_instance: format!("executor-svc/{hand}"),
        };
        async move { (request.clone(), executor.claim_warrant(request).await) }
    });
    let claimed = join_all(claims).await;
    let (mut won, lost): (Vec<_>, Vec<_>) = claimed.into_iter().partition(|(_, claim)| claim.is_ok());
    assert_eq!(won.len(), 1);
    assert!(
        lost.iter()
            .all(|(_, claim)| reason_of(claim.as_ref().unwrap_err()) == Some(ErrorReason::WarrantSpent))
    );

    // The winner may ask again and gets the same claim; nobody else can use it.
    let (request, claim) = won.remove(0);
    let claim = claim.unwrap().into_inner().claim.unwrap();
    let mut executor = deployment.sandbox.service(PartName::Executor).warrants();
    let again = executor
        .claim_warrant(request)
        .await
        .unwrap()
        .into_inner()
        .claim
        .unwrap();
    assert_eq!(again.fencing_token, claim.fencing_token);
    let renew = RenewClaimRequest {
        approval: approval.name.clone(),
        fencing_token: "guessed".to_owned(),
    };
    let refusal = executor.renew_claim(renew).await;
    assert_refused(
        "renewed by another",
        refusal,
        Code::FailedPrecondition,
        ErrorReason::ClaimLost,
    );
    let complete = CompleteWarrantRequest {
        approval: approval.name.clone(),
        fencing_token: "guessed".to_owned(),
        outcome: Outcome::NotStarted.into(),
        request_id: fresh_id(),
        ..Default::default()
    };
    let refusal = executor.complete_warrant(complete).await;
    assert_refused(
        "completed by another",
        refusal,
        Code::FailedPrecondition,
        ErrorReason::ClaimLost,
    );
    assert_eq!(deployment.effects(), 0);
}

#[tokio::test]
async fn of_many_grants_at_once_one_counts() {
    let deployment = Deployment::start().await;
    let pending = deployment.pending(&Identity::alice()).await;
    let deciders: Vec<_> = (0..HANDS)
        .map(|number| {
            deployment
                .sandbox
                .person(Identity::named(&format!("decider-{number}")).in_groups(&["approvers"]))
        })
        .collect();
    let votes = join_all(deciders.iter().map(|decider| grant(decider, &pending))).await;
    let (granted, refused): (Vec<_>, Vec<_>) = votes.into_iter().partition(Result::is_ok);
    assert_eq!(granted.len(), 1);
    for refusal in refused {
        assert_refused(
            "a slower vote",
            refusal,
            Code::FailedPrecondition,
            ErrorReason::WrongState,
        );
    }
    assert_eq!(deployment.approval(&pending.name).await.votes.len(), 1);
}
