//! The relay: sends the events of every decision to trace-svc, in the order of their commits, until each is recorded.
//!
//! One batch is under way at a time, so the order in the log is the order of the commits. A part that can't be reached is
//! tried again for as long as it takes, with the same bytes. An event that trace-svc refuses for good holds its run: the
//! run's later events stay behind it and it gets no warrant; other runs go on. Held runs are tried again at every start.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use chassis::{Link, events, fault::reason_of, semconv};
use prost::Message as _;
use proto::{
    common::v1::ErrorReason,
    trace::v1::{Actor, NewEvent, Receipt as LogReceipt},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::store::{ApprovalStore, OutboxRow};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The actor of events that policy causes.
const POLICY: &str = "policy";

/// Where events are recorded: all or none, in order, and durably once it answers.
pub trait TraceLog: Send + Sync + 'static {
    /// Records encoded events; the same event again gives the same receipt.
    fn append(&self, events: Vec<Bytes>) -> impl Future<Output = Result<Vec<LogReceipt>, Status>> + Send;
}

/// Sends outbox rows to a log.
#[derive(Debug)]
pub struct Relay<S, L> {
    store: Arc<S>,
    log: L,
    /// Every row up to here is recorded or held.
    position: u64,
}

/// What became of a batch.
enum Sent {
    Recorded,
    /// Refused, whatever is tried.
    Refused(Status),
    /// Not tried any longer: the service is closing.
    Stopped,
}

/// What the relay reads of an event that it sends: some of the fields of `NewEvent`.
#[derive(Clone, PartialEq, prost::Message)]
struct Head {
    #[prost(string, tag = "3")]
    kind: String,
    #[prost(message, optional, tag = "5")]
    actor: Option<Actor>,
}

impl TraceLog for Link {
    async fn append(&self, events: Vec<Bytes>) -> Result<Vec<LogReceipt>, Status> {
        events::record(self, TIMEOUT, events).await
    }
}

// === impl Relay ===

impl<S: ApprovalStore, L: TraceLog> Relay<S, L> {
    /// A relay that starts with the first row that is not known to be recorded.
    pub fn new(store: Arc<S>, log: L) -> Self {
        let position = store.receipts().relayed();
        Self { store, log, position }
    }

    /// Sends until it is `over`.
    pub async fn run(mut self, over: CancellationToken) {
        while let Some(rows) = over
            .run_until_cancelled(self.store.outbox_after(self.position, events::MAX_EVENTS))
            .await
        {
            match rows {
                Ok(rows) => {
                    if self.relay(rows, &over).await.is_none() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the outbox can't be read");
                    let pause = tokio::time::sleep(LONGEST_PAUSE);
                    let _closing = over.run_until_cancelled(pause).await;
                }
            }
        }
    }

    /// Sends these rows; `None` when the service closes before they are sent.
    async fn relay(&mut self, rows: Vec<OutboxRow>, over: &CancellationToken) -> Option<()> {
        let last = rows.last().map_or(self.position, |row| row.position);
        match self.send(&rows, over).await {
            Sent::Recorded => {}
            Sent::Stopped => return None,
            Sent::Refused(_) => {
                // One of them spoils the batch: find it, and let the others pass.
                for row in &rows {
                    match self.send(std::slice::from_ref(row), over).await {
                        Sent::Recorded => {}
                        Sent::Stopped => return None,
                        Sent::Refused(status) => self.hold(row, &status),
                    }
                }
            }
        }
        self.position = last;
        self.store.receipts().record([], last);
        Some(())
    }

    async fn send(&self, rows: &[OutboxRow], over: &CancellationToken) -> Sent {
        let receipts = self.store.receipts();
        let rows: Vec<&OutboxRow> = rows.iter().filter(|row| !receipts.is_held(&row.run)).collect();
        if rows.is_empty() {
            return Sent::Recorded;
        }
        let granted = rows.iter().any(|row| is_grant_by_people(&row.event));
        let mut pause = FIRST_PAUSE;
        loop {
            // A grant by people is ready for dispatch once it is recorded, and so is whatever had to wait.
            let wakes = granted || pause > FIRST_PAUSE;
            let events = rows.iter().map(|row| row.event.clone()).collect();
            let answer = over.run_until_cancelled(self.log.append(events)).await;
            let status = match answer {
                None => return Sent::Stopped,
                Some(Ok(_)) => {
                    self.record(&rows);
                    if wakes {
                        self.store.wake_dispatch();
                    }
                    return Sent::Recorded;
                }
                Some(Err(status)) if is_final(&status) => return Sent::Refused(status),
                Some(Err(status)) => status,
            };
            // Whoever can't read a message doesn't say which of its events it can't read.
            if let Some(damaged) = rows.iter().find_map(|row| NewEvent::decode(&*row.event).err()) {
                return Sent::Refused(Status::data_loss(damaged.to_string()));
            }
            if pause == LONGEST_PAUSE {
                tracing::warn!(code = ?status.code(), error = status.message(), "events wait for trace-svc");
            }
            if over.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return Sent::Stopped;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn record(&self, rows: &[&OutboxRow]) {
        let positions = rows.iter().map(|row| row.position);
        let last = rows.last().map_or(0, |row| row.position);
        self.store.receipts().record(positions, last);
    }

    fn hold(&self, row: &OutboxRow, status: &Status) {
        self.store.receipts().hold(row.run);
        tracing::error!(
            run = %row.run,
            position = row.position,
            code = ?status.code(),
            error = status.message(),
            "trace-svc refuses an event for good; its run gets no warrant"
        );
    }
}

fn is_grant_by_people(event: &[u8]) -> bool {
    Head::decode(event).is_ok_and(|head| {
        head.kind == semconv::event::APPROVAL_GRANTED && head.actor.is_some_and(|actor| actor.r#type != POLICY)
    })
}

/// Whether sending the same again is pointless.
fn is_final(status: &Status) -> bool {
    let Some(reason) = reason_of(status) else { return false };
    match status.code() {
        Code::InvalidArgument | Code::AlreadyExists | Code::FailedPrecondition => true,
        _ => reason == ErrorReason::MessageTooLarge || reason == ErrorReason::EventTypeNotAllowed,
    }
}

#[cfg(test)]
mod tests;
