//! `grpc.health.v1`: a part is ready when it and what it depends on answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, future::join_all};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic_health::{
    ServingStatus,
    pb::health_server::{Health as HealthApi, HealthServer},
    server::{HealthReporter, HealthService},
};

use super::ReadyCheck;

const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// While a part is not ready yet it is asked more often: starting takes milliseconds.
const STARTING_INTERVAL: Duration = Duration::from_millis(50);

/// A part's health, by name.
pub(super) struct Health {
    reporter: HealthReporter,
    names: Vec<&'static str>,
    ready: AtomicBool,
}

// === impl Health ===

impl Health {
    pub(super) fn new(names: Vec<&'static str>) -> (Self, HealthServer<impl HealthApi>) {
        let reporter = HealthReporter::new();
        let server = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
        let ready = AtomicBool::new(false);
        let health = Self { reporter, names, ready };
        // The reporter begins with SERVING. Nobody else holds it yet, so that this never waits.
        let _ = health.set(false).now_or_never();
        (health, server)
    }

    pub(super) fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// Keeps the health up to date until the part shuts down.
    pub(super) async fn run(
        self: Arc<Self>,
        checks: Vec<ReadyCheck>,
        watched: Vec<(&'static str, watch::Receiver<bool>)>,
        shutdown: CancellationToken,
    ) {
        self.set(false).await;
        shutdown.run_until_cancelled(self.keep(checks, watched)).await;
        // Whatever it was about to say.
        self.set(false).await;
    }

    async fn keep(&self, checks: Vec<ReadyCheck>, mut watched: Vec<(&'static str, watch::Receiver<bool>)>) {
        loop {
            for (name, serving) in &mut watched {
                let status = status(*serving.borrow_and_update());
                self.reporter.set_service_status(*name, status).await;
            }
            let answers = join_all(checks.iter().map(|check| check())).await;
            let ready = answers.into_iter().all(|ready| ready);
            self.set(ready).await;
            let interval = if ready { CHECK_INTERVAL } else { STARTING_INTERVAL };
            tokio::time::sleep(interval).await;
        }
    }

    /// The part takes no new work.
    pub(super) async fn drain(&self) {
        self.set(false).await;
    }

    async fn set(&self, ready: bool) {
        for name in std::iter::once("").chain(self.names.iter().copied()) {
            self.reporter.set_service_status(name, status(ready)).await;
        }
        if self.ready.swap(ready, Ordering::Relaxed) != ready {
            tracing::info!(ready, "readiness changed");
        }
    }
}

const fn status(serving: bool) -> ServingStatus {
    if serving {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}
