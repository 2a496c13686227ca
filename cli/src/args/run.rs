//! Options of `countersign run`.

use clap::Args;

use super::ConnectArgs;

/// Options of `run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// What the agent is to do; `-` reads it from standard input
    #[arg(value_name = "TEXT", required_unless_present = "tool", conflicts_with_all = ["tool", "arguments"])]
    pub text: Option<String>,
    /// Call this tool instead of sending a text
    #[arg(long, value_name = "NAME", requires = "arguments")]
    pub tool: Option<String>,
    /// Arguments of the tool: a JSON object, sent byte for byte
    #[arg(long, value_name = "JSON", requires = "tool")]
    pub arguments: Option<String>,
    /// The agent [default: the deployment's]
    #[arg(long, value_name = "ID")]
    pub agent: Option<String>,
    /// The conversation to continue [default: a new one]
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,
    /// UUID that makes repeating safe: the same id and request find the same run [default: a new one]
    #[arg(long, value_name = "UUID")]
    pub request_id: Option<uuid::Uuid>,
    /// Return once the request is decided or pending, without following it
    #[arg(long)]
    pub no_wait: bool,
    /// Who, and where to.
    #[command(flatten)]
    pub connect: ConnectArgs,
}
