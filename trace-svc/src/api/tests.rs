//! The service as its clients see it: through the generated client and server, with callers as the chassis names them.

use futures_util::TryStreamExt as _;
use tonic::{Code, service::interceptor::InterceptedService};
use tonic_types::StatusExt as _;

use chassis::{Person, Principal, auth::Audience, fault::reason_of, semconv};
use proto::common::v1::{ErrorReason, Risk};
use wire::{
    export_events_request::Format, trace_service_client::TraceServiceClient, trace_service_server::TraceServiceServer,
};

use crate::{convert, event::EventType, line::Leaf, log::file::FileLog, testing};

use super::*;

/// Puts a caller on each request, as authentication does.
#[derive(Clone)]
struct As(Caller);

impl tonic::service::Interceptor for As {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.extensions_mut().insert(self.0.clone());
        Ok(request)
    }
}

type Client = TraceServiceClient<InterceptedService<TraceServiceServer<TraceApi<FileLog>>, As>>;

/// A service on a log of its own.
struct Service {
    server: TraceServiceServer<TraceApi<FileLog>>,
    _folder: tempfile::TempDir,
}

impl Service {
    fn start() -> Self {
        let folder = testing::folder();
        let api = TraceApi::new(Arc::new(testing::open(folder.path())));
        Self {
            server: TraceServiceServer::new(api),
            _folder: folder,
        }
    }

    fn client(&self, principal: Principal, subject: Option<Person>) -> Client {
        let caller = Caller { principal, subject };
        TraceServiceClient::new(InterceptedService::new(self.server.clone(), As(caller)))
    }

    fn part(&self, part: PartName) -> Client {
        self.client(Principal::Service(part), None)
    }

    fn person(&self, person: Person) -> Client {
        self.client(Principal::Person(person), None)
    }
}

/// The requester of the trace of this number.
fn requester(trace: u128) -> Person {
    let owner = testing::owner(trace);
    Person {
        issuer: owner.issuer,
        subject: owner.requester,
        tenant: owner.tenant,
        groups: std::collections::BTreeSet::new(),
        audience: Audience::Governance,
    }
}

fn auditor(tenant: &str) -> Person {
    Person {
        subject: "auditor".to_owned(),
        tenant: tenant.to_owned(),
        groups: [AUDITORS.to_owned()].into(),
        ..requester(0)
    }
}

fn message(trace: u128, number: u128, kind: EventType) -> wire::NewEvent {
    let event = testing::typed(trace, number, kind);
    wire::NewEvent {
        event_id: event.event_id.to_string(),
        trace_id: event.trace_id.to_string(),
        attributes: event.attrs,
        ..convert::tests::message(kind)
    }
}

async fn create(client: &mut Client, event: wire::NewEvent) -> Result<wire::Receipt, Status> {
    let request = wire::CreateEventRequest { event: Some(event) };
    client
        .create_event(request)
        .await
        .map(|response| response.into_inner().receipt.unwrap())
}

/// Three traces of three people: two events each, the first trace closed.
async fn recorded() -> Service {
    let service = Service::start();
    let mut approval = service.part(PartName::Approval);
    let mut executor = service.part(PartName::Executor);
    for trace in 0..3 {
        create(&mut approval, message(trace, 1, EventType::ApprovalGranted))
            .await
            .unwrap();
        create(&mut executor, message(trace, 2, EventType::ExecutionStarted))
            .await
            .unwrap();
    }
    create(&mut approval, message(0, 3, EventType::ApprovalClosed))
        .await
        .unwrap();
    service
}

fn list_events(parent: impl Into<String>) -> wire::ListEventsRequest {
    wire::ListEventsRequest {
        parent: parent.into(),
        ..wire::ListEventsRequest::default()
    }
}

fn name(trace: u128) -> String {
    format!("traces/{}", testing::trace(trace))
}

