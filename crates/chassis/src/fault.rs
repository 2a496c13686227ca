//! From errors to `Status`: the one place where Countersign's errors become gRPC's.
//!
//! Every error carries exactly one `google.rpc.ErrorInfo`. `INTERNAL` says nothing in public; its cause goes to the log.

use std::{error::Error, time::Duration};

use proto::common::v1::ErrorReason;
use tonic::{ConnectError, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::part::PartName;

/// The gRPC codes that Countersign uses: deliberately few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The request is malformed; sending it again is pointless.
    InvalidArgument,
    /// No such thing, or not the caller's to see.
    NotFound,
    /// The id was used before for something else.
    AlreadyExists,
    /// The state of things doesn't allow this.
    FailedPrecondition,
    /// It changed since the caller read it; read again.
    Aborted,
    /// The caller is known and has no right to this.
    PermissionDenied,
    /// The caller is not known.
    Unauthenticated,
    /// Too much at once; later.
    ResourceExhausted,
    /// There is no such method, or what the call needs of the protocol isn't there.
    Unimplemented,
    /// A part can't be reached.
    Unavailable,
    /// The caller's deadline passed.
    DeadlineExceeded,
    /// A fault of ours.
    Internal,
}

/// An error that knows how it looks on the wire.
pub trait Fault: Error {
    /// Domain of the reason, such as `trace.countersign`.
    fn domain(&self) -> &'static str;
    /// The gRPC code.
    fn code(&self) -> Code;
    /// The reason, documented in `docs/errors.md`.
    fn reason(&self) -> ErrorReason;
    /// Every dynamic value of the message, under a lowerCamelCase key.
    fn metadata(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
    /// How long to wait before trying again.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// Another part that a call needed did not answer.
#[derive(Debug, thiserror::Error)]
#[error("{part} can't be reached")]
struct Unreachable {
    domain: &'static str,
    part: PartName,
}

const INTERNAL_MESSAGE: &str = "internal error; the service's log has the cause under this request id";

/// When to try again what a part refuses while it, or another one, is down for a moment.
pub const SOON: Duration = Duration::from_secs(1);

/// Longest message of a status, and longest value of its metadata, in bytes. They travel in headers, of which clients
/// take no more than 8 or 16 KiB: one that says more would break the connection for everybody on it.
const MAX_MESSAGE_BYTES: usize = 1024;
const MAX_METADATA_BYTES: usize = 256;

/// How `fault` looks on the wire.
pub fn to_status(fault: &impl Fault) -> Status {
    let message = if fault.code() == Code::Internal {
        tracing::error!(error = %with_causes(fault), "request failed");
        INTERNAL_MESSAGE.to_owned()
    } else {
        fault.to_string()
    };
    let mut details = ErrorDetails::new();
    let metadata = fault
        .metadata()
        .into_iter()
        .map(|(key, value)| (key.to_owned(), clipped(value, MAX_METADATA_BYTES)));
    details.set_error_info(
        wire_reason(fault.reason()),
        fault.domain(),
        metadata.collect::<std::collections::HashMap<_, _>>(),
    );
    if let Some(delay) = fault.retry_after() {
        details.set_retry_info(Some(delay));
    }
    Status::with_error_details(fault.code().into(), clipped(message, MAX_MESSAGE_BYTES), details)
}

/// A status with one reason and nothing else to say.
pub fn status(domain: &str, code: Code, reason: ErrorReason, message: impl Into<String>) -> Status {
    status_with(domain, code, reason, message, [])
}

/// A status with one reason and its metadata.
pub fn status_with<const N: usize>(
    domain: &str,
    code: Code,
    reason: ErrorReason,
    message: impl Into<String>,
    metadata: [(&str, &str); N],
) -> Status {
    let mut details = ErrorDetails::new();
    let metadata = metadata.map(|(key, value)| (key.to_owned(), clipped(value.to_owned(), MAX_METADATA_BYTES)));
    details.set_error_info(wire_reason(reason), domain, std::collections::HashMap::from(metadata));
    Status::with_error_details(code.into(), clipped(message.into(), MAX_MESSAGE_BYTES), details)
}

/// What the caller of the part with this `domain` is told when another part answered `status`: a refusal passes with its
/// details; anything that means the part could not be asked becomes `UNAVAILABLE` naming the part.
pub fn relay(domain: &'static str, part: PartName, status: Status) -> Status {
    if reason_of(&status).is_some() {
        return status;
    }
    tracing::debug!(%part, code = ?status.code(), error = status.message(), "part did not answer");
    to_status(&Unreachable { domain, part })
}

/// The reason that a status carries; `None` when it isn't one of Countersign's own.
pub fn reason_of(status: &Status) -> Option<ErrorReason> {
    let info = status.get_details_error_info()?;
    ErrorReason::from_str_name(&format!("{REASON_PREFIX}{}", info.reason))
}

/// The value of `key` in the metadata of a status' `ErrorInfo`.
pub fn metadata_of(status: &Status, key: &str) -> Option<String> {
    status.get_details_error_info()?.metadata.remove(key)
}

/// Whether `status` leaves open if the call had an effect: then read back, never resend blindly. A client-side timeout
/// shows as `CANCELLED`. Without a connection nothing was sent.
pub fn outcome_unknown(status: &Status) -> bool {
    use tonic::Code as Grpc;
    let lost = matches!(
        status.code(),
        Grpc::Unavailable | Grpc::DeadlineExceeded | Grpc::Cancelled | Grpc::Unknown | Grpc::Internal
    );
    let refused = matches!(
        reason_of(status),
        Some(
            ErrorReason::PartUnavailable
                | ErrorReason::ShuttingDown
                | ErrorReason::Overloaded
                | ErrorReason::ReceiptPending
        )
    );
    let mut causes = std::iter::successors(status.source(), |&cause| cause.source());
    lost && !refused && !causes.any(<dyn Error>::is::<ConnectError>)
}

const REASON_PREFIX: &str = "ERROR_REASON_";

fn wire_reason(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix(REASON_PREFIX).unwrap_or(name)
}

/// At most `max` bytes of `text`, with a mark where it was cut.
pub(crate) fn clipped(mut text: String, max: usize) -> String {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
        text.push('…');
    }
    text
}

/// `error` with all that caused it, each once: many a message already ends with its cause.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    for cause in causes.map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

// === impl Unreachable ===

impl Fault for Unreachable {
    fn domain(&self) -> &'static str {
        self.domain
    }

