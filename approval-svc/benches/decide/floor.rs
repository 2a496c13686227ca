//! The least that SQLite does for it: one writer with group commit, and three single-row writes for each flow.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
        mpsc,
    },
    thread,
};

use rusqlite::{Connection, params};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::measure::{Figures, pages};

/// About what an approval with its first events has.
const CONTENT_BYTES: usize = 3_000;
/// About where an approval stands.
const PROGRESS_BYTES: usize = 700;
/// How many pages the write-ahead log may grow by: as in the service.
const CHECKPOINT_PAGES: i64 = 4_000;

/// A bare database.
pub(crate) struct Floor {
    jobs: mpsc::Sender<Job>,
    folder: TempDir,
    made: Arc<AtomicI64>,
}

/// One write, and who waits for it.
struct Job {
    row: i64,
    bytes: usize,
    done: oneshot::Sender<()>,
}

// === impl Floor ===

impl Floor {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (jobs, waiting) = mpsc::channel();
        let connection = connect(folder.path().join("floor.sqlite"));
        thread::spawn(move || write(&connection, &waiting));
        Self {
            jobs,
            folder,
            made: Arc::default(),
        }
    }

    pub(crate) async fn pages_a_flow(&self, count: usize) -> f64 {
        let database = self.folder.path().join("floor.sqlite");
        let before = pages(&database);
        let figures = self.drive(1, count).await;
        (pages(&database) - before) / figures.count()
    }

    pub(crate) async fn drive(&self, callers: usize, count: usize) -> Figures {
        let (jobs, made) = (self.jobs.clone(), self.made.clone());
        Figures::of(callers, count, move |_| {
            let (jobs, row) = (jobs.clone(), made.fetch_add(1, Ordering::Relaxed));
            async move {
                for bytes in [CONTENT_BYTES, PROGRESS_BYTES, PROGRESS_BYTES] {
                    let (done, committed) = oneshot::channel();
                    jobs.send(Job { row, bytes, done }).unwrap();
                    committed.await.unwrap();
                }
            }
        })
        .await
    }
}

fn connect(path: PathBuf) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "synchronous", "FULL").unwrap();
    connection
        .pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)
        .unwrap();
    connection
        .execute_batch("CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;")
        .unwrap();
    connection
}

fn write(connection: &Connection, waiting: &mpsc::Receiver<Job>) {
    let run = |sql: &str| connection.prepare_cached(sql).unwrap().execute([]).map(drop).unwrap();
    while let Ok(first) = waiting.recv() {
        thread::yield_now();
        let jobs: Vec<Job> = std::iter::once(first).chain(waiting.try_iter()).collect();
        run("BEGIN IMMEDIATE");
        for job in &jobs {
            let body = "x".repeat(job.bytes);
            connection
                .prepare_cached("INSERT INTO rows VALUES (?1, ?2) ON CONFLICT DO UPDATE SET body = excluded.body")
                .unwrap()
                .execute(params![job.row, body])
                .unwrap();
        }
        run("COMMIT");
        for job in jobs {
            job.done.send(()).unwrap();
        }
    }
}
