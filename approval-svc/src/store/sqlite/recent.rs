//! The approvals that were written last, in memory: whoever reads one mostly reads what was written a moment ago.

use std::collections::{HashMap, VecDeque};

use warrant::ApprovalId;

use crate::store::sqlite::row::ApprovalRow;

/// How many approvals are kept: more than are under way at once on a busy day, and some twenty megabytes at most.
const CAPACITY: usize = 256;

/// The approvals that were written last, each as its last commit left it.
#[derive(Debug, Default)]
pub(super) struct Recent {
    approvals: HashMap<ApprovalId, ApprovalRow>,
    order: VecDeque<ApprovalId>,
}

// === impl Recent ===

impl Recent {
    pub(super) fn get(&self, id: &ApprovalId) -> Option<&ApprovalRow> {
        self.approvals.get(id)
    }

    /// Keeps what was committed; the one that came first leaves for it.
    pub(super) fn put(&mut self, row: ApprovalRow) {
        let id = row.stored.approval.id();
        if self.approvals.insert(id, row).is_some() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        approval::{machine, step::At},
        fixture::draft,
        store::Stored,
    };

    fn row(number: usize) -> ApprovalRow {
        let terms = crate::approval::Terms::default();
        let at = At {
            now: crate::moment::Moment::from_nanos(1),
            nonce: [1; 16],
            recorded: false,
            terms: &terms,
        };
        let content = draft(u32::try_from(number).unwrap(), warrant::Risk::Amber).content;
        ApprovalRow {
            stored: Stored {
                approval: machine::create(content, at).after,
                decision_position: 0,
            },
            position: number as u64,
            last_change: 0,
        }
    }

    #[test]
    fn the_first_leaves_for_the_last_and_a_later_commit_replaces() {
        let mut recent = Recent::default();
        for number in 0..=CAPACITY {
            recent.put(row(number));
        }
        let last = ApprovalRow {
            last_change: 7,
            ..row(CAPACITY)
        };
        let id = last.stored.approval.id();
        recent.put(last);
        assert!(recent.get(&row(0).stored.approval.id()).is_none());
        assert!(recent.get(&row(1).stored.approval.id()).is_some());
        assert_eq!(recent.get(&id).map(|row| row.last_change), Some(7));
        assert_eq!((recent.approvals.len(), recent.order.len()), (CAPACITY, CAPACITY));
    }
}
