//! Options of `countersign token`.

use std::time::Duration;

use chassis::PartName;
use clap::{Args, Subcommand, ValueEnum};

/// Options of `token`.
#[derive(Clone, Debug, Args)]
pub struct TokenArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// The commands of `token`.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenCommand {
    /// Print a token of the local issuer, and nothing else.
    Create(CreateTokenArgs),
}

/// Options of `token create`.
#[derive(Clone, Debug, Args)]
pub struct CreateTokenArgs {
    /// Whose token
    #[arg(long, value_name = "NAME", required_unless_present = "service")]
    pub subject: Option<String>,
    /// A service's token instead of a person's, to try what that service can and can't do; lives at most five minutes
    #[arg(long, value_name = "PART", requires = "target", conflicts_with_all = ["subject", "tenant", "groups", "audience", "ttl"])]
    pub service: Option<PartName>,
    /// The one service that a service's token is for
    #[arg(long, value_name = "PART", requires = "service")]
    pub target: Option<PartName>,
    /// Tenant [default: as the subject is known to the local issuer]
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// A group; may be repeated [default: as the subject is known to the local issuer]
    #[arg(long = "group", value_name = "NAME")]
    pub groups: Vec<String>,
    /// What the token is for: asking and reading, or deciding
    #[arg(long, value_enum, default_value_t = TokenAudience::Governance, value_name = "AUDIENCE")]
    pub audience: TokenAudience,
    /// How long it lives, at most a day
    #[arg(long, default_value = "1h", value_name = "DURATION", value_parser = parse_ttl)]
    pub ttl: Duration,
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TokenAudience {
    /// Asking, and reading what one may see.
    Governance,
    /// Deciding.
    Approval,
}

fn parse_ttl(text: &str) -> Result<Duration, String> {
    let ttl = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if ttl < Duration::from_secs(1) || ttl > Duration::from_hours(24) {
        return Err("must lie between 1s and 1day".to_owned());
    }
    Ok(ttl)
}
