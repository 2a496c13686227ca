//! Between the contract's messages and the log's types. Everything that is wrong with a request is said at once.

#[cfg(test)]
pub(crate) mod tests;

use std::time::{Duration, SystemTime};

use tonic::Status;

use chassis::{PartName, Violations, events::MAX_EVENTS, fault::to_status, filter, semconv};
use proto::trace::v1 as wire;
use warrant::Risk;

use crate::{
    error::{DOMAIN, LineTooLarge, TraceError},
    event::{Actor, ActorType, Content, EventType, MAX_CONTENT_BYTES, NewEvent, Receipt, TraceId},
    export::Format,
    line::{Leaf, Line, OWN_ATTRS},
    log::{EventQuery, Recorded, Scope, TraceFilter, TraceSummary},
};

const MAX_ID_BYTES: usize = 1024;
/// `issuer#subject`, and some.
const MAX_ACTOR_BYTES: usize = 4 * 1024;
const MAX_KEY_BYTES: usize = 128;
const MAX_MEDIA_TYPE_BYTES: usize = 255;
/// 9999-12-30: the last day that the form of the line can hold in every time zone.
const LAST_SECOND: u64 = 253_402_128_000;
const ALL_TRACES: &str = "-";

/// The event of a `CreateEvent`.
pub fn create_event(request: wire::CreateEventRequest, producer: PartName) -> Result<NewEvent, Status> {
    let mut violations = Violations::new(DOMAIN);
    let Some(message) = request.event else {
        violations.add("event", "is required");
        return Err(refuse(violations));
    };
    let parsed = new_event(&mut violations, "event", message);
    violations.check()?;
    allowed(parsed, producer)
}

/// The events of a `BatchCreateEvents`.
pub fn batch_create_events(
    request: wire::BatchCreateEventsRequest,
    producer: PartName,
) -> Result<Vec<NewEvent>, Status> {
    let mut violations = Violations::new(DOMAIN);
    if request.events.is_empty() || request.events.len() > MAX_EVENTS {
        violations.add("events", format!("must hold 1 to {MAX_EVENTS} events"));
        return Err(refuse(violations));
    }
    let mut parsed = Vec::with_capacity(request.events.len());
    for (position, message) in request.events.into_iter().enumerate() {
        parsed.push(new_event(&mut violations, &event_of_batch(position), message));
    }
    violations.check()?;
    parsed.into_iter().map(|event| allowed(event, producer)).collect()
}

/// The path of an event of a `BatchCreateEvents`.
pub fn event_of_batch(position: usize) -> String {
    format!("events[{position}]")
}

/// The answer to events that don't fit a line; `path` is that of the event at a place.
pub fn too_large(events: &[(usize, LineTooLarge)], path: fn(usize) -> String) -> Status {
    let mut violations = Violations::new(DOMAIN);
    for (place, error) in events {
        violations.add(path(*place), error.to_string());
    }
    refuse(violations)
}

/// The trace of a `GetTrace`.
pub fn get_trace(request: &wire::GetTraceRequest) -> Result<TraceId, Status> {
    let mut violations = Violations::new(DOMAIN);
    if let Some(Traces::One(id)) = traces(&mut violations, "name", &request.name) {
        return Ok(id);
    }
    if violations.is_empty() {
        violations.add("name", "must name one trace");
    }
    Err(refuse(violations))
}

/// The filter of a `ListTraces`.
pub fn trace_filter(violations: &mut Violations, text: &str) -> TraceFilter {
    let mut wanted = TraceFilter::default();
    for term in filter::parse(violations, "filter", text, &["risk", "requester", "closed"]) {
        match term.field.as_str() {
            "risk" => wanted.risk = risk_term(violations, &term.value),
            "requester" => wanted.requester = Some(term.value),
            "closed" => match term.value.parse() {
                Ok(closed) => wanted.closed = Some(closed),
                Err(_) => violations.add("filter", "`closed` must be `true` or `false`"),
            },
            _ => {}
        }
    }
    wanted
}

/// The query of a `ListEvents` or `ExportEvents`.
pub fn event_query(violations: &mut Violations, scope: Scope, parent: &str, filter: &str) -> EventQuery {
    let trace = match traces(violations, "parent", parent) {
        Some(Traces::One(id)) => Some(id),
        Some(Traces::All) | None => None,
    };
    let mut query = EventQuery {
        scope,
        trace,
        kind: None,
        risk: None,
        producer: None,
    };
    for term in filter::parse(violations, "filter", filter, &["type", "risk", "producer"]) {
        match term.field.as_str() {
            "risk" => query.risk = risk_term(violations, &term.value),
            "type" => {
                query.kind = EventType::from_name(&term.value);
                if query.kind.is_none() {
                    violations.add("filter", format!("there is no event type `{}`", term.value));
                }
            }
            "producer" => {
                query.producer = term.value.parse().ok();
                if query.producer.is_none() {
                    violations.add("filter", format!("there is no producer `{}`", term.value));
                }
            }
            _ => {}
        }
    }
    query
}

