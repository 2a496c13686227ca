//! Whether the database can still be trusted: judged by one rule, whichever connection meets an error.

use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::ErrorCode;

/// What the readers have found. The writer judges its own errors, and stops for theirs as well.
#[derive(Debug, Default)]
pub(super) struct Trust {
    lost: AtomicBool,
}

// === impl Trust ===

impl Trust {
    /// Judges an error that a reader met.
    pub(super) fn judge(&self, error: &rusqlite::Error) {
        if is_fatal(error) && !self.lost.swap(true, Ordering::AcqRel) {
            tracing::error!(%error, "the approval store stops: a reader found that the database has failed");
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }
}

/// After these the database file may not be what the pages in memory say: only opening it anew can tell.
pub(super) fn is_fatal(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}
