//! Credentials used for what they were not given out for.

use chassis::{PartName, auth::SUBJECT_HEADER};
use proto::{
    approval::v1::{
        ClaimWarrantRequest, CreateApprovalRequest, ReconcileWarrantRequest, RevokeApprovalRequest,
        approval_service_client::ApprovalServiceClient, warrant_service_client::WarrantServiceClient,
    },
    common::v1::ErrorReason,
    trace::v1::{CreateEventRequest, NewEvent},
};
use serde_json::json;
use testkit::{
    authority::{Identity, PEOPLE, SERVICES, now, service_token, token},
    clients::{Authorized, Tokens},
    gateway::FakeGatewayAndToken,
    sandbox::Sandbox,
};
use tonic::{Code, Request};

use crate::{
    raw,
    requests::fresh_id,
    support::{Asked, Deployment, GREEN, assert_refused, grant_of},
};

fn approvals(deployment: &Deployment, tokens: Tokens) -> ApprovalServiceClient<Authorized> {
    ApprovalServiceClient::with_interceptor(deployment.sandbox.channels().to(PartName::Approval), tokens)
}

fn warrants(deployment: &Deployment, tokens: Tokens) -> WarrantServiceClient<Authorized> {
    WarrantServiceClient::with_interceptor(deployment.sandbox.channels().to(PartName::Approval), tokens)
}

#[tokio::test]
async fn a_forwarded_token_decides_nothing() {
    let deployment = Deployment::start().await;
    let pending = deployment.pending(&Identity::alice()).await;
    let (bob, everything) = (Identity::bob(), ["approvers", "operators", "auditors"]);
    let root = Identity::named("root").in_groups(&everything);
    let revoke = RevokeApprovalRequest {
        name: pending.name.clone(),
        etag: pending.etag.clone(),
        action_digest: pending.action_digest.clone(),
        request_id: fresh_id(),
        reason: "no longer".to_owned(),
    };
    let reconcile = ReconcileWarrantRequest {
        approval: pending.name.clone(),
        ..Default::default()
    };
    let forwarded = [
        bob.approval_token(),
        bob.governance_token(),
        root.approval_token(),
        root.governance_token(),
    ];
    for (subject, part) in forwarded
        .iter()
        .flat_map(|token| PartName::ALL.map(|part| (token, part)))
    {
        let tokens = Tokens::bearer(&service_token(part, PartName::Approval)).with_subject(subject);
        let (mut approvals, mut warrants) = (approvals(&deployment, tokens.clone()), warrants(&deployment, tokens));
        let check = |refusal| {
            let what = format!("{part} decides for a person");
            assert_refused(&what, refusal, Code::PermissionDenied, ErrorReason::ForwardedCredential);
        };
        check(approvals.grant_approval(grant_of(&pending)).await.map(drop));
        check(approvals.revoke_approval(revoke.clone()).await.map(drop));
        check(warrants.reconcile_warrant(reconcile.clone()).await.map(drop));
    }
    assert_eq!(deployment.approval(&pending.name).await, pending);
}

#[tokio::test]
async fn a_token_to_ask_is_no_token_to_decide() {
    let deployment = Deployment::start().await;
    let pending = deployment.pending(&Identity::alice()).await;
    let mut bob = deployment.bob().own_approvals();
    let refusal = bob.grant_approval(grant_of(&pending)).await;
    assert_refused(
        "asks, and decides",
        refusal,
        Code::Unauthenticated,
        ErrorReason::WrongAudience,
    );

    // Nor is one that claims to be both.
    let mut claims = Identity::bob().claims("");
    claims["aud"] = json!(["countersign/governance", "countersign/approval"]);
    let refusal = approvals(&deployment, Tokens::bearer(&token(&claims, "people")))
        .grant_approval(grant_of(&pending))
        .await;
    assert_refused("both", refusal, Code::Unauthenticated, ErrorReason::WrongAudience);
    assert_eq!(deployment.approval(&pending.name).await, pending);
}

