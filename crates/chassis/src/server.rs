//! A part with all its layers: ready to be served on a socket, called in process, or both.

use std::{
    fmt, io,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_stream::StreamExt as _;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::{Server, server::TcpIncoming};

use crate::{corked::Corked, fault::with_causes, layers::PartService, node::Node, part::PartName};

mod builder;
mod health;

pub use builder::PartBuilder;
use health::Health;

type Background = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, ()> + Send>;
type ReadyCheck = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// Longest headers of a call: they hold two tokens of the greatest length, and more. Longer ones never reach a part.
const MAX_HEADER_BYTES: u32 = 40 * 1024;

/// How often trusted keys are read again.
const TRUST_RELOAD_INTERVAL: Duration = Duration::from_secs(30);

/// How long background tasks may take to end.
const PARTING_TIME: Duration = Duration::from_secs(2);

/// How long to wait after a connection that could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A part with all its layers, not yet listening.
pub struct Part {
    node: Node,
    service: PartService,
    health: Arc<Health>,
    pending: Mutex<Option<Pending>>,
    life: Life,
}

/// What runs while the part lives.
struct Pending {
    background: Vec<(&'static str, Background)>,
    checks: Vec<ReadyCheck>,
    watched: Vec<(&'static str, watch::Receiver<bool>)>,
}

/// The background tasks, which end after the calls.
#[derive(Default)]
struct Life {
    tasks: TaskTracker,
    over: CancellationToken,
}

// === impl Part ===

impl Part {
    /// Begins a part that lives on `node`.
    pub fn builder(node: &Node) -> PartBuilder {
        PartBuilder::new(node.clone())
    }

    /// The part's name.
    pub fn name(&self) -> PartName {
        self.node.part()
    }

    /// The part's whole tower service, layers included.
    pub fn service(&self) -> PartService {
        self.service.clone()
    }

    /// Starts the background tasks and health checks; once, however often it is called.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn start(&self) {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(pending) = pending else { return };
        let life = &self.life;
        for (name, background) in pending.background {
            life.spawn(name, &self.node, background(life.over.clone()));
        }
        let health = Arc::clone(&self.health);
        let health = health.run(pending.checks, pending.watched, self.node.shutdown());
        life.spawn("health", &self.node, Box::pin(health));
        let reload = reload_trust(self.node.clone(), life.over.clone());
        life.spawn("trust", &self.node, Box::pin(reload));
    }

    /// Serves on `listener` until the node shuts down, then drains: no longer ready, a pause for load balancers to notice,
    /// no new connections, a bounded wait for calls and tasks under way, and only then an end of the background tasks that
    /// they may need.
    ///
    /// Boxed here, so that the HTTP/2 server is compiled here: an `async fn` is compiled, with all that it calls, by every
    /// crate that awaits it, and then processes of one program would not run the same code.
    pub fn serve(self, listener: TcpListener) -> BoxFuture<'static, io::Result<()>> {
        Box::pin(self.serve_and_drain(listener))
    }

    async fn serve_and_drain(self, listener: TcpListener) -> io::Result<()> {
        self.start();
        let shutdown = self.node.shutdown();
        let closing = self.node.closing();
        let config = self.node.config().clone();
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let incoming = incoming.then(accepted);
        let server = Server::builder()
            .max_concurrent_streams(Some(config.max_streams))
            // A peer's connection carries many people's calls: those who leave early must not end it for the others.
            .http2_max_pending_accept_reset_streams(Some(config.max_streams as usize))
            .http2_max_header_list_size(MAX_HEADER_BYTES)
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .serve_with_incoming_shutdown(self.service.clone(), incoming, closing.clone().cancelled_owned());
        let mut server = std::pin::pin!(server);
        tokio::select! {
            ended = &mut server => return ended.map_err(io::Error::other),
            () = shutdown.cancelled() => {}
        }
        self.health.drain().await;
        tracing::info!(part = %self.name(), "draining");
        let drain_delay = tokio::time::sleep(config.drain_delay);
        tokio::select! {
            ended = &mut server => return ended.map_err(io::Error::other),
            () = drain_delay => {}
        }
        closing.cancel();
        let under_way = async {
            let result = server.await.map_err(io::Error::other);
            self.node.tasks().close();
            self.node.tasks().wait().await;
            result
        };
        // Bounded: a connection that never speaks keeps the server from returning (hyperium/hyper#4170).
        let drained = tokio::time::timeout(config.grace_period, under_way)
            .await
            .unwrap_or_else(|_| {
                tracing::warn!(part = %self.name(), "calls or tasks were still under way when the grace period ended");
                Ok(())
            });
        self.life.end().await;
        self.node
            .failure()
            .map_or(drained, |reason| Err(io::Error::other(reason)))
    }
}

/// A connection to serve. Where none can be taken, mostly for want of file descriptors, the next attempt waits a moment:
/// it would fail as well.
async fn accepted(connection: io::Result<TcpStream>) -> io::Result<Corked<TcpStream>> {
    if let Err(error) = &connection {
        tracing::warn!(%error, "no connection could be taken");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
    connection.map(Corked::new)
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

// === impl Life ===

impl Life {
    /// Runs `task`; the part can't do without it, and fails if it panics.
    fn spawn(&self, name: &'static str, node: &Node, task: BoxFuture<'static, ()>) {
        let node = node.clone();
        self.tasks.spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                tracing::error!(task = name, "background task panicked");
                node.fail("a background task panicked");
            }
            tracing::debug!(task = name, "background task ended");
        });
    }

    /// Ends them; what can't be ended in time is left to the end of the process.
    async fn end(&self) {
        self.over.cancel();
        self.tasks.close();
        if tokio::time::timeout(PARTING_TIME, self.tasks.wait()).await.is_err() {
            tracing::warn!("background tasks did not end");
        }
    }
}

impl Drop for Life {
    /// A part that is not served to its end has an end too.
    fn drop(&mut self) {
        self.over.cancel();
    }
}

async fn reload_trust(node: Node, over: CancellationToken) {
    let mut ticks = tokio::time::interval(TRUST_RELOAD_INTERVAL);
    ticks.tick().await;
    while over.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Err(error) = node.verifier().reload() {
            let error = with_causes(&error);
            tracing::warn!(error, "trusted keys could not be read again; the old ones stay");
        }
    }
}
