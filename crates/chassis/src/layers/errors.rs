//! Errors leave in one shape, whoever made them: a handler, the gRPC library, or a panic.

use std::{future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt as _;
use http::HeaderMap;
use proto::common::v1::ErrorReason;
use tonic::{Code as Grpc, Status};

use super::{Response, refuse};
use crate::{
    fault::{Code, status},
    part::PartName,
};

const DETAILS_HEADER: &str = "grpc-status-details-bin";
const ACCEPT_ENCODING_HEADER: &str = "grpc-accept-encoding";
/// What the gRPC library says of a message that it can't read, or that broke off because its sender has gone.
const UNREADABLE: [&str; 6] = [
    "decode",
    "decompress",
    "Missing request message",
    "protocol error: received",
    "Unexpected EOF",
    "error reading a body",
];

/// The answer of a handler; INTERNAL if it panics.
pub(super) async fn catch_panic(part: PartName, path: &str, handler: impl Future<Output = Response>) -> Response {
    AssertUnwindSafe(handler).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!(path, "handler panicked");
        refuse(&status(
            part.domain(),
            Code::Internal,
            ErrorReason::Internal,
            "internal error",
        ))
    })
}

/// The same answer; an error that says nothing of its reason gets one.
pub(super) fn explain(part: PartName, path: &str, answer: Response) -> Response {
    match bare_error(answer.headers()) {
        // The health protocol says by this that it doesn't know the name.
        Some(bare) if bare.code() == Grpc::NotFound && path.starts_with("/grpc.health.v1.Health/") => answer,
        Some(bare) => refuse(&explained(part, path, &bare)),
        None => answer,
    }
}

/// The error in a trailers-only response that says nothing of its reason: one that the gRPC library made.
fn bare_error(headers: &HeaderMap) -> Option<Status> {
    let status = headers.get("grpc-status")?;
    let fails = status != "0" && !headers.contains_key(DETAILS_HEADER);
    fails.then(|| Status::from_header_map(headers)).flatten()
}

fn explained(part: PartName, path: &str, bare: &Status) -> Status {
    let say = |code, reason, message: String| status(part.domain(), code, reason, message);
    match bare.code() {
        Grpc::Unimplemented if bare.message().contains("compress") => {
            let said = bare.message().to_owned();
            let mut refusal = say(Code::Unimplemented, ErrorReason::InvalidFields, said);
            // Which encodings are taken, as the protocol demands.
            if let Some(accepted) = bare.metadata().get(ACCEPT_ENCODING_HEADER) {
                refusal.metadata_mut().insert(ACCEPT_ENCODING_HEADER, accepted.clone());
            }
            refusal
        }
        Grpc::Unimplemented => say(
            Code::Unimplemented,
            ErrorReason::UnknownMethod,
            format!("no method `{path}` here"),
        ),
        Grpc::OutOfRange | Grpc::ResourceExhausted => say(
            Code::ResourceExhausted,
            ErrorReason::MessageTooLarge,
            format!("message too large: {}", bare.message()),
        ),
        Grpc::DeadlineExceeded | Grpc::Cancelled => say(
            Code::DeadlineExceeded,
            ErrorReason::DeadlineExceeded,
            "deadline exceeded".to_owned(),
        ),
        Grpc::Internal | Grpc::Unknown if UNREADABLE.iter().any(|words| bare.message().contains(words)) => say(
            Code::InvalidArgument,
            ErrorReason::InvalidFields,
            format!("the message can't be read: {}", bare.message()),
        ),
        code => {
            tracing::error!(%path, ?code, error = bare.message(), "error without a reason");
            say(Code::Internal, ErrorReason::Internal, "internal error".to_owned())
        }
    }
}
