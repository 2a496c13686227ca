//! What the executor is configured with.

use std::{path::PathBuf, time::Duration};

use chassis::{AllowedAgent, HasNodeConfig, NodeConfig};
use clap::Parser;

use crate::{execution::SEND_MARGIN, gateway::openclaw::GatewayLimits};

/// An answer goes to the log in one message, and messages hold 4 MiB.
const MAX_OUTPUT_BYTES: usize = 3 * 1024 * 1024;

/// Executes approved actions on an OpenClaw Gateway, only under a warrant
#[derive(Debug, Clone, Parser)]
#[command(name = "executor-svc", version)]
pub struct Config {
    /// URL of approval-svc
    #[arg(
        long,
        env = "COUNTERSIGN_EXECUTOR_APPROVAL_URL",
        default_value = "http://127.0.0.1:7102",
        value_name = "URL"
    )]
    pub approval_url: String,

    /// URL of trace-svc
    #[arg(
        long,
        env = "COUNTERSIGN_EXECUTOR_TRACE_URL",
        default_value = "http://127.0.0.1:7104",
        value_name = "URL"
    )]
    pub trace_url: String,

    /// URL of the OpenClaw Gateway
    #[arg(
        long,
        env = "COUNTERSIGN_EXECUTOR_GATEWAY_URL",
        default_value = "http://127.0.0.1:18789",
        value_name = "URL"
    )]
    pub gateway_url: String,

    /// File with the gateway's token (`gateway.auth.token`)
    #[arg(long, env = "COUNTERSIGN_EXECUTOR_GATEWAY_TOKEN_FILE", value_name = "FILE")]
    pub gateway_token_file: PathBuf,

    /// File with approval-svc's public keys (JSON Web Key Set): warrants signed with any other key are refused
    #[arg(long, env = "COUNTERSIGN_EXECUTOR_WARRANT_KEY_SET_FILE", value_name = "FILE")]
    pub warrant_key_set_file: PathBuf,

    /// Issuer of warrants
    #[arg(
        long,
        env = "COUNTERSIGN_EXECUTOR_WARRANT_ISSUER",
        default_value = "approval-svc",
        value_name = "ISSUER"
    )]
    pub warrant_issuer: String,

    /// File with classifier-svc's public keys (JSON Web Key Set): verdicts signed with any other key are refused
    #[arg(long, env = "COUNTERSIGN_EXECUTOR_VERDICT_KEY_SET_FILE", value_name = "FILE")]
    pub verdict_key_set_file: PathBuf,

    /// Issuer of verdicts
    #[arg(
        long,
        env = "COUNTERSIGN_EXECUTOR_VERDICT_ISSUER",
        default_value = "classifier-svc",
        value_name = "ISSUER"
    )]
    pub verdict_issuer: String,

    /// Agents that may be used, each as `tenant=agent`, or `*=agent` for every tenant; all others may not
    #[arg(
        long,
        env = "COUNTERSIGN_EXECUTOR_ALLOWED_AGENTS",
        default_value = "*=main",
        value_delimiter = ',',
        value_name = "TENANT=AGENT"
    )]
    pub allowed_agents: Vec<AllowedAgent>,

    /// Accept warrants granted by the simulated approver. For demonstrations and tests only
    #[arg(long, env = "COUNTERSIGN_EXECUTOR_ACCEPT_SIMULATED")]
    pub accept_simulated: bool,

    /// Longest wait for a connection to the gateway; below 10 s
    #[arg(
        long,
        env = "COUNTERSIGN_EXECUTOR_CONNECT_TIMEOUT",
        default_value = "3s",
        value_parser = humantime::parse_duration,
        value_name = "DURATION"
    )]
    pub connect_timeout: Duration,

    /// Longest silence of the gateway within an execution. Its own retries of a failing model are silent for up to 130 s
    #[arg(
        long,
        env = "COUNTERSIGN_EXECUTOR_IDLE_TIMEOUT",
        default_value = "3m",
        value_parser = humantime::parse_duration,
        value_name = "DURATION"
    )]
    pub idle_timeout: Duration,

    /// Longest execution; what is not finished by then is aborted, its outcome unknown
    #[arg(
        long,
        env = "COUNTERSIGN_EXECUTOR_EXECUTION_TIMEOUT",
        default_value = "10m",
        value_parser = humantime::parse_duration,
        value_name = "DURATION"
    )]
    pub execution_timeout: Duration,

    /// Longest output, in bytes; an execution that gives more is aborted, its outcome unknown. At most 3 MiB
    #[arg(long, env = "COUNTERSIGN_EXECUTOR_MAX_OUTPUT_BYTES", default_value_t = 2 * 1024 * 1024, value_name = "BYTES")]
    pub max_output_bytes: usize,

    /// Longest wait for the start of an execution to be recorded; after it the action goes back unexecuted
    #[arg(
        long,
        env = "COUNTERSIGN_EXECUTOR_START_RECORD_TIMEOUT",
        default_value = "20s",
        value_parser = humantime::parse_duration,
        value_name = "DURATION"
    )]
    pub start_record_timeout: Duration,

    /// Longest wait for the end of an execution to be recorded; after it the outcome is reported without its record
    #[arg(
        long,
        env = "COUNTERSIGN_EXECUTOR_END_RECORD_TIMEOUT",
        default_value = "10m",
        value_parser = humantime::parse_duration,
        value_name = "DURATION"
    )]
    pub end_record_timeout: Duration,

    /// What every part is configured with.
    #[command(flatten)]
    pub node: NodeConfig,
}

