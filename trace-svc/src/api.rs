//! `TraceService`: who may read and write what, and nothing else.

#[cfg(test)]
mod tests;

use std::{pin::Pin, sync::Arc};

use futures_util::Stream;
use tonic::{Request, Response, Status};

use chassis::{Caller, PartName, Violations, fault::to_status, page};
use proto::trace::v1 as wire;
use wire::trace_service_server::TraceService;

use crate::{
    convert,
    error::{DOMAIN, ReadError, TraceError},
    event::{NewEvent, Owner},
    export,
    line::{Line, LineContent},
    log::{Budget, EventQuery, MAX_LOOKS, Recorded, Scope, TraceLog},
};

/// The group whose members read all traces of their tenant.
const AUDITORS: &str = "auditors";

const DEFAULT_TRACES: usize = 50;
const DEFAULT_EVENTS: usize = 100;
const MAX_PAGE: usize = 1000;
/// About this many bytes of lines or content are in one page: well below what a client takes.
const PAGE_BYTES: usize = 1024 * 1024;

/// The service, on any log.
#[derive(Debug)]
pub struct TraceApi<L> {
    log: Arc<L>,
}

// === impl TraceApi ===

impl<L: TraceLog> TraceApi<L> {
    /// Serves `log`.
    pub const fn new(log: Arc<L>) -> Self {
        Self { log }
    }

    /// Records the events; `path` is where the one at a place stands in the request.
    async fn append(&self, events: Vec<NewEvent>, path: fn(usize) -> String) -> Result<Vec<wire::Receipt>, Status> {
        let receipts = self.log.append(events).await.map_err(|error| match error {
            TraceError::TooLarge(events) => convert::too_large(&events, path),
            error => to_status(&error),
        })?;
        Ok(receipts.into_iter().map(convert::receipt_to_proto).collect())
    }

    async fn event(&self, recorded: &Recorded, content: bool) -> Result<wire::Event, TraceError> {
        let line = parse(recorded)?;
        let data = match (&line.content, content) {
            (Some(LineContent::Inline { text, .. }), true) => Some(text.clone().into_bytes()),
            (Some(LineContent::Blob { sha256, .. }), true) => Some(self.log.blob(*sha256).await?),
            _ => None,
        };
        Ok(convert::event_to_proto(self.log.name(), line, recorded, data))
    }

    /// As many of the events as fit one answer; and where the next page starts, if they are not all.
    async fn events(
        &self,
        recorded: Vec<Recorded>,
        content: bool,
    ) -> Result<(Vec<wire::Event>, Option<u64>), TraceError> {
        let mut events = Vec::with_capacity(recorded.len());
        let mut bytes = 0;
        for entry in recorded {
            let event = self.event(&entry, content).await?;
            bytes += event.content.as_ref().map_or(0, |content| content.data.len());
            if bytes > PAGE_BYTES && !events.is_empty() {
                return Ok((events, Some(entry.index)));
            }
            events.push(event);
        }
        Ok((events, None))
    }
}

#[tonic::async_trait]
impl<L: TraceLog> TraceService for TraceApi<L> {
    type ExportEventsStream = Pin<Box<dyn Stream<Item = Result<wire::ExportEventsResponse, Status>> + Send>>;

    async fn create_event(
        &self,
        request: Request<wire::CreateEventRequest>,
    ) -> Result<Response<wire::CreateEventResponse>, Status> {
        let producer = producer(&request)?;
        let event = convert::create_event(request.into_inner(), producer)?;
        let receipt = self.append(vec![event], |_| "event".to_owned()).await?.pop();
        Ok(Response::new(wire::CreateEventResponse { receipt }))
    }

    async fn batch_create_events(
        &self,
        request: Request<wire::BatchCreateEventsRequest>,
    ) -> Result<Response<wire::BatchCreateEventsResponse>, Status> {
        let producer = producer(&request)?;
        let events = convert::batch_create_events(request.into_inner(), producer)?;
        let receipts = self.append(events, convert::event_of_batch).await?;
        Ok(Response::new(wire::BatchCreateEventsResponse { receipts }))
    }

    async fn get_trace(
        &self,
        request: Request<wire::GetTraceRequest>,
    ) -> Result<Response<wire::GetTraceResponse>, Status> {
        let scope = scope(&request)?;
        let id = convert::get_trace(request.get_ref())?;
        let trace = self.log.trace(&scope, id).await.map_err(|error| to_status(&error))?;
        let trace = Some(convert::trace_to_proto(trace));
        Ok(Response::new(wire::GetTraceResponse { trace }))
    }

