//! Options of `countersign policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Options of `policy`.
#[derive(Clone, Debug, Args)]
pub struct PolicyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: PolicyCommand,
}

/// The commands of `policy`.
#[derive(Clone, Debug, Subcommand)]
pub enum PolicyCommand {
    /// Classify a text, or JSONL `{"id","text"}` from standard input.
    Classify(ClassifyArgs),
}

/// Options of `policy classify`.
#[derive(Clone, Debug, Args)]
pub struct ClassifyArgs {
    /// The text [default: JSONL from standard input, one object with `id` and `text` on each line]
    #[arg(value_name = "TEXT")]
    pub text: Option<String>,
    /// Policy to classify by, instead of the one that is built in: a YAML file, or a folder of them
    #[arg(long, env = "COUNTERSIGN_POLICY_FILE", value_name = "PATH")]
    pub policy_file: Option<PathBuf>,
    /// Groups of the requester, for rules that look at them
    #[arg(long = "group", value_name = "NAME")]
    pub groups: Vec<String>,
}
