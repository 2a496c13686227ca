//! Where approvals are kept: the contract of a store, whichever it is.
//!
//! A store runs the state machine inside its own transaction, by its own clock. What it promises:
//!
//! - **Atomic (AP-7).** A step's approval, its events' exact bytes in the outbox, its entry in the change log and its
//!   request id commit together, durably, or not at all. Nothing is answered before the commit.
//! - **Compare-and-set (AP-1, AP-4, AP-5).** A command sees the approval as the last commit left it, settled at the
//!   time that the store reads in the transaction. Of any number of concurrent commands each sees the one before.
//! - **Time never goes back**, also over a restart.
//! - **Idempotent.** A request id repeated by the same principal with the same body gives the answer of the first time;
//!   with another body it is refused. Refusals are not remembered.
//! - **Receipts (AP-7).** The outbox hands out rows in the order of their commits until they are recorded; what is not
//!   known to be recorded can't be dispatched and can't be claimed. A receipt may be forgotten in a crash: then the row is
//!   handed out again, with the same bytes.
//! - **Change log (AP-10).** Every visible step has one entry; a reader that continues after any position misses none, in
//!   order for each approval.
//!
//! `conformance` holds every implementation to this.

#[cfg(test)]
#[macro_use]
pub mod conformance;
pub mod receipts;
pub mod sqlite;

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use tokio::sync::{broadcast, watch};
use warrant::{ApprovalId, Risk, RunId};

use crate::{
    approval::{Approval, Content, PersonId, State, command::Command},
    error::ApprovalError,
    moment::Moment,
};

/// A store of approvals. See the module for what it promises.
pub trait ApprovalStore: Send + Sync + 'static {
    /// The store's time.
    fn now(&self) -> Moment;

    /// Whether the store takes transactions.
    fn is_open(&self) -> bool;

    /// Creates the approval that `content` asks for, or returns the one that exists for the same run and digest.
    ///
    /// Another digest for the same run is refused, and so is a pending approval more than the requester may have.
    fn create(&self, draft: Draft) -> impl Future<Output = Result<Committed, ApprovalError>> + Send;

    /// Carries a command out.
    ///
    /// `request` is remembered together with what the command came to.
    fn execute(
        &self,
        id: ApprovalId,
        command: Command,
        request: Option<RequestKey>,
    ) -> impl Future<Output = Result<Committed, ApprovalError>> + Send;

    /// Takes up to `max` granted, recorded, unclaimed approvals whose dispatch lease is free, each with a new lease and a new
    /// warrant id.
    fn acquire(&self, max: usize) -> impl Future<Output = Result<Acquired, ApprovalError>> + Send;

    /// Makes visible what time alone has changed, for up to `max` approvals; returns how many changed.
    fn sweep(&self, max: usize) -> impl Future<Output = Result<usize, ApprovalError>> + Send;

    /// Reads one approval.
    fn get(&self, id: ApprovalId) -> impl Future<Output = Result<Stored, ApprovalError>> + Send;

    /// Lists approvals, newest first. It may look at a part of them only, and find few or none in it.
    fn list(&self, query: Query) -> impl Future<Output = Result<Listing, ApprovalError>> + Send;

    /// Position of the newest entry of the change log.
    fn last_change(&self) -> u64;

    /// Entries of the change log after `position`, in order, at most `max`.
    fn changes_after(
        &self,
        position: u64,
        max: usize,
    ) -> impl Future<Output = Result<Vec<Arc<Changed>>, ApprovalError>> + Send;

    /// Entries of the change log as they are committed. A reader that falls behind is told so and reads on with
    /// [`Self::changes_after`].
    fn subscribe(&self) -> broadcast::Receiver<Arc<Changed>>;

    /// Outbox rows after `position` that are not recorded, in order, at most `max`; waits until there is one.
    fn outbox_after(
        &self,
        position: u64,
        max: usize,
    ) -> impl Future<Output = Result<Vec<OutboxRow>, ApprovalError>> + Send;

    /// What is known of receipts.
    fn receipts(&self) -> &Arc<receipts::Receipts>;

    /// Makes durable what is known of receipts and has not been stored along with something else.
    fn flush_receipts(&self) -> impl Future<Output = Result<(), ApprovalError>> + Send;

    /// Changes when something may have become ready for dispatch, other than by a lease's end.
    fn dispatch_signal(&self) -> watch::Receiver<u64>;

    /// Says that something may have become ready for dispatch.
    fn wake_dispatch(&self);
}

/// An approval to be created. The store sets its times.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What is asked. `create_time` and the rule's `pending_expire` are set by the store.
    pub content: Content,
}

