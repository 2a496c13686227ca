//! What every call passes on its way to a handler, outermost first:
//!
//! 1. [`context`]: request id, trace context and span;
//! 2. [`errors`]: every error leaves with exactly one `ErrorInfo`, a panic as INTERNAL (the health protocol's `NOT_FOUND`
//!    alone is left as it is);
//! 3. [`limit`]: no more calls and open streams at once than the part can carry;
//! 4. [`deadline`]: the caller's `grpc-timeout`, bounded;
//! 5. [`auth`]: who is calling, and whether they may;
//! 6. [`share`]: of these calls and streams, no more than one caller's share.
//!
//! They are one service: each layer of its own would clone the whole stack below it for every call.

mod answer;
mod auth;
mod context;
mod deadline;
mod errors;
mod limit;
mod share;

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body, service::Routes};
use tower::Service;
use tracing::Instrument as _;

use crate::{BoxError, auth::Rights, ids::Ids, node::Node, part::PartName};

use self::{answer::End, auth::Gate, limit::Limit};

type Request = http::Request<Body>;
type Response = http::Response<Body>;

/// A part's whole tower service, layers included.
#[derive(Clone)]
pub struct PartService {
    layers: Arc<Layers>,
    routes: Routes,
}

/// What the layers work with.
struct Layers {
    part: PartName,
    ids: Arc<dyn Ids>,
    limit: Limit,
    gate: Gate,
    closing: CancellationToken,
}

// === impl PartService ===

impl PartService {
    pub(crate) fn new(node: &Node, rights: Rights, routes: Routes) -> Result<Self, BoxError> {
        let layers = Layers {
            part: node.part(),
            ids: node.ids(),
            limit: Limit::new(node.part(), node.config())?,
            gate: Gate::new(node.verifier(), rights),
            closing: node.closing(),
        };
        Ok(Self {
            layers: Arc::new(layers),
            routes: routes.prepare(),
        })
    }
}

impl Service<Request> for PartService {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The limit refuses at once; nobody waits here.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { layers, routes } = self.clone();
        Box::pin(async move { Ok(layers.pass(request, routes).await) })
    }
}

impl fmt::Debug for PartService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartService")
            .field("part", &self.layers.part)
            .finish_non_exhaustive()
    }
}

// === impl Layers ===

impl Layers {
    /// Takes a call through all layers.
    async fn pass(&self, mut request: Request, routes: Routes) -> Response {
        let arrival = context::enter(&*self.ids, &mut request);
        let mut response = self.guard(request, routes).instrument(arrival.span).await;
        context::leave(arrival.made_id, &mut response);
        response
    }

    async fn guard(&self, request: Request, routes: Routes) -> Response {
        let path = request.uri().path().to_owned();
        let answer = errors::catch_panic(self.part, &path, self.limited(request, routes)).await;
        errors::explain(self.part, &path, answer)
    }

    async fn limited(&self, mut request: Request, mut routes: Routes) -> Response {
        let mut places = match self.limit.enter(request.uri().path()) {
            Ok(places) => places,
            Err(status) => return refuse(&status),
        };
        let open = Rights::is_open(request.uri().path());
        let deadline = deadline::set(&mut request);
        let admitted = self.gate.admit(&mut request);
        let admitted = admitted.and_then(|()| self.limit.share(&mut places, request.extensions().get()));
        if let Err(status) = admitted {
            return refuse(&status);
        }
        let handled = routes.call(request).map(|Ok(response)| response);
        let answer = deadline::bound(self.part, deadline, handled).await;
        // The health and the reflection service know nothing of closing.
        let end = open.then(|| End::new(self.part, self.closing.clone()));
        places.hold(answer, end)
    }
}

/// A response that is nothing but an error.
fn refuse(status: &Status) -> Response {
    status.clone().into_http()
}
