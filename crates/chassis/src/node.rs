//! What a part is given: its name, its clock, its credential, its end.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use warrant::KnownSignatures;

use crate::{
    BoxError,
    auth::{Credential, Trust, Verifier},
    clock::{Clock, SystemClock},
    config::{NodeConfig, NodeConfigError},
    ids::{Ids, SystemIds},
    link::Link,
    part::PartName,
    server::Part,
};

/// What a part is given. Everything impure comes from here; cheap to clone.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    part: PartName,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    credential: Option<Arc<Credential>>,
    verifier: Arc<Verifier>,
    signatures: Arc<KnownSignatures>,
    config: NodeConfig,
    shutdown: CancellationToken,
    closing: CancellationToken,
    failure: OnceLock<&'static str>,
    tasks: TaskTracker,
}

// === impl Node ===

impl Node {
    /// The node of `part` as `config` says: trust and credential are read from its files.
    pub fn open(part: PartName, config: NodeConfig) -> Result<Self, NodeConfigError> {
        Self::with_signatures(part, config, Arc::default())
    }

    /// As [`Node::open`], beside other parts in the same process that know the same signatures.
    pub fn with_signatures(
        part: PartName,
        config: NodeConfig,
        signatures: Arc<KnownSignatures>,
    ) -> Result<Self, NodeConfigError> {
        Self::assemble(
            part,
            config,
            Arc::new(SystemClock::default()),
            Arc::new(SystemIds),
            signatures,
        )
    }

    /// As [`Node::open`], with a clock and ids of the caller's.
    pub fn with_clock(
        part: PartName,
        config: NodeConfig,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, NodeConfigError> {
        Self::assemble(part, config, clock, ids, Arc::default())
    }

    fn assemble(
        part: PartName,
        config: NodeConfig,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        signatures: Arc<KnownSignatures>,
    ) -> Result<Self, NodeConfigError> {
        let trust = config
            .trust_file
            .as_deref()
            .map_or_else(|| Ok(Trust::nobody()), Trust::load)?;
        trust.warn_of_unusable_keys();
        if config.trust_file.is_none() {
            tracing::warn!("there is no trust file: nobody is let in");
        }
        let verifier = Verifier::new(part, Arc::clone(&clock), trust, config.trust_file.clone());
        let credential = config.credential(part, &clock)?.map(Arc::new);
        let inner = Inner {
            part,
            clock,
            ids,
            credential,
            verifier: Arc::new(verifier),
            signatures,
            config,
            shutdown: CancellationToken::new(),
            closing: CancellationToken::new(),
            failure: OnceLock::new(),
            tasks: TaskTracker::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The part's name.
    pub fn part(&self) -> PartName {
        self.inner.part
    }

    /// Where the part reads the time.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.inner.clock)
    }

    /// Where the part gets fresh identifiers.
    pub fn ids(&self) -> Arc<dyn Ids> {
        Arc::clone(&self.inner.ids)
    }

    /// The signatures on verdicts and warrants that this process has made or checked.
    pub fn signatures(&self) -> Arc<KnownSignatures> {
        Arc::clone(&self.inner.signatures)
    }

    /// Cancelled when the part begins to drain; cancel it to make it drain. Calls still come in: it fetches no new work.
    pub fn shutdown(&self) -> CancellationToken {
        self.inner.shutdown.clone()
    }

    /// Cancelled when the port closes, the drain delay after [`Node::shutdown`]: what is under way has the grace period
    /// to finish, and what may take longer than that is not begun.
    pub fn closing(&self) -> CancellationToken {
        self.inner.closing.clone()
    }

    /// Makes the part drain and then end with a failure: it can't do its work any more. The first reason counts.
    pub fn fail(&self, reason: &'static str) {
        let _ = self.inner.failure.set(reason);
        self.inner.shutdown.cancel();
    }

    /// Why the part can't do its work any more, if so.
    pub fn failure(&self) -> Option<&'static str> {
        self.inner.failure.get().copied()
    }

    /// For work that must survive its caller: draining waits for it, within its bound.
    pub fn tasks(&self) -> &TaskTracker {
        &self.inner.tasks
    }

    /// A link to the part at `url`; it connects when first used.
    pub fn connect(&self, target: PartName, url: &str) -> Result<Link, BoxError> {
        if self.inner.credential.is_none() {
            tracing::warn!(%target, "there is no credential key: it will refuse all calls");
        }
        Link::connect(target, url, self.inner.credential.clone())
    }

    /// A link to a part in the same process, straight into its layers.
    pub fn local(&self, part: &Part) -> Link {
        Link::local(part.name(), part.service(), self.inner.credential.clone())
    }

    pub(crate) fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.inner.verifier)
    }

    pub(crate) fn config(&self) -> &NodeConfig {
        &self.inner.config
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("part", &self.inner.part)
            .finish_non_exhaustive()
    }
}