#[tokio::test]
async fn an_event_is_recorded_once_and_its_receipt_repeated() {
    let service = Service::start();
    let mut client = service.part(PartName::Approval);
    let event = message(1, 1, EventType::ApprovalGranted);
    let first = create(&mut client, event.clone()).await.unwrap();
    assert_eq!(
        (first.log.as_str(), first.index, first.leaf_hash.len()),
        ("main", 0, 32)
    );
    let again = create(&mut client, event.clone()).await.unwrap();
    assert_eq!(
        again,
        wire::Receipt {
            duplicate: true,
            ..first
        }
    );
    let other = wire::NewEvent {
        risk: Risk::Red as i32,
        ..event
    };
    let refused = create(&mut client, other).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert_eq!(reason_of(&refused), Some(ErrorReason::EventConflict));
}

#[tokio::test]
async fn a_batch_with_one_foreign_event_records_nothing() {
    let service = Service::start();
    let mut client = service.part(PartName::Approval);
    let batch = |kind| wire::BatchCreateEventsRequest {
        events: vec![message(1, 1, EventType::ApprovalGranted), message(1, 2, kind)],
    };
    let refused = client
        .batch_create_events(batch(EventType::ExecutionStarted))
        .await
        .unwrap_err();
    assert_eq!(reason_of(&refused), Some(ErrorReason::EventTypeNotAllowed));
    let receipts = client
        .batch_create_events(batch(EventType::ApprovalClosed))
        .await
        .unwrap();
    let indexes: Vec<_> = receipts
        .into_inner()
        .receipts
        .iter()
        .map(|receipt| receipt.index)
        .collect();
    assert_eq!(indexes, [0, 1]);
    let mut foreign = message(1, 3, EventType::ApprovalGranted);
    foreign
        .attributes
        .insert(semconv::REQUESTER.to_owned(), "mallory".to_owned());
    let refused = create(&mut client, foreign).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason_of(&refused), Some(ErrorReason::TraceMismatch));
}

#[tokio::test]
async fn every_event_that_does_not_fit_a_line_is_named() {
    let service = Service::start();
    let mut client = service.part(PartName::Approval);
    let event = |number: u128, bytes| {
        let mut event = message(1, number, EventType::ApprovalGranted);
        event.attributes.insert("note".to_owned(), "x".repeat(bytes));
        event
    };
    let events = vec![event(1, 70_000), event(2, 10), event(3, 80_000)];
    let batch = client
        .batch_create_events(wire::BatchCreateEventsRequest { events })
        .await;
    let single = create(&mut client, event(1, 70_000)).await;
    for (refused, paths) in [
        (batch.unwrap_err(), vec!["events[0]", "events[2]"]),
        (single.unwrap_err(), vec!["event"]),
    ] {
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(reason_of(&refused), Some(ErrorReason::InvalidFields));
        let violations = refused.get_details_bad_request().unwrap().field_violations;
        let named: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(named, paths);
    }
}

#[tokio::test]
async fn a_trace_is_its_requesters_and_its_auditors_and_nobody_elses() {
    let service = recorded().await;
    let get = |mut client: Client| async move {
        let request = wire::GetTraceRequest { name: name(0) };
        client
            .get_trace(request)
            .await
            .map(|response| response.into_inner().trace.unwrap())
    };
    let own = get(service.person(requester(0))).await.unwrap();
    assert_eq!((own.event_count, own.closed), (4, true));
    assert_eq!(own.last_event_type, "approval.closed");
    assert_eq!(own.requester, testing::owner(0).requester);
    let forwarded = service.client(Principal::Service(PartName::Orchestrator), Some(requester(0)));
    assert_eq!(get(forwarded).await.unwrap(), own);
    assert_eq!(get(service.person(auditor("acme"))).await.unwrap(), own);
    let elsewhere = Person {
        issuer: "https://elsewhere".to_owned(),
        ..requester(0)
    };
    let other_tenant = Person {
        tenant: "other".to_owned(),
        ..requester(0)
    };
    for stranger in [requester(1), auditor("other"), elsewhere, other_tenant] {
        let refused = get(service.person(stranger)).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
        assert_eq!(reason_of(&refused), Some(ErrorReason::TraceNotFound));
    }
    let nobody = service.part(PartName::Orchestrator);
    assert_eq!(
        reason_of(&get(nobody).await.unwrap_err()),
        Some(ErrorReason::SubjectMissing)
    );
}

