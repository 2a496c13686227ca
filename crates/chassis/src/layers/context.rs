//! Request id and trace context: taken over from the caller or made here, and kept in the span. A request id that was made
//! here is told back.

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
    /// The request id, if the caller doesn't know it.
    pub(super) made_id: Option<HeaderValue>,
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
    let sent_id = request.headers().get(&REQUEST_ID);
    let made_id = context
        .request_id()
        .filter(|id| sent_id.is_none_or(|sent| sent != id))
        .and_then(|id| HeaderValue::from_str(id).ok());
    request.extensions_mut().insert(context);
    Arrival { span, made_id }
}

/// Tells the caller the request id that was made here.
pub(super) fn leave(made_id: Option<HeaderValue>, response: &mut Response) {
    if let Some(made_id) = made_id {
        response.headers_mut().insert(REQUEST_ID.clone(), made_id);
    }
}

#[cfg(test)]
mod tests {
    use tonic::body::Body;

    use super::*;
    use crate::ids::SequentialIds;

    /// The request id that an answer carries.
    fn told(sent: Option<&str>) -> Option<String> {
        let mut request = Request::new(Body::empty());
        if let Some(sent) = sent {
            request.headers_mut().insert(&REQUEST_ID, sent.parse().unwrap());
        }
        let arrival = enter(&SequentialIds::default(), &mut request);
        let mut response = Response::new(Body::empty());
        leave(arrival.made_id, &mut response);
        let told = response.headers().get(&REQUEST_ID)?;
        let known = request.extensions().get::<CallContext>().unwrap();
        assert_eq!(told.to_str().ok(), known.request_id());
        Some(told.to_str().unwrap().to_owned())
    }

    #[test]
    fn only_a_request_id_that_was_made_here_is_told() {
        assert_eq!(told(Some("from the caller")), None);
        assert_eq!(told(None).unwrap().len(), 32);
        // Refused, so another was made.
        assert_eq!(told(Some(&"x".repeat(129))).unwrap().len(), 32);
    }
}
