//! Events on their way to trace-svc. A producer encodes an event once: what it keeps, sends and sends again are the same
//! bytes.

use bytes::Bytes;
use http::uri::PathAndQuery;
use proto::trace::v1::{BatchCreateEventsResponse, Receipt};
use tonic::{Request, Status, client::Grpc};
use tonic_prost::ProstCodec;

use crate::{context::CallContext, link::Link};

const BATCH_CREATE_EVENTS: &str = "/countersign.trace.v1.TraceService/BatchCreateEvents";

/// A `BatchCreateEventsRequest` whose events are encoded already: a message within a message and its bytes are the same
/// on the wire (<https://protobuf.dev/programming-guides/encoding/#submessages>).
#[derive(Clone, PartialEq, prost::Message)]
struct EncodedEvents {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    events: Vec<Bytes>,
}

/// Records events, all or none, and in this order: each an encoded `countersign.trace.v1.NewEvent`. Returns after they
/// are durable, with one receipt for each.
pub async fn record(link: &Link, context: &CallContext, events: Vec<Bytes>) -> Result<Vec<Receipt>, Status> {
    let count = events.len();
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
    fn the_path_is_the_contract_s() {
        assert_eq!(BATCH_CREATE_EVENTS, format!("/{SERVICE_NAME}/BatchCreateEvents"));
    }
}
