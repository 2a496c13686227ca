//! Reload: looks at the policy's files again and again.
//!
//! Files are read and compared by digest, at an interval. That notices every way of replacing them, the swap of a mounted
//! volume's `..data` link among them, on every file system; events of the file system do not.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Policies;

/// The health name of the policy's files: not serving while what they say is refused.
pub const POLICY_HEALTH: &str = "policy-files";

/// Refreshes the policies every `interval` until it is `over`; says in `healthy` whether what is at work is what the files
/// say.
pub async fn run(policies: Arc<Policies>, interval: Duration, healthy: watch::Sender<bool>, over: CancellationToken) {
    let mut ticks = tokio::time::interval(interval);
    ticks.tick().await;
    while over.run_until_cancelled(ticks.tick()).await.is_some() {
        let policies = Arc::clone(&policies);
        // Compiling a policy takes a while: verdicts go on meanwhile.
        let refreshed = tokio::task::spawn_blocking(move || policies.refresh());
        let good = refreshed.await.unwrap_or(false);
        healthy.send_if_modified(|known| std::mem::replace(known, good) != good);
    }
}
