//! What a verdict is bound to, and the names on the wire.

use super::*;
use crate::fixtures::{alterations, instruction, verdict};

type Alteration = fn(&mut Verdict);

#[test]
fn verdict_holds_for_its_action_only() {
    assert_eq!(verdict().check_action(&instruction()), Ok(()));
    for altered in alterations(&instruction()) {
        assert!(verdict().check_action(&altered).is_err(), "{altered:?}");
    }
}

#[test]
fn each_bound_claim_is_checked() {
    let table: [(Alteration, BindingError); 5] = [
        (|v| v.tenant = "other".into(), BindingError::Tenant),
        (|v| v.run = RunId::derive("", "", "", ""), BindingError::Run),
        (|v| v.issuer = "other".into(), BindingError::Issuer),
        (|v| v.requester = "mallory".into(), BindingError::Requester),
        (
            |v| v.act_digest = ActionDigest::from_bytes([0; 32]),
            BindingError::Action,
        ),
    ];
    for (change, expected) in table {
        let mut altered = verdict();
        change(&mut altered);
        assert_eq!(altered.check_action(&instruction()), Err(expected));
    }
}

#[test]
fn a_verdict_says_one_thing_to_people() {
    let reason = "it only reads mail";
    assert_eq!(verdict().check_reason(reason, ""), Ok(()));
    for (reason, alternative) in [
        ("it reads mail", ""),
        ("", reason),
        (reason, " "),
        ("it only", " reads mail"),
    ] {
        assert_eq!(verdict().check_reason(reason, alternative), Err(BindingError::Reason));
    }
}

#[test]
fn names_on_the_wire_are_the_same_everywhere() {
    for risk in Risk::ALL {
        assert_eq!(serde_json::to_value(risk).unwrap(), risk.to_string());
        assert_eq!(risk.as_str().parse(), Ok(risk));
    }
    for disposition in Disposition::ALL {
        assert_eq!(serde_json::to_value(disposition).unwrap(), disposition.to_string());
        assert_eq!(disposition.as_str().parse(), Ok(disposition));
    }
    assert!("green".parse::<Risk>().is_err());
    assert!("DENY".parse::<Disposition>().is_err());
    assert!(Risk::ALL.is_sorted() && Disposition::ALL.is_sorted());
}
