//! Every way in which a warrant can fail to hold for an action.

use std::{
    fs,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use chassis::{Code, Fault as _, clock::ManualClock};
use proto::common::v1::ErrorReason;
use warrant::{Operation, RunId, Signer, SigningKey};

use super::*;
use crate::fixtures;

struct Scene {
    gatekeeper: Gatekeeper,
    clock: Arc<ManualClock>,
    _keys: tempfile::TempDir,
}

/// What is presented, and who signed it.
struct Papers {
    action: Action,
    verdict: Verdict,
    classifier: Signer,
    approver: Signer,
}

impl Scene {
    fn new() -> Self {
        Self::configured(|_| {})
    }

    fn configured(change: impl FnOnce(&mut Config)) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let (warrants, verdicts) = (keys.path().join("warrant.json"), keys.path().join("verdict.json"));
        fs::write(&warrants, fixtures::approver().key_set().to_json()).unwrap();
        fs::write(&verdicts, fixtures::classifier().key_set().to_json()).unwrap();
        let mut config = Config::new("token".into(), warrants, verdicts);
        change(&mut config);
        let clock = Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(fixtures::NOW + 5)));
        let gatekeeper = Gatekeeper::open(&config, &(Arc::clone(&clock) as Arc<dyn Clock>)).unwrap();
        Self {
            gatekeeper,
            clock,
            _keys: keys,
        }
    }
}

impl Papers {
    fn new() -> Self {
        let action = fixtures::action();
        let verdict = fixtures::verdict(&action);
        Self {
            action,
            verdict,
            classifier: fixtures::classifier(),
            approver: fixtures::approver(),
        }
    }

    fn amber() -> Self {
        let mut papers = Self::new();
        papers.verdict.risk = Risk::Amber;
        papers.verdict.disposition = Disposition::RequireApproval;
        papers
    }

    /// Presents the papers, with changes to the warrant before it is signed and to the action after.
    fn present(
        &self,
        scene: &Scene,
        warrant: impl FnOnce(&mut Warrant),
        action: impl FnOnce(&mut Action),
    ) -> Result<Permit, ExecutionError> {
        let verdict_jws = self.classifier.sign(&self.verdict).unwrap();
        let mut claims = fixtures::warrant(&self.action, &verdict_jws);
        claims.risk = self.verdict.risk;
        warrant(&mut claims);
        let warrant_jws = self.approver.sign(&claims).unwrap();
        let mut sent = self.action.clone();
        action(&mut sent);
        scene.gatekeeper.admit(ExecuteAction {
            action: sent,
            verdict_jws,
            warrant_jws,
        })
    }

    fn refused(&self, scene: &Scene, warrant: impl FnOnce(&mut Warrant)) -> ErrorReason {
        let error = self.present(scene, warrant, |_| {}).unwrap_err();
        assert_eq!(error.code(), Code::PermissionDenied);
        error.reason()
    }
}

#[test]
fn papers_in_order_are_admitted() {
    let permit = Papers::new().present(&Scene::new(), |_| {}, |_| {}).unwrap();
    assert_eq!(permit.action, fixtures::action());
}

#[test]
fn any_change_of_the_action_is_refused() {
    let changes: [fn(&mut Action); 7] = [
        |action| {
            action.operation = Operation::Instruction {
                instruction: "Wire the money.".into(),
            }
        },
        |action| action.operation = fixtures::tool_action().operation,
        |action| action.agent = "ops".into(),
        |action| action.session = "another".into(),
        |action| action.requester = "mallory".into(),
        |action| action.tenant = "other".into(),
        |action| action.run = RunId::derive("acme", "i", "alice", "another"),
    ];
    for change in changes {
        let error = Papers::new().present(&Scene::new(), |_| {}, change).unwrap_err();
        assert_eq!(error.reason(), ErrorReason::WarrantRejected);
    }
    let error = Papers::new()
        .present(&Scene::new(), |_| {}, |action| action.issuer = "https://evil".into())
        .unwrap_err();
    assert_eq!(error.reason(), ErrorReason::WarrantRejected);
}

