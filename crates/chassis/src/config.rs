//! What every part is configured with: where it listens, whom it believes, how it ends.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use clap::{Args, ValueEnum};

use crate::{
    auth::{Credential, CredentialError, TrustError},
    clock::Clock,
    part::PartName,
    secret::{self, SecretError},
};

/// The options that every part has.
#[derive(Debug, Clone, Args)]
pub struct NodeConfig {
    /// Address to listen on. Each part has a port of its own: 7100 to 7104
    #[arg(
        long,
        env = "COUNTERSIGN_LISTEN_ADDRESS",
        value_name = "IP:PORT",
        help_heading = "Node"
    )]
    pub listen_address: Option<SocketAddr>,

    /// File that says whose tokens are believed (YAML or JSON). Without it nobody's are
    #[arg(long, env = "COUNTERSIGN_TRUST_FILE", value_name = "FILE", help_heading = "Node")]
    pub trust_file: Option<PathBuf>,

    /// This part's own Ed25519 private key (PKCS#8 PEM), with which it calls other parts
    #[arg(
        long,
        env = "COUNTERSIGN_CREDENTIAL_KEY_FILE",
        value_name = "FILE",
        help_heading = "Node"
    )]
    pub credential_key_file: Option<PathBuf>,

    /// Issuer of service tokens, as the trust file names it
    #[arg(
        long,
        env = "COUNTERSIGN_SERVICES_ISSUER",
        default_value = "countersign/services",
        value_name = "ISSUER",
        help_heading = "Node"
    )]
    pub services_issuer: String,

    /// Calls that may be under way at once; more are refused with `OVERLOADED`
    #[arg(
        long,
        env = "COUNTERSIGN_MAX_REQUESTS",
        default_value_t = 1024,
        value_name = "N",
        help_heading = "Node"
    )]
    pub max_requests: usize,

    /// Calls that one person may have inside at once, and all callers without a credential together
    #[arg(
        long,
        env = "COUNTERSIGN_MAX_REQUESTS_PER_CALLER",
        default_value_t = 512,
        value_name = "N",
        help_heading = "Node"
    )]
    pub max_requests_per_caller: usize,

    /// Streaming answers that may be open at once, over all connections; more are refused with `OVERLOADED`
    #[arg(
        long,
        env = "COUNTERSIGN_MAX_OPEN_STREAMS",
        default_value_t = 4096,
        value_name = "N",
        help_heading = "Node"
    )]
    pub max_open_streams: usize,

    /// Streaming answers that one person may have open at once, and all callers without a credential together
    #[arg(
        long,
        env = "COUNTERSIGN_MAX_OPEN_STREAMS_PER_CALLER",
        default_value_t = 1024,
        value_name = "N",
        help_heading = "Node"
    )]
    pub max_open_streams_per_caller: usize,

    /// Streams that one connection may have open at once
    #[arg(
        long,
        env = "COUNTERSIGN_MAX_STREAMS",
        default_value_t = 1024,
        value_name = "N",
        help_heading = "Node"
    )]
    pub max_streams: u32,

    /// Pause between being no longer ready and closing the port, for load balancers to notice
    #[arg(
        long,
        env = "COUNTERSIGN_DRAIN_DELAY",
        default_value = "0s",
        value_parser = humantime::parse_duration,
        value_name = "DURATION",
        help_heading = "Node"
    )]
    pub drain_delay: Duration,

    /// Longest wait for calls and tasks under way when stopping
    #[arg(
        long,
        env = "COUNTERSIGN_GRACE_PERIOD",
        default_value = "20s",
        value_parser = humantime::parse_duration,
        value_name = "DURATION",
        help_heading = "Node"
    )]
    pub grace_period: Duration,

    /// Threads that run the part; 1 is fastest on small machines
    #[arg(
        long,
        env = "COUNTERSIGN_WORKER_THREADS",
        default_value_t = 1,
        value_name = "N",
        help_heading = "Node"
    )]
    pub worker_threads: usize,

    /// Form of the log
    #[arg(long, env = "COUNTERSIGN_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, help_heading = "Node")]
    pub log_format: LogFormat,

    /// What to log, as `tracing` filters, such as `info` or `warn,approval_svc=debug`
    #[arg(
        long,
        env = "COUNTERSIGN_LOG",
        default_value = "info",
        value_name = "FILTER",
        help_heading = "Node"
    )]
    pub log: String,

    /// Print the configuration in effect and stop. Secrets are only ever named by file
    #[arg(long, help_heading = "Node")]
    pub print_config: bool,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One readable line for each event.
    Text,
    /// One JSON object for each event.
    Json,
}

/// A configuration that has the options of every part.
pub trait HasNodeConfig {
    /// Those options.
    fn node(&self) -> &NodeConfig;
}

/// Why a node can't be made of its configuration.
#[derive(Debug, thiserror::Error)]
pub enum NodeConfigError {
    /// Trust could not be loaded.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The credential key could not be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The credential key can't be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
}

// === impl NodeConfig ===

impl NodeConfig {
    /// The port that `part` listens on unless told otherwise.
    pub const fn default_port(part: PartName) -> u16 {
        match part {
            PartName::Orchestrator => 7100,
            PartName::Classifier => 7101,
            PartName::Approval | PartName::SimulatedApprover => 7102,
            PartName::Executor => 7103,
            PartName::Trace => 7104,
        }
    }

    /// Where `part` listens: as configured, else on loopback at its own port.
    pub fn listen_address(&self, part: PartName) -> SocketAddr {
        self.listen_address
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], Self::default_port(part))))
    }

    pub(crate) fn credential(
        &self,
        part: PartName,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Credential>, NodeConfigError> {
        let Some(path) = &self.credential_key_file else {
            return Ok(None);
        };
        let pem = secret::read(path)?;
        Ok(Some(Credential::new(
            part,
            &self.services_issuer,
            &pem,
            Arc::clone(clock),
        )?))
    }
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            listen_address: None,
            trust_file: None,
            credential_key_file: None,
            services_issuer: "countersign/services".to_owned(),
            max_requests: 1024,
            max_requests_per_caller: 512,
            max_streams: 1024,
            max_open_streams: 4096,
            max_open_streams_per_caller: 1024,
            drain_delay: Duration::ZERO,
            grace_period: Duration::from_secs(20),
            worker_threads: 1,
            log_format: LogFormat::Text,
            log: "info".to_owned(),
            print_config: false,
        }
    }
}
