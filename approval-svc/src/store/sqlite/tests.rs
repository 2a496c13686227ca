use std::{
    collections::BTreeSet,
    ops::Range,
    os::unix::fs::PermissionsExt as _,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use chassis::{ManualClock, SystemIds};
use futures_util::StreamExt as _;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use warrant::Risk;

use super::*;
use crate::{
    approval::{Approval, Decision, State},
    fixture::{ISSUER, cancel, claim, clock, draft, vote},
    store::{
        conformance::Harness,
        sqlite::hub::{FEED_CAPACITY, WATCH_CAPACITY},
    },
    watch::Watch,
};

mod faults;
mod model;
mod queries;

/// A folder and a clock.
pub(super) struct Sqlite {
    folder: TempDir,
    clock: Arc<ManualClock>,
}

impl Harness for Sqlite {
    type Store = SqliteStore;

    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: clock(),
        }
    }

    async fn open(&self, terms: Terms) -> SqliteStore {
        try_open(self.folder.path(), terms, &self.clock).await.unwrap()
    }

    fn clock(&self) -> &Arc<ManualClock> {
        &self.clock
    }
}

async fn try_open(folder: &Path, terms: Terms, clock: &Arc<ManualClock>) -> Result<SqliteStore, ApprovalError> {
    SqliteStore::open(folder, terms, clock.clone(), Arc::new(SystemIds)).await
}

approval_store_conformance!(sqlite, super::Sqlite);

#[tokio::test]
async fn files_are_private() {
    let harness = Sqlite::new();
    let folder = harness.folder.path().join("data");
    let store = try_open(&folder, Terms::default(), &harness.clock).await.unwrap();
    store.create(draft(1, Risk::Green)).await.unwrap();
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(Result::unwrap).collect();
    assert!(files.len() >= 4, "database, write-ahead log, its index, lock");
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
    }
}

#[tokio::test]
async fn a_closed_store_is_one_file() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    let id = store.create(draft(1, Risk::Green)).await.unwrap().stored.approval.id();
    store.get(id).await.unwrap();
    let log = harness.folder.path().join("approvals.sqlite-wal");
    assert!(log.exists());
    drop(store);
    assert!(!log.exists());
}

/// Adds so many pages in one commit.
async fn fill(store: &SqliteStore, pages: usize) {
    let filled = store.writer.write(move |session| {
        session.published.wrote = true;
        let table = format!("CREATE TABLE filler_{pages} AS SELECT zeroblob({pages} * 4096) AS bytes");
        session.connection.execute_batch(&table).map_err(StoreError::from)?;
        Ok(())
    });
    filled.await.unwrap();
}

#[tokio::test]
async fn a_long_log_is_copied_into_the_database() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    let length = |name| fs::metadata(harness.folder.path().join(name)).unwrap().len();
    fill(&store, 3_000).await;
    assert!(length("approvals.sqlite") < 1_000 * 4_096);
    fill(&store, 1_100).await;
    // The next request comes after the copying, and its commit begins the log anew.
    store.create(draft(1, Risk::Green)).await.unwrap();
    assert!(length("approvals.sqlite") > 4_100 * 4_096);
    fill(&store, 3_001).await;
    assert!(length("approvals.sqlite-wal") < 4_300 * 4_096);
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_done() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    let (go_on, blocked) = mpsc::channel::<()>();
    let mut blocking = std::pin::pin!(store.writer.write(move |_| {
        blocked.recv().unwrap();
        Ok(())
    }));
    assert!(futures_util::poll!(&mut blocking).is_pending());
    let done = Arc::new(AtomicUsize::new(0));
    let count = || {
        let done = done.clone();
        move |_: &mut session::Session<'_>| {
            done.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    };
    {
        let mut abandoned = std::pin::pin!(store.writer.write(count()));
        assert!(futures_util::poll!(&mut abandoned).is_pending());
    }
    let waited_for = store.writer.write(count());
    go_on.send(()).unwrap();
    blocking.await.unwrap();
    waited_for.await.unwrap();
    assert_eq!(done.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_store_that_has_stopped_ends_its_node_with_a_failure() {
    let harness = Sqlite::new();
    let store = Arc::new(harness.open(Terms::default()).await);
    let lost = store.writer.write::<()>(|_| panic!("a fault in the writer")).await;
    // The answer is lost; what came of it is not known.
    assert!(matches!(lost, Err(ApprovalError::Internal(_))));
    let node = chassis::Node::open(chassis::PartName::Approval, chassis::NodeConfig::default()).unwrap();
    crate::sweeper::run(store, node.clone(), node.shutdown()).await;
    assert_eq!(node.failure(), Some("the approval store has stopped"));
    assert!(node.shutdown().is_cancelled());
}

#[tokio::test]
async fn a_clock_that_went_back_far_makes_the_stores_time_stand_still() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    let stands_still = || crate::sweeper::stands_still(&store, &*harness.clock);
    let right = harness.clock.now();
    for (ahead, expected) in [(29, false), (31, true)] {
        harness.clock.set(right + Duration::from_secs(ahead));
        store
            .create(draft(u32::try_from(ahead).unwrap(), Risk::Green))
            .await
            .unwrap();
        harness.clock.set(right);
        assert_eq!(stands_still(), expected, "{ahead} s");
    }
    harness.clock.advance(Duration::from_secs(2));
    assert!(!stands_still(), "it has caught up");
}

