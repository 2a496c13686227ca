//! `countersign serve`: one part as a process of its own. Parts that run on one machine as one program share its code
//! in memory and caches, which five programs can't.

use std::ffi::{OsStr, OsString};

use chassis::PartName;

use crate::{
    args::{ServeArgs, ServedPart},
    error::CliError,
    exit::Exit,
};

/// Serves the part until it is told to stop.
pub(crate) fn run(args: ServeArgs) -> Result<Exit, CliError> {
    let ServedPart::Named(arguments) = args.part;
    Ok(served(arguments)?.into())
}

/// `arguments` are a program's: its name, then its options.
fn served(arguments: Vec<OsString>) -> Result<chassis::Exit, CliError> {
    let name = arguments.first().map(OsString::as_os_str).unwrap_or_default();
    match name.to_str().and_then(|name| name.parse().ok()) {
        Some(PartName::Orchestrator) => Ok(orchestrator::run(arguments)),
        Some(PartName::Classifier) => Ok(classifier_svc::run(arguments)),
        Some(PartName::Approval) => Ok(approval_svc::run(arguments)),
        Some(PartName::Executor) => Ok(executor_svc::run(arguments)),
        Some(PartName::Trace) => Ok(trace_svc::run(arguments)),
        Some(PartName::SimulatedApprover) | None => Err(unknown(name)),
    }
}

fn unknown(name: &OsStr) -> CliError {
    let name = name.display();
    CliError::usage(format!("no part `{name}`; `countersign serve --help` lists them"))
}

// === impl Exit ===

impl From<chassis::Exit> for Exit {
    fn from(exit: chassis::Exit) -> Self {
        match exit {
            chassis::Exit::Ok => Self::Ok,
            chassis::Exit::Failure => Self::Failure,
            chassis::Exit::Usage => Self::Usage,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn what_is_no_process_is_not_served() {
        for name in ["nobody", "simulated-approver", ""] {
            let error = served(vec![name.into(), "--help".into()]).unwrap_err();
            assert_eq!(error.exit(), Exit::Usage, "{name}");
        }
    }

    #[test]
    fn every_part_that_is_served_is_in_the_help_and_says_how_it_ended() {
        let mut command = Cli::command();
        let help = command.find_subcommand_mut("serve").unwrap().render_help().to_string();
        for part in testkit::fleet::PARTS {
            let name = part.as_str();
            assert!(help.contains(name), "{name}");
            let bogus = served(vec![name.into(), "--no-such-option".into()]).unwrap();
            assert_eq!(bogus, chassis::Exit::Usage, "{name}");
        }
    }
}