#[tokio::test]
async fn a_token_to_decide_is_not_forwarded() {
    let deployment = Deployment::start().await;
    let asked = Asked::by(&Identity::bob(), GREEN);
    let tokens = Tokens::bearer(&service_token(PartName::Orchestrator, PartName::Approval));
    let mut orchestrator = approvals(&deployment, tokens.with_subject(&Identity::bob().approval_token()));
    let refusal = orchestrator
        .create_approval(crate::support::create_request(
            &asked,
            crate::support::nothing_but("none".to_owned()),
        ))
        .await;
    assert_refused(
        "asks with it",
        refusal,
        Code::Unauthenticated,
        ErrorReason::WrongAudience,
    );
}

#[tokio::test]
async fn people_forward_nobody() {
    let deployment = Deployment::start().await;
    let pending = deployment.pending(&Identity::alice()).await;
    for (bearer, subject) in [
        (
            Identity::bob().approval_token(),
            Identity::named("dora").governance_token(),
        ),
        (
            Identity::named("dora").approval_token(),
            Identity::bob().approval_token(),
        ),
    ] {
        let tokens = Tokens::bearer(&bearer).with_subject(&subject);
        let refusal = approvals(&deployment, tokens).grant_approval(grant_of(&pending)).await;
        assert_refused(
            "two people",
            refusal,
            Code::PermissionDenied,
            ErrorReason::ForwardedCredential,
        );
    }
}

#[tokio::test]
async fn a_service_token_counts_at_its_one_target_only() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let parts = PartName::ALL
        .into_iter()
        .filter(|part| *part != PartName::SimulatedApprover);
    for rpc in raw::rpcs() {
        let target = rpc.part();
        for audience in parts.clone().filter(|part| *part != target) {
            for caller in PartName::ALL {
                let tokens = Tokens::bearer(&service_token(caller, audience));
                let refusal = raw::call(sandbox.channels(), &rpc, &tokens).await;
                let what = format!("{caller}'s token for {audience} sent on to {target}: {}", rpc.name);
                assert_refused(&what, refusal, Code::Unauthenticated, ErrorReason::WrongAudience);
            }
        }
    }
}

#[tokio::test]
async fn a_service_token_is_held_to_its_key_and_its_life() {
    let deployment = Deployment::start().await;
    let claims = |part: PartName, life: u64| json!({ "iss": SERVICES, "sub": part.as_str(), "aud": "approval-svc", "iat": now(), "exp": now() + life });
    let mut many = claims(PartName::Executor, 60);
    many["aud"] = json!(["approval-svc", "executor-svc"]);
    let mut as_person = claims(PartName::Executor, 60);
    as_person["iss"] = json!(PEOPLE);
    (as_person["tenant"], as_person["aud"]) = (json!("acme"), json!("countersign/approval"));
    let invalid = ErrorReason::TokenInvalid;
    let forgeries = [
        (
            "another part's key",
            token(&claims(PartName::Executor, 60), "orchestrator"),
            invalid,
        ),
        (
            "people's key",
            token(&claims(PartName::Executor, 60), "people"),
            invalid,
        ),
        (
            "a foreign key",
            token(&claims(PartName::Executor, 60), "foreign"),
            invalid,
        ),
        (
            "too long a life",
            token(&claims(PartName::Executor, 301), "executor-svc"),
            invalid,
        ),
        (
            "many audiences",
            token(&many, "executor-svc"),
            ErrorReason::WrongAudience,
        ),
    ];
    let claim = ClaimWarrantRequest::default();
    for (what, forged, reason) in forgeries {
        let refusal = warrants(&deployment, Tokens::bearer(&forged))
            .claim_warrant(claim.clone())
            .await;
        assert_refused(what, refusal, Code::Unauthenticated, reason);
    }
    // A person who is called like a part is a person.
    let person = Tokens::bearer(&token(&as_person, "people"));
    let refusal = warrants(&deployment, person).claim_warrant(claim.clone()).await;
    assert_refused(
        "a person's name",
        refusal,
        Code::PermissionDenied,
        ErrorReason::NotPermitted,
    );
    // A part is no person, wherever its token stands.
    let tokens = Tokens::bearer(&service_token(PartName::Orchestrator, PartName::Approval))
        .with_subject(&service_token(PartName::Orchestrator, PartName::Approval));
    let refusal = approvals(&deployment, tokens)
        .create_approval(CreateApprovalRequest::default())
        .await;
    assert_refused("a part as a person", refusal, Code::Unauthenticated, invalid);
}

