//! Options of `countersign trace`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::ConnectArgs;

/// Options of `trace`.
#[derive(Clone, Debug, Args)]
pub struct TraceArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TraceCommand,
}

/// The commands of `trace`.
#[derive(Clone, Debug, Subcommand)]
pub enum TraceCommand {
    /// List traces, newest first.
    List(ListTracesArgs),
    /// Show the events of one run.
    Show(ShowTraceArgs),
    /// Export events: the log's exact lines as JSONL, or CSV.
    Export(ExportArgs),
}

/// Options of `trace list`.
#[derive(Clone, Debug, Args)]
pub struct ListTracesArgs {
    /// Terms joined by `AND`, such as `risk = RED AND closed = true`
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 50, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// Who, and where to.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// Options of `trace show`.
#[derive(Clone, Debug, Args)]
pub struct ShowTraceArgs {
    /// The run, `runs/{id}`; the trace, `traces/{id}`, or the id alone do as well
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Show the content of events too
    #[arg(long)]
    pub content: bool,
    /// Who, and where to.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// Options of `trace export`.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// Only this run [default: all that you may see]
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// Form of the export
    #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl, value_name = "FORM")]
    pub format: ExportFormat,
    /// Terms joined by `AND`, such as `type = "execution.finished"`
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
    /// Write to this file, whole or not at all [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Who, and where to.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// Form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// The log's exact lines.
    Jsonl,
    /// RFC 4180 with a header line.
    Csv,
}
