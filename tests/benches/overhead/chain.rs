//! Countersign itself: GREEN runs from submission to outcome, as five processes of one program or of five, and in one
//! process.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use proto::{
    common::v1::Instruction,
    governance::v1::{
        StreamRunRequest, governance_service_client::GovernanceServiceClient, run::State,
        stream_run_request::Operation, stream_run_response::Update,
    },
    trace::v1::{ListTracesRequest, trace_service_client::TraceServiceClient},
};
use tempfile::TempDir;
use testkit::{
    authority::Identity,
    clients::{Authorized, Tokens},
    eventually,
    fake_gateway::FakeGateway,
    fleet::{Fleet, FleetOptions, GatewayAddress, PARTS},
    process::Process,
};
use tonic::transport::Channel;

use crate::{cpu::Processes, load::Target};

const REQUEST: &str = "Summarize our AI governance policy for internal use.";
/// Connections of the load, as many as the floor's load has.
const CONNECTIONS: usize = 4;

/// The gateway stand-in, and the file with its token.
pub(crate) struct Gateway {
    pub(crate) url: String,
    process: Child,
    folder: TempDir,
}

/// A deployment under load.
pub(crate) struct Chain {
    orchestrator: String,
    trace: String,
    token: String,
    ended: Arc<AtomicUsize>,
    processes: Processes,
    running: Running,
}

enum Running {
    Five(Box<Fleet>),
    One(Process, TempDir),
}

/// Where a deployment is driven.
#[derive(Clone)]
pub(crate) struct ChainTarget {
    clients: Vec<GovernanceServiceClient<Authorized>>,
    next: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

/// Starts the gateway stand-in in a process of its own.
pub(crate) fn spawn_gateway() -> Gateway {
    let mut process = Command::new(env::current_exe().unwrap())
        .env("COUNTERSIGN_BENCH_GATEWAY", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(process.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("token"), FakeGateway::TOKEN).unwrap();
    Gateway {
        url: url.trim().to_owned(),
        process,
        folder,
    }
}

// === impl Gateway ===

impl Gateway {
    fn address(&self) -> GatewayAddress {
        GatewayAddress {
            url: self.url.clone(),
            token_file: self.folder.path().join("token"),
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

// === impl Chain ===

impl Chain {
    /// `countersign serve`, five times: one program, as the floor is.
    pub(crate) async fn five_processes(gateway: &Gateway, programs: &Path) -> Self {
        Self::five(gateway, FleetOptions::default().from_folder(programs).as_one_program()).await
    }

    /// Each part as a program of its own.
    pub(crate) async fn five_programs(gateway: &Gateway, programs: &Path) -> Self {
        Self::five(gateway, FleetOptions::default().from_folder(programs)).await
    }

    async fn five(gateway: &Gateway, options: FleetOptions) -> Self {
        let mut fleet = Fleet::start_with(&gateway.address(), options).await;
        Self {
            processes: PARTS.map(|part| (part.as_str(), fleet.process(part).id())).into(),
            orchestrator: fleet.url(chassis::PartName::Orchestrator),
            trace: fleet.url(chassis::PartName::Trace),
            token: Identity::alice().governance_token(),
            ended: Arc::default(),
            running: Running::Five(Box::new(fleet)),
        }
    }

    /// `countersign up`.
    pub(crate) async fn one_process(gateway: &Gateway, programs: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut command = Command::new(programs.join("countersign"));
        command
            .args(["up", "--port-base", "0", "--gateway-url", &gateway.url, "--data-dir"])
            .arg(&data)
            .arg("--gateway-token-file")
            .arg(&gateway.address().token_file);
        let process = Process::spawn(&mut command, &folder.path().join("up.log"));
        let endpoints: serde_json::Value = eventually("countersign up is ready", async || {
            serde_json::from_str(&fs::read_to_string(data.join("endpoints.json")).ok()?).ok()
        })
        .await;
        let token = Command::new(programs.join("countersign"))
            .args([
                "token",
                "create",
                "--subject",
                "alice",
                "--audience",
                "governance",
                "--ttl",
                "1h",
                "--data-dir",
            ])
            .arg(&data)
            .output()
            .unwrap();
        Self {
            processes: [("countersign", process.id())].into(),
            orchestrator: endpoints["orchestrator"].as_str().unwrap().to_owned(),
            trace: endpoints["trace"].as_str().unwrap().to_owned(),
            token: String::from_utf8(token.stdout).unwrap().trim().to_owned(),
            ended: Arc::default(),
            running: Running::One(process, folder),
        }
    }

    pub(crate) fn processes(&self) -> Processes {
        self.processes.clone()
    }

    pub(crate) fn target(&self) -> Target {
        let tokens = Tokens::bearer(&self.token);
        let clients = (0..CONNECTIONS)
            .map(|_| GovernanceServiceClient::with_interceptor(channel(&self.orchestrator), tokens.clone()))
            .collect();
        Target::Chain(ChainTarget {
            clients,
            next: Arc::default(),
            ended: Arc::clone(&self.ended),
        })
    }

    /// Every flow that ended is in the log, closed: the figures are of durable work.
    pub(crate) async fn check_recorded(&self) {
        let tokens = Tokens::bearer(&self.token);
        let traces = TraceServiceClient::with_interceptor(channel(&self.trace), tokens);
        let ended = self.ended.load(Ordering::SeqCst);
        eventually("every flow is in the log", async || {
            let (mut closed, mut page_token) = (0, String::new());
            loop {
                let filter = "closed = true".to_owned();
                let request = ListTracesRequest {
                    page_size: 1000,
                    page_token,
                    filter,
                };
                let page = traces.clone().list_traces(request).await.unwrap().into_inner();
                closed += page.traces.len();
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break (closed == ended).then_some(());
                }
            }
        })
        .await;
    }

    /// Ends it as operators do. A program that counts what it runs (`make profile`) writes its counts as it ends by itself.
    pub(crate) async fn end(self) {
        match self.running {
            Running::Five(mut fleet) => {
                for part in PARTS {
                    end(fleet.process(part)).await;
                }
            }
            Running::One(mut process, _folder) => end(&mut process).await,
        }
    }
}

async fn end(process: &mut Process) {
    process.signal("TERM");
    process.wait().await;
}

// === impl ChainTarget ===

impl ChainTarget {
    pub(crate) async fn flow(&mut self, _caller: usize) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let mut client = self.clients[turn % self.clients.len()].clone();
        let request = StreamRunRequest {
            request_id: uuid::Uuid::new_v4().to_string(),
            operation: Some(Operation::Instruction(Instruction {
                text: REQUEST.to_owned(),
            })),
            ..StreamRunRequest::default()
        };
        let mut updates = client.stream_run(request).await.unwrap().into_inner();
        let mut last = State::Unspecified;
        while let Some(message) = updates.message().await.unwrap() {
            if let Some(Update::Run(run)) = message.update {
                last = run.state();
            }
        }
        assert_eq!(last, State::Succeeded);
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

fn channel(url: &str) -> Channel {
    Channel::from_shared(url.to_owned())
        .unwrap()
        .connect_timeout(Duration::from_secs(5))
        .tcp_nodelay(true)
        .connect_lazy()
}
