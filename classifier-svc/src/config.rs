//! What the classifier service is configured with.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Parser};

use chassis::{BoxError, HasNodeConfig, NodeConfig};
use warrant::KeySet;

use crate::{opinion::OpinionConfig, policies::Loader};

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

    /// How policies are taken over.
    #[command(flatten)]
    pub bundles: BundleConfig,

    /// Who is asked for a second opinion.
    #[command(flatten)]
    pub opinion: OpinionConfig,
}

/// Which policies are taken over while the service runs.
#[derive(Debug, Clone, Args)]
pub struct BundleConfig {
    /// Public keys (JSON Web Key Set) of those who may sign policies. With it, a policy without their signature is refused
    #[arg(
        long,
        env = "COUNTERSIGN_CLASSIFIER_POLICY_KEY_SET_FILE",
        value_name = "FILE",
        help_heading = "Policy"
    )]
    pub policy_key_set_file: Option<PathBuf>,

    /// File in which the newest revision is noted, so that no older policy is taken after a restart either
    #[arg(
        long,
        env = "COUNTERSIGN_CLASSIFIER_POLICY_STATE_FILE",
        value_name = "FILE",
        help_heading = "Policy"
    )]
    pub policy_state_file: Option<PathBuf>,

    /// Policy that is tried out beside the live one; its verdicts count for nothing
    #[arg(
        long,
        env = "COUNTERSIGN_CLASSIFIER_SHADOW_POLICY_FILE",
        value_name = "PATH",
        help_heading = "Policy"
    )]
    pub shadow_policy_file: Option<PathBuf>,

    /// How often the policy's files are looked at
    #[arg(
        long,
        env = "COUNTERSIGN_CLASSIFIER_POLICY_RELOAD_INTERVAL",
        value_name = "DURATION",
        default_value = "5s",
        value_parser = reload_interval,
        help_heading = "Policy"
    )]
    pub policy_reload_interval: Duration,
}

const DEFAULT_ISSUER: &str = "classifier-svc";
const DEFAULT_RELOAD_INTERVAL: Duration = Duration::from_secs(5);

fn reload_interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if interval < Duration::from_millis(10) {
        return Err("must be 10ms or more".to_owned());
    }
    Ok(interval)
}

// === impl BundleConfig ===

impl Default for BundleConfig {
    fn default() -> Self {
        Self {
            policy_key_set_file: None,
            policy_state_file: None,
            shadow_policy_file: None,
            policy_reload_interval: DEFAULT_RELOAD_INTERVAL,
        }
    }
}

// === impl Config ===

impl Config {
    /// The defaults, with verdicts signed by the key in `signing_key_file`.
    pub fn new(node: NodeConfig, signing_key_file: impl Into<PathBuf>) -> Self {
        Self {
            node,
            signing_key_file: signing_key_file.into(),
            issuer: DEFAULT_ISSUER.to_owned(),
            policy_file: None,
            bundles: BundleConfig::default(),
            opinion: OpinionConfig::default(),
        }
    }

    /// Where the live policy comes from, and the shadow if there is one.
    pub(crate) fn loaders(&self) -> Result<(Loader, Option<Loader>), BoxError> {
        let keys = self.bundles.policy_key_set_file.clone();
        // Keys that can't be read stop the start, also of the built-in policy.
        keys.as_deref().map(read_keys).transpose()?;
        let shadow = self.bundles.shadow_policy_file.clone().map(|path| Loader {
            path: Some(path),
            keys: keys.clone(),
            state: None,
        });
        let live = Loader {
            path: self.policy_file.clone(),
            keys,
            state: self.bundles.policy_state_file.clone(),
        };
        Ok((live, shadow))
    }
}

/// Reads the public keys of those who may sign policies; a set without any is an error.
pub fn read_keys(path: &Path) -> Result<KeySet, BoxError> {
    let text = fs::read_to_string(path).map_err(|error| format!("read key set `{}`: {error}", path.display()))?;
    let keys = KeySet::from_json(&text).map_err(|error| format!("key set `{}`: {error}", path.display()))?;
    if keys.is_empty() {
        return Err(format!("key set `{}` has no key", path.display()).into());
    }
    Ok(keys)
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
