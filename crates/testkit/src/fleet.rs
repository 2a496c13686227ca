//! A deployment as it is run in earnest: five processes that know each other by URL.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use chassis::{Ids as _, Link, PartName, SystemIds};
use tempfile::TempDir;

use crate::{
    authority::{Authority, Identity},
    clients::{Channels, Person, Service},
    process::{Process, programs},
};

/// The five parts, in an order in which each comes after those that it calls.
pub const PARTS: [PartName; 5] = [
    PartName::Trace,
    PartName::Classifier,
    PartName::Approval,
    PartName::Executor,
    PartName::Orchestrator,
];

const READY_WITHIN: Duration = Duration::from_mins(1);
const START_ATTEMPTS: usize = 5;
/// Ports that the kernel gives to nobody by itself: it begins at 32,768 (`ip_local_port_range`). One that it does give could
/// go to somebody's connection before its part listens, or while it is down.
const PORTS: Range<u16> = 10_000..32_768;

/// Where the gateway is, and the file with its token.
#[derive(Debug, Clone)]
pub struct GatewayAddress {
    /// Its URL.
    pub url: String,
    /// The file with its token.
    pub token_file: PathBuf,
}

/// How a deployment is to differ from the usual.
#[derive(Debug, Clone, Default)]
pub struct FleetOptions {
    extra: BTreeMap<PartName, Vec<(String, String)>>,
    one_program: bool,
    programs: Option<PathBuf>,
}

/// Five processes and their keys, in a folder of the test's own.
#[derive(Debug)]
pub struct Fleet {
    folder: TempDir,
    authority: Authority,
    gateway: GatewayAddress,
    options: FleetOptions,
    ports: BTreeMap<PartName, u16>,
    processes: BTreeMap<PartName, Process>,
    channels: Channels,
}

// === impl FleetOptions ===

impl FleetOptions {
    /// Every process runs `countersign serve` instead of its part's own program.
    #[must_use]
    pub fn as_one_program(self) -> Self {
        Self {
            one_program: true,
            ..self
        }
    }

    /// Runs the programs in this folder instead of those of the test's own build.
    #[must_use]
    pub fn from_folder(self, programs: &Path) -> Self {
        Self {
            programs: Some(programs.to_owned()),
            ..self
        }
    }

    /// Sets an environment variable of one part.
    #[must_use]
    pub fn set(mut self, part: PartName, variable: &str, value: &str) -> Self {
        self.extra
            .entry(part)
            .or_default()
            .push((variable.to_owned(), value.to_owned()));
        self
    }
}

// === impl Fleet ===

impl Fleet {
    /// Starts the five parts against this gateway, and waits until all are ready.
    pub async fn start(gateway: &GatewayAddress) -> Self {
        Self::start_with(gateway, FleetOptions::default()).await
    }

    /// As [`Fleet::start`], with options.
    pub async fn start_with(gateway: &GatewayAddress, options: FleetOptions) -> Self {
        for _ in 1..START_ATTEMPTS {
            // Another process may take a port between our look and the part's start.
            let mut fleet = Self::prepare(gateway, options.clone());
            if fleet.launch_all().await {
                return fleet;
            }
        }
        let mut fleet = Self::prepare(gateway, options);
        assert!(
            fleet.launch_all().await,
            "the parts did not become ready:\n{}",
            fleet.outputs()
        );
        fleet
    }

    fn prepare(gateway: &GatewayAddress, options: FleetOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create(&folder.path().join("keys"));
        let ports = free_ports();
        let channels = Channels::connect(|part| format!("http://127.0.0.1:{}", ports[&part]));
        Self {
            folder,
            authority,
            gateway: gateway.clone(),
            options,
            ports,
            processes: BTreeMap::new(),
            channels,
        }
    }

    async fn launch_all(&mut self) -> bool {
        for part in PARTS {
            self.launch(part);
        }
        for part in PARTS {
            if !self.becomes_ready(part).await {
                return false;
            }
        }
        true
    }

    /// Starts a part that isn't running, and waits until it is ready.
    pub async fn restart(&mut self, part: PartName) {
        self.launch(part);
        assert!(
            self.becomes_ready(part).await,
            "{part} did not become ready:\n{}",
            self.output(part)
        );
    }

    /// Starts a part that isn't running, and does not wait.
    pub fn launch(&mut self, part: PartName) {
        let log = self.folder.path().join(format!("{part}.log"));
        let process = Process::spawn(&mut self.command(part), &log);
        self.processes.insert(part, process);
    }

    /// `kill -9`s a part.
    pub fn kill(&mut self, part: PartName) {
        self.processes
            .remove(&part)
            .unwrap_or_else(|| panic!("{part} is not running"))
            .kill();
    }

    /// The process of a part.
    pub fn process(&mut self, part: PartName) -> &mut Process {
        self.processes
            .get_mut(&part)
            .unwrap_or_else(|| panic!("{part} is not running"))
    }

