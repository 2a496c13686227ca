//! The command line: what can be typed, and its help.

mod approvals;
mod connect;
mod policy;
mod run;
mod serve;
mod token;
mod trace;
mod up;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::{
    approvals::{
        ApprovalsArgs, ApprovalsCommand, CancelArgs, DecideArgs, ListApprovalsArgs, ReconcileArgs, ReconciledOutcome,
        RefuseArgs, RepeatArgs, ShowApprovalArgs, WatchArgs,
    },
    connect::ConnectArgs,
    policy::{
        ClassifyArgs, ContextArgs, DiffArgs, ExplainArgs, LintArgs, PolicyArgs, PolicyCommand, PolicyFileArgs,
        ReplayArgs, SignArgs, TestArgs,
    },
    run::RunArgs,
    serve::{ServeArgs, ServedPart},
    token::{CreateTokenArgs, TokenArgs, TokenAudience, TokenCommand},
    trace::{ExportArgs, ExportFormat, ListTracesArgs, ShowTraceArgs, TraceArgs, TraceCommand},
    up::UpArgs,
};
use crate::exit::RUN_EXIT_CODES;

const EXAMPLES: &str = "\
Examples:
  countersign up --gateway-url http://127.0.0.1:18789 --gateway-token-file gateway.token
  countersign run \"Summarize our AI governance policy for internal use.\"
  countersign approvals list
  countersign approvals grant approvals/0197… --yes
  countersign trace export --run runs/4bf9… --format csv --out trace.csv
  countersign policy classify \"Transfer funds from treasury to vendor account immediately.\"";

const DATA_DIR_HELP: &str = "Where `countersign up` keeps its stores, keys and identities \
[default: countersign in $XDG_DATA_HOME or ~/.local/share]";

const WHO: &str = "\
Who you are:
  --as NAME is an identity of the local issuer that `countersign up` made:
    alice        asks
    bob, dave    decide (group approvers)
    carol        reads everything of the tenant (group auditors)
    olga         reconciles (group operators)
  Left out, it is alice for `run`, `trace` and `approvals cancel`, and bob for
  the other commands of `approvals`. Elsewhere, give --token-file and the
  endpoints.";

const RUN_JSON: &str = "\
With --output json, each line is {\"type\": \"run\", \"run\": …} or
{\"type\": \"output\", \"text\": …}; the last is the run in its final state.
With --no-wait, the run alone.";

/// Governs what agents do: every request is classified, decided, executed under a single-use warrant, and recorded.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct GlobalArgs {
    /// Form of results and errors: for people, or one JSON document (JSONL for streams)
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, env = "COUNTERSIGN_OUTPUT", value_name = "FORM")]
    pub output: Format,
    /// Where `countersign up` keeps its stores, keys and identities.
    #[arg(long, help = DATA_DIR_HELP, global = true, env = "COUNTERSIGN_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Form of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run all five parts in this process, on loopback, with embedded stores.
    Up(UpArgs),
    /// Run one part in this process, with options of its own.
    Serve(ServeArgs),
    /// Submit a request and follow it to its outcome.
    #[command(after_help = RUN_EXIT_CODES, after_long_help = format!("{WHO}\n\n{RUN_JSON}\n\n{RUN_EXIT_CODES}"))]
    Run(RunArgs),
    /// See and decide what waits for people.
    #[command(after_long_help = WHO)]
    Approvals(ApprovalsArgs),
    /// Read and export what was recorded.
    #[command(after_long_help = WHO)]
    Trace(TraceArgs),
    /// Try the policy; needs no server.
    Policy(PolicyArgs),
    /// Make tokens of the local issuer.
    Token(TokenArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn refusal(arguments: &[&str]) -> String {
        Cli::try_parse_from(arguments).unwrap_err().to_string()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_option_has_help() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn other_addresses_than_loopback_are_refused() {
        assert!(refusal(&["countersign", "up", "--listen-address", "0.0.0.0"]).contains("loopback only"));
        assert!(Cli::try_parse_from(["countersign", "up", "--listen-address", "::1"]).is_ok());
    }

    #[test]
    fn five_ports_have_to_fit() {
        assert!(refusal(&["countersign", "up", "--port-base", "65532"]).contains("five ports"));
        assert!(Cli::try_parse_from(["countersign", "up", "--port-base", "0"]).is_ok());
    }

    #[test]
    fn a_run_is_a_text_or_a_tool_call() {
        assert!(Cli::try_parse_from(["countersign", "run", "hello"]).is_ok());
        assert!(Cli::try_parse_from(["countersign", "run", "--tool", "sessions_list", "--arguments", "{}"]).is_ok());
        for wrong in [
            &["countersign", "run"][..],
            &["countersign", "run", "hello", "--tool", "t", "--arguments", "{}"],
            &["countersign", "run", "--tool", "t"],
            &["countersign", "run", "hello", "--arguments", "{}"],
            &["countersign", "run", "hello", "--request-id", "1"],
        ] {
            assert!(Cli::try_parse_from(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn global_options_may_stand_anywhere() {
        let cli = Cli::try_parse_from([
            "countersign",
            "approvals",
            "list",
            "--output",
            "json",
            "--data-dir",
            "d",
        ])
        .unwrap();
        assert_eq!(
            (cli.global.output, cli.global.data_dir),
            (Format::Json, Some("d".into()))
        );
    }
}
