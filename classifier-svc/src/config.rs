//! What the classifier service is configured with.

use std::path::PathBuf;

use clap::Parser;

use chassis::{HasNodeConfig, NodeConfig};

/// Says how risky an action is, and signs what it says.
#[derive(Debug, Clone, Parser)]
#[command(name = "classifier-svc", version, about)]
pub struct Config {
    /// What every part has.
    #[command(flatten)]
    pub node: NodeConfig,

    /// Ed25519 private key (PKCS#8 PEM) that signs verdicts
    #[arg(
        long,
        env = "COUNTERSIGN_CLASSIFIER_SIGNING_KEY_FILE",
        value_name = "FILE",
        help_heading = "Verdicts"
    )]
    pub signing_key_file: PathBuf,

    /// Issuer of verdicts, as approval-svc knows it
    #[arg(
        long,
        env = "COUNTERSIGN_CLASSIFIER_ISSUER",
        default_value = DEFAULT_ISSUER,
        value_name = "ISSUER",
        help_heading = "Verdicts"
    )]
    pub issuer: String,

    /// Policy: a YAML file, or a folder of them. Without it the built-in policy is used
    #[arg(
        long,
        env = "COUNTERSIGN_CLASSIFIER_POLICY_FILE",
        value_name = "PATH",
        help_heading = "Policy"
    )]
    pub policy_file: Option<PathBuf>,
}

const DEFAULT_ISSUER: &str = "classifier-svc";

// === impl Config ===

impl Config {
    /// The defaults, with verdicts signed by the key in `signing_key_file`.
    pub fn new(node: NodeConfig, signing_key_file: impl Into<PathBuf>) -> Self {
        Self {
            node,
            signing_key_file: signing_key_file.into(),
            issuer: DEFAULT_ISSUER.to_owned(),
            policy_file: None,
        }
    }
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

    #[test]
    fn the_command_line_is_well_formed() {
        Config::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_the_same_in_code_and_on_the_command_line() {
        let parsed = Config::parse_from(["classifier-svc", "--signing-key-file", "x"]);
        let built = Config::new(parsed.node.clone(), "x");
        assert_eq!(format!("{parsed:?}"), format!("{built:?}"));
    }
}
