//! Exports: the log's exact lines, or a table for people, a bounded piece at a time.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::{Stream, stream};
use tonic::Status;

use chassis::{fault::to_status, semconv};
use proto::trace::v1::ExportEventsResponse;

use crate::{
    api::parse,
    error::TraceError,
    line::{Leaf, Line, LineContent},
    log::{Budget, EventQuery, MAX_LOOKS, Recorded, TraceLog},
};

/// Form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The exact lines, each ended by a newline: what can be verified.
    Jsonl,
    /// RFC 4180, for spreadsheets; cells that would run as a formula are neutralised.
    Csv,
}

/// How much of the log is in memory for one export.
const PIECE: Budget = Budget {
    looks: MAX_LOOKS,
    events: 512,
    bytes: 256 * 1024,
};

const HEADER: [&str; 22] = [
    "index",
    "event_id",
    "trace_id",
    "trace_seq",
    "trace_prev",
    "type",
    "occurred_at",
    "recorded_at",
    "producer",
    "actor_type",
    "actor_id",
    "risk",
    "action_digest",
    "tenant",
    "issuer",
    "requester",
    "attrs",
    "content_media_type",
    "content_text",
    "content_bytes",
    "content_sha256",
    "leaf_hash",
];

/// Where an export stands.
struct Progress<L> {
    log: Arc<L>,
    query: EventQuery,
    format: Format,
    piece: Budget,
    next: Option<u64>,
    until: u64,
    begun: bool,
}

/// Streams what `query` asks for, up to the log's end as it is now.
///
/// Nothing is read ahead: a slow reader costs one piece of memory, and no writer waits for it. Once the reader has gone,
/// nothing more is looked for.
pub fn export<L: TraceLog>(
    log: Arc<L>,
    query: EventQuery,
    format: Format,
) -> impl Stream<Item = Result<ExportEventsResponse, Status>> + Send {
    export_in(PIECE, log, query, format)
}

fn export_in<L: TraceLog>(
    piece: Budget,
    log: Arc<L>,
    query: EventQuery,
    format: Format,
) -> impl Stream<Item = Result<ExportEventsResponse, Status>> + Send {
    let until = log.end();
    let start = Progress {
        log,
        query,
        format,
        piece,
        next: Some(0),
        until,
        begun: false,
    };
    stream::try_unfold(start, |progress| async move {
        let piece = progress.piece().await.map_err(|error| to_status(&error))?;
        Ok(piece.map(|(data, progress)| (ExportEventsResponse { data }, progress)))
    })
}

// === impl Progress ===

impl<L: TraceLog> Progress<L> {
    /// The next piece that isn't empty.
    async fn piece(mut self) -> Result<Option<(Vec<u8>, Self)>, TraceError> {
        while let Some(from) = self.next {
            let page = self.log.events(&self.query, from, self.until, self.piece).await?;
            let data = match self.format {
                Format::Jsonl => jsonl(&page.events),
                Format::Csv => csv(&page.events, !self.begun)?,
            };
            self.next = page.next;
            self.begun = true;
            if !data.is_empty() {
                return Ok(Some((data, self)));
            }
        }
        Ok(None)
    }
}

fn jsonl(events: &[Recorded]) -> Vec<u8> {
    let mut data = Vec::with_capacity(events.iter().map(|event| event.bytes.len() + 1).sum());
    for event in events {
        data.extend_from_slice(&event.bytes);
        data.push(b'\n');
    }
    data
}

fn csv(events: &[Recorded], with_header: bool) -> Result<Vec<u8>, TraceError> {
    let mut table = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    // Writing to memory, the same number of cells in each record, can't fail.
    let failed = |_| TraceError::Interrupted;
    if with_header {
        table.write_record(HEADER).map_err(failed)?;
    }
    for event in events {
        let cells = record(&parse(event)?, Leaf::of(&event.bytes));
        table.write_record(cells.map(neutral)).map_err(failed)?;
    }
    table.into_inner().map_err(|_| TraceError::Interrupted)
}

fn record(line: &Line, leaf: Leaf) -> [String; HEADER.len()] {
    let attr = |key: &str| line.attrs.get(key).cloned().unwrap_or_default();
    let [media_type, text, bytes, sha256] = content(line.content.as_ref());
    [
        line.index.to_string(),
        line.event_id.to_string(),
        line.trace_id.to_string(),
        line.trace_seq.to_string(),
        line.trace_prev.map_or_else(String::new, |leaf| leaf.to_string()),
        line.kind.to_string(),
        chassis::time::rfc3339(line.occurred_at),
        chassis::time::rfc3339(line.recorded_at),
        line.producer.to_string(),
        line.actor.kind.as_str().to_owned(),
        line.actor.id.clone(),
        line.risk.map_or_else(String::new, |risk| risk.to_string()),
        line.action_digest.clone().unwrap_or_default(),
        attr(semconv::TENANT),
        attr(semconv::ISSUER),
        attr(semconv::REQUESTER),
        serde_json::to_string(&line.attrs).unwrap_or_default(),
        media_type,
        text,
        bytes,
        sha256,
        leaf.to_string(),
    ]
}

fn content(content: Option<&LineContent>) -> [String; 4] {
    match content {
        None => Default::default(),
        Some(LineContent::Inline { media_type, text }) => {
            [media_type.clone(), text.clone(), text.len().to_string(), String::new()]
        }
        Some(LineContent::Blob {
            media_type,
            bytes,
            sha256,
        }) => [media_type.clone(), String::new(), bytes.to_string(), sha256.to_string()],
    }
}

/// A cell that a spreadsheet shows rather than runs: one that begins like a formula gets an apostrophe in front.
fn neutral(cell: String) -> String {
    let like_a_formula = |first: char| {
        matches!(
            first,
            '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'
        )
    };
    if cell.starts_with(like_a_formula) {
        format!("'{cell}")
    } else {
        cell
    }
}
