//! Approvals that can't be read. They are left alone, so that all others go on.

use std::collections::HashSet;

use uuid::Uuid;

/// Ids of approvals that could not be read. What is among them is not tried again before the next start.
#[derive(Debug, Default)]
pub(super) struct Unreadable(HashSet<[u8; 16]>);

// === impl Unreadable ===

impl Unreadable {
    pub(super) fn contains(&self, id: &[u8; 16]) -> bool {
        self.0.contains(id)
    }

    pub(super) fn add(&mut self, id: [u8; 16], error: &str) {
        if self.0.insert(id) {
            let approval = Uuid::from_bytes(id);
            tracing::error!(%approval, error, "an approval can't be read; it is left as it is");
        }
    }
}
