//! Request id and trace context: taken over from the caller or made here, kept in the span, and told back.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderName, HeaderValue};
use tracing::Instrument as _;

use crate::{
    context::{CallContext, REQUEST_ID_HEADER},
    ids::Ids,
};

static REQUEST_ID: HeaderName = HeaderName::from_static(REQUEST_ID_HEADER);

pub(crate) async fn context(State(ids): State<Arc<dyn Ids>>, mut request: Request, next: Next) -> Response {
    let context = CallContext::from_headers(request.headers(), || ids.random_bytes());
    let span = tracing::info_span!(
        "rpc",
        method = request.uri().path().trim_start_matches('/'),
        request_id = context.request_id(),
        trace_id = context.traceparent().and_then(|value| value.get(3..35)),
    );
    let request_id = context.request_id().and_then(|id| HeaderValue::from_str(id).ok());
    request.extensions_mut().insert(context);
    let mut response = next.run(request).instrument(span).await;
    if let Some(request_id) = request_id {
        response.headers_mut().insert(REQUEST_ID.clone(), request_id);
    }
    response
}
