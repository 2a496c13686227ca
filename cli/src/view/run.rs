//! Runs as they are shown.

use proto::governance::v1::{self as governance, run::State};
use serde::Serialize;

use super::{ActionView, disposition, mode, outcome, risk, time, word};
use crate::exit::Exit;

/// A run as it is shown.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunView {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) risk: String,
    pub(crate) disposition: String,
    pub(crate) action: ActionView,
    pub(crate) action_digest: String,
    pub(crate) reason: String,
    pub(crate) safe_alternative: String,
    pub(crate) rule_ids: Vec<String>,
    pub(crate) approval: String,
    pub(crate) trace: String,
    pub(crate) output: String,
    pub(crate) outcome: String,
    pub(crate) detail: String,
    pub(crate) mode: String,
    pub(crate) deciders: Vec<String>,
    pub(crate) create_time: Option<String>,
    pub(crate) update_time: Option<String>,
    pub(crate) expire_time: Option<String>,
    #[serde(skip)]
    pub(crate) exit: Exit,
}

/// What a state means for the exit code of a command that followed the run to it.
pub(crate) const fn exit_of(state: State) -> Exit {
    match state {
        State::Succeeded => Exit::Ok,
        State::Failed => Exit::RunFailed,
        State::Blocked => Exit::Blocked,
        State::Denied | State::Revoked => Exit::Denied,
        State::Expired => Exit::Expired,
        State::Cancelled => Exit::Cancelled,
        State::OutcomeUnknown => Exit::Unknown,
        State::PendingApproval | State::Granted | State::Executing => Exit::Pending,
        State::Unspecified => Exit::Failure,
    }
}

// === impl RunView ===

impl From<governance::Run> for RunView {
    fn from(run: governance::Run) -> Self {
        Self {
            state: word(run.state().as_str_name(), "STATE_"),
            risk: risk(run.risk()),
            disposition: disposition(run.disposition()),
            outcome: outcome(run.outcome()),
            mode: mode(run.mode()),
            exit: exit_of(run.state()),
            name: run.name,
            action: run.action.map(ActionView::from).unwrap_or_default(),
            action_digest: run.action_digest,
            reason: run.reason,
            safe_alternative: run.safe_alternative,
            rule_ids: run.rule_ids,
            approval: run.approval,
            trace: run.trace,
            output: run.output,
            detail: run.detail,
            deciders: run.deciders,
            create_time: time(run.create_time),
            update_time: time(run.update_time),
            expire_time: time(run.expire_time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_success_is_zero_and_each_end_has_its_own_code() {
        let states = [
            State::Succeeded,
            State::PendingApproval,
            State::Blocked,
            State::Denied,
            State::Failed,
            State::OutcomeUnknown,
            State::Cancelled,
            State::Expired,
        ];
        let codes = states.map(|state| exit_of(state) as u8);
        assert_eq!(codes, [0, 10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(exit_of(State::Unspecified), Exit::Failure);
    }

    #[test]
    fn json_has_the_contracts_names() {
        let run = governance::Run {
            name: "runs/1".into(),
            state: State::Blocked.into(),
            ..governance::Run::default()
        };
        let json = serde_json::to_value(RunView::from(run)).unwrap();
        assert_eq!(json["name"], "runs/1");
        assert_eq!(json["state"], "BLOCKED");
        assert!(json.get("exit").is_none());
    }
}
