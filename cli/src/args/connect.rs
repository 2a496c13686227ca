//! Who is asking, and where the parts are: options of every command that calls them.

use std::path::PathBuf;

use clap::Args;

/// Who is asking, and where the parts are.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Identity and endpoints")]
pub struct ConnectArgs {
    /// Act as this identity of the local issuer; wins over a token file
    #[arg(long = "as", value_name = "NAME")]
    pub identity: Option<String>,
    /// File with a bearer token, for a remote deployment
    #[arg(long, env = "COUNTERSIGN_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The orchestrator [default: the one in the data directory]
    #[arg(long, env = "COUNTERSIGN_ORCHESTRATOR_URL", value_name = "URL")]
    pub endpoint_orchestrator: Option<String>,
    /// approval-svc [default: the one in the data directory]
    #[arg(long, env = "COUNTERSIGN_APPROVAL_URL", value_name = "URL")]
    pub endpoint_approval: Option<String>,
    /// trace-svc [default: the one in the data directory]
    #[arg(long, env = "COUNTERSIGN_TRACE_URL", value_name = "URL")]
    pub endpoint_trace: Option<String>,
}
