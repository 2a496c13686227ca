//! What an event is before it has a place in the log, and who may write which type.

use std::{collections::BTreeMap, fmt, str::FromStr, time::SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use chassis::{part::PartName, semconv};
use warrant::Risk;

/// The longest line, in bytes without its newline: what an RFC 6962 entry bundle can hold.
pub const MAX_LINE_BYTES: usize = 65_535;
/// The largest content of an event: with its line it still fits one answer.
pub const MAX_CONTENT_BYTES: usize = 3 * 1024 * 1024;

/// Identifies a trace, which is a run: 32 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId([u8; 16]);

/// A text that is no trace id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 lowercase hexadecimal digits")]
pub struct InvalidTraceId;

/// The type of an event. The set is closed, and each type has one producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// `request.received`
    RequestReceived,
    /// `request.classified`
    RequestClassified,
    /// `approval.requested`
    ApprovalRequested,
    /// `approval.voted`
    ApprovalVoted,
    /// `approval.granted`
    ApprovalGranted,
    /// `approval.denied`
    ApprovalDenied,
    /// `approval.expired`
    ApprovalExpired,
    /// `approval.cancelled`
    ApprovalCancelled,
    /// `approval.revoked`
    ApprovalRevoked,
    /// `execution.unknown`
    ExecutionUnknown,
    /// `approval.closed`
    ApprovalClosed,
    /// `execution.started`
    ExecutionStarted,
    /// `execution.finished`
    ExecutionFinished,
    /// `execution.failed`
    ExecutionFailed,
    /// `tool.requested`
    ToolRequested,
    /// `tool.decided`
    ToolDecided,
    /// `trace.closed`
    TraceClosed,
    /// `log.recovered`
    LogRecovered,
    /// `governance.violation`
    GovernanceViolation,
}

/// Kind of an [`Actor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActorType {
    /// A person, named `issuer#subject`.
    Person,
    /// A part of Countersign, by its name.
    Service,
    /// A policy, by its digest.
    Policy,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// What kind of actor.
    #[serde(rename = "type")]
    pub kind: ActorType,
    /// Its name.
    pub id: String,
}

/// Text or bytes that belong to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Media type, such as `text/plain; charset=utf-8`.
    pub media_type: String,
    /// The bytes.
    pub data: Vec<u8>,
}

/// An event as its producer sent it, checked for form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Chosen by the producer; makes the event idempotent.
    pub event_id: Uuid,
    /// The trace it belongs to.
    pub trace_id: TraceId,
    /// What happened.
    pub kind: EventType,
    /// When, by the producer's clock.
    pub occurred_at: SystemTime,
    /// Who did it.
    pub actor: Actor,
    /// The risk of the action.
    pub risk: Option<Risk>,
    /// Digest of the action.
    pub action_digest: Option<String>,
    /// Facts about it.
    pub attrs: BTreeMap<String, String>,
    /// Text or bytes that belong to it.
    pub content: Option<Content>,
}

/// Whose run a trace is. Its first event fixes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Owner {
    /// The tenant.
    pub tenant: String,
    /// Issuer of the requester's token.
    pub issuer: String,
    /// Subject of the requester's token.
    pub requester: String,
}

/// The durable acknowledgement of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Name of the log.
    pub log: String,
    /// Index in the log, dense from 0.
    pub index: u64,
    /// Leaf hash of the line.
    pub leaf: [u8; 32],
    /// Whether the event had been recorded before.
    pub duplicate: bool,
    /// When it was recorded.
    pub recorded_at: SystemTime,
}

// === impl TraceId ===

impl TraceId {
    /// The trace of the log itself, all zero: it holds the `log.*` events, and no run can have it.
    pub const LOG: Self = Self([0; 16]);

    /// Takes an id as raw bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        warrant::write_hex(f, &self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

impl FromStr for TraceId {
    type Err = InvalidTraceId;

    fn from_str(text: &str) -> Result<Self, InvalidTraceId> {
        let lowercase = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidTraceId)?;
        lowercase.then_some(Self(bytes)).ok_or(InvalidTraceId)
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

// === impl EventType ===

impl EventType {
    /// Every type.
    pub const ALL: [Self; 19] = [
        Self::RequestReceived,
        Self::RequestClassified,
        Self::ApprovalRequested,
        Self::ApprovalVoted,
        Self::ApprovalGranted,
        Self::ApprovalDenied,
        Self::ApprovalExpired,
        Self::ApprovalCancelled,
        Self::ApprovalRevoked,
        Self::ExecutionUnknown,
        Self::ApprovalClosed,
        Self::ExecutionStarted,
        Self::ExecutionFinished,
        Self::ExecutionFailed,
        Self::ToolRequested,
        Self::ToolDecided,
        Self::TraceClosed,
        Self::LogRecovered,
        Self::GovernanceViolation,
    ];

