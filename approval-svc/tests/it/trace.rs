//! A trace-svc that acknowledges what it is sent, unless it is told to be away.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use proto::trace::v1::{
    BatchCreateEventsRequest, BatchCreateEventsResponse, CreateEventRequest, CreateEventResponse, ExportEventsRequest,
    ExportEventsResponse, GetTraceRequest, GetTraceResponse, ListEventsRequest, ListEventsResponse, ListTracesRequest,
    ListTracesResponse, NewEvent, Receipt, trace_service_server::TraceService,
};
use tokio_stream::Empty;
use tonic::{Request, Response, Status};

#[derive(Debug, Default)]
pub(crate) struct FakeTrace {
    pub(crate) away: AtomicBool,
    events: Mutex<Vec<NewEvent>>,
}

impl FakeTrace {
    /// The types of a run's events, in order.
    pub(crate) fn types(&self, run: &str) -> Vec<String> {
        self.of(run).into_iter().map(|event| event.r#type).collect()
    }

    pub(crate) fn of(&self, run: &str) -> Vec<NewEvent> {
        let events = self.events.lock().unwrap();
        events.iter().filter(|event| event.trace_id == run).cloned().collect()
    }
}

fn other<T>() -> Result<Response<T>, Status> {
    Err(Status::internal("this fake only takes batches"))
}

#[tonic::async_trait]
impl TraceService for FakeTrace {
    async fn batch_create_events(
        &self,
        request: Request<BatchCreateEventsRequest>,
    ) -> Result<Response<BatchCreateEventsResponse>, Status> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        let mut events = self.events.lock().unwrap();
        let mut receipts = Vec::new();
        for event in request.into_inner().events {
            let index = events.len() as u64;
            events.push(event);
            receipts.push(Receipt {
                log: "fake".into(),
                index,
                ..Receipt::default()
            });
        }
        Ok(Response::new(BatchCreateEventsResponse { receipts }))
    }

    async fn create_event(&self, _: Request<CreateEventRequest>) -> Result<Response<CreateEventResponse>, Status> {
        other()
    }

    async fn get_trace(&self, _: Request<GetTraceRequest>) -> Result<Response<GetTraceResponse>, Status> {
        other()
    }

    async fn list_traces(&self, _: Request<ListTracesRequest>) -> Result<Response<ListTracesResponse>, Status> {
        other()
    }

    async fn list_events(&self, _: Request<ListEventsRequest>) -> Result<Response<ListEventsResponse>, Status> {
        other()
    }

    type ExportEventsStream = Empty<Result<ExportEventsResponse, Status>>;

    async fn export_events(
        &self,
        _: Request<ExportEventsRequest>,
    ) -> Result<Response<Self::ExportEventsStream>, Status> {
        other()
    }
}
