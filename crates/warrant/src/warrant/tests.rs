//! What a warrant is bound to, and the names on the wire.

use super::*;
use crate::fixtures::{alterations, classifier, instruction, verdict, warrant};

type Alteration = fn(&mut Warrant);

#[test]
fn warrant_permits_its_action_only() {
    assert_eq!(warrant().check_action(&instruction()), Ok(()));
    for altered in alterations(&instruction()) {
        assert!(warrant().check_action(&altered).is_err(), "{altered:?}");
    }
}

#[test]
fn each_bound_claim_is_checked() {
    let table: [(Alteration, BindingError); 6] = [
        (|w| w.tenant = "other".into(), BindingError::Tenant),
        (|w| w.run = RunId::derive("", "", "", ""), BindingError::Run),
        (
            |w| w.approval = approval_id(&RunId::derive("", "", "", "")),
            BindingError::Approval,
        ),
        (|w| w.act = "mallory".into(), BindingError::Requester),
        (|w| w.sub = "ops".into(), BindingError::Agent),
        (
            |w| w.act_digest = ActionDigest::from_bytes([0; 32]),
            BindingError::Action,
        ),
    ];
    for (change, expected) in table {
        let mut altered = warrant();
        change(&mut altered);
        assert_eq!(altered.check_action(&instruction()), Err(expected));
    }
}

#[test]
fn warrant_rests_on_its_verdict_only() {
    let token = classifier().sign(&verdict()).unwrap();
    assert_eq!(warrant().check_verdict(&token, &verdict()), Ok(()));
    assert_eq!(
        warrant().check_verdict("another", &verdict()),
        Err(BindingError::Verdict)
    );
    let table: [(Alteration, BindingError); 6] = [
        (|w| w.tenant = "other".into(), BindingError::Tenant),
        (|w| w.run = RunId::derive("", "", "", ""), BindingError::Run),
        (|w| w.act = "mallory".into(), BindingError::Requester),
        (
            |w| w.act_digest = ActionDigest::from_bytes([0; 32]),
            BindingError::Action,
        ),
        (|w| w.risk = Risk::Amber, BindingError::Risk),
        (|w| w.policy = "sha256:00".into(), BindingError::Policy),
    ];
    for (change, expected) in table {
        let mut altered = warrant();
        change(&mut altered);
        assert_eq!(altered.check_verdict(&token, &verdict()), Err(expected));
    }
}

#[test]
fn names_on_the_wire_are_the_same_everywhere() {
    for mode in Mode::ALL {
        assert_eq!(serde_json::to_value(mode).unwrap(), mode.to_string());
        assert_eq!(mode.as_str().parse(), Ok(mode));
    }
    assert!("auto".parse::<Mode>().is_err());
}
