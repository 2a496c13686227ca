//! Makes visible what time alone has changed, and durable what has not been stored along with something else.

use std::{sync::Arc, time::Duration};

use chassis::{Clock, Node};
use tokio_util::sync::CancellationToken;

use crate::{moment::Moment, store::ApprovalStore};

const INTERVAL: Duration = Duration::from_secs(1);
const BATCH: usize = 256;
/// How far the clock may stand behind the store's time, which never goes back: beyond, what others sign now is from the
/// past for the store, and nothing can be decided until the clock has caught up.
const MAX_BEHIND: Duration = Duration::from_secs(30);

/// Whether the store's time stands still because a clock that was far ahead has gone back.
pub fn stands_still<S: ApprovalStore>(store: &S, clock: &dyn Clock) -> bool {
    Moment::from(clock.now()).until(store.now()) > MAX_BEHIND
}

/// Sweeps until it is `over`. A store that has stopped can't be used again by this process, so the node ends with a
/// failure.
pub async fn run<S: ApprovalStore>(store: Arc<S>, node: Node, over: CancellationToken) {
    let mut ticks = tokio::time::interval(INTERVAL);
    let clock = node.clock();
    let mut stood_still = false;
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while over.run_until_cancelled(ticks.tick()).await.is_some() {
        if !store.is_open() {
            return node.fail("the approval store has stopped");
        }
        let still = stands_still(&*store, &*clock);
        if still && !stood_still {
            tracing::error!("the clock has gone back; not ready until it has caught up with the store's time");
        }
        stood_still = still;
        if let Err(error) = tidy(&*store).await {
            tracing::warn!(%error, "the approval store could not be swept");
        }
    }
    if let Err(error) = store.flush_receipts().await {
        tracing::warn!(%error, "receipts were not stored; their events will be sent again");
    }
}

async fn tidy<S: ApprovalStore>(store: &S) -> Result<(), crate::error::ApprovalError> {
    while store.sweep(BATCH).await? == BATCH {}
    store.flush_receipts().await
}
