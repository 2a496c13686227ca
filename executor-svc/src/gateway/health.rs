//! Whether the gateway takes work, asked at most once a second whoever wants to know.

use std::{sync::Arc, time::Duration};

use chassis::clock::Clock;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::Gateway;

/// How long an answer is believed.
const TTL: Duration = Duration::from_secs(1);

/// Remembers the gateway's last answer, and tells whoever watches.
#[derive(Debug)]
pub struct GatewayHealth {
    gateway: Arc<dyn Gateway>,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<(Duration, bool)>>,
    published: watch::Sender<bool>,
}

// === impl GatewayHealth ===

impl GatewayHealth {
    /// Knows nothing yet, which counts as not ready.
    pub fn new(gateway: Arc<dyn Gateway>, clock: Arc<dyn Clock>) -> Self {
        Self {
            gateway,
            clock,
            last: Mutex::new(None),
            published: watch::Sender::new(false),
        }
    }

    /// Whether the gateway takes work: an answer at most a second old. Callers share one question.
    pub async fn is_ready(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((at, ready)) = *last
            && self.clock.monotonic().saturating_sub(at) < TTL
        {
            return ready;
        }
        let ready = self.gateway.ready().await;
        *last = Some((self.clock.monotonic(), ready));
        drop(last);
        if self
            .published
            .send_if_modified(|published| std::mem::replace(published, ready) != ready)
        {
            tracing::info!(ready, "gateway health changed");
        }
        ready
    }

    /// Follows the answers.
    pub fn subscribe(&self) -> watch::Receiver<bool> {
        self.published.subscribe()
    }

    /// Asks every second until it is `over`.
    pub async fn watch(&self, over: CancellationToken) {
        let mut ticks = tokio::time::interval(TTL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while over.run_until_cancelled(ticks.tick()).await.is_some() {
            self.is_ready().await;
        }
    }
}