/// The query and form of an `ExportEvents`.
pub fn export_events(request: &wire::ExportEventsRequest, scope: Scope) -> Result<(EventQuery, Format), Status> {
    let mut violations = Violations::new(DOMAIN);
    let query = event_query(&mut violations, scope, &request.parent, &request.filter);
    let format = match request.format() {
        wire::export_events_request::Format::Jsonl => Some(Format::Jsonl),
        wire::export_events_request::Format::Csv => Some(Format::Csv),
        wire::export_events_request::Format::Unspecified => None,
    };
    if format.is_none() {
        violations.add("format", "must be `FORMAT_JSONL` or `FORMAT_CSV`");
    }
    violations.check()?;
    Ok((query, format.unwrap_or(Format::Jsonl)))
}

/// A receipt on the wire.
pub fn receipt_to_proto(receipt: Receipt) -> wire::Receipt {
    wire::Receipt {
        log: receipt.log,
        index: receipt.index,
        leaf_hash: receipt.leaf.to_vec(),
        duplicate: receipt.duplicate,
        record_time: Some(chassis::time::to_proto(receipt.recorded_at)),
    }
}

/// An entry on the wire, with its content if that was asked for.
pub fn event_to_proto(log: &str, line: Line, recorded: &Recorded, content: Option<Vec<u8>>) -> wire::Event {
    let receipt = Receipt {
        log: log.to_owned(),
        index: line.index,
        leaf: *Leaf::of(&recorded.bytes).as_bytes(),
        duplicate: false,
        recorded_at: line.recorded_at,
    };
    let media_type = line.content.as_ref().map(|content| content.media_type().to_owned());
    wire::Event {
        receipt: Some(receipt_to_proto(receipt)),
        line: recorded.bytes.clone(),
        event_id: line.event_id.to_string(),
        trace_id: line.trace_id.to_string(),
        trace_seq: line.trace_seq,
        r#type: line.kind.as_str().to_owned(),
        occur_time: Some(chassis::time::to_proto(line.occurred_at)),
        producer: line.producer.as_str().to_owned(),
        actor: Some(wire::Actor {
            r#type: line.actor.kind.as_str().to_owned(),
            id: line.actor.id,
        }),
        risk: risk_to_proto(line.risk),
        action_digest: line.action_digest.unwrap_or_default(),
        attributes: line.attrs,
        content: content
            .zip(media_type)
            .map(|(data, media_type)| wire::Content { media_type, data }),
    }
}

/// A trace on the wire.
pub fn trace_to_proto(trace: TraceSummary) -> wire::Trace {
    wire::Trace {
        name: format!("traces/{}", trace.id),
        tenant: trace.owner.tenant,
        issuer: trace.owner.issuer,
        requester: trace.owner.requester,
        create_time: Some(chassis::time::to_proto(trace.created_at)),
        update_time: Some(chassis::time::to_proto(trace.updated_at)),
        event_count: trace.event_count,
        closed: trace.closed,
        risk: risk_to_proto(trace.risk),
        last_event_type: trace.last_kind.as_str().to_owned(),
    }
}

fn risk_to_proto(risk: Option<Risk>) -> i32 {
    risk.map_or(0, |risk| chassis::convert::risk_to_proto(risk) as i32)
}

/// What a resource name stands for.
enum Traces {
    All,
    One(TraceId),
}

/// An event as its message says, with the name of its type: whether that type is allowed is another question.
struct Parsed {
    event: Option<NewEvent>,
    kind: String,
}

fn allowed(parsed: Parsed, producer: PartName) -> Result<NewEvent, Status> {
    let not_allowed = TraceError::TypeNotAllowed {
        kind: parsed.kind,
        producer: producer.as_str().to_owned(),
    };
    let event = parsed.event.filter(|event| event.kind.producer() == producer);
    // The log's own types come from the log, never from a request.
    let event = event.filter(|event| event.kind.producer() != PartName::Trace);
    event.ok_or_else(|| to_status(&not_allowed))
}

