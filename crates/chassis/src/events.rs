//! Events on their way to trace-svc. A producer encodes an event once: what it keeps, sends and sends again are the same
//! bytes.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::uri::PathAndQuery;
use proto::trace::v1::{BatchCreateEventsResponse, Receipt};
use tonic::{Request, Status, client::Grpc};
use tonic_prost::ProstCodec;

use crate::{
    context::CallContext,
    link::{Link, within},
};

/// How many events one request may hold.
pub const MAX_EVENTS: usize = 256;
/// How many bytes of events to put into one request, unless one alone has more; trace-svc takes more than this.
pub const MAX_BYTES: usize = 1024 * 1024;

const BATCH_CREATE_EVENTS: &str = "/countersign.trace.v1.TraceService/BatchCreateEvents";

/// A `BatchCreateEventsRequest` whose events are encoded already: a message within a message and its bytes are the same
/// on the wire (<https://protobuf.dev/programming-guides/encoding/#submessages>).
#[derive(Clone, PartialEq, prost::Message)]
struct EncodedEvents {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    events: Vec<Bytes>,
}

/// Records events, all or none, and in this order: each an encoded `countersign.trace.v1.NewEvent`. Returns after they
/// are durable, with one receipt for each; or with an error after `limit`, and then they may be recorded or not.
pub fn record(link: &Link, limit: Duration, events: Vec<Bytes>) -> BoxFuture<'_, Result<Vec<Receipt>, Status>> {
    // Boxed for the reason that `Part::serve` gives.
    Box::pin(within(limit, call(link, limit, events)))
}

/// How many of the first events have at most `max_bytes` together; the first one fits in any case.
pub fn fitting<'a>(events: impl Iterator<Item = &'a Bytes>, max_bytes: usize) -> usize {
    let mut bytes = 0_usize;
    let fit = events.enumerate().take_while(|(position, event)| {
        bytes = bytes.saturating_add(event.len());
        *position == 0 || bytes <= max_bytes
    });
    fit.count()
}

async fn call(link: &Link, limit: Duration, events: Vec<Bytes>) -> Result<Vec<Receipt>, Status> {
    let count = events.len();
    let context = CallContext::background().with_timeout(limit);
    let request: Request<EncodedEvents> = context.outbound(EncodedEvents { events });
    let mut client = Grpc::new(link.clone());
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(format!("{} can't be called: {error}", link.target())))?;
    let codec: ProstCodec<EncodedEvents, BatchCreateEventsResponse> = ProstCodec::default();
    let path = PathAndQuery::from_static(BATCH_CREATE_EVENTS);
    let receipts = client.unary(request, path, codec).await?.into_inner().receipts;
    if receipts.len() != count {
        return Err(Status::internal("trace-svc sent another number of receipts"));
    }
    Ok(receipts)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use proto::trace::v1::{BatchCreateEventsRequest, NewEvent, trace_service_server::SERVICE_NAME};

    use super::*;

    fn events() -> Vec<NewEvent> {
        let event = |number: u8| NewEvent {
            event_id: format!("event-{number}"),
            attributes: [("countersign.tenant".to_owned(), "acme".to_owned())].into(),
            ..NewEvent::default()
        };
        vec![event(1), NewEvent::default(), event(2)]
    }

    #[test]
    fn encoded_events_are_a_batch_on_the_wire() {
        let batch = BatchCreateEventsRequest { events: events() };
        let events = events().iter().map(|event| event.encode_to_vec().into()).collect();
        assert_eq!(EncodedEvents { events }.encode_to_vec(), batch.encode_to_vec());
    }

    #[test]
    fn the_first_fits_in_any_case_and_others_by_their_bytes() {
        let fit = |lengths: &[usize]| {
            let events: Vec<Bytes> = lengths.iter().map(|length| vec![0; *length].into()).collect();
            fitting(events.iter(), 10)
        };
        assert_eq!([fit(&[]), fit(&[11, 1]), fit(&[4, 6, 1]), fit(&[0, 11])], [0, 1, 2, 1]);
    }

    #[test]
    fn the_path_is_the_contract_s() {
        assert_eq!(BATCH_CREATE_EVENTS, format!("/{SERVICE_NAME}/BatchCreateEvents"));
    }
}
