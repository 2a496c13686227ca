//! What can go wrong with the log, and how it looks on the wire.

use std::{io, path::PathBuf, time::Duration};

use uuid::Uuid;

use chassis::{
    fault::{Code, Fault},
    part::PartName,
};
use proto::common::v1::ErrorReason;

use crate::{
    event::{MAX_LINE_BYTES, TraceId},
    line::LineError,
};

/// Domain of this service's errors.
pub const DOMAIN: &str = PartName::Trace.domain();

/// Why a call to the log failed.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// No such trace, or not the caller's to see: the two are not told apart.
    #[error("no trace `{0}`")]
    NotFound(TraceId),
    /// The id stands for another event.
    #[error("event `{0}` is in the log with other content")]
    Conflict(Uuid),
    /// This producer may not write this type.
    #[error("{producer} may not write events of type `{kind}`")]
    TypeNotAllowed {
        /// The type asked for.
        kind: String,
        /// Who asked.
        producer: String,
    },
    /// The event names another owner than its trace's first event.
    #[error("event `{event}` names a tenant, issuer or requester other than that of trace `{trace}`")]
    TraceMismatch {
        /// The event.
        event: Uuid,
        /// Its trace.
        trace: TraceId,
    },
    /// Some events don't fit a line each; with their places among those of the request.
    #[error("{} of the events are too large for a line", .0.len())]
    TooLarge(Vec<(usize, LineTooLarge)>),
    /// A person's credential is needed here.
    #[error("traces are read as a person, and no person's credential was presented")]
    SubjectMissing,
    /// More waits to be written than the log takes.
    #[error("too many events wait to be written")]
    Overloaded,
    /// The disk is full.
    #[error("the log takes no events now: its disk is full")]
    DiskFull,
    /// No file can be opened, for want of descriptors or memory.
    #[error("the log takes no events now: it can open no more files")]
    OutOfHandles,
    /// The log has failed for good, or is closing.
    #[error("the log takes no events now: {0}")]
    Unavailable(&'static str),
    /// What the disk gave back is not what was written.
    #[error("the log can't be read at index {index}")]
    Unreadable {
        /// The entry.
        index: u64,
        /// Why.
        source: ReadError,
    },
    /// A blob is not what its line says.
    #[error("blob `{0}` can't be read")]
    BlobUnreadable(String, #[source] io::Error),
    /// A task of ours ended before its time.
    #[error("a task of the log was cut off")]
    Interrupted,
}

/// An event that doesn't fit a line; nothing is ever truncated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("needs a line of up to {bytes} bytes, more than the {MAX_LINE_BYTES} allowed; move text to its content")]
pub struct LineTooLarge {
    /// What it would take.
    pub bytes: usize,
}

/// Why an entry can't be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk refused.
    #[error("its segment can't be read")]
    Io(#[from] io::Error),
    /// The bytes are not a line.
    #[error("its bytes are damaged")]
    Damaged(#[from] LineError),
}

/// Why the log can't be opened. Reading it is possible, so a person has to look; the service exits with a failure.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("`{}` is held by another process", .0.display())]
    Locked(PathBuf),
    /// Something other than a torn tail is wrong: the log refuses to start rather than hide it.
    #[error("the log is damaged in `{}` at byte {offset}, where entry {index} should stand: {cause}", segment.display())]
    Damaged {
        /// The segment.
        segment: PathBuf,
        /// Where in it.
        offset: u64,
        /// The index of the entry that should stand there.
        index: u64,
        /// What is wrong.
        cause: String,
    },
    /// The disk refused.
    #[error("`{}` can't be used", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// How long a producer waits before it sends again when the queue is full.
const OVERLOADED_RETRY: Duration = Duration::from_millis(100);
/// How long it waits when the disk is full or files can't be opened.
const SHORTAGE_RETRY: Duration = Duration::from_secs(5);

// === impl TraceError ===

impl Fault for TraceError {
    fn domain(&self) -> &'static str {
        DOMAIN
    }

    fn code(&self) -> Code {
        match self {
            Self::NotFound(_) => Code::NotFound,
            Self::Conflict(_) => Code::AlreadyExists,
            Self::TypeNotAllowed { .. } => Code::PermissionDenied,
            Self::TraceMismatch { .. } => Code::FailedPrecondition,
            Self::TooLarge(_) => Code::InvalidArgument,
            Self::SubjectMissing => Code::Unauthenticated,
            Self::Overloaded => Code::ResourceExhausted,
            Self::DiskFull | Self::OutOfHandles | Self::Unavailable(_) => Code::Unavailable,
            Self::Unreadable { .. } | Self::BlobUnreadable(..) | Self::Interrupted => Code::Internal,
        }
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::NotFound(_) => ErrorReason::TraceNotFound,
            Self::Conflict(_) => ErrorReason::EventConflict,
            Self::TypeNotAllowed { .. } => ErrorReason::EventTypeNotAllowed,
            Self::TraceMismatch { .. } => ErrorReason::TraceMismatch,
            Self::TooLarge(_) => ErrorReason::InvalidFields,
            Self::SubjectMissing => ErrorReason::SubjectMissing,
            Self::Overloaded => ErrorReason::Overloaded,
            Self::DiskFull | Self::OutOfHandles | Self::Unavailable(_) => ErrorReason::LogUnavailable,
            Self::Unreadable { .. } | Self::BlobUnreadable(..) | Self::Interrupted => ErrorReason::Internal,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::NotFound(trace) => vec![("trace", trace.to_string())],
            Self::Conflict(event) => vec![("event", event.to_string())],
            Self::TypeNotAllowed { kind, producer } => {
                vec![("type", kind.clone()), ("producer", producer.clone())]
            }
            Self::TraceMismatch { event, trace } => {
                vec![("event", event.to_string()), ("trace", trace.to_string())]
            }
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Overloaded => Some(OVERLOADED_RETRY),
            Self::DiskFull | Self::OutOfHandles => Some(SHORTAGE_RETRY),
            _ => None,
        }
    }
}

// === impl OpenError ===

impl OpenError {
    /// Wraps an error of the disk with the path it is about.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
