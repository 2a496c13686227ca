//! Makes visible what time alone has changed, and durable what has not been stored along with something else.

use std::{sync::Arc, time::Duration};

use chassis::Node;
use tokio_util::sync::CancellationToken;

use crate::store::ApprovalStore;

const INTERVAL: Duration = Duration::from_secs(1);
const BATCH: usize = 256;

/// Sweeps until `shutdown`. A store that has stopped can't be used again by this process, so the node ends with a failure.
pub async fn run<S: ApprovalStore>(store: Arc<S>, node: Node, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        if !store.is_open() {
            return node.fail("the approval store has stopped");
        }
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