/// Reads an event; without violations it is complete, unless its type is unknown.
fn new_event(violations: &mut Violations, at: &str, message: wire::NewEvent) -> Parsed {
    let mut own = Violations::new(DOMAIN);
    let event_id = own.uuid("event_id", &message.event_id);
    let trace_id = trace_id(&mut own, "trace_id", &message.trace_id);
    own.required("type", &message.r#type);
    let occurred_at = occur_time(&mut own, "occur_time", message.occur_time);
    let actor = actor(&mut own, message.actor);
    let risk = risk(&mut own, "risk", message.risk);
    let action_digest = digest(&mut own, "action_digest", message.action_digest);
    attributes(&mut own, &message.attributes);
    let content = content(&mut own, message.content);
    violations.add_within(at, own);
    let event =
        event_id
            .zip(trace_id)
            .zip(occurred_at)
            .zip(actor)
            .and_then(|(((event_id, trace_id), occurred_at), actor)| {
                Some(NewEvent {
                    event_id,
                    trace_id,
                    kind: EventType::from_name(&message.r#type)?,
                    occurred_at,
                    actor,
                    risk,
                    action_digest,
                    attrs: message.attributes,
                    content,
                })
            });
    Parsed {
        event,
        kind: message.r#type,
    }
}

fn trace_id(violations: &mut Violations, field: &str, text: &str) -> Option<TraceId> {
    let id = text.parse().ok().filter(|id| *id != TraceId::LOG);
    if id.is_none() {
        violations.add(field, "must be 32 lowercase hexadecimal digits, not all zero");
    }
    id
}

fn traces(violations: &mut Violations, field: &str, name: &str) -> Option<Traces> {
    let traces = match name.strip_prefix("traces/") {
        Some(ALL_TRACES) => Some(Traces::All),
        id => id.and_then(|id| id.parse().ok()).map(Traces::One),
    };
    if traces.is_none() {
        violations.add(field, "must be `traces/` and 32 lowercase hexadecimal digits");
    }
    traces
}

fn occur_time(violations: &mut Violations, field: &str, time: Option<prost_types::Timestamp>) -> Option<SystemTime> {
    let Some(time) = time else {
        violations.add(field, "is required");
        return None;
    };
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(LAST_SECOND);
    let time = chassis::time::from_proto(&time).filter(|time| *time <= last);
    if time.is_none() {
        violations.add(field, "must be a time from 1970 to 9999");
    }
    time
}

fn actor(violations: &mut Violations, actor: Option<wire::Actor>) -> Option<Actor> {
    let Some(actor) = actor else {
        violations.add("actor", "is required");
        return None;
    };
    let kind = ActorType::from_name(&actor.r#type);
    if kind.is_none() {
        violations.add("actor.type", "must be `person`, `service` or `policy`");
    }
    violations.required("actor.id", &actor.id);
    violations.max_bytes("actor.id", &actor.id, MAX_ACTOR_BYTES);
    Some(Actor {
        kind: kind?,
        id: actor.id,
    })
}

fn risk(violations: &mut Violations, field: &str, value: i32) -> Option<Risk> {
    let risk = chassis::convert::risk_from_proto(value);
    if risk.is_none() && value != 0 {
        violations.add(field, "is unknown");
    }
    risk
}

fn risk_term(violations: &mut Violations, value: &str) -> Option<Risk> {
    let risk = value.parse().ok();
    if risk.is_none() {
        violations.add("filter", "`risk` must be `GREEN`, `AMBER` or `RED`");
    }
    risk
}

fn digest(violations: &mut Violations, field: &str, text: String) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    let lowercase = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if digits.len() != 64 || !lowercase {
        violations.add(field, "must be `sha256:` and 64 lowercase hexadecimal digits");
    }
    Some(text)
}

fn attributes(violations: &mut Violations, attributes: &std::collections::BTreeMap<String, String>) {
    let field = |key: &str| format!("attributes[{key}]");
    for key in [semconv::TENANT, semconv::ISSUER, semconv::REQUESTER] {
        let value = attributes.get(key).map_or("", String::as_str);
        if value.is_empty() || value.len() > MAX_ID_BYTES {
            violations.required(&field(key), value);
            violations.max_bytes(&field(key), value, MAX_ID_BYTES);
        }
    }
    for key in attributes.keys() {
        if OWN_ATTRS.contains(&key.as_str()) || key == semconv::EVENT_COUNT {
            violations.add(field(key), "is set by the log alone");
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if key.is_empty() || key.len() > MAX_KEY_BYTES || !key.bytes().all(plain) {
            let rule = format!("must be 1 to {MAX_KEY_BYTES} of A-Z a-z 0-9 . _ -");
            violations.add(field(&key.escape_debug().to_string()), rule);
        }
    }
}

fn content(violations: &mut Violations, content: Option<wire::Content>) -> Option<Content> {
    let content = content?;
    violations.required("content.media_type", &content.media_type);
    violations.max_bytes("content.media_type", &content.media_type, MAX_MEDIA_TYPE_BYTES);
    if content.media_type.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
        violations.add("content.media_type", "must be printable ASCII");
    }
    if content.data.len() > MAX_CONTENT_BYTES {
        let size = content.data.len();
        let description = format!("has {size} bytes, more than the {MAX_CONTENT_BYTES} allowed");
        violations.add("content.data", description);
    }
    Some(Content {
        media_type: content.media_type,
        data: content.data,
    })
}

/// The status of violations of which there is at least one.
fn refuse(violations: Violations) -> Status {
    violations
        .check()
        .err()
        .unwrap_or_else(|| Status::internal("no violation"))
}