    /// The name in the line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestReceived => semconv::event::REQUEST_RECEIVED,
            Self::RequestClassified => semconv::event::REQUEST_CLASSIFIED,
            Self::ApprovalRequested => semconv::event::APPROVAL_REQUESTED,
            Self::ApprovalVoted => semconv::event::APPROVAL_VOTED,
            Self::ApprovalGranted => semconv::event::APPROVAL_GRANTED,
            Self::ApprovalDenied => semconv::event::APPROVAL_DENIED,
            Self::ApprovalExpired => semconv::event::APPROVAL_EXPIRED,
            Self::ApprovalCancelled => semconv::event::APPROVAL_CANCELLED,
            Self::ApprovalRevoked => semconv::event::APPROVAL_REVOKED,
            Self::ExecutionUnknown => semconv::event::EXECUTION_UNKNOWN,
            Self::ApprovalClosed => semconv::event::APPROVAL_CLOSED,
            Self::ExecutionStarted => semconv::event::EXECUTION_STARTED,
            Self::ExecutionFinished => semconv::event::EXECUTION_FINISHED,
            Self::ExecutionFailed => semconv::event::EXECUTION_FAILED,
            Self::ToolRequested => semconv::event::TOOL_REQUESTED,
            Self::ToolDecided => semconv::event::TOOL_DECIDED,
            Self::TraceClosed => semconv::event::TRACE_CLOSED,
            Self::LogRecovered => semconv::event::LOG_RECOVERED,
            Self::GovernanceViolation => "governance.violation",
        }
    }

    /// The one service that writes events of this type.
    pub const fn producer(self) -> PartName {
        match self {
            Self::ExecutionStarted
            | Self::ExecutionFinished
            | Self::ExecutionFailed
            | Self::ToolRequested
            | Self::ToolDecided => PartName::Executor,
            Self::TraceClosed | Self::LogRecovered | Self::GovernanceViolation => PartName::Trace,
            _ => PartName::Approval,
        }
    }

    /// The type of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| de::Error::custom(format_args!("unknown event type `{name}`")))
    }
}

// === impl ActorType ===

impl ActorType {
    /// The name in the line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
            Self::Policy => "policy",
        }
    }

    /// The type of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Person, Self::Service, Self::Policy]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

// === impl Owner ===

impl Owner {
    /// The owner that an event's attributes name; empty where they are missing.
    pub fn of(attrs: &BTreeMap<String, String>) -> Self {
        let value = |key: &str| attrs.get(key).cloned().unwrap_or_default();
        Self {
            tenant: value(semconv::TENANT),
            issuer: value(semconv::ISSUER),
            requester: value(semconv::REQUESTER),
        }
    }

    /// Whether an event's attributes name this owner.
    pub fn owns(&self, attrs: &BTreeMap<String, String>) -> bool {
        let is = |key: &str, value: &str| attrs.get(key).map_or("", String::as_str) == value;
        is(semconv::TENANT, &self.tenant)
            && is(semconv::ISSUER, &self.issuer)
            && is(semconv::REQUESTER, &self.requester)
    }

    /// The attributes that name this owner.
    pub fn attrs(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (semconv::TENANT.to_owned(), self.tenant.clone()),
            (semconv::ISSUER.to_owned(), self.issuer.clone()),
            (semconv::REQUESTER.to_owned(), self.requester.clone()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_name() {
        for kind in EventType::ALL {
            assert_eq!(EventType::from_name(kind.as_str()), Some(kind));
        }
        assert_eq!(EventType::from_name("approval.imagined"), None);
    }

    #[test]
    fn only_the_log_itself_writes_about_the_log() {
        for kind in EventType::ALL {
            let name = kind.as_str();
            let own = name.starts_with("trace.") || name.starts_with("log.") || name.starts_with("governance.");
            assert_eq!(kind.producer() == PartName::Trace, own, "{name}");
            if name.starts_with("approval.") || name.starts_with("request.") {
                assert_eq!(kind.producer(), PartName::Approval);
            }
        }
        assert_eq!(EventType::ExecutionUnknown.producer(), PartName::Approval);
        assert_eq!(EventType::ExecutionStarted.producer(), PartName::Executor);
    }

    #[test]
    fn a_trace_id_has_one_spelling() {
        let text = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(text.parse::<TraceId>().unwrap().to_string(), text);
        for bad in [
            "",
            "4bf9",
            "4BF92F3577B34DA6A3CE929D0E0E4736",
            "4bf92f3577b34da6a3ce929d0e0e473g",
        ] {
            assert!(bad.parse::<TraceId>().is_err(), "{bad}");
        }
    }
}
