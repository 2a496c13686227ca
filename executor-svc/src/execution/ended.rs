//! How an execution ended, as it is recorded and reported.

use proto::common::v1::Outcome;
use tonic::Status;

use super::lease::Standing;
use crate::gateway::{Answer, GatewayRequest, Usage};

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) detail: String,
    pub(crate) usage: Option<Usage>,
    pub(crate) stopped_by: Option<StoppedBy>,
}

/// How a run was stopped on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoppedBy {
    /// The gateway said that it aborted the run.
    Confirmed,
    /// The connection was closed, upon which the gateway aborts the run without a word.
    Disconnected,
}

// === impl Ended ===

impl Ended {
    /// Nothing was sent, because of this error.
    pub(crate) fn not_started(status: &Status) -> Self {
        Self {
            outcome: Outcome::NotStarted,
            detail: status.message().to_owned(),
            usage: None,
            stopped_by: None,
        }
    }

    /// Sent, and what came of it is not known.
    pub(crate) fn unknown(detail: &str) -> Self {
        Self {
            outcome: Outcome::Unknown,
            detail: detail.to_owned(),
            usage: None,
            stopped_by: None,
        }
    }

    /// What the gateway's answer means, given where the claim stands: a run that it says it aborted was cancelled only
    /// if that was asked for.
    pub(crate) fn of_answer(answer: Answer, standing: Standing) -> Self {
        let Answer {
            outcome,
            detail,
            usage,
            aborted,
        } = answer;
        if aborted && standing == Standing::CancelRequested {
            let detail = "stopped on request; the gateway confirmed it".to_owned();
            return Self {
                outcome: Outcome::Cancelled,
                detail,
                usage,
                stopped_by: Some(StoppedBy::Confirmed),
            };
        }
        Self {
            outcome,
            detail,
            usage,
            stopped_by: None,
        }
    }

    /// What it means that the connection was closed from this side, because of where the claim stands.
    pub(crate) fn of_interruption(standing: Standing, request: &GatewayRequest) -> Self {
        match standing {
            Standing::CancelRequested if request.stops_on_disconnect => Self {
                outcome: Outcome::Cancelled,
                detail: "stopped on request by closing the connection; the gateway doesn't confirm it".to_owned(),
                usage: None,
                stopped_by: Some(StoppedBy::Disconnected),
            },
            Standing::CancelRequested => Self::unknown("given up on request; a tool that has begun is not stopped"),
            Standing::Held | Standing::Lost => Self::unknown("given up because the claim was lost"),
        }
    }
}

// === impl StoppedBy ===

impl StoppedBy {
    /// The name in records.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Disconnected => "disconnected",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abort_that_the_gateway_confirms_is_a_cancellation_only_if_asked_for() {
        let aborted = Answer {
            aborted: true,
            ..Answer::unknown("agent run aborted")
        };
        let asked = Ended::of_answer(aborted.clone(), Standing::CancelRequested);
        assert_eq!(
            (asked.outcome, asked.stopped_by),
            (Outcome::Cancelled, Some(StoppedBy::Confirmed))
        );
        let unasked = Ended::of_answer(aborted, Standing::Held);
        assert_eq!((unasked.outcome, unasked.stopped_by), (Outcome::Unknown, None));
    }
}