#[tokio::test]
async fn two_processes_cannot_share_a_store() {
    let harness = Sqlite::new();
    let _first = harness.open(Terms::default()).await;
    let second = try_open(harness.folder.path(), Terms::default(), &harness.clock).await;
    assert!(matches!(
        second,
        Err(ApprovalError::StoreUnavailable(StoreError::Locked(_)))
    ));
}

#[test]
fn only_a_lock_that_is_held_says_that_another_process_has_the_store() {
    let path = Path::new("approvals.lock");
    let held = not_locked(path, TryLockError::WouldBlock);
    assert!(matches!(held, StoreError::Locked(_)));
    let failed = not_locked(path, TryLockError::Error(io::ErrorKind::Unsupported.into()));
    assert!(matches!(failed, StoreError::File { .. }));
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let harness = Sqlite::new();
    drop(harness.open(Terms::default()).await);
    let path = harness.folder.path().join("approvals.sqlite");
    Connection::open(path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    assert!(
        try_open(harness.folder.path(), Terms::default(), &harness.clock)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn commits_are_synchronous_and_the_log_is_a_wal() {
    let harness = Sqlite::new();
    let path = harness.folder.path().join("approvals.sqlite");
    let connection = connect(&path).unwrap();
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    let synchronous: i64 = pragma("synchronous").unwrap();
    let mode: String = connection
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!((synchronous, mode.as_str()), (2, "wal"));
}

/// Losing a few receipts in a crash costs a repetition; deleting single rows costs pages in every transaction.
#[tokio::test]
async fn recorded_rows_leave_the_outbox_in_bulk_or_with_a_flush() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    let stored = async || {
        let count = "SELECT count(*) FROM outbox";
        let read = store.read(move |connection| Ok(connection.query_row(count, [], |row| row.get::<_, i64>(0))?));
        read.await.unwrap()
    };
    for number in 0..2 {
        store.create(draft(number, Risk::Green)).await.unwrap();
        crate::fixture::record_all(&store).await;
    }
    assert_eq!(stored().await, 8);
    store.flush_receipts().await.unwrap();
    assert_eq!(stored().await, 0);
    for number in 2..67 {
        store.create(draft(number, Risk::Green)).await.unwrap();
        crate::fixture::record_all(&store).await;
    }
    assert_eq!(stored().await, 4, "the 65th transaction took what the 64 before it had");
}

#[tokio::test]
async fn positions_and_time_go_on_after_everything_was_sent_and_the_store_was_opened_again() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    store.create(draft(1, Risk::Green)).await.unwrap();
    let time = store.now();
    drop(store);
    let earlier = Arc::new(ManualClock::new(crate::fixture::start() - Duration::from_hours(1)));
    for number in 2..4 {
        let store = try_open(harness.folder.path(), Terms::default(), &earlier)
            .await
            .unwrap();
        assert_eq!(store.now(), time);
        crate::fixture::record_all(&store).await;
        store.flush_receipts().await.unwrap();
        let before = store.receipts().relayed();
        store.create(draft(number, Risk::Green)).await.unwrap();
        let rows = store.outbox_after(before, 256).await.unwrap();
        assert_eq!(rows[0].position, before + 1);
        assert_eq!(before, u64::from(number - 1) * 4);
    }
}

#[tokio::test]
async fn a_step_without_events_that_empties_the_outbox_keeps_its_next_position() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    let first = store.create(draft(0, Risk::Green)).await.unwrap().stored.approval;
    for number in 1..64 {
        store.create(draft(number, Risk::Green)).await.unwrap();
    }
    assert_eq!(crate::fixture::record_all(&store).await, 256);
    store.execute(first.id(), claim(&first, 1), None).await.unwrap();
    drop(store);
    let store = harness.open(Terms::default()).await;
    assert_eq!(store.receipts().relayed(), 256);
    store.create(draft(64, Risk::Green)).await.unwrap();
    assert_eq!(store.outbox_after(256, 256).await.unwrap()[0].position, 257);
}

