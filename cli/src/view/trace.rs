//! Traces and their events as they are shown.

use std::collections::BTreeMap;

use proto::trace::v1::{self as trace};
use serde::Serialize;

use super::{Fields, risk, seconds, time};
use crate::{
    console::{Palette, Tone},
    escape,
    table::Table,
};

/// A trace as it is shown.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TraceView {
    pub(crate) name: String,
    pub(crate) tenant: String,
    pub(crate) issuer: String,
    pub(crate) requester: String,
    pub(crate) risk: String,
    pub(crate) event_count: u64,
    pub(crate) closed: bool,
    pub(crate) last_event_type: String,
    pub(crate) create_time: Option<String>,
    pub(crate) update_time: Option<String>,
}

/// An event as it is shown.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EventView {
    pub(crate) index: u64,
    pub(crate) leaf_hash: String,
    pub(crate) event_id: String,
    pub(crate) trace_id: String,
    pub(crate) trace_seq: u64,
    pub(crate) r#type: String,
    pub(crate) producer: String,
    pub(crate) actor_type: String,
    pub(crate) actor_id: String,
    pub(crate) risk: String,
    pub(crate) action_digest: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) occur_time: Option<String>,
    pub(crate) record_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<ContentView>,
}

/// Content as it is shown: text if it is text, hexadecimal digits otherwise.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ContentView {
    pub(crate) media_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data_hex: Option<String>,
}

/// Attributes that say what an event is about, in the order in which they are shown.
const TOLD: [(&str, &str); 6] = [
    ("countersign.outcome", "outcome"),
    ("countersign.mode", "mode"),
    ("countersign.rules", "rules"),
    ("countersign.warrant.jti", "warrant"),
    ("countersign.event_count", "events"),
    ("countersign.reason", "reason"),
];

/// A table of traces.
pub(crate) fn trace_table(traces: &[TraceView], palette: Palette) -> String {
    let mut table = Table::new(&[
        "TRACE",
        "RISK",
        "REQUESTER",
        "EVENTS",
        "CLOSED",
        "CREATED",
        "LAST EVENT",
    ]);
    for trace in traces {
        table.row(&[
            (&trace.name, None),
            (&trace.risk, Some(palette.word(&trace.risk))),
            (&escape::excerpt(&trace.requester, 20), None),
            (&trace.event_count.to_string(), None),
            (if trace.closed { "yes" } else { "no" }, None),
            (&seconds(trace.create_time.as_deref()), None),
            (&escape::one_line(&trace.last_event_type), None),
        ]);
    }
    table.into_text(palette)
}

