use std::os::unix::fs::PermissionsExt as _;

use chassis::{ManualClock, SystemIds};
use tempfile::TempDir;
use warrant::Risk;

use super::*;
use crate::{
    fixture::{clock, draft},
    store::conformance::Harness,
};

mod model;

/// A folder and a clock.
pub(super) struct Sqlite {
    folder: TempDir,
    clock: Arc<ManualClock>,
}

impl Harness for Sqlite {
    type Store = SqliteStore;

    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: clock() }
    }

    async fn open(&self, terms: Terms) -> SqliteStore {
        try_open(self.folder.path(), terms, &self.clock).await.unwrap()
    }

    fn clock(&self) -> &Arc<ManualClock> {
        &self.clock
    }
}

async fn try_open(
    folder: &Path,
    terms: Terms,
    clock: &Arc<ManualClock>,
) -> Result<SqliteStore, ApprovalError> {
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
async fn two_processes_cannot_share_a_store() {
    let harness = Sqlite::new();
    let _first = harness.open(Terms::default()).await;
    let second = try_open(harness.folder.path(), Terms::default(), &harness.clock).await;
    assert!(matches!(second, Err(ApprovalError::StoreUnavailable(StoreError::Locked(_)))));
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let harness = Sqlite::new();
    drop(harness.open(Terms::default()).await);
    let path = harness.folder.path().join("approvals.sqlite");
    Connection::open(path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(try_open(harness.folder.path(), Terms::default(), &harness.clock).await.is_err());
}

#[tokio::test]
async fn commits_are_synchronous_and_the_log_is_a_wal() {
    let harness = Sqlite::new();
    let path = harness.folder.path().join("approvals.sqlite");
    let connection = connect(&path).unwrap();
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    let synchronous: i64 = pragma("synchronous").unwrap();
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!((synchronous, mode.as_str()), (2, "wal"));
}

#[tokio::test]
async fn an_altered_action_is_not_read() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    let id = store.create(draft(1, Risk::Green)).await.unwrap().stored.approval.id();
    let path = harness.folder.path().join("approvals.sqlite");
    let altered = "UPDATE approvals SET content = replace(content, 'Summarise', 'Forward')";
    Connection::open(path).unwrap().execute(altered, []).unwrap();
    assert!(matches!(store.get(id).await, Err(ApprovalError::Internal(_))));
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
    let approvals = reopened.list(Query { limit: 1_000, ..Query::default() }).await.unwrap().len();
    assert_eq!(events, approvals * 4, "each approval with all of its events");
}

#[tokio::test]
async fn a_failing_request_fails_alone() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    let failing = store.writer.write::<()>(|session| {
        session.create(draft(7, Risk::Green))?;
        Err(ApprovalError::Internal("on purpose".into()))
    });
    let (good, failed) = tokio::join!(store.create(draft(1, Risk::Green)), failing);
    assert!(good.is_ok());
    assert!(failed.is_err());
    let undone = store.get(draft(7, Risk::Green).content.id).await;
    assert!(matches!(undone, Err(ApprovalError::NotFound)));
    assert_eq!(crate::fixture::record_all(&store).await, 4);
}
