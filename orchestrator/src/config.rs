//! What can be set about the orchestrator.

use chassis::{AllowedAgent, BoxError, HasNodeConfig, NodeConfig};
use clap::Parser;

const CLASSIFIER_URL: &str = "http://127.0.0.1:7101";
const APPROVAL_URL: &str = "http://127.0.0.1:7102";
const EXECUTOR_URL: &str = "http://127.0.0.1:7103";
const TRACE_URL: &str = "http://127.0.0.1:7104";
const AGENT: &str = "main";
const CONCURRENCY: u32 = 64;
const INSTRUCTION_MAX_BYTES: u32 = 64 * 1024;

/// Takes requests for agents through the chain: classified, decided, executed, recorded.
#[derive(Clone, Debug, Parser)]
#[command(name = "orchestrator", version)]
pub struct Config {
    /// What every part has.
    #[command(flatten)]
    pub node: NodeConfig,

    /// URL of classifier-svc
    #[arg(
        long,
        env = "COUNTERSIGN_ORCHESTRATOR_CLASSIFIER_URL",
        value_name = "URL",
        default_value = CLASSIFIER_URL
    )]
    pub classifier_url: String,

    /// URL of approval-svc
    #[arg(
        long,
        env = "COUNTERSIGN_ORCHESTRATOR_APPROVAL_URL",
        value_name = "URL",
        default_value = APPROVAL_URL
    )]
    pub approval_url: String,

    /// URL of executor-svc
    #[arg(
        long,
        env = "COUNTERSIGN_ORCHESTRATOR_EXECUTOR_URL",
        value_name = "URL",
        default_value = EXECUTOR_URL
    )]
    pub executor_url: String,

    /// URL of trace-svc
    #[arg(
        long,
        env = "COUNTERSIGN_ORCHESTRATOR_TRACE_URL",
        value_name = "URL",
        default_value = TRACE_URL
    )]
    pub trace_url: String,

    /// The agent of requests that name none
    #[arg(
        long,
        env = "COUNTERSIGN_ORCHESTRATOR_DEFAULT_AGENT",
        value_name = "AGENT",
        default_value = AGENT
    )]
    pub default_agent: String,

    /// Agents that may be asked for, each as `tenant=agent`, or `*=agent` for every tenant. Without it that is left to the executor, which refuses only after the decision
    #[arg(
        long,
        env = "COUNTERSIGN_ORCHESTRATOR_ALLOWED_AGENTS",
        value_delimiter = ',',
        value_name = "TENANT=AGENT"
    )]
    pub allowed_agents: Vec<AllowedAgent>,

    /// How many executions this replica follows at once; further granted ones wait, or go to another replica
    #[arg(long, env = "COUNTERSIGN_ORCHESTRATOR_DISPATCH_CONCURRENCY", default_value_t = CONCURRENCY, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub dispatch_concurrency: u32,

    /// The longest instruction, and the longest tool arguments, in bytes of UTF-8; longer ones are refused. No part takes more than the default
    #[arg(long, env = "COUNTERSIGN_ORCHESTRATOR_INSTRUCTION_MAX_BYTES", default_value_t = INSTRUCTION_MAX_BYTES, value_name = "BYTES",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(INSTRUCTION_MAX_BYTES)))]
    pub instruction_max_bytes: u32,
}

// === impl Config ===

impl Config {
    /// The defaults on `node`, for a process that builds several parts.
    pub fn new(node: NodeConfig) -> Self {
        Self {
            node,
            classifier_url: CLASSIFIER_URL.to_owned(),
            approval_url: APPROVAL_URL.to_owned(),
            executor_url: EXECUTOR_URL.to_owned(),
            trace_url: TRACE_URL.to_owned(),
            default_agent: AGENT.to_owned(),
            allowed_agents: Vec::new(),
            dispatch_concurrency: CONCURRENCY,
            instruction_max_bytes: INSTRUCTION_MAX_BYTES,
        }
    }

    /// What can't be right about it, before anything is built on it.
    pub(crate) fn check(&self) -> Result<(), BoxError> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let agent = &self.default_agent;
        if (1..=64).contains(&agent.len()) && agent.bytes().all(allowed) {
            return Ok(());
        }
        Err(format!("default agent `{agent}` does not match `[a-z0-9_-]{{1,64}}`").into())
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
    fn the_defaults_are_the_same_in_code_and_on_the_command_line() {
        let parsed = Config::parse_from(["orchestrator"]);
        let new = Config::new(parsed.node.clone());
        assert_eq!(format!("{new:?}"), format!("{parsed:?}"));
        assert!(new.check().is_ok());
    }

    #[test]
    fn a_default_agent_that_no_request_could_name_is_refused_at_start() {
        for agent in ["", "Main", "a b", &"a".repeat(65)] {
            let mut config = Config::new(NodeConfig::default());
            config.default_agent = agent.to_owned();
            assert!(config.check().is_err(), "{agent}");
        }
    }
}
