//! The line: the exact bytes in which an event is recorded, for ever.
//!
//! A line is one JSON object in UTF-8, at most 65,535 bytes, without insignificant whitespace, its keys in a fixed
//! order, all of them always there:
//!
//! | key | value |
//! |---|---|
//! | `v` | the number 1 |
//! | `index` | position in the log, dense from 0; a string, as every 64-bit integer is |
//! | `event_id` | UUID |
//! | `trace_id` | 32 lowercase hexadecimal digits |
//! | `trace_seq` | position in the trace, from 1; a string |
//! | `trace_prev` | leaf hash of the trace's previous event, 64 lowercase hexadecimal digits; `""` in the first |
//! | `type` | such as `approval.granted` |
//! | `occurred_at` | by the producer's clock; RFC 3339, UTC, nine fractional digits |
//! | `recorded_at` | by the log's clock, never decreasing along the log; the same form |
//! | `producer` | the service whose credential sent it |
//! | `actor` | `{"type","id"}` |
//! | `risk` | `"GREEN"`, `"AMBER"`, `"RED"` or `null` |
//! | `action_digest` | `"sha256:<hex>"` or `null` |
//! | `attrs` | an object of strings, sorted by key |
//! | `content` | `{"media_type","text"}`, `{"media_type","bytes","sha256"}` for what is kept in a blob, or `null` |
//!
//! Its leaf hash is SHA-256(0x00 ‖ line), as in RFC 6962. Lines are written by construction, never canonicalised;
//! [`Line::parse`] accepts only bytes that [`Line::encode`] would write again.

mod fields;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use chassis::{part::PartName, semconv};
use warrant::Risk;

use crate::event::{Actor, EventType, TraceId};

/// Attribute that names what was redacted: `place:rule`, comma separated. Only the log sets it.
pub const REDACTIONS: &str = "countersign.redactions";

/// Attributes that only the log sets; they are no part of what a producer says.
pub const OWN_ATTRS: [&str; 2] = [REDACTIONS, semconv::LATE];

/// What a line takes besides the texts of its event: keys, ids, times, hashes, and what the log may have to add.
const FRAME: usize = 1024;
/// What an attribute takes besides its key and value.
const PUNCTUATION: usize = 6;

/// RFC 6962 leaf hash of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf([u8; 32]);

/// What stands in a line's `content`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LineContent {
    /// Small text, in the line itself.
    Inline {
        /// Media type.
        media_type: String,
        /// The text.
        text: String,
    },
    /// Anything else: a file named by its SHA-256.
    Blob {
        /// Media type.
        media_type: String,
        /// Size.
        #[serde(with = "fields::decimal")]
        bytes: u64,
        /// SHA-256, 64 lowercase hexadecimal digits.
        sha256: BlobId,
    },
}

/// Names a blob: the SHA-256 of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobId(pub(crate) [u8; 32]);

/// An event ready for the log, redacted, its content placed: a line without its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Id of the event.
    pub event_id: Uuid,
    /// Its trace.
    pub trace_id: TraceId,
    /// Its type.
    pub kind: EventType,
    /// When it happened.
    pub occurred_at: SystemTime,
    /// Who did it.
    pub actor: Actor,
    /// The risk of the action.
    pub risk: Option<Risk>,
    /// Digest of the action.
    pub action_digest: Option<String>,
    /// Facts about it.
    pub attrs: BTreeMap<String, String>,
    /// Its content.
    pub content: Option<LineContent>,
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Index in the log.
    pub index: u64,
    /// Position in the trace, from 1.
    pub trace_seq: u64,
    /// Leaf hash of the trace's previous event.
    pub trace_prev: Option<Leaf>,
    /// When it is recorded.
    pub recorded_at: SystemTime,
}

/// An event as it is recorded. The order of the fields is the order in the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    #[serde(rename = "v")]
    version: fields::Version,
    /// Index in the log.
    #[serde(with = "fields::decimal")]
    pub index: u64,
    /// Id of the event.
    pub event_id: Uuid,
    /// Its trace.
    pub trace_id: TraceId,
    /// Position in the trace, from 1.
    #[serde(with = "fields::decimal")]
    pub trace_seq: u64,
    /// Leaf hash of the trace's previous event.
    #[serde(with = "fields::previous")]
    pub trace_prev: Option<Leaf>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When it happened, by the producer's clock.
    #[serde(with = "fields::time")]
    pub occurred_at: SystemTime,
    /// When it was recorded, by the log's clock.
    #[serde(with = "fields::time")]
    pub recorded_at: SystemTime,
    /// Who sent it.
    #[serde(with = "fields::part")]
    pub producer: PartName,
    /// Who did it.
    pub actor: Actor,
    /// The risk of the action.
    pub risk: Option<Risk>,
    /// Digest of the action.
    pub action_digest: Option<String>,
    /// Facts about it.
    pub attrs: BTreeMap<String, String>,
    /// Its content.
    pub content: Option<LineContent>,
}

