//! The service as a process: how it starts, ends, and refuses to start.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

const FAILURE: i32 = 1;
const USAGE: i32 = 64;

fn command(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trace-svc"));
    command
        .arg("--data-dir")
        .arg(data_dir)
        .args(["--listen-address", "127.0.0.1:0"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts the service and waits until it listens.
fn start(data_dir: &Path) -> Child {
    let mut child = command(data_dir).spawn().unwrap();
    let output = child.stderr.take().unwrap();
    let listening = BufReader::new(output)
        .lines()
        .map(Result::unwrap)
        .any(|line| line.contains("listening"));
    assert!(listening, "the service ended before it listened");
    child
}

fn terminate(child: &mut Child) -> Option<i32> {
    // The shell's own `kill`: small machines have no program of that name.
    let kill = format!("kill {}", child.id());
    let killed = Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(killed.success());
    child.wait().unwrap().code()
}

#[test]
fn it_ends_cleanly_when_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path());
    assert_eq!(terminate(&mut child), Some(0));
    assert!(folder.path().join("segments/00000000000000000000.jsonl").exists());
}

#[test]
fn a_second_process_on_the_same_log_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = start(folder.path());
    let second = command(folder.path()).output().unwrap();
    assert_eq!(second.status.code(), Some(FAILURE));
    assert!(String::from_utf8_lossy(&second.stderr).contains("held by another process"));
    assert_eq!(terminate(&mut first), Some(0));
}

#[test]
fn a_damaged_log_is_refused_with_the_place_of_the_damage() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("segments")).unwrap();
    let stray = folder.path().join("segments/00000000000000000007.jsonl");
    fs::write(stray, "").unwrap();
    let refused = command(folder.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(FAILURE));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("the log is damaged in") && said.contains("at byte 0"),
        "{said}"
    );
}

#[test]
fn a_wrong_command_line_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = command(folder.path()).args(["--segment-bytes", "12"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(USAGE));
}
