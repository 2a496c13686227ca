//! The approval: the record that decides one action, and what must always hold for it.
//!
//! | id | invariant | kept by |
//! |---|---|---|
//! | AP-1 | at most one effect per approval | [`machine`]: a claim needs GRANTED and the current `jti` |
//! | AP-2 | an AMBER effect implies the quorum of distinct people, none the requester, on exactly that digest | [`crate::resolve`] |
//! | AP-3 | executed digest = approved digest = warrant digest | [`machine`]: a claim repeats the digest |
//! | AP-4 | a deny, revoke or cancel committed before the claim means no effect | [`machine`] |
//! | AP-5 | a claim happens before the expiry, by the store's clock | [`machine`], called inside the compare-and-set |
//! | AP-6 | terminal states never change; every other has a timed way out, except `OUTCOME_UNKNOWN` | [`machine`] |
//! | AP-7 | decision and its exact event bytes commit in one transaction; no warrant before their receipt | [`crate::store`] |
//! | AP-8 | RED never reaches GRANTED | [`crate::resolve`] |
//! | AP-9 | one simulated vote makes the whole warrant simulated | [`crate::resolve`] |
//! | AP-10 | every committed transition is delivered at least once, in order for each approval, after any resume token | [`crate::store`] |
//!
//! [`invariant`] states as predicates those that one step can be held to.

pub mod command;
pub mod invariant;
pub mod machine;
pub mod step;

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use warrant::{Action, ActionDigest, ApprovalId, Mode};

use crate::{moment::Moment, resolve::Rule};

/// The record that decides one action.
#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    /// What is decided on; never changes.
    pub content: Arc<Content>,
    /// Where it stands.
    pub progress: Progress,
}

/// What an approval decides on.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// The approval's id, derived from the run.
    pub id: ApprovalId,
    /// The action; exactly this is what executes.
    pub action: Action,
    /// Its digest.
    pub digest: ActionDigest,
    /// What decides.
    pub rule: Rule,
    /// The rules that led to the risk.
    pub rule_ids: Vec<String>,
    /// The classifier's reason.
    pub reason: String,
    /// What to ask for instead.
    pub safe_alternative: String,
    /// Digest of the policy that classified the action.
    pub policy_digest: String,
    /// The signed verdict.
    pub verdict_jws: String,
    /// The caller's `traceparent`, if it sent one.
    pub traceparent: String,
    /// When it was created.
    pub create_time: Moment,
}

/// Where an approval stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The state.
    pub state: State,
    /// Grows with every change that a reader can see.
    pub version: u32,
    /// Revision of the content that is decided on, from 1.
    pub revision: u32,
    /// The votes, in order.
    pub votes: Vec<Vote>,
    /// On whose authority it was granted.
    pub mode: Option<Mode>,
    /// When it last changed.
    pub update_time: Moment,
    /// When it was granted or denied.
    pub decide_time: Option<Moment>,
    /// When the grant runs out.
    pub grant_expire: Option<Moment>,
    /// The one warrant that can be claimed.
    pub jti: String,
    /// From when on it may be handed out for dispatch.
    pub dispatch_time: Moment,
    /// How often it has been handed out.
    pub dispatches: u32,
    /// Execution attempt, from 1.
    pub attempt: u32,
    /// The latest claim of this attempt.
    pub claim: Option<Claim>,
    /// How the execution ended.
    pub outcome: Option<Outcome>,
    /// What was said of the outcome.
    pub outcome_detail: String,
    /// Index of the log entry that records the end of the execution.
    pub receipt_index: Option<u64>,
    /// Whether cancellation was asked for while it was executing.
    pub cancel_requested: bool,
    /// Why it ended as it did.
    pub close_reason: String,
}

/// The state of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Waits for people.
    Pending,
    /// May be executed once.
    Granted,
    /// Its warrant was claimed.
    Executing,
    /// Executed, with a complete answer.
    Succeeded,
    /// Executed, and failed.
    Failed,
    /// Refused.
    Denied,
    /// Not decided, or not executed, in time.
    Expired,
    /// Withdrawn.
    Cancelled,
    /// Its grant was taken back.
    Revoked,
    /// What came of the execution is not known.
    OutcomeUnknown,
}

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// A complete answer.
    Succeeded,
    /// A final failure.
    Failed,
    /// Stopped on request.
    Cancelled,
    /// Nothing was sent.
    NotStarted,
    /// Sent, and what came of it is not known.
    Unknown,
}

