//! The contract as clients see it that were never compiled against it: everything they know comes from reflection.

use std::{collections::BTreeSet, env, fs, path::PathBuf, process::Stdio, time::Duration};

use chassis::PartName;
use testkit::{fleet::PARTS, sandbox::Sandbox};
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

mod buf_curl;
mod grpcio;
mod reflection;

/// The longest that a foreign client takes for whatever it is told to do at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a foreign client has written.
#[derive(Debug)]
struct Written {
    stdout: String,
    stderr: String,
    ended_well: bool,
}

/// Runs a foreign client to its end.
async fn run(command: &mut Command, input: &str) -> Written {
    command
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = command
        .spawn()
        .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
    let mut stdin = process.stdin.take().unwrap();
    // It may end before it has read all of it; how it ended tells why.
    stdin.write_all(input.as_bytes()).await.ok();
    drop(stdin);
    let ended = timeout(PATIENCE, process.wait_with_output()).await;
    let output = ended
        .unwrap_or_else(|_| panic!("{command:?} did not end in time"))
        .unwrap();
    Written {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        ended_well: output.status.success(),
    }
}

/// The Python that has grpcio.
fn python() -> Command {
    let variable = "COUNTERSIGN_TEST_PYTHON";
    let python = env::var_os(variable);
    Command::new(
        python.unwrap_or_else(|| panic!("{variable} is not set: run this test by `make test`, which installs grpcio")),
    )
}

/// The page that shows how to call every RPC by hand.
fn page() -> String {
    let path = folder().join("../docs/grpc.md");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

/// A text of the page, with this deployment's addresses in place of the documented ones.
fn at(text: &str, sandbox: &Sandbox) -> String {
    PARTS.iter().fold(text.to_owned(), |text, part| {
        text.replace(
            documented_address(*part),
            sandbox.url(*part).trim_start_matches("http://"),
        )
    })
}

const fn documented_address(part: PartName) -> &'static str {
    match part {
        PartName::Orchestrator => "127.0.0.1:7100",
        PartName::Classifier => "127.0.0.1:7101",
        PartName::Approval | PartName::SimulatedApprover => "127.0.0.1:7102",
        PartName::Executor => "127.0.0.1:7103",
        PartName::Trace => "127.0.0.1:7104",
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every RPC of the contract was called, and nothing else.
fn assert_all_called<'a>(called: impl IntoIterator<Item = &'a str>) {
    let called: BTreeSet<String> = called.into_iter().map(str::to_owned).collect();
    let contract: BTreeSet<String> = crate::raw::rpcs().iter().map(crate::raw::Rpc::path).collect();
    assert_eq!(called, contract);
}