#[test]
fn any_warrant_that_is_not_for_this_is_refused() {
    let changes: [fn(&mut Warrant); 8] = [
        |warrant| warrant.aud = "trace-svc".into(),
        |warrant| warrant.tenant = "other".into(),
        |warrant| warrant.sub = "ops".into(),
        |warrant| warrant.act = "mallory".into(),
        |warrant| warrant.run = RunId::derive("a", "b", "c", "d"),
        |warrant| warrant.policy = "sha256:00".into(),
        |warrant| warrant.risk = Risk::Amber,
        |warrant| warrant.verdict = "0".repeat(64),
    ];
    for change in changes {
        assert_eq!(
            Papers::new().refused(&Scene::new(), change),
            ErrorReason::WarrantRejected
        );
    }
}

#[test]
fn foreign_keys_are_refused() {
    let papers = Papers {
        approver: Signer::new("approval-svc", SigningKey::from_seed(&[9; 32])),
        ..Papers::new()
    };
    assert_eq!(papers.refused(&Scene::new(), |_| {}), ErrorReason::WarrantRejected);
    let papers = Papers {
        classifier: Signer::new("classifier-svc", SigningKey::from_seed(&[9; 32])),
        ..Papers::new()
    };
    assert_eq!(papers.refused(&Scene::new(), |_| {}), ErrorReason::WarrantRejected);
    // The classifier's key signs no warrants.
    let papers = Papers {
        approver: Signer::new("approval-svc", SigningKey::from_seed(&[1; 32])),
        ..Papers::new()
    };
    assert_eq!(papers.refused(&Scene::new(), |_| {}), ErrorReason::WarrantRejected);
}

#[test]
fn an_expired_warrant_is_refused_and_an_expired_verdict_is_evidence() {
    let (scene, papers) = (Scene::new(), Papers::new());
    scene.clock.advance(Duration::from_secs(100));
    assert!(
        papers.present(&scene, |_| {}, |_| {}).is_ok(),
        "the verdict has expired, the warrant has not"
    );
    scene.clock.advance(Duration::from_secs(15));
    assert_eq!(papers.refused(&scene, |_| {}), ErrorReason::WarrantRejected);
}

#[test]
fn red_is_never_executed_and_contradictions_neither() {
    let mut papers = Papers::new();
    for (risk, disposition) in [
        (Risk::Red, Disposition::Block),
        (Risk::Red, Disposition::Allow),
        (Risk::Amber, Disposition::Allow),
        (Risk::Green, Disposition::Block),
        (Risk::Green, Disposition::RequireApproval),
    ] {
        (papers.verdict.risk, papers.verdict.disposition) = (risk, disposition);
        for mode in Mode::ALL {
            let scene = Scene::configured(|config| config.accept_simulated = true);
            assert_eq!(
                papers.refused(&scene, |warrant| warrant.mode = mode),
                ErrorReason::WarrantRejected
            );
        }
    }
}

#[test]
fn only_people_grant_what_is_amber() {
    let (scene, papers) = (Scene::new(), Papers::amber());
    assert!(
        papers
            .present(&scene, |warrant| warrant.mode = Mode::People, |_| {})
            .is_ok()
    );
    assert_eq!(
        papers.refused(&scene, |_| {}),
        ErrorReason::WarrantRejected,
        "policy can't"
    );
    assert_eq!(
        papers.refused(&scene, |warrant| warrant.mode = Mode::BreakGlass),
        ErrorReason::WarrantRejected
    );
}

#[test]
fn simulated_warrants_need_a_switch() {
    let papers = Papers::amber();
    let simulate = |warrant: &mut Warrant| warrant.mode = Mode::Simulated;
    assert_eq!(papers.refused(&Scene::new(), simulate), ErrorReason::SimulatedWarrant);
    let scene = Scene::configured(|config| config.accept_simulated = true);
    assert!(papers.present(&scene, simulate, |_| {}).is_ok());
}

#[test]
fn a_tenant_can_only_use_its_agents() {
    let scene = Scene::configured(|config| config.allowed_agents = vec!["other=main".parse().unwrap()]);
    assert_eq!(Papers::new().refused(&scene, |_| {}), ErrorReason::AgentNotAllowed);
}