/// A configuration that can't work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Connecting may take longer than the lease is known to last.
    #[error("the connect timeout must be below {} s", SEND_MARGIN.as_secs())]
    ConnectTimeoutTooLong,
    /// An answer would not fit into one message to the log.
    #[error("at most {MAX_OUTPUT_BYTES} bytes of output fit into the log")]
    OutputTooLong,
}

// === impl Config ===

impl Config {
    /// The defaults, with the files that have none.
    pub fn new(gateway_token_file: PathBuf, warrant_key_set_file: PathBuf, verdict_key_set_file: PathBuf) -> Self {
        Self {
            approval_url: "http://127.0.0.1:7102".to_owned(),
            trace_url: "http://127.0.0.1:7104".to_owned(),
            gateway_url: "http://127.0.0.1:18789".to_owned(),
            gateway_token_file,
            warrant_key_set_file,
            warrant_issuer: "approval-svc".to_owned(),
            verdict_key_set_file,
            verdict_issuer: "classifier-svc".to_owned(),
            allowed_agents: vec![AllowedAgent::any_tenant("main")],
            accept_simulated: false,
            connect_timeout: Duration::from_secs(3),
            idle_timeout: Duration::from_mins(3),
            execution_timeout: Duration::from_mins(10),
            max_output_bytes: 2 * 1024 * 1024,
            start_record_timeout: Duration::from_secs(20),
            end_record_timeout: Duration::from_mins(10),
            node: NodeConfig::default(),
        }
    }

    pub(crate) fn gateway_limits(&self) -> Result<GatewayLimits, ConfigError> {
        if self.connect_timeout >= SEND_MARGIN {
            return Err(ConfigError::ConnectTimeoutTooLong);
        }
        if self.max_output_bytes > MAX_OUTPUT_BYTES {
            return Err(ConfigError::OutputTooLong);
        }
        Ok(GatewayLimits {
            connect_timeout: self.connect_timeout,
            idle_timeout: self.idle_timeout,
            execution_timeout: self.execution_timeout,
            max_output_bytes: self.max_output_bytes,
        })
    }
}

impl HasNodeConfig for Config {
    fn node(&self) -> &NodeConfig {
        &self.node
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_same_from_code_and_from_flags() {
        let flags = [
            "--gateway-token-file",
            "t",
            "--warrant-key-set-file",
            "w",
            "--verdict-key-set-file",
            "v",
        ];
        let parsed = Config::try_parse_from(["executor-svc"].into_iter().chain(flags)).unwrap();
        let built = Config::new("t".into(), "w".into(), "v".into());
        assert_eq!(format!("{parsed:?}"), format!("{built:?}"));
    }

    #[test]
    fn limits_that_break_a_promise_are_refused() {
        let config = Config::new("t".into(), "w".into(), "v".into());
        assert!(config.gateway_limits().is_ok());
        let slow = Config {
            connect_timeout: SEND_MARGIN,
            ..config.clone()
        };
        assert_eq!(slow.gateway_limits().unwrap_err(), ConfigError::ConnectTimeoutTooLong);
        let long = Config {
            max_output_bytes: MAX_OUTPUT_BYTES + 1,
            ..config
        };
        assert_eq!(long.gateway_limits().unwrap_err(), ConfigError::OutputTooLong);
    }
}
