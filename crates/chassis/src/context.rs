//! What travels along a chain of calls: request id, trace context, deadline, and the person it is done for.

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderMap;
use tonic::metadata::{Ascii, MetadataValue};

use crate::auth::SUBJECT_HEADER;

/// The header with the request id: the caller's, or in the answer the one that was made for it.
pub const REQUEST_ID_HEADER: &str = "x-request-id";
/// The header with the time that a call has left, as the gRPC specification writes it.
pub(crate) const TIMEOUT_HEADER: &str = "grpc-timeout";
/// The W3C trace context header.
pub const TRACEPARENT_HEADER: &str = "traceparent";

const MAX_REQUEST_ID_BYTES: usize = 128;

/// What travels along a chain of calls.
#[derive(Clone, Default)]
pub struct CallContext {
    request_id: Option<Arc<str>>,
    traceparent: Option<Arc<str>>,
    subject_token: Option<Arc<str>>,
    deadline: Option<tokio::time::Instant>,
}

// === impl CallContext ===

impl CallContext {
    /// The context of an inbound request; the chassis has put it there.
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    /// The context of work that nobody asked for, such as a relay.
    pub fn background() -> Self {
        Self::default()
    }

    /// The same chain without deadline and person: for work that outlives its caller.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self {
            deadline: None,
            subject_token: None,
            ..self.clone()
        }
    }

    /// The same chain with at most `timeout` from now.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        let bound = tokio::time::Instant::now() + timeout;
        let deadline = self.deadline.map_or(bound, |deadline| deadline.min(bound));
        Self {
            deadline: Some(deadline),
            ..self
        }
    }

    /// An outbound request in this chain: deadline, person, request id and trace context go along.
    pub fn outbound<M>(&self, message: M) -> tonic::Request<M> {
        let mut request = tonic::Request::new(message);
        if let Some(remaining) = self.remaining() {
            request.set_timeout(remaining);
        }
        let headers = [
            (REQUEST_ID_HEADER, &self.request_id),
            (TRACEPARENT_HEADER, &self.traceparent),
            (SUBJECT_HEADER, &self.subject_token),
        ];
        for (name, value) in headers {
            let value = value
                .as_deref()
                .and_then(|value| MetadataValue::<Ascii>::try_from(value).ok());
            if let Some(value) = value {
                request.metadata_mut().insert(name, value);
            }
        }
        request
    }

    /// The request id, for logs.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The trace context, as it came in or was made here.
    pub fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    /// What is left until the deadline; `None` without one.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(tokio::time::Instant::now()))
    }

    pub(crate) fn from_headers(headers: &HeaderMap, fresh: impl Fn() -> [u8; 16]) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let request_id = text(REQUEST_ID_HEADER)
            .filter(|id| !id.is_empty() && id.len() <= MAX_REQUEST_ID_BYTES)
            .map_or_else(|| hex::encode(fresh()).into(), Arc::from);
        let traceparent = text(TRACEPARENT_HEADER)
            .filter(|value| is_traceparent(value))
            .map_or_else(|| fresh_traceparent(fresh()).into(), Arc::from);
        Self {
            request_id: Some(request_id),
            traceparent: Some(traceparent),
            subject_token: None,
            deadline: None,
        }
    }

    pub(crate) fn set_deadline(&mut self, deadline: tokio::time::Instant) {
        self.deadline = Some(deadline);
    }

    pub(crate) fn set_subject_token(&mut self, token: &str) {
        self.subject_token = Some(Arc::from(token));
    }
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallContext")
            .field("request_id", &self.request_id)
            .field("traceparent", &self.traceparent)
            .field("has_subject", &self.subject_token.is_some())
            .field("deadline", &self.deadline)
            .finish()
    }
}

/// Whether `value` is a `traceparent` of version 00 (W3C Trace Context, 2021) with ids that are not all zero.
pub fn is_traceparent(value: &str) -> bool {
    let mut parts = value.split('-');
    let parts = [(); 5].map(|()| parts.next());
    let [Some(version), Some(trace), Some(span), Some(flags), None] = parts else {
        return false;
    };
    let is_hex = |text: &str, length: usize| {
        text.len() == length
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_set = |text: &str| text.bytes().any(|byte| byte != b'0');
    version == "00" && is_hex(trace, 32) && is_set(trace) && is_hex(span, 16) && is_set(span) && is_hex(flags, 2)
}

fn fresh_traceparent(bytes: [u8; 16]) -> String {
    let text = hex::encode(bytes);
    let span = text.get(8..24).unwrap_or("0000000000000001");
    format!("00-{text}-{span}-01")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparents_are_checked() {
        assert!(is_traceparent(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        ));
        for value in [
            "",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert!(!is_traceparent(value), "{value}");
        }
    }

    #[test]
    fn a_person_is_not_shown_and_not_kept_by_detached_work() {
        let mut context = CallContext::from_headers(&HeaderMap::new(), || [7; 16]);
        context.set_subject_token("secret-token");
        assert!(!format!("{context:?}").contains("secret-token"));
        assert!(context.outbound(()).metadata().get(SUBJECT_HEADER).is_some());
        assert!(context.detached().outbound(()).metadata().get(SUBJECT_HEADER).is_none());
        assert_eq!(context.detached().request_id(), context.request_id());
    }
}
