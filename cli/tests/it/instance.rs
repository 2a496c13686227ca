//! A running `countersign up`, and the other commands as a user types them.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
};

use cli::{Console, Exit, Terminals};
use serde_json::Value;
use tempfile::TempDir;
use testkit::{fake_gateway::FakeGateway, process::Process};

/// The five requests' sentences that the tests need.
pub(crate) const GREEN: &str = "Summarize our AI governance policy for internal use.";
pub(crate) const AMBER: &str = "Send an email to all employees that payroll will be delayed by 2 days.";
pub(crate) const RED: &str = "Transfer funds from treasury to vendor account immediately.";

/// One deployment: its folder, its process, and its gateway if it has one.
pub(crate) struct Instance {
    pub(crate) gateway: Option<FakeGateway>,
    pub(crate) process: Process,
    folder: TempDir,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

// === impl Instance ===

impl Instance {
    /// A deployment with a gateway that answers at once.
    pub(crate) async fn start() -> Self {
        Self::start_with(Some(FakeGateway::start().await.unwrap()), &[]).await
    }

    /// A deployment with these options more.
    pub(crate) async fn start_with(gateway: Option<FakeGateway>, options: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), gateway, options).await
    }

    async fn start_in(folder: TempDir, gateway: Option<FakeGateway>, options: &[&str]) -> Self {
        let process = spawn(folder.path(), gateway.as_ref(), options);
        let mut instance = Self {
            gateway,
            process,
            folder,
        };
        let endpoints = instance.data().join("endpoints.json");
        let process = &mut instance.process;
        testkit::eventually("endpoints", async || {
            assert!(process.is_running(), "{}", process.output());
            endpoints.exists().then_some(())
        })
        .await;
        instance
    }

    /// Starts again on what the first process left.
    pub(crate) async fn restart(mut self) -> Self {
        self.stop().await;
        let Self { gateway, folder, .. } = self;
        Self::start_in(folder, gateway, &[]).await
    }

    /// Kills the process without warning and starts another on what it left.
    pub(crate) async fn crash_and_restart(mut self) -> Self {
        self.process.kill();
        std::fs::remove_file(self.data().join("endpoints.json")).unwrap();
        let Self { gateway, folder, .. } = self;
        Self::start_in(folder, gateway, &[]).await
    }

    /// Asks it to end, and waits; its exit code.
    pub(crate) async fn stop(&mut self) -> Option<i32> {
        self.process.signal("TERM");
        self.process.wait().await
    }

    /// A second process on the same data directory.
    pub(crate) fn spawn_another(&self) -> Process {
        spawn(self.folder.path(), self.gateway.as_ref(), &[])
    }

    /// Waits until the process has written this; all that it has written.
    pub(crate) async fn wait_for_output(&self, text: &str) -> String {
        testkit::eventually(text, async || {
            Some(self.process.output()).filter(|output| output.contains(text))
        })
        .await
    }

    /// Where a part listens.
    pub(crate) fn endpoint(&self, part: &str) -> String {
        let endpoints = std::fs::read_to_string(self.data().join("endpoints.json")).unwrap();
        let endpoints: Value = serde_json::from_str(&endpoints).unwrap();
        endpoints[part].as_str().unwrap().to_owned()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn gateway(&self) -> &FakeGateway {
        self.gateway.as_ref().unwrap()
    }

    /// Runs a command on this deployment.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Said {
        let data = self.data();
        let directory = ["--data-dir", data.to_str().unwrap()];
        run(&[arguments, &directory].concat()).await
    }

    /// Runs a command with JSON output; each line of it.
    pub(crate) async fn json(&self, arguments: &[&str]) -> (Exit, Vec<Value>) {
        let said = self.run(&[arguments, &["--output", "json"]].concat()).await;
        let lines = said
            .out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        (said.exit, lines)
    }
}

/// Runs a command in this process, without a terminal.
pub(crate) async fn run(arguments: &[&str]) -> Said {
    let arguments: Vec<_> = ["countersign"].iter().chain(arguments).map(Into::into).collect();
    let command = move || {
        let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), io::empty());
        let terminals = Terminals::default();
        let mut console = Console {
            out: &mut out,
            err: &mut err,
            input: &mut input,
            terminals,
            no_color: true,
        };
        let exit = cli::run(arguments, &mut console);
        Said {
            exit,
            out: String::from_utf8(out).unwrap(),
            err: String::from_utf8(err).unwrap(),
        }
    };
    tokio::task::spawn_blocking(command).await.unwrap()
}

/// Types a printed command line into a shell; its exit code, and all that it printed.
pub(crate) async fn type_in_a_shell(line: &str) -> (Option<i32>, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_countersign"));
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).env("PATH", program.parent().unwrap());
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.unwrap().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(printed).unwrap())
}

fn spawn(folder: &Path, gateway: Option<&FakeGateway>, options: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command
        .arg("up")
        .arg("--data-dir")
        .arg(folder.join("data"))
        .args(["--port-base", "0"])
        .args(options);
    if let Some(gateway) = gateway {
        let token = folder.join("gateway.token");
        std::fs::write(&token, FakeGateway::TOKEN).unwrap();
        command
            .args(["--gateway-url", &gateway.url()])
            .arg("--gateway-token-file")
            .arg(token);
    }
    Process::spawn(&mut command, &folder.join("up.log"))
}
