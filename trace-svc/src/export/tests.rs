//! Exports are the log's bytes, or a table that no spreadsheet runs.

use futures_util::TryStreamExt as _;

use crate::{
    event::{EventType, NewEvent},
    log::{Scope, file::FileLog},
    testing,
};

use super::*;

fn query(scope: Scope) -> EventQuery {
    EventQuery {
        scope,
        trace: None,
        kind: None,
        risk: None,
        producer: None,
    }
}

fn joined(pieces: &[ExportEventsResponse]) -> String {
    String::from_utf8(pieces.iter().flat_map(|piece| piece.data.clone()).collect()).unwrap()
}

async fn exported(log: &Arc<FileLog>, format: Format) -> (String, usize) {
    let query = query(Scope::Tenant("acme".to_owned()));
    let pieces: Vec<_> = export(Arc::clone(log), query, format).try_collect().await.unwrap();
    (joined(&pieces), pieces.len())
}

async fn log_of(events: Vec<NewEvent>) -> (tempfile::TempDir, Arc<FileLog>) {
    let folder = testing::folder();
    let log = testing::open(folder.path());
    for event in events {
        log.append(vec![event]).await.unwrap();
    }
    (folder, Arc::new(log))
}

#[tokio::test]
async fn jsonl_is_the_exact_bytes_of_the_log_in_bounded_pieces() {
    let events = (0..40).map(|number| {
        let mut event = testing::event(number % 3, number);
        event.attrs.insert("note".to_owned(), "x".repeat(20_000));
        event
    });
    let (folder, log) = log_of(events.collect()).await;
    let (text, pieces) = exported(&log, Format::Jsonl).await;
    assert!(pieces >= 3, "{pieces}");
    assert_eq!(exported(&log, Format::Jsonl).await.0, text);
    drop(log);
    let written = std::fs::read(folder.path().join("segments/00000000000000000000.jsonl")).unwrap();
    assert!(text.as_bytes() == written, "the segment holds what was exported");
}

#[tokio::test]
async fn csv_has_a_header_quotes_and_neutral_cells() {
    let mut event = testing::event(1, 1);
    event.actor.id = "=cmd|' /C calc'!A0".to_owned();
    event.content.as_mut().unwrap().data = b"-1\r\n\"quoted\", and, commas".to_vec();
    let (_folder, log) = log_of(vec![event, testing::event(2, 2)]).await;
    let (text, _) = exported(&log, Format::Csv).await;
    assert!(text.starts_with("index,event_id,trace_id,trace_seq,"));
    assert!(text.ends_with("\r\n"));
    assert!(text.contains(",'=cmd|' /C calc'!A0,"));
    assert!(text.contains("\"'-1\r\n\"\"quoted\"\", and, commas\""));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.len() == HEADER.len()));
    assert_eq!(&rows[1][1], "00000000-0000-0003-0000-000000000002");
}

#[tokio::test]
async fn an_empty_export_is_empty_or_a_header() {
    let (_folder, log) = log_of(vec![]).await;
    assert_eq!(exported(&log, Format::Jsonl).await, (String::new(), 0));
    let (text, pieces) = exported(&log, Format::Csv).await;
    assert_eq!((text.lines().count(), pieces), (1, 1));
}

#[tokio::test]
async fn an_export_goes_on_where_a_look_found_nothing() {
    let events = (0..9).map(|number| {
        let kind = match number {
            4 | 8 => EventType::ApprovalDenied,
            _ => EventType::ApprovalGranted,
        };
        testing::typed(number, number, kind)
    });
    let (_folder, log) = log_of(events.collect()).await;
    let query = EventQuery {
        kind: Some(EventType::ApprovalDenied),
        ..query(Scope::Tenant("acme".to_owned()))
    };
    let piece = Budget { looks: 1, ..PIECE };
    for (format, expected) in [(Format::Jsonl, 2), (Format::Csv, 3)] {
        let pieces = export_in(piece, Arc::clone(&log), query.clone(), format);
        let pieces: Vec<_> = pieces.try_collect().await.unwrap();
        assert_eq!((joined(&pieces).lines().count(), pieces.len()), (expected, expected));
    }
}

#[tokio::test]
async fn an_export_ends_where_the_log_ended_when_it_began() {
    let (_folder, log) = log_of(vec![testing::event(1, 1)]).await;
    let stream = export(Arc::clone(&log), query(Scope::Tenant("acme".to_owned())), Format::Jsonl);
    log.append(vec![testing::event(1, 2)]).await.unwrap();
    let pieces: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(joined(&pieces).lines().count(), 1);
}

#[test]
fn every_beginning_of_a_formula_is_neutralised() {
    for formula in ["=1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"] {
        assert_eq!(neutral(formula.to_owned()), format!("'{formula}"));
    }
    assert_eq!(neutral("1-1=0".to_owned()), "1-1=0");
}
