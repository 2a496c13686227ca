//! Request id and trace context: taken over from the caller or made here, kept in the span, and told back.

use http::{HeaderName, HeaderValue};
use tracing::Span;

use super::{Request, Response};
use crate::{
    context::{CallContext, REQUEST_ID_HEADER},
    ids::Ids,
};

static REQUEST_ID: HeaderName = HeaderName::from_static(REQUEST_ID_HEADER);

/// What is known of a call when it arrives.
pub(super) struct Arrival {
    pub(super) span: Span,
    pub(super) request_id: Option<HeaderValue>,
}

/// Gives the call its context.
pub(super) fn enter(ids: &dyn Ids, request: &mut Request) -> Arrival {
    let context = CallContext::from_headers(request.headers(), || ids.random_bytes());
    let span = tracing::info_span!(
        "rpc",
        method = request.uri().path().trim_start_matches('/'),
        request_id = context.request_id(),
        trace_id = context.traceparent().and_then(|value| value.get(3..35)),
    );
    let request_id = context.request_id().and_then(|id| HeaderValue::from_str(id).ok());
    request.extensions_mut().insert(context);
    Arrival { span, request_id }
}

/// Tells the caller the request id.
pub(super) fn leave(request_id: Option<HeaderValue>, response: &mut Response) {
    if let Some(request_id) = request_id {
        response.headers_mut().insert(REQUEST_ID.clone(), request_id);
    }
}
