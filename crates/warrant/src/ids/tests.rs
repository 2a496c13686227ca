//! That derived names are stable, valid and have one spelling.

use proptest::prelude::*;

use super::*;

fn run() -> RunId {
    RunId::derive("acme", "https://id.acme.example", "alice", "request-1")
}

#[test]
fn run_id_has_one_spelling() {
    let text = run().to_string();
    assert_eq!(text.len(), 32);
    assert_eq!(text.parse(), Ok(run()));
    let (_, tail) = text.split_at(1);
    let upper = text.to_uppercase();
    let zero = "0".repeat(32);
    let long = format!("{text}0");
    for wrong in ["", &upper, &zero, &long, tail, &format!(" {tail}")] {
        assert!(wrong.parse::<RunId>().is_err(), "{wrong}");
    }
    assert!(RunId::from_bytes([0; 16]).is_err());
    assert_eq!(RunId::from_bytes(*run().as_bytes()), Ok(run()));
}

#[test]
fn approval_has_one_name() {
    let id = approval_id(&run());
    assert_eq!(id.as_uuid().get_version_num(), 8);
    assert_eq!(id.as_uuid().get_variant(), uuid::Variant::RFC4122);
    assert_eq!(id.name(), format!("approvals/{id}"));
    assert_eq!(ApprovalId::from_name(&id.name()), Ok(id));
    assert_eq!(id.to_string().parse(), Ok(id));

    let bare = id.to_string();
    let wrong = [
        bare.clone(),
        String::new(),
        "approvals/".into(),
        format!("approvals/{}", bare.to_uppercase()),
        format!("approvals/{}", bare.replace('-', "")),
        format!("approvals/{{{bare}}}"),
        format!("approvals/urn:uuid:{bare}"),
        format!("approvals/approvals/{bare}"),
        format!("approvals/{bare}/votes"),
        format!("Approvals/{bare}"),
    ];
    for wrong in wrong {
        assert!(ApprovalId::from_name(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn session_keys_do_not_cross_borders() {
    let key = session_key("main", "acme", "people", "alice", "inbox");
    let (prefix, hash) = key.split_at("agent:main:cs-".len());
    assert_eq!(prefix, "agent:main:cs-");
    assert!(hash.len() == 64 && is_lower_hex(hash));
    let others = [
        session_key("ops", "acme", "people", "alice", "inbox"),
        session_key("main", "acm", "epeople", "alice", "inbox"),
        session_key("main", "acme", "peoplealice", "", "inbox"),
        session_key("main", "acme", "people", "aliceinbox", ""),
        session_key("main", "umbrella", "people", "alice", "inbox"),
        session_key("main", "acme", "partners", "alice", "inbox"),
        session_key("main", "acme", "people", "bob", "inbox"),
        session_key("main", "acme", "people", "alice", "outbox"),
    ];
    assert!(!others.contains(&key));
}

proptest! {
    #[test]
    fn run_depends_on_each_part(parts in proptest::array::uniform4(".{0,8}"), which in 0_usize..4, more in ".{1,3}") {
        let derive = |parts: &[String; 4]| RunId::derive(&parts[0], &parts[1], &parts[2], &parts[3]);
        let mut altered = parts.clone();
        altered[which].push_str(&more);
        prop_assert_eq!(derive(&parts), derive(&parts));
        prop_assert_ne!(derive(&parts), derive(&altered));
        prop_assert_ne!(approval_id(&derive(&parts)), approval_id(&derive(&altered)));
        let mut rotated = altered.clone();
        rotated.rotate_left(1);
        prop_assert_eq!(rotated == altered, derive(&rotated) == derive(&altered));
    }
}
