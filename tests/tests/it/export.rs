//! An export, verified by the program that the documents print.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use testkit::{gateway::FakeGatewayAndToken, sandbox::Sandbox};

use crate::scenario::{GREEN, RED, Scenario};

const PAGE: &str = include_str!("../../../docs/trace-log.md");

/// What the documented program says of an export.
fn verify(export: &str) -> Output {
    let (_, program) = PAGE.split_once("```python\n").unwrap();
    let (program, _) = program.split_once("\n```\n").unwrap();
    let mut python = Command::new("python3")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(export.as_bytes()).unwrap();
    python.wait_with_output().unwrap()
}

#[track_caller]
fn assert_wrong(what: &str, lines: &[&str]) {
    let said = verify(&lines.concat());
    assert_eq!(said.status.code(), Some(1), "{what}: {said:?}");
    assert!(said.stdout.starts_with(b"WRONG: "), "{what}: {said:?}");
}

#[tokio::test]
async fn the_documented_program_verifies_an_export_and_finds_what_was_done_to_it() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let scenario = Scenario::new(sandbox.channels(), &gateway.gateway);
    scenario.follow(GREEN).await;
    scenario.follow(RED).await;
    let export = String::from_utf8(scenario.judge().await.log).unwrap();
    let said = verify(&export);
    assert_eq!(said.status.code(), Some(0), "{said:?}");

    let lines: Vec<_> = export.split_inclusive('\n').collect();
    let altered = lines[1].replace("GREEN", "AMBER");
    let mut changed = lines.clone();
    changed[1] = &altered;
    assert_wrong("a changed line", &changed);
    let mut missing = lines.clone();
    missing.remove(2);
    assert_wrong("a missing line", &missing);
    let mut swapped = lines.clone();
    swapped.swap(1, 2);
    assert_wrong("lines out of order", &swapped);
    let (_, cut) = lines.split_last().unwrap();
    assert_wrong("a closing that is missing", cut);
    let cut = export.strip_suffix("}\n").unwrap();
    assert_wrong("a line that is cut", &[cut]);
    let open = lines[..lines.len() - 2].concat();
    assert_eq!(verify(&open).status.code(), Some(2), "an end that is cut off");
}
