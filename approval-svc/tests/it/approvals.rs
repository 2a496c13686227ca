//! Creating, deciding, withdrawing, and who may.

use std::time::Duration;

use chassis::fault::metadata_of;
use proto::{
    approval::v1::{CancelApprovalRequest, DenyApprovalRequest, RevokeApprovalRequest, approval::State},
    common::v1::{ErrorReason, Mode, Outcome},
};
use tonic::Code;
use warrant::Risk;

use crate::{
    authority::{NOW, PEOPLE, key, token},
    fixture::{
        Setting, action, alice, as_person, assert_refused, bob, creation, for_person, grant_of, signed, uuid, verdict,
    },
};

#[tokio::test]
async fn green_is_granted_by_policy_with_a_warrant_and_its_trace() {
    let setting = Setting::new().await;
    let created = setting.create(1, Risk::Green).await;
    let approval = created.approval.unwrap();
    assert_eq!((approval.state(), approval.mode()), (State::Granted, Mode::Policy));
    assert!(created.dispatch_lease_expire_time.is_some());
    let warrant = setting.read(&created.warrant_jws);
    warrant.check_action(&action(1, "Send the newsletter")).unwrap();
    warrant
        .check_verdict(
            &approval.verdict_jws,
            &verdict(&action(1, "Send the newsletter"), Risk::Green, NOW),
        )
        .unwrap();
    assert_eq!(warrant.exp, NOW + 60, "no longer than the grant");

    let events = setting.trace.of(&approval.run_id);
    let types: Vec<&str> = events.iter().map(|event| event.r#type.as_str()).collect();
    assert_eq!(
        types,
        [
            "request.received",
            "request.classified",
            "approval.requested",
            "approval.granted"
        ]
    );
    for event in &events {
        assert_eq!(event.action_digest, approval.action_digest);
        for (key, value) in [
            ("countersign.tenant", "acme"),
            ("countersign.issuer", PEOPLE),
            ("countersign.requester", "alice"),
            ("countersign.approval", &approval.name),
            ("countersign.mode", "policy"),
        ] {
            assert_eq!(event.attributes[key], value, "{}", event.r#type);
        }
    }
    assert_eq!(events[0].content.as_ref().unwrap().data, b"Send the newsletter");
    assert_eq!(events[0].actor.as_ref().unwrap().id, format!("{PEOPLE}#alice"));
    assert_eq!(events[1].attributes["countersign.verdict_jws"], approval.verdict_jws);
    assert_eq!(events[3].attributes["countersign.warrant.jti"], warrant.jti);
    assert_eq!(events[3].actor.as_ref().unwrap().r#type, "policy");
}

#[tokio::test]
async fn red_is_denied_with_an_alternative_and_no_warrant() {
    let setting = Setting::new().await;
    let created = setting.create(1, Risk::Red).await;
    let approval = created.approval.unwrap();
    assert_eq!(approval.state(), State::Denied);
    assert_eq!(approval.safe_alternative, "draft it instead");
    assert!(created.warrant_jws.is_empty());
    let status = assert_refused(
        setting.grant(&approval, &bob()).await,
        Code::FailedPrecondition,
        ErrorReason::WrongState,
    );
    assert_eq!(metadata_of(&status, "state").as_deref(), Some("DENIED"));
}

#[tokio::test]
async fn amber_waits_for_a_person_and_is_then_dispatched() {
    let setting = Setting::new().await;
    let created = setting.create(1, Risk::Amber).await;
    let approval = created.approval.unwrap();
    assert_eq!((approval.state(), created.warrant_jws.as_str()), (State::Pending, ""));
    let waiting = setting.acquire(Duration::from_secs(20));
    let (dispatches, granted) = tokio::join!(waiting, async {
        tokio::task::yield_now().await;
        setting.grant(&approval, &bob()).await.unwrap()
    });
    assert_eq!((granted.state(), granted.mode()), (State::Granted, Mode::People));
    let warrant = setting.read(&dispatches[0].warrant_jws);
    assert_eq!(warrant.mode, warrant::Mode::People);
    assert_eq!(warrant.exp, NOW + 120);
    assert!(setting.acquire(Duration::ZERO).await.is_empty());
}

#[tokio::test]
async fn decisions_are_refused_for_their_reason() {
    let setting = Setting::new().await;
    let approval = setting.create(1, Risk::Amber).await.approval.unwrap();
    let own = token("alice", "acme", &["approvers"], "approval");
    assert_refused(
        setting.grant(&approval, &own).await,
        Code::PermissionDenied,
        ErrorReason::SelfApproval,
    );
    let foreign = token("mallory", "evil", &["approvers"], "approval");
    assert_refused(
        setting.grant(&approval, &foreign).await,
        Code::NotFound,
        ErrorReason::ApprovalNotFound,
    );
    let nobody = token("dave", "acme", &[], "approval");
    assert_refused(
        setting.grant(&approval, &nobody).await,
        Code::PermissionDenied,
        ErrorReason::NotPermitted,
    );
    let reader = token("bob", "acme", &["approvers"], "governance");
    let refused = setting.grant(&approval, &reader).await;
    assert!(refused.is_err(), "a token to ask with decides nothing");

    let mut people = setting.people();
    let mut stale = grant_of(&approval, 1);
    stale.etag = "1-9".into();
    let refused = people.grant_approval(as_person(stale, &bob())).await;
    assert_refused(refused, Code::Aborted, ErrorReason::StaleEtag);
    let mut other = grant_of(&approval, 2);
    other.action_digest = action(2, "x").digest().to_string();
    let refused = people.grant_approval(as_person(other, &bob())).await;
    assert_refused(refused, Code::FailedPrecondition, ErrorReason::DigestMismatch);
    let mut simulated = setting.of_service(&setting.simulated);
    let refused = simulated.grant_approval(grant_of(&approval, 3)).await;
    assert_refused(refused, Code::PermissionDenied, ErrorReason::SimulationDisabled);
    let mut malformed = grant_of(&approval, 4);
    (malformed.name, malformed.request_id) = ("approvals/x".into(), String::new());
    let refused = people.grant_approval(as_person(malformed, &bob())).await;
    assert_refused(refused, Code::InvalidArgument, ErrorReason::InvalidFields);

    let first = setting.grant(&approval, &bob()).await.unwrap();
    assert_eq!(
        setting.grant(&approval, &bob()).await.unwrap(),
        first,
        "the same request again"
    );
    let carol = token("carol", "acme", &["approvers"], "approval");
    assert_refused(
        setting.grant(&approval, &carol).await,
        Code::FailedPrecondition,
        ErrorReason::WrongState,
    );
    let mut other_body = grant_of(&approval, 77);
    other_body.reason = "something else".into();
    let refused = people.grant_approval(as_person(other_body, &bob())).await;
    assert_refused(refused, Code::AlreadyExists, ErrorReason::RequestIdReused);
}

#[tokio::test]
async fn creation_is_refused_for_others_and_for_wrong_verdicts() {
    let setting = Setting::new().await;
    let asked = action(1, "Send the newsletter");
    let request = |verdict_jws: String| {
        let mut request = creation(1, Risk::Green, NOW);
        request.verdict_jws = verdict_jws;
        request
    };
    let good = verdict(&asked, Risk::Green, NOW);
    let forged = warrant::Signer::new("classifier-svc", key("people"))
        .sign(&good)
        .unwrap();
    let mut mismatched = good.clone();
    mismatched.disposition = warrant::Disposition::Block;
    let verdicts = [
        forged,
        signed(&verdict(&action(2, "Send the newsletter"), Risk::Green, NOW)),
        signed(&verdict(&asked, Risk::Green, NOW - 61)),
        signed(&mismatched),
        "x.y.z".to_owned(),
    ];
    for jws in verdicts {
        let refused = setting.try_create(request(jws)).await;
        assert_refused(refused, Code::InvalidArgument, ErrorReason::VerdictRejected);
    }
    let mut soothing = creation(1, Risk::Green, NOW);
    soothing.reason = "nothing to worry about".into();
    assert_refused(
        setting.try_create(soothing).await,
        Code::InvalidArgument,
        ErrorReason::VerdictRejected,
    );
    let mallory = token("mallory", "acme", &[], "governance");
    let refused = setting
        .orchestrator()
        .create_approval(for_person(creation(1, Risk::Green, NOW), &mallory))
        .await;
    assert_refused(refused, Code::PermissionDenied, ErrorReason::RequesterMismatch);
    let mut other_run = creation(1, Risk::Green, NOW);
    other_run.request_id = uuid(2);
    assert_refused(
        setting.try_create(other_run).await,
        Code::InvalidArgument,
        ErrorReason::InvalidFields,
    );
    let direct = setting
        .people()
        .create_approval(as_person(creation(1, Risk::Green, NOW), &alice()))
        .await;
    assert_refused(direct, Code::PermissionDenied, ErrorReason::NotPermitted);
}

#[tokio::test]
async fn a_repeated_creation_finds_the_same_approval_also_when_its_verdict_ran_out() {
    let setting = Setting::new().await;
    let created = setting.create(1, Risk::Amber).await;
    assert_eq!(setting.create(1, Risk::Amber).await, created);
    setting.pass(120);
    assert_eq!(setting.create(1, Risk::Amber).await, created);
    let mut other = creation(1, Risk::Amber, NOW + 120);
    let changed = action(1, "Send something else");
    other.action = Some(chassis::convert::action_to_proto(&changed));
    other.verdict_jws = signed(&verdict(&changed, Risk::Amber, NOW + 120));
    assert_refused(
        setting.try_create(other).await,
        Code::AlreadyExists,
        ErrorReason::RequestIdReused,
    );
}

#[tokio::test]
async fn a_repeated_creation_gets_the_same_warrant_until_somebody_else_dispatches() {
    let setting = Setting::new().await;
    let created = setting.create(1, Risk::Green).await;
    assert_eq!(setting.create(1, Risk::Green).await.warrant_jws, created.warrant_jws);
    setting.pass(10);
    assert_eq!(setting.acquire(Duration::ZERO).await.len(), 1);
    assert_eq!(setting.create(1, Risk::Green).await.warrant_jws, "");
    let refused = setting.claim(&created.approval.unwrap(), &created.warrant_jws).await;
    assert_refused(refused, Code::FailedPrecondition, ErrorReason::WarrantSpent);
}

#[tokio::test]
async fn a_request_id_is_one_however_it_is_spelled() {
    let setting = Setting::new().await;
    let approval = setting.create(1, Risk::Amber).await.approval.unwrap();
    let mut request = grant_of(&approval, 77);
    request.request_id = "0192F0C1-2B3C-7D4E-8F90-123456789ABC".into();
    let mut people = setting.people();
    let granted = people.grant_approval(as_person(request.clone(), &bob())).await.unwrap();
    request.request_id.make_ascii_lowercase();
    let repeated = people.grant_approval(as_person(request, &bob())).await.unwrap();
    assert_eq!(repeated.into_inner(), granted.into_inner());
}

#[tokio::test]
async fn the_requester_cancels_and_approvers_revoke_and_deny() {
    let setting = Setting::new().await;
    let pending = setting.create(1, Risk::Amber).await.approval.unwrap();
    let cancel = |name: &str, id| CancelApprovalRequest {
        name: name.to_owned(),
        request_id: uuid(id),
        reason: "changed my mind".into(),
    };
    let reader = token("carol", "acme", &["auditors"], "governance");
    let refused = setting
        .people()
        .cancel_approval(as_person(cancel(&pending.name, 1), &reader))
        .await;
    assert_refused(refused, Code::PermissionDenied, ErrorReason::NotPermitted);
    let request = for_person(cancel(&pending.name, 2), &alice());
    let cancelled = setting
        .orchestrator()
        .cancel_approval(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(cancelled.approval.unwrap().state(), State::Cancelled);

    for (number, deny) in [(2, false), (3, true)] {
        let created = setting.create(number, Risk::Green).await;
        let approval = created.approval.unwrap();
        let (name, etag, action_digest) = (
            approval.name.clone(),
            approval.etag.clone(),
            approval.action_digest.clone(),
        );
        let (request_id, reason) = (uuid(90 + number), "not now".to_owned());
        let after = if deny {
            let request = DenyApprovalRequest {
                name,
                etag,
                action_digest,
                request_id,
                reason,
            };
            let response = setting.people().deny_approval(as_person(request, &bob())).await;
            response.unwrap().into_inner().approval.unwrap()
        } else {
            let request = RevokeApprovalRequest {
                name,
                etag,
                action_digest,
                request_id,
                reason,
            };
            let response = setting.people().revoke_approval(as_person(request, &bob())).await;
            response.unwrap().into_inner().approval.unwrap()
        };
        assert_eq!(
            (after.state(), after.close_reason.as_str()),
            (State::Revoked, "not now")
        );
        let refused = setting.claim(&approval, &created.warrant_jws).await;
        assert_refused(refused, Code::FailedPrecondition, ErrorReason::WrongState);
    }
}

#[tokio::test]
async fn without_receipts_there_is_a_decision_and_no_warrant() {
    let setting = Setting::new().await;
    setting.trace_is_away(true);
    let mut request = for_person(creation(1, Risk::Green, NOW), &alice());
    request.set_timeout(Duration::from_millis(400));
    let created = setting
        .orchestrator()
        .create_approval(request)
        .await
        .unwrap()
        .into_inner();
    let approval = created.approval.unwrap();
    assert_eq!((approval.state(), created.warrant_jws.as_str()), (State::Granted, ""));
    setting.pass(10);
    assert!(setting.acquire(Duration::ZERO).await.is_empty());
    setting.trace_is_away(false);
    let dispatches = setting.acquire(Duration::from_secs(20)).await;
    assert_eq!(dispatches.len(), 1);
    assert_eq!(setting.trace.types(&approval.run_id).len(), 4);
    setting.claim(&approval, &dispatches[0].warrant_jws).await.unwrap();
}

#[tokio::test]
async fn the_simulated_approver_yields_only_simulated_warrants() {
    let setting = Setting::with(|config| config.simulated_approver = true).await;
    let approval = setting.create(1, Risk::Amber).await.approval.unwrap();
    let mut simulated = setting.of_service(&setting.simulated);
    let granted = simulated
        .grant_approval(grant_of(&approval, 1))
        .await
        .unwrap()
        .into_inner();
    let granted = granted.approval.unwrap();
    assert_eq!(granted.mode(), Mode::Simulated);
    assert!(granted.votes[0].simulated);
    let dispatches = setting.acquire(Duration::from_secs(20)).await;
    let warrant = setting.read(&dispatches[0].warrant_jws);
    assert_eq!(warrant.mode, warrant::Mode::Simulated);
    let fencing_token = setting.claim(&granted, &dispatches[0].warrant_jws).await.unwrap();
    setting
        .complete(&granted, &fencing_token, Outcome::Succeeded)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_built_in_simulated_approver_grants_what_pends() {
    let setting = Setting::with(|config| {
        config.simulated_approver = true;
        config.simulated_approver_after = Some(Duration::ZERO);
    })
    .await;
    setting.create(1, Risk::Amber).await;
    let dispatches = setting.acquire(Duration::from_secs(20)).await;
    assert_eq!(dispatches[0].approval.as_ref().unwrap().mode(), Mode::Simulated);
}