    /// What a part has written.
    pub fn output(&self, part: PartName) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("{part}.log"))).unwrap_or_default()
    }

    /// What all parts have written.
    pub fn outputs(&self) -> String {
        PARTS
            .map(|part| format!("--- {part}\n{}", self.output(part)))
            .join("\n")
    }

    /// The folder with a part's data.
    pub fn data(&self, part: PartName) -> PathBuf {
        self.folder.path().join("data").join(part.as_str())
    }

    /// The deployment's keys.
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Where a part listens.
    pub fn url(&self, part: PartName) -> String {
        format!("http://127.0.0.1:{}", self.ports[&part])
    }

    /// The channels to the parts.
    pub const fn channels(&self) -> &Channels {
        &self.channels
    }

    /// A person who calls this deployment.
    pub fn person(&self, identity: Identity) -> Person {
        self.channels.person(identity)
    }

    /// A part's credential, used by the test.
    pub fn service(&self, part: PartName) -> Service {
        self.channels.service(part)
    }

    async fn becomes_ready(&mut self, part: PartName) -> bool {
        let link = Link::connect(part, &self.url(part), None).unwrap();
        let process = self
            .processes
            .get_mut(&part)
            .unwrap_or_else(|| panic!("{part} is not running"));
        let ready = async {
            while process.is_running() {
                if link.is_ready().await {
                    return process.is_running();
                }
                crate::pause().await;
            }
            false
        };
        tokio::time::timeout(READY_WITHIN, ready).await.unwrap_or(false)
    }

    fn command(&self, part: PartName) -> Command {
        let key = |name: &str| self.authority.path(name);
        let folder = self.options.programs.clone().unwrap_or_else(programs);
        let mut command = if self.options.one_program {
            let mut command = Command::new(program(&folder, "countersign"));
            command.args(["serve", part.as_str()]);
            command
        } else {
            Command::new(program(&folder, part.as_str()))
        };
        command
            .env("COUNTERSIGN_LISTEN_ADDRESS", format!("127.0.0.1:{}", self.ports[&part]))
            .env("COUNTERSIGN_TRUST_FILE", key("trust.yaml"))
            .env("COUNTERSIGN_CREDENTIAL_KEY_FILE", key(&format!("{part}.pem")));
        match part {
            PartName::Trace => {
                command.env("COUNTERSIGN_TRACE_DATA_DIR", self.data(part));
            }
            PartName::Classifier => {
                command.env("COUNTERSIGN_CLASSIFIER_SIGNING_KEY_FILE", key("verdict.pem"));
            }
            PartName::Approval | PartName::SimulatedApprover => {
                command
                    .env("COUNTERSIGN_APPROVAL_DATA_DIR", self.data(part))
                    .env("COUNTERSIGN_APPROVAL_WARRANT_KEY_FILE", key("warrant.pem"))
                    .env("COUNTERSIGN_APPROVAL_VERDICT_KEY_SET_FILE", key("verdict.jwks.json"))
                    .env("COUNTERSIGN_APPROVAL_TRACE_URL", self.url(PartName::Trace));
            }
            PartName::Executor => {
                command
                    .env("COUNTERSIGN_EXECUTOR_APPROVAL_URL", self.url(PartName::Approval))
                    .env("COUNTERSIGN_EXECUTOR_TRACE_URL", self.url(PartName::Trace))
                    .env("COUNTERSIGN_EXECUTOR_GATEWAY_URL", &self.gateway.url)
                    .env("COUNTERSIGN_EXECUTOR_GATEWAY_TOKEN_FILE", &self.gateway.token_file)
                    .env("COUNTERSIGN_EXECUTOR_WARRANT_KEY_SET_FILE", key("warrant.jwks.json"))
                    .env("COUNTERSIGN_EXECUTOR_VERDICT_KEY_SET_FILE", key("verdict.jwks.json"));
            }
            PartName::Orchestrator => {
                for peer in [
                    PartName::Classifier,
                    PartName::Approval,
                    PartName::Executor,
                    PartName::Trace,
                ] {
                    let name = peer.as_str().trim_end_matches("-svc").to_uppercase();
                    command.env(format!("COUNTERSIGN_ORCHESTRATOR_{name}_URL"), self.url(peer));
                }
            }
        }
        command.envs(
            self.options
                .extra
                .get(&part)
                .into_iter()
                .flatten()
                .map(|(name, value)| (name, value)),
        );
        command
    }
}

fn program(folder: &Path, name: &str) -> PathBuf {
    let program = folder.join(name);
    assert!(
        Path::exists(&program),
        "{} is not built: `make build` builds all programs",
        program.display()
    );
    program
}

/// A free port for each part. All are held until all are known, so that they differ.
pub fn free_ports() -> BTreeMap<PartName, u16> {
    let listeners = PARTS.map(|part| (part, bind_some_port()));
    listeners
        .iter()
        .map(|(part, listener)| (*part, listener.local_addr().unwrap().port()))
        .collect()
}

fn bind_some_port() -> TcpListener {
    loop {
        let random = u128::from_le_bytes(SystemIds.random_bytes()) % u128::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(random).unwrap();
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener;
        }
    }
}
