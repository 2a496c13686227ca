//! The service's options.

use std::{path::PathBuf, time::Duration};

use chassis::{HasNodeConfig, NodeConfig};
use clap::Parser;

use crate::approval::Terms;

/// Decides actions, by policy or by people; mints warrants and lets each be spent once.
#[derive(Clone, Debug, Parser)]
#[command(name = "approval-svc", version)]
pub struct Config {
    /// The options that every part has.
    #[command(flatten)]
    pub node: NodeConfig,

    /// Folder of the approval database; made if there is none
    #[arg(long, env = "COUNTERSIGN_APPROVAL_DATA_DIR", value_name = "DIR")]
    pub data_dir: PathBuf,

    /// Ed25519 private key (PKCS#8 PEM) that signs warrants
    #[arg(long, env = "COUNTERSIGN_APPROVAL_WARRANT_KEY_FILE", value_name = "FILE")]
    pub warrant_key_file: PathBuf,

    /// Issuer of warrants, as executors know it
    #[arg(
        long,
        env = "COUNTERSIGN_APPROVAL_WARRANT_ISSUER",
        default_value = "approval-svc",
        value_name = "ISSUER"
    )]
    pub warrant_issuer: String,

    /// Public keys (JWKS) of the classifier, whose verdicts are accepted
    #[arg(long, env = "COUNTERSIGN_APPROVAL_VERDICT_KEY_SET_FILE", value_name = "FILE")]
    pub verdict_key_set_file: PathBuf,

    /// Issuer of verdicts
    #[arg(
        long,
        env = "COUNTERSIGN_APPROVAL_VERDICT_ISSUER",
        default_value = "classifier-svc",
        value_name = "ISSUER"
    )]
    pub verdict_issuer: String,

    /// Where trace-svc is
    #[arg(
        long,
        env = "COUNTERSIGN_APPROVAL_TRACE_URL",
        default_value = "http://127.0.0.1:7104",
        value_name = "URL"
    )]
    pub trace_url: String,

    /// How long people may take to decide
    #[arg(
        long,
        env = "COUNTERSIGN_APPROVAL_PENDING_TTL",
        default_value = "24h",
        value_parser = humantime::parse_duration,
        value_name = "DURATION"
    )]
    pub pending_ttl: Duration,

    /// How long a grant by people can be executed
    #[arg(
        long,
        env = "COUNTERSIGN_APPROVAL_GRANT_TTL",
        default_value = "10m",
        value_parser = humantime::parse_duration,
        value_name = "DURATION"
    )]
    pub grant_ttl: Duration,

    /// How long a grant by policy (GREEN) can be executed
    #[arg(
        long,
        env = "COUNTERSIGN_APPROVAL_GREEN_GRANT_TTL",
        default_value = "60s",
        value_parser = humantime::parse_duration,
        value_name = "DURATION"
    )]
    pub green_grant_ttl: Duration,

    /// How long a claimed execution lasts without a sign of its executor; then its outcome is unknown. At least 12s
    #[arg(
        long,
        env = "COUNTERSIGN_APPROVAL_CLAIM_LEASE",
        default_value = "60s",
        value_parser = claim_lease,
        value_name = "DURATION"
    )]
    pub claim_lease: Duration,

    /// How many approvals of one requester may be pending at once
    #[arg(
        long,
        env = "COUNTERSIGN_APPROVAL_MAX_PENDING",
        default_value_t = 1_000,
        value_name = "N"
    )]
    pub max_pending: u32,

    /// Accept votes of the simulated approver, for demonstrations and tests. Its warrants are marked as simulated, and
    /// executors refuse them unless they were started to accept such
    #[arg(long, env = "COUNTERSIGN_APPROVAL_SIMULATED_APPROVER")]
    pub simulated_approver: bool,

    /// Let a built-in simulated approver grant what has pended this long
    #[arg(
        long,
        env = "COUNTERSIGN_APPROVAL_SIMULATED_APPROVER_AFTER",
        requires = "simulated_approver",
        value_parser = humantime::parse_duration,
        value_name = "DURATION"
    )]
    pub simulated_approver_after: Option<Duration>,
}

// === impl Config ===

impl Config {
    /// The defaults, with these files.
    pub fn new(node: NodeConfig, data_dir: PathBuf, warrant_key_file: PathBuf, verdict_key_set_file: PathBuf) -> Self {
        let terms = Terms::default();
        Self {
            node,
            data_dir,
            warrant_key_file,
            warrant_issuer: "approval-svc".to_owned(),
            verdict_key_set_file,
            verdict_issuer: "classifier-svc".to_owned(),
            trace_url: "http://127.0.0.1:7104".to_owned(),
            pending_ttl: terms.pending_ttl,
            grant_ttl: terms.grant_ttl,
            green_grant_ttl: terms.green_grant_ttl,
            claim_lease: terms.lease,
            max_pending: terms.max_pending,
            simulated_approver: false,
            simulated_approver_after: None,
        }
    }

    /// How long things last.
    pub fn terms(&self) -> Terms {
        Terms {
            pending_ttl: self.pending_ttl,
            grant_ttl: self.grant_ttl,
            green_grant_ttl: self.green_grant_ttl,
            lease: self.claim_lease,
            max_pending: self.max_pending,
            ..Terms::default()
        }
    }
}

/// Executors send nothing in the last 10 s of a lease, and it takes them time to come to it.
const SHORTEST_LEASE: Duration = Duration::from_secs(12);

fn claim_lease(text: &str) -> Result<Duration, String> {
    let lease = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if lease < SHORTEST_LEASE {
        return Err("executors send nothing in the last 10s of a lease; it must be 12s or longer".to_owned());
    }
    Ok(lease)
}

impl HasNodeConfig for Config {
    fn node(&self) -> &NodeConfig {
        &self.node
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    const FILES: [&str; 7] = [
        "approval-svc",
        "--data-dir",
        "d",
        "--warrant-key-file",
        "k",
        "--verdict-key-set-file",
        "v",
    ];

    #[test]
    fn the_options_fit_together_and_default_to_what_the_domain_says() {
        Config::command().debug_assert();
        let config = Config::try_parse_from(FILES).unwrap();
        assert_eq!(config.terms(), Terms::default());
        assert!(!config.simulated_approver);
        let built = Config::new(config.node.clone(), "d".into(), "k".into(), "v".into());
        assert_eq!(format!("{built:?}"), format!("{config:?}"));
    }

    #[test]
    fn the_built_in_approver_must_be_switched_on_twice() {
        let after = ["--simulated-approver-after", "1s"];
        assert!(Config::try_parse_from(FILES.into_iter().chain(after)).is_err());
        let both = FILES.into_iter().chain(["--simulated-approver"]).chain(after);
        assert!(Config::try_parse_from(both).is_ok());
    }
    #[test]
    fn a_lease_in_which_nothing_would_be_sent_is_refused() {
        let lease = |lease| Config::try_parse_from(FILES.into_iter().chain(["--claim-lease", lease]));
        assert!(lease("12s").is_ok());
        assert!(lease("11s").is_err());
    }
}