    fn code(&self) -> Code {
        Code::Unavailable
    }

    fn reason(&self) -> ErrorReason {
        ErrorReason::PartUnavailable
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        vec![("part", self.part.as_str().to_owned())]
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(SOON)
    }
}

// === impl Code ===

impl From<Code> for tonic::Code {
    fn from(code: Code) -> Self {
        match code {
            Code::InvalidArgument => Self::InvalidArgument,
            Code::NotFound => Self::NotFound,
            Code::AlreadyExists => Self::AlreadyExists,
            Code::FailedPrecondition => Self::FailedPrecondition,
            Code::Aborted => Self::Aborted,
            Code::PermissionDenied => Self::PermissionDenied,
            Code::Unauthenticated => Self::Unauthenticated,
            Code::ResourceExhausted => Self::ResourceExhausted,
            Code::Unimplemented => Self::Unimplemented,
            Code::Unavailable => Self::Unavailable,
            Code::DeadlineExceeded => Self::DeadlineExceeded,
            Code::Internal => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: &str = "governance.countersign";

    #[test]
    fn a_status_carries_its_reason_without_the_prefix() {
        let status = status(
            "approval.countersign",
            Code::Aborted,
            ErrorReason::StaleEtag,
            "it changed",
        );
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.reason, "STALE_ETAG");
        assert_eq!(reason_of(&status), Some(ErrorReason::StaleEtag));
        assert_eq!(status.code(), tonic::Code::Aborted);
    }

    #[test]
    fn what_a_status_says_fits_into_headers() {
        let long = "ä".repeat(10_000);
        let status = status_with(
            "approval.countersign",
            Code::NotFound,
            ErrorReason::RunNotFound,
            &*long,
            [("run", &long)],
        );
        assert!(status.message().len() < 1_100 && status.message().ends_with("ä…"));
        assert!(status.details().len() < 1_600);
    }

    #[test]
    fn what_was_never_sent_or_was_refused_had_no_effect() {
        let of = |code, reason| outcome_unknown(&status(DOMAIN, code, reason, "no"));
        assert!(of(Code::Internal, ErrorReason::Internal));
        assert!(!of(Code::Unavailable, ErrorReason::PartUnavailable));
        assert!(!of(Code::Unavailable, ErrorReason::ReceiptPending));
        assert!(!of(Code::FailedPrecondition, ErrorReason::WarrantSpent));
        assert!(outcome_unknown(&Status::deadline_exceeded("no answer in time")));
        assert!(outcome_unknown(&Status::unavailable("connection reset")));
        let refused = ConnectError("connection refused".into());
        assert!(!outcome_unknown(&Status::from_error(Box::new(refused))));
    }

    #[test]
    fn an_unreachable_part_is_named() {
        let status = relay(DOMAIN, PartName::Trace, Status::cancelled("timeout expired"));
        assert_eq!(status.code(), tonic::Code::Unavailable);
        assert_eq!(status.get_details_error_info().unwrap().domain, DOMAIN);
        assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
        assert_eq!(metadata_of(&status, "part").as_deref(), Some("trace-svc"));
    }

    #[test]
    fn a_refusal_of_another_part_passes() {
        let refusal = super::status(
            "trace.countersign",
            Code::AlreadyExists,
            ErrorReason::EventConflict,
            "other bytes",
        );
        assert_eq!(
            relay(DOMAIN, PartName::Trace, refusal).code(),
            tonic::Code::AlreadyExists
        );
    }
}