/// One vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who voted.
    pub voter: PersonId,
    /// How.
    pub decision: Decision,
    /// Why.
    pub reason: String,
    /// When.
    pub time: Moment,
    /// On which revision.
    pub revision: u32,
    /// Whether the simulated approver cast it.
    pub simulated: bool,
}

/// For or against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Decision {
    /// For the action.
    Grant,
    /// Against it.
    Deny,
}

/// A person, as a token names one. The same subject of another issuer is another person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PersonId {
    /// Issuer of the token.
    pub issuer: String,
    /// Its subject.
    pub subject: String,
}

/// A spent warrant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The warrant that was spent.
    pub jti: String,
    /// The claiming request.
    pub request_id: String,
    /// Which executor process claimed.
    pub executor: String,
    /// Proves the claim.
    pub fencing_token: String,
    /// When it was claimed.
    pub time: Moment,
    /// When its lease ends.
    pub lease_expire: Moment,
}

/// How long things last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How many people must grant an AMBER action.
    pub quorum: u32,
    /// How long people may take to decide.
    pub pending_ttl: Duration,
    /// How long a grant by people can be executed.
    pub grant_ttl: Duration,
    /// How long a grant by policy can be executed.
    pub green_grant_ttl: Duration,
    /// How long a claim lasts without renewal.
    pub lease: Duration,
    /// How long an approval that was handed out is handed to nobody else.
    pub dispatch_lease: Duration,
    /// How many attempts an approval has.
    pub max_attempts: u32,
    /// How many approvals of one requester may be pending.
    pub max_pending: u32,
}

// === impl Approval ===

impl Approval {
    /// The approval's id.
    pub fn id(&self) -> ApprovalId {
        self.content.id
    }

    /// The state.
    pub fn state(&self) -> State {
        self.progress.state
    }

    /// Changes with every change that a reader can see.
    pub fn etag(&self) -> String {
        format!("{}-{}", self.progress.revision, self.progress.version)
    }

    /// When it expires unless somebody acts. The end of a claim's lease is none: a renewal moves it without a change
    /// that readers see.
    pub fn expire_time(&self) -> Option<Moment> {
        self.due().filter(|_| self.progress.state != State::Executing)
    }

    /// When the present state runs out, if it does (AP-6).
    pub fn due(&self) -> Option<Moment> {
        match self.progress.state {
            State::Pending => Some(self.content.rule.pending_expire),
            State::Granted => self.progress.grant_expire,
            State::Executing => self.progress.claim.as_ref().map(|claim| claim.lease_expire),
            _ => None,
        }
    }
}

// === impl State ===

impl State {
    /// All, in their order.
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Granted,
        Self::Executing,
        Self::Succeeded,
        Self::Failed,
        Self::Denied,
        Self::Expired,
        Self::Cancelled,
        Self::Revoked,
        Self::OutcomeUnknown,
    ];

    /// The name, as errors and filters use it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Granted => "GRANTED",
            Self::Executing => "EXECUTING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Denied => "DENIED",
            Self::Expired => "EXPIRED",
            Self::Cancelled => "CANCELLED",
            Self::Revoked => "REVOKED",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether nothing ever follows (AP-6).
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Pending | Self::Granted | Self::Executing | Self::OutcomeUnknown => false,
            Self::Succeeded | Self::Failed | Self::Denied | Self::Expired | Self::Cancelled | Self::Revoked => true,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Decision ===

impl Decision {
    /// The name, as events use it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "GRANT",
            Self::Deny => "DENY",
        }
    }
}

// === impl PersonId ===

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.issuer, self.subject)
    }
}

// === impl Terms ===

impl Default for Terms {
    fn default() -> Self {
        Self {
            quorum: 1,
            pending_ttl: Duration::from_hours(24),
            grant_ttl: Duration::from_mins(10),
            green_grant_ttl: Duration::from_mins(1),
            lease: Duration::from_mins(1),
            dispatch_lease: Duration::from_secs(10),
            max_attempts: 5,
            max_pending: 1_000,
        }
    }
}
