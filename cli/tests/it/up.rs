//! `countersign up` itself: its start, its summary, its end.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use cli::Exit;

use testkit::{
    fake_gateway::{Behaviour, FakeGateway},
    process::Process,
};

use crate::instance::{GREEN, Instance, run};

fn modes_below(folder: &Path) -> Vec<(String, u32)> {
    let mut modes = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        modes.push((
            entry.path().display().to_string(),
            entry.metadata().unwrap().permissions().mode() & 0o777,
        ));
        if entry.path().is_dir() {
            modes.extend(modes_below(&entry.path()));
        }
    }
    modes
}

#[tokio::test]
async fn it_says_where_the_parts_are_and_ends_in_order() {
    let mut instance = Instance::start().await;
    let endpoints = fs::read_to_string(instance.data().join("endpoints.json")).unwrap();
    let endpoints: std::collections::BTreeMap<String, String> = serde_json::from_str(&endpoints).unwrap();
    let names: Vec<_> = endpoints.keys().map(String::as_str).collect();
    assert_eq!(names, ["approval", "classifier", "executor", "orchestrator", "trace"]);
    let output = instance.wait_for_output("GovernanceService/ListRuns").await;
    assert!(output.starts_with("Countersign is ready."), "{output}");
    assert!(endpoints.values().all(|url| output.contains(url)), "{output}");
    assert_eq!(instance.stop().await, Some(0), "{}", instance.process.output());
    assert!(!instance.data().join("endpoints.json").exists());
    let said = instance.run(&["trace", "list"]).await;
    assert_eq!(said.exit, Exit::Failure);
    assert!(said.err.contains("no running instance"), "{}", said.err);
}

#[tokio::test]
async fn private_files_are_private() {
    let instance = Instance::start().await;
    assert_eq!(
        fs::metadata(instance.data()).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let keys = modes_below(&instance.data().join("keys"));
    assert!(keys.len() >= 9, "{keys:?}");
    assert!(keys.iter().all(|(_, mode)| *mode == 0o600), "{keys:?}");
}

#[tokio::test]
async fn a_second_instance_on_the_same_data_is_refused() {
    let instance = Instance::start().await;
    let mut second = instance.spawn_another();
    assert_eq!(second.wait().await, Some(1));
    assert!(
        second.output().contains("another `countersign up` runs on"),
        "{}",
        second.output()
    );
    assert_eq!(instance.run(&["trace", "list"]).await.exit, Exit::Ok);
}

#[tokio::test]
async fn what_was_recorded_survives_a_restart() {
    let instance = Instance::start().await;
    assert_eq!(instance.run(&["run", GREEN]).await.exit, Exit::Ok);
    // An outcome is told as soon as it is committed; its last events follow.
    let before = testkit::eventually("the trace is closed", async || {
        let (_, lines) = instance.json(&["trace", "list", "--filter", "closed = true"]).await;
        (lines[0]["traces"].as_array().map(Vec::len) == Some(1)).then_some(lines)
    })
    .await;
    let instance = instance.restart().await;
    let (_, after) = instance.json(&["trace", "list"]).await;
    assert_eq!(before[0]["traces"], after[0]["traces"]);
    assert_eq!(before[0]["traces"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn without_a_gateway_it_starts_and_says_what_that_means() {
    let mut instance = Instance::start_with(None, &[]).await;
    instance
        .wait_for_output("what is granted waits until its grant expires")
        .await;
    let (exit, lines) = instance.json(&["run", GREEN, "--no-wait"]).await;
    assert_eq!(exit, Exit::Pending, "{lines:?}");
    assert_eq!(lines[0]["state"], "GRANTED");
    assert_eq!(instance.stop().await, Some(0));
}

#[tokio::test]
async fn other_deployments_are_reached_with_a_token_and_endpoints() {
    let instance = Instance::start().await;
    let token = instance
        .run(&["token", "create", "--subject", "alice", "--ttl", "1m"])
        .await
        .out;
    let file = instance.file("alice.token");
    fs::write(&file, token).unwrap();
    let nowhere = instance.file("nowhere");
    let common = [
        "--data-dir",
        nowhere.to_str().unwrap(),
        "--token-file",
        file.to_str().unwrap(),
    ];
    let orchestrator = instance.endpoint("orchestrator");
    let orchestrator = ["--endpoint-orchestrator", &*orchestrator];
    let said = run(&[&["run", GREEN], &common[..], &orchestrator].concat()).await;
    assert_eq!(said.exit, Exit::Ok, "{said:?}");
    let said = run(&[&["approvals", "list"], &common[..]].concat()).await;
    assert_eq!(said.exit, Exit::Failure);
    assert!(said.err.contains("no endpoint of approval-svc given"), "{}", said.err);
}

#[tokio::test]
async fn it_ends_in_order_though_nobody_reads_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("bash");
    command
        .args(["-c", "exec \"$@\" 2> >(:)", "bash", env!("CARGO_BIN_EXE_countersign")])
        .args(["up", "--port-base", "0", "--data-dir"])
        .arg(folder.path());
    let mut process = Process::spawn(&mut command, &folder.path().join("up.log"));
    let endpoints = folder.path().join("endpoints.json");
    testkit::eventually("endpoints", async || endpoints.exists().then_some(())).await;
    process.signal("TERM");
    assert_eq!(process.wait().await, Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let gateway = FakeGateway::start_with(Behaviour::HangBeforeFirstByte).await.unwrap();
    let mut instance = Instance::start_with(Some(gateway), &[]).await;
    let (exit, lines) = instance.json(&["run", GREEN, "--no-wait"]).await;
    assert_eq!(exit, Exit::Pending, "{lines:?}");
    instance.gateway().wait_for_requests(1).await;
    instance.process.signal("TERM");
    instance.wait_for_output("again to stop at once").await;
    assert!(instance.process.is_running(), "it waits for what is being executed");
    instance.process.signal("TERM");
    assert_eq!(instance.process.wait().await, Some(130));
}
