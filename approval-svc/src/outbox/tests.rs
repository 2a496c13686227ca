use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use chassis::{SystemIds, fault::status};
use tempfile::TempDir;
use warrant::Risk;

use super::*;
use crate::{
    approval::{Approval, Decision, Terms},
    fixture::{claim, clock, draft, vote},
    store::sqlite::SqliteStore,
};

/// A log that answers as it is told, then keeps what it gets.
#[derive(Debug, Default)]
struct FakeLog {
    answers: Mutex<VecDeque<Status>>,
    refused: Mutex<Option<String>>,
    entries: Mutex<Vec<NewEvent>>,
    calls: AtomicUsize,
}

impl TraceLog for Arc<FakeLog> {
    async fn append(&self, events: Vec<Bytes>) -> Result<Vec<LogReceipt>, Status> {
        let events: Result<Vec<_>, _> = events.into_iter().map(NewEvent::decode).collect();
        let events = events.map_err(|error| Status::internal(error.to_string()))?;
        self.calls.fetch_add(1, Ordering::SeqCst);
        if let Some(status) = self.answers.lock().unwrap().pop_front() {
            return Err(status);
        }
        let refused = self.refused.lock().unwrap().clone();
        if events.iter().any(|event| Some(&event.trace_id) == refused.as_ref()) {
            let reason = ErrorReason::TraceMismatch;
            return Err(status(
                "trace.countersign",
                chassis::Code::FailedPrecondition,
                reason,
                "no",
            ));
        }
        let mut entries = self.entries.lock().unwrap();
        let receipt = |entries: &mut Vec<NewEvent>, event: NewEvent| {
            let known = entries.iter().position(|entry| entry.event_id == event.event_id);
            let index = known.unwrap_or(entries.len());
            if known.is_none() {
                entries.push(event);
            }
            LogReceipt {
                log: "fake".into(),
                index: index as u64,
                ..LogReceipt::default()
            }
        };
        Ok(events.into_iter().map(|event| receipt(&mut entries, event)).collect())
    }
}

struct Setting {
    folder: TempDir,
    store: Arc<SqliteStore>,
    log: Arc<FakeLog>,
    shutdown: CancellationToken,
}

impl Setting {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).await;
        let shutdown = CancellationToken::new();
        Self {
            folder,
            store,
            log: Arc::default(),
            shutdown,
        }
    }

    /// After a stop and another start; nothing is kept in memory.
    async fn reopened(self) -> Self {
        let Self {
            folder,
            store,
            log,
            shutdown,
        } = self;
        shutdown.cancel();
        while Arc::strong_count(&store) > 1 {
            tokio::task::yield_now().await;
        }
        drop(store);
        Self {
            store: open(&folder).await,
            folder,
            log,
            shutdown: CancellationToken::new(),
        }
    }

    fn start(&self) -> tokio::task::JoinHandle<()> {
        let relay = Relay::new(self.store.clone(), self.log.clone());
        tokio::spawn(relay.run(self.shutdown.clone()))
    }

    async fn create(&self, number: u32, risk: Risk) -> Approval {
        self.store.create(draft(number, risk)).await.unwrap().stored.approval
    }

    async fn is_recorded(&self, approval: &Approval) -> bool {
        let stored = self.store.get(approval.id()).await.unwrap();
        let run = &approval.content.action.run;
        let wait = Duration::from_secs(20);
        self.store.receipts().wait(run, stored.decision_position, wait).await
    }

    fn types(&self) -> Vec<String> {
        self.log
            .entries
            .lock()
            .unwrap()
            .iter()
            .map(|event| event.r#type.clone())
            .collect()
    }
}

async fn open(folder: &TempDir) -> Arc<SqliteStore> {
    let ids = Arc::new(SystemIds);
    Arc::new(
        SqliteStore::open(folder.path(), Terms::default(), clock(), ids)
            .await
            .unwrap(),
    )
}

#[tokio::test]
async fn events_arrive_in_order_and_then_the_warrant_can_be_claimed() {
    let setting = Setting::new().await;
    let relay = setting.start();
    let green = setting.create(1, Risk::Green).await;
    assert!(setting.is_recorded(&green).await);
    let expected = [
        "request.received",
        "request.classified",
        "approval.requested",
        "approval.granted",
    ];
    assert_eq!(setting.types(), expected);
    assert!(setting.store.execute(green.id(), claim(&green, 1), None).await.is_ok());
    setting.shutdown.cancel();
    relay.await.unwrap();
}

