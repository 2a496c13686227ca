//! What the cross-service tests and the benchmark stand on.
//!
//! - [`fleet`]: a deployment of five processes that can be killed and restarted, part by part
//! - [`sandbox`]: the same five in the test's own process
//! - [`authority`]: the keys of a deployment, tokens of everybody in it, and forgeries
//! - [`clients`]: how a test calls a deployment, as a person or with a part's credential
//! - [`fake_gateway`]: a gateway that shows the faults which the real one can't be made to show
//! - [`gateway`]: which gateway a test runs against: that fake, or the real one
//! - [`invariants`]: judges what happened by the log, the requests that reached the gateway, and what callers were told
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "the crate serves tests alone: they stop at the first thing that is wrong"
)]

pub mod authority;
pub mod clients;
pub mod fake_gateway;
pub mod fleet;
pub mod gateway;
pub mod invariants;
pub mod process;
pub mod sandbox;

use std::time::Duration;

/// How long a test waits before it looks again for something that has no event of its own.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A runtime like the one that services run on.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Waits a little before looking again.
pub(crate) async fn pause() {
    tokio::time::sleep(POLL_INTERVAL).await;
}

/// Looks again and again until `look` finds something, for at most a minute.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            pause().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), found)
        .await
        .unwrap_or_else(|_| panic!("it did not happen within a minute: {what}"))
}