/// Why bytes are not a line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Not JSON, or not these fields.
    #[error("it is no line of this format")]
    Malformed(#[source] serde_json::Error),
    /// The right fields in another form: whitespace, order, spelling.
    #[error("it is not in the exact form that the log writes")]
    NotExact,
}

// === impl Leaf ===

impl Leaf {
    /// The leaf hash of these exact bytes.
    pub fn of(line: &[u8]) -> Self {
        Self(Sha256::new().chain_update([0]).chain_update(line).finalize().into())
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

// === impl LineContent ===

impl LineContent {
    /// The media type.
    pub fn media_type(&self) -> &str {
        match self {
            Self::Inline { media_type, .. } | Self::Blob { media_type, .. } => media_type,
        }
    }

    fn digest(&self) -> BlobId {
        match self {
            Self::Inline { text, .. } => BlobId::of(text.as_bytes()),
            Self::Blob { sha256, .. } => *sha256,
        }
    }
}

// === impl BlobId ===

impl BlobId {
    /// The name of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

// === impl Draft ===

impl Draft {
    /// About how many bytes its line takes; with every byte escaped six times that, never more.
    pub fn about_line_bytes(&self) -> usize {
        let attrs = self
            .attrs
            .iter()
            .map(|(key, value)| key.len() + value.len() + PUNCTUATION);
        let content = match &self.content {
            Some(LineContent::Inline { media_type, text }) => media_type.len() + text.len(),
            Some(LineContent::Blob { media_type, .. }) => media_type.len(),
            None => 0,
        };
        let digest = self.action_digest.as_ref().map_or(0, String::len);
        FRAME + attrs.sum::<usize>() + self.actor.id.len() + digest + content
    }

    /// The most bytes that this event's line can take, wherever it ends up in the log, with room for what the log may
    /// have to add: whether an event fits never depends on when it arrives.
    pub fn max_line_bytes(&self) -> usize {
        let mut line = Line::new(self.clone(), Position::WIDEST);
        line.attrs.insert(semconv::LATE.to_owned(), "true".to_owned());
        line.attrs
            .entry(semconv::EVENT_COUNT.to_owned())
            .or_insert_with(|| u64::MAX.to_string());
        line.encode().len()
    }
}

// === impl Position ===

impl Position {
    const WIDEST: Self = Self {
        index: u64::MAX,
        trace_seq: u64::MAX,
        trace_prev: Some(Leaf([0xff; 32])),
        recorded_at: SystemTime::UNIX_EPOCH,
    };
}

// === impl Line ===

impl Line {
    /// Gives an event its place.
    pub fn new(draft: Draft, position: Position) -> Self {
        Self {
            version: fields::Version,
            index: position.index,
            event_id: draft.event_id,
            trace_id: draft.trace_id,
            trace_seq: position.trace_seq,
            trace_prev: position.trace_prev,
            producer: draft.kind.producer(),
            kind: draft.kind,
            occurred_at: draft.occurred_at,
            recorded_at: position.recorded_at,
            actor: draft.actor,
            risk: draft.risk,
            action_digest: draft.action_digest,
            attrs: draft.attrs,
            content: draft.content,
        }
    }

    /// The exact bytes, without a newline.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1024);
        self.encode_to(&mut bytes);
        bytes
    }

    /// Appends the exact bytes, without a newline.
    pub fn encode_to(&self, bytes: &mut Vec<u8>) {
        let written = serde_json::to_writer(bytes, self);
        debug_assert!(written.is_ok(), "strings, numbers and maps of strings always serialise");
    }

    /// Reads a line. Only the exact bytes that [`encode`](Self::encode) writes are accepted.
    pub fn parse(bytes: &[u8]) -> Result<Self, LineError> {
        let line: Self = serde_json::from_slice(bytes).map_err(LineError::Malformed)?;
        let exact = line.producer == line.kind.producer() && line.encode() == bytes;
        exact.then_some(line).ok_or(LineError::NotExact)
    }

    /// Whether the line records exactly this event. What the log adds by itself doesn't count.
    pub fn records(&self, draft: &Draft) -> bool {
        self.event_id == draft.event_id
            && self.trace_id == draft.trace_id
            && self.kind == draft.kind
            && self.occurred_at == draft.occurred_at
            && self.actor == draft.actor
            && self.risk == draft.risk
            && self.action_digest == draft.action_digest
            && said(&self.attrs).eq(said(&draft.attrs))
            && same_content(self.content.as_ref(), draft.content.as_ref())
    }
}

fn said(attrs: &BTreeMap<String, String>) -> impl Iterator<Item = (&String, &String)> {
    attrs.iter().filter(|(key, _)| !OWN_ATTRS.contains(&key.as_str()))
}

fn same_content(left: Option<&LineContent>, right: Option<&LineContent>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => left.media_type() == right.media_type() && left.digest() == right.digest(),
        (None, None) => true,
        _ => false,
    }
}
