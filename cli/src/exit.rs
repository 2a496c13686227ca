//! What the exit code of `countersign` means.

use std::process::ExitCode;

/// How a command ended; the number is its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command did what was asked; a followed run succeeded.
    Ok = 0,
    /// The command itself failed: a part can't be reached, a call was refused, a file can't be read.
    Failure = 1,
    /// The run is accepted and has not ended: it waits for a decision or is being executed.
    Pending = 10,
    /// The run was blocked by policy.
    Blocked = 11,
    /// A person denied the run or took back its grant.
    Denied = 12,
    /// The run was executed, and the gateway reported a failure.
    RunFailed = 13,
    /// The run was sent to the gateway, and what came of it is not known.
    Unknown = 14,
    /// The run was withdrawn by its requester.
    Cancelled = 15,
    /// Nobody decided or executed the run in time.
    Expired = 16,
    /// The command line is wrong.
    Usage = 64,
}

/// The table of exit codes, for the help of the commands that follow a run.
pub(crate) const RUN_EXIT_CODES: &str = "\
Exit codes:
   0  succeeded
   1  the command failed; nothing is known about the run beyond what was printed
  10  not ended: waits for approval, or is being executed (--no-wait)
  11  blocked by policy
  12  denied or revoked by a person
  13  failed: the gateway reported a failure
  14  outcome unknown: a person has to reconcile it
  15  cancelled by its requester
  16  expired: nobody decided or executed it in time
  64  wrong usage";

// === impl Exit ===

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_of_a_run_is_documented() {
        let exits = [
            Exit::Ok,
            Exit::Failure,
            Exit::Pending,
            Exit::Blocked,
            Exit::Denied,
            Exit::RunFailed,
            Exit::Unknown,
            Exit::Cancelled,
            Exit::Expired,
            Exit::Usage,
        ];
        let documented: Vec<u8> = RUN_EXIT_CODES
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(documented, exits.map(|exit| exit as u8));
    }
}