#[tokio::test]
async fn an_unreachable_log_is_tried_until_it_is_back() {
    let setting = Setting::new().await;
    let gone = || Status::unavailable("connection refused");
    let exhausted = Status::resource_exhausted("busy");
    setting.log.answers.lock().unwrap().extend([gone(), exhausted, gone()]);
    let signal = setting.store.dispatch_signal();
    let _relay = setting.start();
    let green = setting.create(1, Risk::Green).await;
    assert!(setting.is_recorded(&green).await);
    assert_eq!(setting.types().len(), 4);
    assert!(signal.has_changed().unwrap(), "what waited can be dispatched");
    setting.shutdown.cancel();
}

#[tokio::test]
async fn a_refused_event_holds_its_run_and_no_other() {
    let setting = Setting::new().await;
    let bad = setting.create(1, Risk::Green).await;
    let good = setting.create(2, Risk::Green).await;
    *setting.log.refused.lock().unwrap() = Some(bad.content.action.run.to_string());
    let _relay = setting.start();
    assert!(setting.is_recorded(&good).await);
    assert!(setting.store.receipts().is_held(&bad.content.action.run));
    let claimed = setting.store.execute(bad.id(), claim(&bad, 1), None).await;
    assert!(matches!(claimed, Err(crate::error::ApprovalError::ReceiptPending)));
    setting.shutdown.cancel();

    // Whoever mends the log starts the service again: the held run goes on, in order.
    setting.store.flush_receipts().await.unwrap();
    *setting.log.refused.lock().unwrap() = None;
    let setting = setting.reopened().await;
    let _relay = setting.start();
    assert!(setting.is_recorded(&bad).await);
    assert!(setting.is_recorded(&good).await);
    assert_eq!(setting.types().len(), 8);
    setting.shutdown.cancel();
}

#[tokio::test]
async fn a_grant_by_people_wakes_dispatch_only_once_recorded() {
    let setting = Setting::new().await;
    let amber = setting.create(1, Risk::Amber).await;
    let grant = vote(&amber, "bob", Decision::Grant);
    setting.store.execute(amber.id(), grant, None).await.unwrap();
    let mut signal = setting.store.dispatch_signal();
    assert!(setting.store.acquire(8).await.unwrap().approvals.is_empty());
    let _relay = setting.start();
    tokio::time::timeout(Duration::from_secs(20), signal.changed())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(setting.store.acquire(8).await.unwrap().approvals.len(), 1);
    setting.shutdown.cancel();
}

#[tokio::test]
async fn what_was_sent_before_a_crash_is_sent_again_and_recorded_once() {
    let setting = Setting::new().await;
    let relay = setting.start();
    let green = setting.create(1, Risk::Green).await;
    assert!(setting.is_recorded(&green).await);
    setting.shutdown.cancel();
    relay.await.unwrap();
    // The receipts were known in memory only.
    let setting = setting.reopened().await;
    assert_eq!(setting.store.receipts().relayed(), 0);
    let _relay = setting.start();
    assert!(setting.is_recorded(&green).await);
    assert_eq!(setting.types().len(), 4);
    assert!(setting.log.calls.load(Ordering::SeqCst) >= 2);
    setting.shutdown.cancel();
}

#[tokio::test]
async fn a_damaged_event_holds_its_run_and_no_other() {
    let setting = Setting::new().await;
    let bad = setting.create(1, Risk::Green).await;
    let setting = setting.reopened().await;
    // Whole as far as the relay looks: the damage is in an attribute.
    let database = rusqlite::Connection::open(setting.folder.path().join("approvals.sqlite")).unwrap();
    let damaged = database.execute("UPDATE outbox SET event = x'4201ff' WHERE position = 2", []);
    assert_eq!(damaged.unwrap(), 1);
    let good = setting.create(2, Risk::Green).await;
    let _relay = setting.start();
    assert!(setting.is_recorded(&good).await);
    assert!(setting.store.receipts().is_held(&bad.content.action.run));
    assert_eq!(
        setting.types().len(),
        5,
        "one before the damage, and all of the other run"
    );
    setting.shutdown.cancel();
}

#[test]
fn the_head_of_an_event_says_who_granted() {
    let event = |kind: &str, actor: &str| NewEvent {
        r#type: kind.to_owned(),
        actor: Some(Actor {
            r#type: actor.to_owned(),
            id: "someone".to_owned(),
        }),
        attributes: [("countersign.tenant".to_owned(), "acme".to_owned())].into(),
        ..NewEvent::default()
    };
    let by_people = |event: &NewEvent| is_grant_by_people(&event.encode_to_vec());
    assert!(by_people(&event("approval.granted", "person")));
    assert!(by_people(&event("approval.granted", "service")));
    assert!(!by_people(&event("approval.granted", "policy")));
    assert!(!by_people(&event("approval.voted", "person")));
}
