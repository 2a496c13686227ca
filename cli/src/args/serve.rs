//! Arguments of `countersign serve`.

use std::ffi::OsString;

use clap::{Args, Subcommand};

const PARTS: &str = "\
Parts:
  orchestrator, classifier-svc, approval-svc, executor-svc, trace-svc

`countersign serve PART --help` shows a part's options. They are those of the program with the part's name.";

/// Which part, and how.
#[derive(Clone, Debug, Args)]
#[command(after_help = PARTS, override_usage = "countersign serve PART [OPTIONS]", disable_help_subcommand = true)]
pub struct ServeArgs {
    /// The part.
    #[command(subcommand)]
    pub part: ServedPart,
}

/// A part's name and its own options.
#[derive(Clone, Debug, Subcommand)]
pub enum ServedPart {
    /// As they were typed: the part reads them itself.
    #[command(external_subcommand)]
    Named(Vec<OsString>),
}
