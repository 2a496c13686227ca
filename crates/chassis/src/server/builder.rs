//! Puts a part together: its gRPC services, health, reflection, background tasks, and the layers around them.

use std::{
    convert::Infallible,
    future::Future,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, server::NamedService, service::Routes};
use tower::Service;

use super::{Background, Health, Life, Part, Pending, ReadyCheck};
use crate::{BoxError, auth::Rights, layers::PartService, node::Node};

/// Puts a part together.
pub struct PartBuilder {
    node: Node,
    routes: Routes,
    names: Vec<&'static str>,
    background: Vec<(&'static str, Background)>,
    checks: Vec<ReadyCheck>,
    watched: Vec<(&'static str, watch::Receiver<bool>)>,
}

// === impl PartBuilder ===

impl PartBuilder {
    pub(super) fn new(node: Node) -> Self {
        Self {
            node,
            routes: Routes::default(),
            names: Vec::new(),
            background: Vec::new(),
            checks: Vec::new(),
            watched: Vec::new(),
        }
    }

    /// Adds a generated server.
    #[must_use]
    pub fn grpc<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.names.push(S::NAME);
        self.routes = self.routes.add_service(service);
        self
    }

    /// The part is ready (`""` and its services SERVING) only while `check` says so; asked every second.
    #[must_use]
    pub fn ready_when<F, Fut>(mut self, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.checks.push(Box::new(move || Box::pin(check())));
        self
    }

    /// A health name of its own, for something that is not Countersign's.
    #[must_use]
    pub fn health_of(mut self, name: &'static str, serving: watch::Receiver<bool>) -> Self {
        self.watched.push((name, serving));
        self
    }

    /// Something that runs while the part lives, and while calls under way finish at its end; it must end when the token
    /// is cancelled. If it panics the part fails.
    #[must_use]
    pub fn background<F, Fut>(mut self, name: &'static str, task: F) -> Self
    where
        F: FnOnce(CancellationToken) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.background.push((name, Box::new(move |over| Box::pin(task(over)))));
        self
    }

    /// The part, with health, reflection (v1 and v1alpha) and all layers.
    pub fn build(self) -> Result<Part, BoxError> {
        let (health, health_server) = Health::new(self.names);
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                // The details of errors, which clients can show only if they know their types.
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        };
        let names = health.names().to_vec();
        let with_names = |mut builder: tonic_reflection::server::Builder<'static>| {
            for name in &names {
                builder = builder.with_service_name(*name);
            }
            builder.with_service_name("grpc.health.v1.Health")
        };
        let routes = self
            .routes
            .add_service(health_server)
            .add_service(with_names(reflection()).build_v1()?)
            .add_service(with_names(reflection()).build_v1alpha()?);
        let service = PartService::new(&self.node, Rights::shipped()?, routes)?;
        let pending = Pending {
            background: self.background,
            checks: self.checks,
            watched: self.watched,
        };
        Ok(Part {
            node: self.node,
            service,
            health: Arc::new(health),
            pending: Mutex::new(Some(pending)),
            life: Life::default(),
        })
    }
}

impl std::fmt::Debug for PartBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartBuilder")
            .field("services", &self.names)
            .finish_non_exhaustive()
    }
}
