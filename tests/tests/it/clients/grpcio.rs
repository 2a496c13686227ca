//! Python's grpcio, which drives every RPC by reflection, and the program for it that the documentation shows.

use std::collections::BTreeMap;

use chassis::PartName;
use serde_json::{Value, json};
use testkit::{
    authority::{Identity, PEOPLE, TENANT, service_token},
    fleet::PARTS,
    gateway::FakeGatewayAndToken,
    sandbox::Sandbox,
};

use super::{Written, assert_all_called, at, folder, page, python, run};

/// Which services' credentials the client is given: caller and target.
const SERVICE_TOKENS: [(PartName, PartName); 4] = [
    (PartName::Orchestrator, PartName::Approval),
    (PartName::Orchestrator, PartName::Executor),
    (PartName::Executor, PartName::Approval),
    (PartName::Executor, PartName::Trace),
];

#[tokio::test]
async fn every_rpc_is_driven_by_reflection() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let given = given(&sandbox).to_string();
    let written = run(python().arg(folder().join("clients/grpcio_client.py")), &given).await;
    assert!(written.ended_well, "{}\n{}", written.stdout, written.stderr);
    let calls: Vec<Value> = written
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let answered = calls
        .iter()
        .filter(|call| call["code"] == "OK")
        .map(|call| call["rpc"].as_str().unwrap());
    let answered: Vec<String> = answered.map(|rpc| format!("/{rpc}")).collect();
    assert_all_called(answered.iter().map(String::as_str));
    let refused: Vec<&Value> = calls.iter().filter(|call| call["code"] != "OK").collect();
    assert_eq!(refused.len(), 1, "the one that is tried on purpose: {refused:?}");
    assert_eq!(refused[0]["reason"], "RUN_NOT_FOUND");
}

#[tokio::test]
async fn the_documented_program_works_as_printed() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let page = page();
    let program = page.split_once("```python\n").unwrap().1.split_once("```").unwrap().0;
    let program = at(program, &sandbox);
    let token = Identity::alice().governance_token();
    let Written {
        stdout,
        stderr,
        ended_well,
    } = run(python().arg("-"), &format!("token = '{token}'\n{program}")).await;
    assert!(ended_well, "{stderr}");
    assert_eq!(
        serde_json::from_str::<Value>(&stdout).unwrap(),
        json!({}),
        "alice has no runs yet"
    );
}

/// Addresses and tokens, all that the client knows.
fn given(sandbox: &Sandbox) -> Value {
    let address = |part: PartName| sandbox.url(part).trim_start_matches("http://").to_owned();
    let addresses: BTreeMap<&str, String> = PARTS.iter().map(|part| (part.as_str(), address(*part))).collect();
    let mut tokens: BTreeMap<String, String> = SERVICE_TOKENS
        .iter()
        .map(|(caller, target)| (format!("{caller}@{target}"), service_token(*caller, *target)))
        .collect();
    tokens.insert("ask".to_owned(), Identity::alice().governance_token());
    tokens.insert("decide".to_owned(), Identity::bob().approval_token());
    let olga = Identity::named("olga").in_groups(&["operators"]);
    tokens.insert("operate".to_owned(), olga.governance_token());
    json!({ "addresses": addresses, "tokens": tokens, "tenant": TENANT, "issuer": PEOPLE })
}
