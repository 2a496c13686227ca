//! The approvals that were written last, in memory: whoever reads one mostly reads what was written a moment ago.

use std::collections::{HashMap, VecDeque};

use warrant::ApprovalId;

use crate::store::Stored;

/// How many approvals are kept: more than are under way at once on a busy day, and a few megabytes at most.
const CAPACITY: usize = 256;

/// The approvals that were written last, each as its last commit left it.
#[derive(Debug, Default)]
pub(super) struct Recent {
    approvals: HashMap<ApprovalId, Stored>,
    order: VecDeque<ApprovalId>,
}

// === impl Recent ===

impl Recent {
    pub(super) fn get(&self, id: &ApprovalId) -> Option<&Stored> {
        self.approvals.get(id)
    }

    /// Keeps what was committed; the one that came first leaves for it.
    pub(super) fn put(&mut self, stored: Stored) {
        let id = stored.approval.id();
        if self.approvals.insert(id, stored).is_some() {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > CAPACITY
            && let Some(first) = self.order.pop_front()
        {
            self.approvals.remove(&first);
        }
    }
}
