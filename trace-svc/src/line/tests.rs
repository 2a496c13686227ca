//! The form of the line, held to committed bytes, and what a changed byte does to a chain.

use std::time::Duration;

use proptest::prelude::*;

use crate::{event::NewEvent, log::index::Index, prepare::prepare, testing};

use super::*;

fn draft(event: NewEvent) -> Draft {
    prepare(event).unwrap().draft
}

/// The lines of `count` events that go round among three traces.
fn chained(count: u128) -> Vec<Vec<u8>> {
    let mut tails: Vec<(u64, Option<Leaf>)> = vec![(0, None); 3];
    (0..count)
        .map(|number| {
            let which = usize::try_from(number % 3).unwrap();
            let (seq, prev) = tails[which];
            let position = Position {
                index: u64::try_from(number).unwrap(),
                trace_seq: seq + 1,
                trace_prev: prev,
                recorded_at: testing::now() + Duration::from_nanos(u64::try_from(number).unwrap()),
            };
            let bytes = Line::new(draft(testing::event(number % 3, number)), position).encode();
            tails[which] = (seq + 1, Some(Leaf::of(&bytes)));
            bytes
        })
        .collect()
}

fn verifies(lines: &[Vec<u8>]) -> bool {
    let mut index = Index::default();
    index.begin_segment();
    lines.iter().all(|bytes| {
        let Ok(line) = Line::parse(bytes) else { return false };
        let good = index.check(&line).is_ok();
        if good {
            index.apply(&line, Leaf::of(bytes), 0, u16::try_from(bytes.len()).unwrap());
        }
        good
    })
}

#[test]
fn a_line_is_written_in_exactly_these_bytes() {
    let position = Position {
        index: 7,
        trace_seq: 1,
        trace_prev: None,
        recorded_at: testing::now(),
    };
    let line = Line::new(draft(testing::event(1, 7)), position).encode();
    let expected = concat!(
        r#"{"v":1,"index":"7","event_id":"00000000-0000-0002-0000-000000000007","#,
        r#""trace_id":"0000000000000000000000000abc0001","trace_seq":"1","trace_prev":"","#,
        r#""type":"approval.granted","occurred_at":"2026-09-21T14:13:20.123456789Z","#,
        r#""recorded_at":"2026-09-21T14:13:20.123456789Z","producer":"approval-svc","#,
        r#""actor":{"type":"service","id":"approval-svc"},"risk":"AMBER","#,
        r#""action_digest":"sha256:abababababababababababababababababababababababababababababababab","#,
        r#""attrs":{"countersign.issuer":"https://id.acme.example","countersign.requester":"user-1","#,
        r#""countersign.revision":"7","countersign.tenant":"acme"},"#,
        r#""content":{"media_type":"text/plain","text":"grüße №7 👍"}}"#,
    );
    assert_eq!(String::from_utf8(line).unwrap(), expected);
    let leaf = Leaf::of(expected.as_bytes()).to_string();
    assert_eq!(leaf, hex::encode(Sha256::digest([b"\0", expected.as_bytes()].concat())));
}

#[test]
fn what_is_missing_is_null_and_large_content_is_named() {
    let mut event = testing::event(1, 7);
    (event.risk, event.action_digest) = (None, None);
    event.content.as_mut().unwrap().data = vec![0xff; 3];
    let position = Position {
        index: u64::MAX,
        trace_seq: 2,
        trace_prev: Some(Leaf([1; 32])),
        recorded_at: testing::now(),
    };
    let line = String::from_utf8(Line::new(draft(event), position).encode()).unwrap();
    assert!(line.contains(r#""index":"18446744073709551615""#));
    assert!(line.contains(r#""risk":null,"action_digest":null,"#));
    let sha256 = hex::encode(Sha256::digest([0xff; 3]));
    assert!(line.ends_with(&format!(
        r#""content":{{"media_type":"text/plain","bytes":"3","sha256":"{sha256}"}}}}"#
    )));
    assert!(Line::parse(line.as_bytes()).is_ok());
}

#[test]
fn another_spelling_of_the_same_line_is_refused() {
    let line = String::from_utf8(chained(1).remove(0)).unwrap();
    for (from, to) in [
        (r#""v":1"#, r#""v":2"#),
        (r#""v":1"#, r#""v": 1"#),
        (r#""index":"0""#, r#""index":"00""#),
        (r#""index":"0""#, r#""index":0"#),
        ("approval.granted", "approval.imagined"),
        (r#""producer":"approval-svc""#, r#""producer":"executor-svc""#),
        (".123456789Z", ".123456789+00:00"),
        (r#""risk":"AMBER","#, r#""risk":"AMBER","risk":"GREEN","#),
        ("ü", "\\u00fc"),
        (r#""content":"#, r#""extra":1,"content":"#),
        (r#""type":"service""#, r#""type":"service","as":"x""#),
    ] {
        assert!(line.contains(from), "{from}");
        assert!(Line::parse(line.replacen(from, to, 1).as_bytes()).is_err(), "{to}");
    }
}

#[test]
fn an_untouched_chain_verifies() {
    let lines = chained(12);
    assert!(verifies(&lines));
    for gone in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(gone);
        assert_eq!(verifies(&fewer), gone + 1 == lines.len(), "without {gone}");
    }
    for at in 1..lines.len() {
        let mut swapped = lines.clone();
        swapped.swap(at - 1, at);
        assert!(!verifies(&swapped));
    }
}

fn any_event() -> impl Strategy<Value = NewEvent> {
    let attrs = proptest::collection::btree_map("[a-z.]{1,12}", any::<String>(), 0..4);
    let content = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200));
    (
        0..4_u128,
        any::<u64>(),
        attrs,
        any::<String>(),
        content,
        0..4_000_000_000_u64,
        0..1_000_000_000_u32,
    )
        .prop_map(|(trace, number, attrs, actor, content, seconds, nanos)| {
            let mut event = testing::event(trace, u128::from(number));
            event.attrs.extend(attrs);
            event.actor.id = actor;
            event.content = content.map(|data| crate::event::Content {
                media_type: "a/b".to_owned(),
                data,
            });
            event.occurred_at = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
            event
        })
}

proptest! {
    #[test]
    fn every_line_reads_back_as_what_it_records(event in any_event(), index: u64, seq: u64) {
        let draft = draft(event);
        let position = Position { index, trace_seq: seq, trace_prev: Some(Leaf([9; 32])), recorded_at: testing::now() };
        let line = Line::new(draft.clone(), position);
        let bytes = line.encode();
        let read = Line::parse(&bytes).unwrap();
        prop_assert_eq!(&read, &line);
        prop_assert!(read.records(&draft));
        prop_assert!(bytes.len() <= draft.max_line_bytes());
        prop_assert!(!bytes.contains(&b'\n'));
    }

    #[test]
    fn a_changed_byte_breaks_the_chain_unless_nothing_follows_it_there(
        at in any::<prop::sample::Index>(), position in any::<prop::sample::Index>(), flip in 1..=255_u8,
    ) {
        let mut lines = chained(9);
        let which = at.index(lines.len());
        let byte = position.index(lines[which].len());
        lines[which][byte] ^= flip;
        // The last three lines are the ends of the three traces: only what follows a line vouches for it.
        prop_assert!(which >= 6 || !verifies(&lines));
    }

    #[test]
    fn hostile_bytes_are_never_a_line(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Line::parse(&bytes).is_err());
    }
}
