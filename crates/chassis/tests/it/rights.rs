//! The rights table, row by row.

use std::collections::{BTreeMap, BTreeSet};

use chassis::auth::{Grant, Rights};
use prost::Message as _;
use prost_types::FileDescriptorSet;

#[test]
fn every_rpc_of_the_contract_has_a_row_and_every_row_an_rpc() {
    let contract: BTreeSet<String> = contract().into_iter().collect();
    let rights = Rights::shipped().unwrap();
    let rows: BTreeSet<String> = rights.iter().map(|(rpc, _)| rpc.to_owned()).collect();
    assert_eq!(rows, contract);
}

#[test]
fn no_row_is_empty_and_no_decision_can_be_made_through_another_part() {
    let rights = Rights::shipped().unwrap();
    let rows: BTreeMap<&str, &[Grant]> = rights.iter().collect();
    assert!(rows.values().all(|grants| !grants.is_empty()));
    for decision in [
        "ApprovalService/GrantApproval",
        "ApprovalService/DenyApproval",
        "ApprovalService/RevokeApproval",
        "WarrantService/ReconcileWarrant",
    ] {
        let grants = rows[format!("countersign.approval.v1.{decision}").as_str()];
        assert!(
            grants
                .iter()
                .all(|grant| !matches!(grant, Grant::Service(service) if service.subject.is_some())),
            "{decision}"
        );
        assert!(
            grants
                .iter()
                .all(|grant| !matches!(grant, Grant::People(people) if people.groups.is_empty())),
            "{decision}"
        );
    }
}

#[test]
fn a_table_with_an_unknown_part_or_field_is_refused() {
    assert!(Rights::parse("a.B/C:\n  - service: nobody\n").is_err());
    assert!(Rights::parse("a.B/C:\n  - poeple: governance\n").is_err());
    assert!(Rights::parse("a.B/C:\n  - people: everyone\n").is_err());
    assert!(Rights::parse("a.B/C:\n  - anyone: true\n").is_ok());
    assert!(Rights::parse("a.B/C:\n  - anyone: false\n").is_err());
}

fn contract() -> Vec<String> {
    let files = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut rpcs = Vec::new();
    for file in files.file {
        for service in &file.service {
            for method in &service.method {
                rpcs.push(format!("{}.{}/{}", file.package(), service.name(), method.name()));
            }
        }
    }
    rpcs
}
