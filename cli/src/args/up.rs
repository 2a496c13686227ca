//! Options of `countersign up`.

use std::{net::IpAddr, path::PathBuf};

use chassis::AllowedAgent;
use chassis::config::LogFormat;
use clap::Args;
use classifier_svc::{config::BundleConfig, opinion::OpinionConfig};

/// Options of `up`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Ctrl-C drains and stops; a second Ctrl-C stops at once.")]
pub struct UpArgs {
    /// The OpenClaw Gateway; without one nothing is executed, and granted requests wait until their grant expires
    #[arg(
        long,
        env = "COUNTERSIGN_GATEWAY_URL",
        value_name = "URL",
        requires = "gateway_token_file"
    )]
    pub gateway_url: Option<String>,
    /// File with the gateway's bearer token
    #[arg(
        long,
        env = "COUNTERSIGN_GATEWAY_TOKEN_FILE",
        value_name = "FILE",
        requires = "gateway_url"
    )]
    pub gateway_token_file: Option<PathBuf>,
    /// Agents that may be used, each as `tenant=agent`, or `*=agent` for every tenant
    #[arg(
        long,
        env = "COUNTERSIGN_ALLOWED_AGENTS",
        default_value = "*=main",
        value_delimiter = ',',
        value_name = "TENANT=AGENT"
    )]
    pub allowed_agents: Vec<AllowedAgent>,
    /// First of five ports, in the order orchestrator, classifier, approval, executor, trace; 0 takes free ones
    #[arg(long, env = "COUNTERSIGN_PORT_BASE", default_value_t = 7100, value_name = "PORT", value_parser = parse_port_base)]
    pub port_base: u16,
    /// Address to listen on; loopback only
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS", value_parser = parse_loopback)]
    pub listen_address: IpAddr,
    /// Grant whatever waits for people by a simulated approver; every such warrant says so
    #[arg(long, env = "COUNTERSIGN_SIMULATED_APPROVER")]
    pub simulated_approver: bool,
    /// Policy to classify by, instead of the one that is built in: a YAML file, or a folder of them
    #[arg(long, env = "COUNTERSIGN_POLICY_FILE", value_name = "PATH")]
    pub policy_file: Option<PathBuf>,
    /// How policies are taken over.
    #[command(flatten)]
    pub bundles: BundleConfig,
    /// Who is asked for a second opinion.
    #[command(flatten)]
    pub opinion: OpinionConfig,
    /// What to log to standard error: `error`, `warn`, `info`, or a filter such as `info,trace_svc=debug`
    #[arg(long, env = "COUNTERSIGN_LOG", default_value = "warn", value_name = "FILTER")]
    pub log: String,
    /// Form of the log
    #[arg(long, env = "COUNTERSIGN_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, value_name = "FORM")]
    pub log_format: LogFormat,
    /// Threads that run the parts
    #[arg(long, env = "COUNTERSIGN_WORKER_THREADS", default_value_t = 1, value_name = "NUMBER")]
    pub worker_threads: usize,
}

fn parse_port_base(text: &str) -> Result<u16, String> {
    let base: u16 = text.parse().map_err(|_| "not a port number".to_owned())?;
    if base > u16::MAX - 4 {
        return Err("five ports are needed from here on".to_owned());
    }
    Ok(base)
}

fn parse_loopback(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| "not an IP address".to_owned())?;
    if !address.is_loopback() {
        return Err(
            "`countersign up` listens on loopback only; run the services themselves to serve a network".to_owned(),
        );
    }
    Ok(address)
}