    async fn list_traces(
        &self,
        request: Request<wire::ListTracesRequest>,
    ) -> Result<Response<wire::ListTracesResponse>, Status> {
        let scope = scope(&request)?;
        let request = request.into_inner();
        let mut violations = Violations::new(DOMAIN);
        let limit = page::size(&mut violations, request.page_size, DEFAULT_TRACES, MAX_PAGE);
        let filter = convert::trace_filter(&mut violations, &request.filter);
        violations.check()?;
        let listing = format!("ListTraces|{}|{scope:?}", request.filter);
        let before = position(&listing, &request.page_token)?;
        let found = self.log.traces(&scope, &filter, before, limit, MAX_LOOKS).await;
        let found = found.map_err(|error| to_status(&error))?;
        Ok(Response::new(wire::ListTracesResponse {
            traces: found.traces.into_iter().map(convert::trace_to_proto).collect(),
            next_page_token: token(&listing, found.next),
        }))
    }

    async fn list_events(
        &self,
        request: Request<wire::ListEventsRequest>,
    ) -> Result<Response<wire::ListEventsResponse>, Status> {
        let scope = scope(&request)?;
        let request = request.into_inner();
        let mut violations = Violations::new(DOMAIN);
        let events = page::size(&mut violations, request.page_size, DEFAULT_EVENTS, MAX_PAGE);
        let query = convert::event_query(&mut violations, scope, &request.parent, &request.filter);
        violations.check()?;
        let listing = format!("ListEvents|{query:?}");
        let from = position(&listing, &request.page_token)?.unwrap_or_default();
        let budget = Budget {
            looks: MAX_LOOKS,
            events,
            bytes: PAGE_BYTES,
        };
        let found = self.log.events(&query, from, u64::MAX, budget).await;
        let found = found.map_err(|error| to_status(&error))?;
        let (events, cut) = self
            .events(found.events, request.include_content)
            .await
            .map_err(|error| to_status(&error))?;
        let next_page_token = token(&listing, cut.or(found.next));
        Ok(Response::new(wire::ListEventsResponse {
            events,
            next_page_token,
        }))
    }

    async fn export_events(
        &self,
        request: Request<wire::ExportEventsRequest>,
    ) -> Result<Response<Self::ExportEventsStream>, Status> {
        let scope = scope(&request)?;
        let (query, format) = convert::export_events(request.get_ref(), scope)?;
        self.check_visible(&query).await.map_err(|error| to_status(&error))?;
        let pieces = export::export(Arc::clone(&self.log), query, format);
        Ok(Response::new(Box::pin(pieces)))
    }
}

impl<L: TraceLog> TraceApi<L> {
    /// An export of a trace that isn't there fails at once, not in its stream.
    async fn check_visible(&self, query: &EventQuery) -> Result<(), TraceError> {
        match query.trace {
            Some(trace) => self.log.trace(&query.scope, trace).await.map(drop),
            None => Ok(()),
        }
    }
}

/// Reads an entry; one that the disk gave back damaged is never passed on as if it were whole.
pub(crate) fn parse(recorded: &Recorded) -> Result<Line, TraceError> {
    Line::parse(&recorded.bytes).map_err(|error| TraceError::Unreadable {
        index: recorded.index,
        source: ReadError::Damaged(error),
    })
}

fn producer<T>(request: &Request<T>) -> Result<PartName, Status> {
    let caller = Caller::of(request)?;
    caller.service().ok_or_else(|| {
        to_status(&TraceError::TypeNotAllowed {
            kind: "*".to_owned(),
            producer: "a person".to_owned(),
        })
    })
}

/// What the person who asks may see (TR-6).
fn scope<T>(request: &Request<T>) -> Result<Scope, Status> {
    let person = Caller::of(request)?.person();
    let person = person.ok_or_else(|| to_status(&TraceError::SubjectMissing))?;
    if person.in_group(AUDITORS) {
        return Ok(Scope::Tenant(person.tenant.clone()));
    }
    Ok(Scope::Own(Owner {
        tenant: person.tenant.clone(),
        issuer: person.issuer.clone(),
        requester: person.subject.clone(),
    }))
}

fn position(listing: &str, page_token: &str) -> Result<Option<u64>, Status> {
    // A position in a token of ours is a number; anything else can't carry this listing's tag by accident.
    let position = page::decode(DOMAIN, listing, page_token)?;
    Ok(position.map(|position| position.parse().unwrap_or_default()))
}

fn token(listing: &str, next: Option<u64>) -> String {
    next.map_or_else(String::new, |next| page::encode(listing, &next.to_string()))
}
