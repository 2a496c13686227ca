//! Reading, on connections of its own, beside the writer.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use crate::{
    error::ApprovalError,
    store::{StoreError, sqlite::trust::Trust},
};

/// How many connections read at once.
const MAX_READERS: usize = 4;

/// A few connections that only read.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    trust: Arc<Trust>,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

// === impl Readers ===

impl Readers {
    pub(super) fn new(path: PathBuf, trust: Arc<Trust>) -> Self {
        Self {
            path,
            trust,
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(MAX_READERS)),
        }
    }

    /// Whether one of them has found that the database has failed.
    pub(super) fn have_failed(&self) -> bool {
        self.trust.is_lost()
    }

    /// Runs `work` on one of the connections, off the async threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApprovalError> {
        let permit = self
            .permits
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Stopped)?;
        let (idle, path, trust) = (self.idle.clone(), self.path.clone(), self.trust.clone());
        let task = tokio::task::spawn_blocking(move || {
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match taken {
                Some(connection) => connection,
                None => open(&path)?,
            };
            let result = work(&connection);
            if let Err(StoreError::Database(error)) = &result {
                trust.judge(error);
            }
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(permit);
            result
        });
        Ok(task.await.map_err(|_| StoreError::Stopped)??)
    }
}

fn open(path: &PathBuf) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}