/// Creates approvals in one commit, so that nobody can read between them.
async fn create_together(store: &SqliteStore, numbers: Range<usize>) {
    let created = store.writer.write(move |session| {
        for number in numbers.clone() {
            session.create(&draft(u32::try_from(number).unwrap(), Risk::Green))?;
        }
        Ok(())
    });
    created.await.unwrap();
}

#[tokio::test]
async fn a_relay_that_falls_behind_reads_on_from_the_database() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    create_together(&store, 0..1).await;
    let mut rows = store.outbox_after(0, 256).await.unwrap();
    let overflow = FEED_CAPACITY / 4 + 1;
    create_together(&store, 1..1 + overflow).await;
    let fed = |position| store.hub.rows_after(position, 256, events::MAX_BYTES);
    assert!(matches!(fed(4), Fed::Stored), "none of them is in memory");
    rows.extend(store.outbox_after(4, 256).await.unwrap());
    create_together(&store, 1 + overflow..2 + overflow).await;
    assert!(matches!(fed(260), Fed::Stored), "only later ones are in memory");
    let last = store.hub.last_row();
    while rows.last().unwrap().position < last - 4 {
        let position = rows.last().unwrap().position;
        let max = usize::try_from(last - 4 - position).unwrap();
        rows.extend(store.outbox_after(position, max.min(256)).await.unwrap());
    }
    assert!(matches!(fed(last - 4), Fed::Rows(_)), "it has caught up");
    rows.extend(store.outbox_after(last - 4, 256).await.unwrap());
    assert!(rows.iter().map(|row| row.position).eq(1..=last));
}

#[tokio::test]
async fn a_watcher_that_falls_behind_misses_nothing() {
    let harness = Sqlite::new();
    let store = Arc::new(harness.open(Terms::default()).await);
    let alice = chassis::Person {
        issuer: ISSUER.to_owned(),
        subject: "alice".to_owned(),
        tenant: "acme".to_owned(),
        groups: BTreeSet::new(),
        audience: chassis::auth::Audience::Governance,
    };
    let watch = Watch::open(store.clone(), alice, Query::default(), "", CancellationToken::new());
    let mut heard = std::pin::pin!(watch.unwrap().into_stream());
    heard.next().await.unwrap().unwrap();
    // More are missing than a page has.
    let overflow = 2 * WATCH_CAPACITY;
    create_together(&store, 0..overflow).await;
    for number in 0..=overflow {
        if number == overflow {
            create_together(&store, number..number + 1).await;
        }
        let approval = heard.next().await.unwrap().unwrap().approval.unwrap();
        let expected = draft(u32::try_from(number).unwrap(), Risk::Green).content.id;
        assert_eq!(approval.name, expected.name());
    }
}

/// What a killed process leaves behind: the files as they were at some instant, write-ahead log included.
#[tokio::test]
async fn a_copy_of_the_files_under_load_has_every_answered_request() {
    let harness = Sqlite::new();
    let store = Arc::new(harness.open(Terms::default()).await);
    let writers: Vec<_> = (0..200)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.create(draft(number, Risk::Green)).await.map(|_| number) })
        })
        .collect();
    let mut answered = Vec::new();
    for writer in writers {
        answered.push(writer.await.unwrap().unwrap());
        if answered.len() == 100 {
            break;
        }
    }
    let copy = tempfile::tempdir().unwrap();
    for name in ["approvals.sqlite", "approvals.sqlite-wal"] {
        fs::copy(harness.folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let reopened = try_open(copy.path(), Terms::default(), &harness.clock).await.unwrap();
    for number in answered {
        let id = draft(number, Risk::Green).content.id;
        assert!(reopened.get(id).await.is_ok(), "{number}");
    }
    let events = crate::fixture::record_all(&reopened).await;
    let approvals = reopened
        .list(Query {
            limit: 1_000,
            ..Query::default()
        })
        .await
        .unwrap()
        .listed
        .len();
    assert_eq!(events, approvals * 4, "each approval with all of its events");
}