/// A table of events.
pub(crate) fn event_table(events: &[EventView], palette: Palette) -> String {
    let mut table = Table::new(&["#", "INDEX", "RECORDED", "TYPE", "PRODUCER", "ACTOR", "DETAILS"]);
    for event in events {
        table.row(&[
            (&event.trace_seq.to_string(), None),
            (&event.index.to_string(), None),
            (&seconds(event.record_time.as_deref()), None),
            (&escape::one_line(&event.r#type), None),
            (&escape::one_line(&event.producer), None),
            (&event.actor(), None),
            (&event.details(), None),
        ]);
    }
    table.into_text(palette)
}

// === impl TraceView ===

impl From<trace::Trace> for TraceView {
    fn from(trace: trace::Trace) -> Self {
        Self {
            risk: risk(trace.risk()),
            name: trace.name,
            tenant: trace.tenant,
            issuer: trace.issuer,
            requester: trace.requester,
            event_count: trace.event_count,
            closed: trace.closed,
            last_event_type: trace.last_event_type,
            create_time: time(trace.create_time),
            update_time: time(trace.update_time),
        }
    }
}

impl TraceView {
    /// The heading above the events.
    pub(crate) fn heading(&self, palette: Palette) -> String {
        let closed = if self.closed { "closed" } else { "open" };
        format!(
            "{}  {}  {closed}, {} events, requested by {} of {}",
            palette.paint(Tone::Strong, &escape::one_line(&self.name)),
            palette.word(&self.risk),
            self.event_count,
            escape::one_line(&self.requester),
            escape::one_line(&self.tenant),
        )
    }
}

// === impl EventView ===

impl From<trace::Event> for EventView {
    fn from(event: trace::Event) -> Self {
        let risk = risk(event.risk());
        let receipt = event.receipt.unwrap_or_default();
        let actor = event.actor.unwrap_or_default();
        Self {
            risk,
            index: receipt.index,
            leaf_hash: hex::encode(&receipt.leaf_hash),
            record_time: time(receipt.record_time),
            event_id: event.event_id,
            trace_id: event.trace_id,
            trace_seq: event.trace_seq,
            r#type: event.r#type,
            producer: event.producer,
            actor_type: actor.r#type,
            actor_id: actor.id,
            action_digest: event.action_digest,
            attributes: event.attributes,
            occur_time: time(event.occur_time),
            content: event.content.map(ContentView::from),
        }
    }
}

impl EventView {
    fn actor(&self) -> String {
        // A person's id is `issuer#subject`, and a policy's a long digest: the end of the first and the start of the
        // second tell them apart.
        let name = match self.actor_type.as_str() {
            "person" => self.actor_id.rsplit('#').next().unwrap_or_default(),
            _ => &self.actor_id,
        };
        escape::excerpt(&format!("{} {name}", self.actor_type), 28)
    }

    fn details(&self) -> String {
        let told = TOLD.iter().filter_map(|(key, name)| {
            let value = self.attributes.get(*key).filter(|value| !value.is_empty())?;
            Some(format!("{name}={}", escape::excerpt(value, 60)))
        });
        told.collect::<Vec<_>>().join(" ")
    }

    /// The event's content below a heading, if it has some.
    pub(crate) fn content_text(&self, palette: Palette) -> Option<String> {
        let content = self.content.as_ref()?;
        let mut fields = Fields::new(palette);
        let shown = content
            .text
            .as_deref()
            .or(content.data_hex.as_deref())
            .unwrap_or_default();
        let name = format!(
            "{} {} ({})",
            self.trace_seq,
            escape::one_line(&self.r#type),
            escape::one_line(&content.media_type)
        );
        fields.add_block(&name, shown);
        Some(fields.into_text())
    }
}

// === impl ContentView ===

impl From<trace::Content> for ContentView {
    fn from(content: trace::Content) -> Self {
        match String::from_utf8(content.data) {
            Ok(text) => Self {
                media_type: content.media_type,
                text: Some(text),
                data_hex: None,
            },
            Err(error) => Self {
                media_type: content.media_type,
                text: None,
                data_hex: Some(hex::encode(error.as_bytes())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> trace::Event {
        trace::Event {
            receipt: Some(trace::Receipt {
                index: 41,
                leaf_hash: vec![0xAB, 0xCD],
                ..trace::Receipt::default()
            }),
            trace_seq: 3,
            r#type: "approval.granted".into(),
            producer: "approval-svc".into(),
            actor: Some(trace::Actor {
                r#type: "person".into(),
                id: "countersign/local#bob".into(),
            }),
            attributes: [("countersign.mode", "people"), ("countersign.tenant", "acme")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            content: Some(trace::Content {
                media_type: "text/plain".into(),
                data: b"fine\nby me".to_vec(),
            }),
            ..trace::Event::default()
        }
    }

    #[test]
    fn events_are_told_in_a_table() {
        let view = EventView::from(event());
        let text = event_table(std::slice::from_ref(&view), Palette::new(false));
        assert_eq!(
            text,
            "#  INDEX  RECORDED  TYPE              PRODUCER      ACTOR       DETAILS\n\
             3  41     –         approval.granted  approval-svc  person bob  mode=people"
        );
        assert_eq!(
            view.content_text(Palette::new(false)).as_deref(),
            Some("  3 approval.granted (text/plain)\n    │ fine\n    │ by me")
        );
    }

    #[test]
    fn json_has_the_contracts_names() {
        let json = serde_json::to_value(EventView::from(event())).unwrap();
        assert_eq!(json["index"], 41);
        assert_eq!(json["leaf_hash"], "abcd");
        assert_eq!(json["type"], "approval.granted");
        assert_eq!(json["content"]["text"], "fine\nby me");
    }

    #[test]
    fn content_that_is_no_text_is_shown_in_hexadecimal() {
        let content = trace::Content {
            media_type: "application/octet-stream".into(),
            data: vec![0xFF, 0x00],
        };
        assert_eq!(ContentView::from(content).data_hex.as_deref(), Some("ff00"));
    }
}
