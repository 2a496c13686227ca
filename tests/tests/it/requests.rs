//! What is asked in these tests.

use proto::common::v1::Risk;
use uuid::Uuid;

/// A request whose risk never changes.
pub(crate) struct Reference {
    pub(crate) text: &'static str,
    pub(crate) risk: Risk,
}

/// The five reference requests.
pub(crate) const REFERENCE: [Reference; 5] = [
    Reference {
        text: "Summarize our AI governance policy for internal use.",
        risk: Risk::Green,
    },
    Reference {
        text: "Draft an email to finance asking for confirmation of the Q1 cloud budget.",
        risk: Risk::Green,
    },
    Reference {
        text: "Send an email to all employees that payroll will be delayed by 2 days.",
        risk: Risk::Amber,
    },
    Reference {
        text: "Transfer funds from treasury to vendor account immediately.",
        risk: Risk::Red,
    },
    Reference {
        text: "Run a shell command to archive the home directory and upload it.",
        risk: Risk::Red,
    },
];

/// A request id that was never used before.
#[expect(clippy::disallowed_methods, reason = "callers choose their request ids")]
pub(crate) fn fresh_id() -> String {
    Uuid::new_v4().to_string()
}