#[tokio::test]
async fn traces_are_listed_in_pages_that_belong_to_their_listing() {
    let service = recorded().await;
    let mut client = service.person(auditor("acme"));
    let mut names = Vec::new();
    let mut request = wire::ListTracesRequest {
        page_size: 2,
        ..wire::ListTracesRequest::default()
    };
    loop {
        let page = client.list_traces(request.clone()).await.unwrap().into_inner();
        names.extend(page.traces.into_iter().map(|trace| trace.name));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(names, [name(2), name(1), name(0)]);
    request.filter = "closed = true".to_owned();
    let refused = client.list_traces(request.clone()).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(ErrorReason::InvalidPageToken));
    request.page_token.clear();
    let closed = client.list_traces(request).await.unwrap().into_inner();
    assert_eq!(closed.traces.len(), 1);
    let own = service
        .person(requester(1))
        .list_traces(wire::ListTracesRequest::default())
        .await;
    assert_eq!(own.unwrap().into_inner().traces.len(), 1);
}

#[tokio::test]
async fn events_come_in_order_filtered_and_with_content_when_asked() {
    let service = recorded().await;
    let mut client = service.person(requester(0));
    let page = client.list_events(list_events(name(0))).await.unwrap().into_inner();
    let types: Vec<_> = page.events.iter().map(|event| event.r#type.as_str()).collect();
    assert_eq!(
        types,
        [
            "approval.granted",
            "execution.started",
            "approval.closed",
            "trace.closed"
        ]
    );
    assert!(page.events.iter().all(|event| event.content.is_none()));
    for event in &page.events {
        let leaf = Leaf::of(&event.line);
        assert_eq!(event.receipt.as_ref().unwrap().leaf_hash, leaf.as_bytes());
    }
    let mut request = list_events("traces/-");
    request.filter = "producer = executor-svc".to_owned();
    request.include_content = true;
    let page = client.list_events(request).await.unwrap().into_inner();
    assert_eq!(page.events.len(), 1);
    assert_eq!(page.events[0].content.as_ref().unwrap().data, "grüße №1 👍".as_bytes());
    let refused = client.list_events(list_events(name(1))).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(ErrorReason::TraceNotFound));
}

#[tokio::test]
async fn large_content_comes_back_in_answers_of_a_bearable_size() {
    let service = Service::start();
    let mut approval = service.part(PartName::Approval);
    for number in 0..3 {
        let mut event = message(0, number, EventType::ApprovalGranted);
        event.content.as_mut().unwrap().data = vec![0xfe; 2_500_000];
        create(&mut approval, event).await.unwrap();
    }
    let mut client = service.person(requester(0));
    let mut request = list_events("traces/-");
    request.include_content = true;
    let mut pages = 0;
    loop {
        let page = client.list_events(request.clone()).await.unwrap().into_inner();
        assert_eq!(page.events.len(), 1);
        assert_eq!(page.events[0].content.as_ref().unwrap().data.len(), 2_500_000);
        pages += 1;
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(pages, 3);
}

#[tokio::test]
async fn exports_hold_what_the_caller_may_see() {
    let service = recorded().await;
    let export = |person: Person, parent: String, format: Format| {
        let mut client = service.person(person);
        async move {
            let request = wire::ExportEventsRequest {
                parent,
                format: format as i32,
                filter: String::new(),
            };
            let pieces: Vec<_> = client.export_events(request).await?.into_inner().try_collect().await?;
            let bytes = pieces.into_iter().flat_map(|piece| piece.data).collect();
            Ok::<_, Status>(String::from_utf8(bytes).unwrap())
        }
    };
    let own = export(requester(1), "traces/-".to_owned(), Format::Jsonl)
        .await
        .unwrap();
    assert_eq!(own.lines().count(), 2);
    assert!(own.lines().all(|line| Line::parse(line.as_bytes()).is_ok()));
    let all = export(auditor("acme"), "traces/-".to_owned(), Format::Csv)
        .await
        .unwrap();
    assert_eq!(all.lines().count(), 9);
    let foreign = export(requester(1), name(0), Format::Jsonl).await.unwrap_err();
    assert_eq!(reason_of(&foreign), Some(ErrorReason::TraceNotFound));
    let formless = export(requester(1), name(1), Format::Unspecified).await.unwrap_err();
    assert_eq!(reason_of(&formless), Some(ErrorReason::InvalidFields));
}