/// Names a request for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// Who sent it.
    pub principal: String,
    /// Its id.
    pub request_id: String,
    /// SHA-256 over the RPC's name and the request's bytes.
    pub body: [u8; 32],
}

/// What a transaction came to.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The approval.
    pub stored: Stored,
    /// The store's time in the transaction.
    pub now: Moment,
    /// Whether the answer is that of an earlier, identical request.
    pub replayed: bool,
}

/// An approval as the store holds it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The approval.
    pub approval: Approval,
    /// Position of the event of its grant in the outbox; 0 while there is none.
    pub decision_position: u64,
}

/// What [`ApprovalStore::acquire`] took.
#[derive(Clone, Debug)]
pub struct Acquired {
    /// The approvals, each with a fresh `jti`.
    pub approvals: Vec<Approval>,
    /// The store's time in the transaction.
    pub now: Moment,
    /// When the next dispatch lease ends that is held now.
    pub next: Option<Moment>,
}

/// Which approvals to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Only this one.
    pub id: Option<ApprovalId>,
    /// Only this tenant's.
    pub tenant: Option<String>,
    /// Only this person's.
    pub requester: Option<PersonId>,
    /// Only of requesters with this subject.
    pub requester_subject: Option<String>,
    /// Only in this state.
    pub state: Option<State>,
    /// Only of this risk.
    pub risk: Option<Risk>,
    /// Only of this agent.
    pub agent: Option<String>,
    /// Only those listed after this position.
    pub after: Option<u64>,
    /// At most this many.
    pub limit: usize,
}

/// A part of a listing.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The approvals.
    pub listed: Vec<Listed>,
    /// Approvals that belong here and can't be read, with their positions.
    pub unreadable: Vec<(u64, ApprovalId)>,
    /// The position after which it goes on; `None` at the end.
    pub next: Option<u64>,
}

/// One row of a listing.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its position in the listing.
    pub position: u64,
    /// The approval.
    pub approval: Approval,
}

/// One entry of the change log.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Its position, growing.
    pub position: u64,
    /// The approval as the step left it.
    pub approval: Approval,
}

/// One event on its way to trace-svc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its position, growing without gaps.
    pub position: u64,
    /// The run.
    pub run: RunId,
    /// The event: the exact bytes that are sent, each time.
    pub event: Bytes,
}

/// Why a store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("database error: {0}")]
    Database(#[from] rusqlite::Error),
    /// A transaction that several requests shared failed; none of them happened.
    #[error("transaction failed: {0}")]
    Transaction(Arc<rusqlite::Error>),
    /// A commit failed on its way to the disk, or its answer was lost: only opening the store anew tells whether it took
    /// effect.
    #[error("whether the transaction took effect is not known")]
    InDoubt,
    /// A stored value can't be read.
    #[error("stored value can't be read: {0}")]
    Corrupt(String),
    /// The store has stopped.
    #[error("the store has stopped")]
    Stopped,
    /// The database belongs to a newer version of this service.
    #[error("the database has schema version {found}; this service knows versions up to {known}")]
    NewerSchema {
        /// The version found.
        found: i64,
        /// The newest version known.
        known: i64,
    },
    /// Another process has the store open.
    #[error("another process has the store `{0}` open")]
    Locked(String),
    /// A file could not be made or opened.
    #[error("file `{path}`: {source}")]
    File {
        /// The file.
        path: String,
        /// What went wrong.
        source: std::io::Error,
    },
}

// === impl StoreError ===

impl From<StoreError> for ApprovalError {
    fn from(error: StoreError) -> Self {
        match error {
            // `INTERNAL` is what callers take for an unknown outcome.
            StoreError::Corrupt(_) | StoreError::NewerSchema { .. } | StoreError::InDoubt => {
                Self::Internal(error.into())
            }
            error => Self::StoreUnavailable(error),
        }
    }
}

// === impl Query ===

impl Query {
    /// Whether the query, its paging apart, finds this approval.
    pub fn finds(&self, approval: &Approval) -> bool {
        let (content, action) = (&approval.content, &approval.content.action);
        self.id.is_none_or(|id| id == content.id)
            && self.tenant.as_ref().is_none_or(|tenant| *tenant == action.tenant)
            && self
                .requester
                .as_ref()
                .is_none_or(|person| *person == content.rule.requester)
            && self
                .requester_subject
                .as_ref()
                .is_none_or(|subject| *subject == action.requester)
            && self.state.is_none_or(|state| state == approval.state())
            && self.risk.is_none_or(|risk| risk == content.rule.risk)
            && self.agent.as_ref().is_none_or(|agent| *agent == action.agent)
    }
}
