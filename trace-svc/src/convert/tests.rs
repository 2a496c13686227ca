//! Malformed events are refused with everything that is wrong with them; what a producer may not write, too.

use tonic::Code;
use tonic_types::StatusExt as _;

use chassis::fault::reason_of;
use proto::common::v1::ErrorReason;

use crate::testing;

use super::*;

/// A well-formed event on the wire.
pub(crate) fn message(kind: EventType) -> wire::NewEvent {
    let event = testing::typed(1, 1, kind);
    wire::NewEvent {
        event_id: event.event_id.to_string(),
        trace_id: event.trace_id.to_string(),
        r#type: kind.as_str().to_owned(),
        occur_time: Some(chassis::time::to_proto(event.occurred_at)),
        actor: Some(wire::Actor {
            r#type: "service".to_owned(),
            id: event.actor.id,
        }),
        risk: risk_to_proto(event.risk),
        action_digest: event.action_digest.unwrap_or_default(),
        attributes: event.attrs,
        content: event.content.map(|content| wire::Content {
            media_type: content.media_type,
            data: content.data,
        }),
    }
}

fn create(message: wire::NewEvent, producer: PartName) -> Result<NewEvent, Status> {
    create_event(wire::CreateEventRequest { event: Some(message) }, producer)
}

#[test]
fn a_well_formed_event_is_read_as_it_was_meant() {
    let read = create(message(EventType::ApprovalGranted), PartName::Approval).unwrap();
    assert_eq!(read, testing::event(1, 1));
}

#[test]
fn each_type_is_taken_from_its_producer_alone() {
    for kind in EventType::ALL {
        for producer in PartName::ALL {
            let answer = create(message(kind), producer);
            let own = kind.producer() == producer && producer != PartName::Trace;
            assert_eq!(answer.is_ok(), own, "{kind} of {producer}");
            if let Err(status) = answer {
                assert_eq!(status.code(), Code::PermissionDenied);
                assert_eq!(reason_of(&status), Some(ErrorReason::EventTypeNotAllowed));
            }
        }
    }
    let unknown = wire::NewEvent {
        r#type: "approval.imagined".to_owned(),
        ..message(EventType::ApprovalGranted)
    };
    let status = create(unknown, PartName::Approval).unwrap_err();
    assert_eq!(reason_of(&status), Some(ErrorReason::EventTypeNotAllowed));
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let status = create(wire::NewEvent::default(), PartName::Approval).unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let fields: Vec<_> = status
        .get_details_bad_request()
        .unwrap()
        .field_violations
        .into_iter()
        .map(|violation| violation.field)
        .collect();
    let expected = [
        "event.event_id",
        "event.trace_id",
        "event.type",
        "event.occur_time",
        "event.actor",
        "event.attributes[countersign.tenant]",
        "event.attributes[countersign.issuer]",
        "event.attributes[countersign.requester]",
    ];
    assert_eq!(fields, expected);
}

fn set(event: &mut wire::NewEvent, key: &str) {
    event.attributes.insert(key.to_owned(), "true".to_owned());
}

#[test]
fn single_faults_are_found() {
    let faults: [fn(&mut wire::NewEvent); 14] = [
        |event| event.event_id = "1".to_owned(),
        |event| event.trace_id = "0".repeat(32),
        |event| event.trace_id = "AB".repeat(16),
        |event| event.occur_time.as_mut().unwrap().seconds = -1,
        |event| event.occur_time.as_mut().unwrap().seconds = 253_402_300_800,
        |event| event.occur_time.as_mut().unwrap().nanos = 1_000_000_000,
        |event| event.actor.as_mut().unwrap().r#type = "robot".to_owned(),
        |event| event.actor.as_mut().unwrap().id = String::new(),
        |event| event.risk = 9,
        |event| event.action_digest = "sha256:12".to_owned(),
        |event| set(event, "countersign.late"),
        |event| set(event, "a b"),
        |event| event.content.as_mut().unwrap().media_type = "text/plain\r\nx".to_owned(),
        |event| event.content.as_mut().unwrap().data = vec![0; MAX_CONTENT_BYTES + 1],
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let mut event = message(EventType::ApprovalGranted);
        fault(&mut event);
        let status = create(event, PartName::Approval).unwrap_err();
        assert_eq!(reason_of(&status), Some(ErrorReason::InvalidFields), "fault {number}");
        assert_eq!(
            status.get_details_bad_request().unwrap().field_violations.len(),
            1,
            "fault {number}"
        );
    }
}

#[test]
fn batches_have_a_size() {
    for count in [0, MAX_EVENTS + 1] {
        let events = vec![message(EventType::ApprovalGranted); count];
        let status = batch_create_events(wire::BatchCreateEventsRequest { events }, PartName::Approval);
        assert_eq!(reason_of(&status.unwrap_err()), Some(ErrorReason::InvalidFields));
    }
}

#[test]
fn names_and_filters_are_checked() {
    for bad in [
        "",
        "traces/",
        "traces/-",
        "traces/xyz",
        "runs/4bf92f3577b34da6a3ce929d0e0e4736",
    ] {
        let request = wire::GetTraceRequest { name: bad.to_owned() };
        assert_eq!(get_trace(&request).unwrap_err().code(), Code::InvalidArgument, "{bad}");
    }
    let scope = || Scope::Tenant("acme".to_owned());
    for bad in ["type = x", "risk = PINK", "producer = me", "colour = red", "type"] {
        let mut violations = Violations::new(DOMAIN);
        event_query(&mut violations, scope(), "traces/-", bad);
        assert!(!violations.is_empty(), "{bad}");
    }
    let mut violations = Violations::new(DOMAIN);
    let filter = "type = execution.started AND risk = RED AND producer = \"executor-svc\"";
    let query = event_query(&mut violations, scope(), "traces/-", filter);
    assert!(violations.is_empty());
    assert!(query.passes(EventType::ExecutionStarted, Some(Risk::Red)));
    assert!(!query.passes(EventType::ExecutionStarted, None));
    let filter = trace_filter(&mut violations, "closed = false AND requester = alice AND risk = AMBER");
    assert!(filter.passes(Some(Risk::Amber), "alice", false));
    assert!(!filter.passes(Some(Risk::Amber), "alice", true));
    trace_filter(&mut violations, "closed = maybe");
    assert!(!violations.is_empty());
}