#[tokio::test]
async fn the_part_that_signed_is_the_producer_whatever_the_event_says() {
    let deployment = Deployment::start().await;
    let event = |kind: &str| CreateEventRequest {
        event: Some(NewEvent {
            event_id: fresh_id(),
            trace_id: "0123456789abcdef0123456789abcdef".to_owned(),
            r#type: kind.to_owned(),
            occur_time: Some(chassis::time::to_proto(std::time::UNIX_EPOCH)),
            actor: Some(proto::trace::v1::Actor {
                r#type: "service".to_owned(),
                id: "approval-svc".to_owned(),
            }),
            attributes: ["tenant", "issuer", "requester"]
                .map(|name| (format!("countersign.{name}"), "acme".to_owned()))
                .into(),
            ..Default::default()
        }),
    };
    let refused = [
        (PartName::Executor, "approval.granted"),
        (PartName::Executor, "request.classified"),
        (PartName::Executor, "trace.closed"),
        (PartName::Approval, "execution.started"),
        (PartName::Approval, "execution.finished"),
        (PartName::Approval, "log.recovered"),
    ];
    for (part, kind) in refused {
        let refusal = deployment
            .sandbox
            .service(part)
            .traces()
            .create_event(event(kind))
            .await;
        let what = format!("{part} writes {kind}");
        assert_refused(&what, refusal, Code::PermissionDenied, ErrorReason::EventTypeNotAllowed);
    }
    let mut executor = deployment.sandbox.service(PartName::Executor).traces();
    executor.create_event(event("execution.started")).await.unwrap();
}

#[tokio::test]
async fn who_asks_is_whose_token_it_is() {
    let (deployment, alice) = (Deployment::start().await, Identity::alice());
    let asked = Asked::by(&alice, GREEN);
    let classified = deployment.classify(&alice, &asked.action).await;
    for thief in [
        Identity::named("mallory"),
        alice.clone().of_tenant("umbrella"),
        alice.of_partners(),
    ] {
        let refusal = deployment.create(&thief, &asked, classified.clone()).await;
        assert_refused(
            "for somebody else",
            refusal,
            Code::PermissionDenied,
            ErrorReason::RequesterMismatch,
        );
        let request = proto::classification::v1::ClassifyActionRequest {
            action: Some(chassis::convert::action_to_proto(&asked.action)),
        };
        let refusal = deployment
            .orchestrator_for(&thief)
            .classifier()
            .classify_action(request)
            .await;
        assert_refused(
            "classified for somebody else",
            refusal,
            Code::PermissionDenied,
            ErrorReason::RequesterMismatch,
        );
    }
}

#[tokio::test]
async fn a_subject_that_cannot_be_read_is_not_ignored() {
    let deployment = Deployment::start().await;
    let bearer = format!("Bearer {}", service_token(PartName::Orchestrator, PartName::Approval));
    let mut client = ApprovalServiceClient::new(deployment.sandbox.channels().to(PartName::Approval));
    for subject in ["", "Bearer x", "x.y.z"] {
        let mut request = Request::new(proto::approval::v1::AcquireApprovalsRequest::default());
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        request.metadata_mut().insert(SUBJECT_HEADER, subject.parse().unwrap());
        let refusal = client.acquire_approvals(request).await;
        assert_refused(subject, refusal, Code::Unauthenticated, ErrorReason::TokenInvalid);
    }
}
