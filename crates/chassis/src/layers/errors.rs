//! Errors leave in one shape, whoever made them: a handler, the gRPC library, or a panic.

use std::panic::AssertUnwindSafe;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use futures_util::FutureExt as _;
use http::HeaderMap;
use proto::common::v1::ErrorReason;
use tonic::{Code as Grpc, Status};

use super::refuse;
use crate::{
    fault::{Code, status},
    part::PartName,
};

const DETAILS_HEADER: &str = "grpc-status-details-bin";

pub(crate) async fn errors(State(part): State<PartName>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let Ok(response) = AssertUnwindSafe(next.run(request)).catch_unwind().await else {
        tracing::error!(%path, "handler panicked");
        return refuse(&status(part.domain(), Code::Internal, ErrorReason::Internal, "internal error"));
    };
    match bare_error(response.headers()) {
        Some(bare) => refuse(&explain(part, &path, &bare)),
        None => response,
    }
}

/// The error in a trailers-only response that says nothing of its reason: one that the gRPC library made.
fn bare_error(headers: &HeaderMap) -> Option<Status> {
    let status = headers.get("grpc-status")?;
    let fails = status != "0" && !headers.contains_key(DETAILS_HEADER);
    fails.then(|| Status::from_header_map(headers)).flatten()
}

fn explain(part: PartName, path: &str, bare: &Status) -> Status {
    let say = |code, reason, message: String| status(part.domain(), code, reason, message);
    match bare.code() {
        Grpc::Unimplemented => {
            let explained = say(Code::NotFound, ErrorReason::UnknownMethod, format!("no method `{path}` here"));
            // Clients and proxies rely on the code: it stays UNIMPLEMENTED.
            Status::with_details(Grpc::Unimplemented, explained.message(), explained.details().to_vec().into())
        }
        Grpc::OutOfRange | Grpc::ResourceExhausted => say(
            Code::ResourceExhausted,
            ErrorReason::MessageTooLarge,
            format!("message too large: {}", bare.message()),
        ),
        Grpc::DeadlineExceeded | Grpc::Cancelled => {
            say(Code::DeadlineExceeded, ErrorReason::DeadlineExceeded, "deadline exceeded".to_owned())
        }
        Grpc::Internal if bare.message().contains("decode") || bare.message().contains("decompress") => say(
            Code::InvalidArgument,
            ErrorReason::InvalidFields,
            format!("the message can't be read: {}", bare.message()),
        ),
        code => {
            tracing::error!(%path, ?code, message = bare.message(), "error without a reason");
            say(Code::Internal, ErrorReason::Internal, "internal error".to_owned())
        }
    }
}
