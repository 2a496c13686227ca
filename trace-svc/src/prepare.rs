//! From what a producer sent to what the log records: secrets out, content placed, size checked.

use crate::{
    error::{LineTooLarge, TraceError},
    event::{Content, MAX_LINE_BYTES, NewEvent},
    line::{BlobId, Draft, LineContent, REDACTIONS},
    redact,
};

/// Text that takes more than this in the line, escapes included, goes to a blob.
const MAX_INLINE_BYTES: usize = 32 * 1024;
/// The longest form of one byte in JSON: `\u001f`.
const LONGEST_ESCAPE: usize = 6;

/// An event ready for the log, and what must be on disk before it.
#[derive(Debug)]
pub struct Prepared {
    /// The event.
    pub draft: Draft,
    /// The blob that it names.
    pub blob: Option<Blob>,
    /// About how many bytes its line takes.
    pub line_bytes: usize,
}

/// Bytes kept beside the log.
#[derive(Debug)]
pub struct Blob {
    /// Their name.
    pub id: BlobId,
    /// The bytes.
    pub data: Vec<u8>,
}

/// Prepares all of the events, or says which of them don't fit a line.
pub fn prepare_all(events: Vec<NewEvent>) -> Result<Vec<Prepared>, TraceError> {
    let mut ready = Vec::with_capacity(events.len());
    let mut too_large = Vec::new();
    for (place, event) in events.into_iter().enumerate() {
        match prepare(event) {
            Ok(prepared) => ready.push(prepared),
            Err(error) => too_large.push((place, error)),
        }
    }
    if too_large.is_empty() {
        Ok(ready)
    } else {
        Err(TraceError::TooLarge(too_large))
    }
}

/// Redacts `event`, decides where its content stands, and refuses it if it doesn't fit a line.
///
/// The outcome depends on the event alone: the same event is always prepared the same way.
pub fn prepare(event: NewEvent) -> Result<Prepared, LineTooLarge> {
    let mut attrs = event.attrs;
    let mut taken = redact::attrs(&mut attrs);
    let (content, blob) = event.content.map(|content| place(content, &mut taken)).unzip();
    if !taken.is_empty() {
        attrs.insert(REDACTIONS.to_owned(), taken.join(","));
    }
    let draft = Draft {
        event_id: event.event_id,
        trace_id: event.trace_id,
        kind: event.kind,
        occurred_at: event.occurred_at,
        actor: event.actor,
        risk: event.risk,
        action_digest: event.action_digest,
        attrs,
        content,
    };
    let about = draft.about_line_bytes();
    // Most events fit whatever is in their texts; only for the others the line is written to know its length.
    if about * LONGEST_ESCAPE > MAX_LINE_BYTES {
        check_fits(&draft)?;
    }
    Ok(Prepared {
        draft,
        blob: blob.flatten(),
        line_bytes: about,
    })
}

fn check_fits(draft: &Draft) -> Result<(), LineTooLarge> {
    let bytes = draft.max_line_bytes();
    if bytes > MAX_LINE_BYTES {
        return Err(LineTooLarge { bytes });
    }
    Ok(())
}

fn place(content: Content, taken: &mut Vec<String>) -> (LineContent, Option<Blob>) {
    let Content { media_type, data } = content;
    let data = match String::from_utf8(data) {
        Ok(text) => {
            let text = redacted(text, taken);
            if fits_inline(&text) {
                return (LineContent::Inline { media_type, text }, None);
            }
            text.into_bytes()
        }
        Err(not_text) => not_text.into_bytes(),
    };
    let id = BlobId::of(&data);
    let bytes = data.len() as u64;
    (
        LineContent::Blob {
            media_type,
            bytes,
            sha256: id,
        },
        Some(Blob { id, data }),
    )
}

fn redacted(text: String, taken: &mut Vec<String>) -> String {
    let (clean, rules) = redact::text(&text);
    if rules.is_empty() {
        return text;
    }
    taken.extend(rules.into_iter().map(|rule| format!("content:{rule}")));
    clean.into_owned()
}

fn fits_inline(text: &str) -> bool {
    let quotes = 2;
    if text.len() * LONGEST_ESCAPE + quotes <= MAX_INLINE_BYTES {
        return true;
    }
    text.len() <= MAX_INLINE_BYTES && serde_json::to_string(text).is_ok_and(|written| written.len() <= MAX_INLINE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn with_content(data: impl Into<Vec<u8>>) -> NewEvent {
        let content = Content {
            media_type: "text/plain".to_owned(),
            data: data.into(),
        };
        NewEvent {
            content: Some(content),
            ..testing::event(1, 1)
        }
    }

    #[test]
    fn small_text_stands_in_the_line_and_all_else_in_a_blob() {
        let small = prepare(with_content("hello")).unwrap();
        assert!(matches!(small.draft.content, Some(LineContent::Inline { .. })));
        assert!(small.blob.is_none());
        for other in [
            vec![b'a'; MAX_INLINE_BYTES],
            vec![0; MAX_INLINE_BYTES / 4],
            vec![0xff, 0xfe],
        ] {
            let prepared = prepare(with_content(other.clone())).unwrap();
            let blob = prepared.blob.unwrap();
            assert_eq!((blob.id, blob.data), (BlobId::of(&other), other.clone()));
            let Some(LineContent::Blob { bytes, .. }) = prepared.draft.content else {
                panic!("inline")
            };
            assert_eq!(bytes, other.len() as u64);
        }
    }

    #[test]
    fn secrets_are_gone_before_anything_is_hashed() {
        let mut event = with_content("my password=hunter22");
        event.attrs.insert("note".to_owned(), "AKIAIOSFODNN7EXAMPLE".to_owned());
        let draft = prepare(event).unwrap().draft;
        assert_eq!(draft.attrs[REDACTIONS], "attrs.note:aws-access-key,content:password");
        let Some(LineContent::Inline { text, .. }) = draft.content else {
            panic!("blob")
        };
        assert_eq!(text, "my password=[redacted:password]");
    }

    #[test]
    fn no_line_is_longer_than_every_byte_escaped() {
        for text in ["", "plain", "\u{1}\u{2}\u{1f}", "\"\\\n", "é漢😀"] {
            let mut event = with_content(text.repeat(40));
            event.attrs.insert("note".to_owned(), text.repeat(50));
            event.attrs.insert(text.repeat(10), String::new());
            let draft = prepare(event).unwrap().draft;
            let exact = draft.max_line_bytes();
            assert!(exact <= draft.about_line_bytes() * LONGEST_ESCAPE, "{text:?}");
            assert!(text != "plain" || exact <= draft.about_line_bytes(), "{exact}");
        }
    }

    #[test]
    fn what_does_not_fit_a_line_is_refused_never_truncated() {
        let mut event = testing::event(1, 1);
        event.attrs.insert("note".to_owned(), "x".repeat(MAX_LINE_BYTES));
        assert!(prepare(event).unwrap_err().bytes > MAX_LINE_BYTES);
    }
}
