//! What every call passes on its way to a handler, outermost first:
//!
//! 1. [`context`]: request id, trace context and span;
//! 2. [`errors`]: every error leaves with exactly one `ErrorInfo`, a panic as INTERNAL;
//! 3. [`limit`]: no more calls at once than the part can carry;
//! 4. [`deadline`]: the caller's `grpc-timeout`, bounded;
//! 5. [`auth`]: who is calling, and whether they may.
//!
//! They are one middleware function: each layer of its own would clone the whole stack below it for every call.

mod auth;
mod context;
mod deadline;
mod errors;
mod limit;

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use tonic::Status;
use tracing::Instrument as _;

use crate::{auth::Rights, ids::Ids, node::Node, part::PartName};

use self::{auth::Gate, limit::Limit};

/// What the layers work with.
pub(crate) struct Layers {
    part: PartName,
    ids: Arc<dyn Ids>,
    limit: Limit,
    gate: Gate,
}

/// Takes a call through all layers.
pub(crate) async fn pass(State(layers): State<Arc<Layers>>, mut request: Request, next: Next) -> Response {
    let arrival = context::enter(&*layers.ids, &mut request);
    let mut response = layers.guard(request, next).instrument(arrival.span).await;
    context::leave(arrival.request_id, &mut response);
    response
}

// === impl Layers ===

impl Layers {
    pub(crate) fn new(node: &Node, rights: Rights) -> Self {
        Self {
            part: node.part(),
            ids: node.ids(),
            limit: Limit::new(node.part(), node.config().max_requests),
            gate: Gate::new(node.verifier(), rights),
        }
    }

    async fn guard(&self, request: Request, next: Next) -> Response {
        let path = request.uri().path().to_owned();
        let answer = errors::catch_panic(self.part, &path, self.limited(request, next)).await;
        errors::explain(self.part, &path, answer)
    }

    async fn limited(&self, mut request: Request, next: Next) -> Response {
        let _place = match self.limit.enter(request.uri().path()) {
            Ok(place) => place,
            Err(status) => return refuse(&status),
        };
        let deadline = deadline::set(&mut request);
        if let Err(status) = self.gate.admit(&mut request) {
            return refuse(&status);
        }
        deadline::bound(self.part, deadline, next.run(request)).await
    }
}

/// A response that is nothing but an error.
fn refuse(status: &Status) -> Response {
    status.clone().into_http()
}
