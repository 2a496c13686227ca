//! What every call passes on its way to a handler, outermost first:
//!
//! 1. [`errors`]: every error leaves with exactly one `ErrorInfo`, a panic as INTERNAL;
//! 2. [`context`]: request id, trace context and span;
//! 3. [`limit`]: no more calls at once than the part can carry;
//! 4. [`deadline`]: the caller's `grpc-timeout`, bounded;
//! 5. [`auth`]: who is calling, and whether they may.

pub(crate) mod auth;
pub(crate) mod context;
pub(crate) mod deadline;
pub(crate) mod errors;
pub(crate) mod limit;

use axum::response::Response;
use tonic::Status;

/// A response that is nothing but an error.
pub(crate) fn refuse(status: &Status) -> Response {
    status.clone().into_http()
}
