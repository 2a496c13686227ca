//! What every adapter of the log must do, one function for each promise. `trace_log_conformance!` names the tests.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use chassis::semconv;

use crate::{
    error::TraceError,
    event::{EventType, NewEvent, Receipt},
    line::{Leaf, Line, LineContent},
    testing,
};

use super::{Budget, EventQuery, Recorded, Scope, TraceFilter, TraceLog};

/// A place where a log can be opened, again and again.
pub(crate) trait Place {
    /// The adapter.
    type Log: TraceLog;
    /// Opens the log; it was closed before.
    fn open(&self) -> Self::Log;
}

/// Makes a test of each clause.
macro_rules! trace_log_conformance {
    ($name:ident, $place:expr) => {
        mod $name {
            use super::*;
            trace_log_conformance!(@tests $place;
                acknowledged_events_survive_reopening
                the_same_event_gives_its_first_receipt_even_after_reopening
                a_batch_is_recorded_wholly_or_not_at_all
                concurrent_appends_are_dense_and_chained
                concurrent_duplicates_are_recorded_once
                closed_traces_are_counted
                owners_and_auditors_see_what_is_theirs
                looking_for_something_rare_goes_on_where_the_last_call_stopped
                content_comes_back_whatever_its_size
            );
        }
    };
    (@tests $place:expr; $($clause:ident)+) => {
        $(
            #[tokio::test]
            async fn $clause() {
                crate::log::conformance::$clause($place).await;
            }
        )+
    };
}
pub(crate) use trace_log_conformance;

const ALL: Budget = Budget {
    looks: usize::MAX,
    events: usize::MAX,
    bytes: usize::MAX,
};

fn auditor() -> EventQuery {
    EventQuery {
        scope: Scope::Tenant("acme".to_owned()),
        trace: None,
        kind: None,
        risk: None,
        producer: None,
    }
}

async fn everything(log: &impl TraceLog) -> Vec<Recorded> {
    log.events(&auditor(), 0, u64::MAX, ALL).await.unwrap().events
}

async fn one(log: &impl TraceLog, event: NewEvent) -> Result<Receipt, TraceError> {
    log.append(vec![event]).await.map(|mut receipts| receipts.remove(0))
}

/// TR-2 and TR-5, of a whole log.
pub(crate) fn check_chains(entries: &[Recorded]) {
    let mut index = super::index::Index::default();
    index.begin_segment();
    for entry in entries {
        let line = Line::parse(&entry.bytes).unwrap();
        index.check(&line).unwrap();
        index.apply(
            &line,
            Leaf::of(&entry.bytes),
            0,
            u16::try_from(entry.bytes.len()).unwrap(),
        );
    }
}

/// TR-1
pub(crate) async fn acknowledged_events_survive_reopening(place: impl Place) {
    let log = place.open();
    let mut receipts = Vec::new();
    for number in 0..20 {
        receipts.push(one(&log, testing::event(number % 4, number)).await.unwrap());
    }
    let before = everything(&log).await;
    drop(log);
    let log = place.open();
    let after = everything(&log).await;
    assert_eq!(before, after);
    assert_eq!(log.end(), 20);
    for (receipt, entry) in receipts.iter().zip(&after) {
        assert_eq!(receipt.index, entry.index);
        assert_eq!(receipt.leaf, *Leaf::of(&entry.bytes).as_bytes());
        assert!(!receipt.duplicate);
    }
    check_chains(&after);
}

/// TR-3
pub(crate) async fn the_same_event_gives_its_first_receipt_even_after_reopening(place: impl Place) {
    let mut secret = testing::event(1, 1);
    secret.attrs.insert("note".to_owned(), "password=hunter22".to_owned());
    let mut large = testing::event(1, 2);
    large.content.as_mut().unwrap().data = vec![b'x'; 100_000];
    let log = place.open();
    let first = [
        one(&log, secret.clone()).await.unwrap(),
        one(&log, large.clone()).await.unwrap(),
    ];
    drop(log);
    let log = place.open();
    for (event, receipt) in [secret, large].into_iter().zip(first) {
        let again = one(&log, event.clone()).await.unwrap();
        assert_eq!(
            again,
            Receipt {
                duplicate: true,
                ..receipt
            }
        );
        let mut other = event.clone();
        other.content.as_mut().unwrap().data.push(b'!');
        assert!(matches!(one(&log, other).await, Err(TraceError::Conflict(_))));
        let other = NewEvent {
            trace_id: testing::trace(9),
            ..event.clone()
        };
        assert!(matches!(one(&log, other).await, Err(TraceError::Conflict(_))));
        let other = NewEvent {
            kind: EventType::ApprovalDenied,
            ..event
        };
        assert!(matches!(one(&log, other).await, Err(TraceError::Conflict(_))));
    }
    assert_eq!(log.end(), 2);
}

/// TR-4
pub(crate) async fn a_batch_is_recorded_wholly_or_not_at_all(place: impl Place) {
    let log = place.open();
    one(&log, testing::event(1, 1)).await.unwrap();
    let conflict = NewEvent {
        risk: None,
        ..testing::event(1, 1)
    };
    let mut foreign = testing::event(1, 5);
    foreign.attrs.insert(semconv::TENANT.to_owned(), "other".to_owned());
    let mut huge = testing::event(1, 6);
    huge.attrs.insert("note".to_owned(), "x".repeat(70_000));
    for bad in [conflict, foreign, huge] {
        let batch = vec![testing::event(1, 2), bad, testing::event(1, 3)];
        log.append(batch).await.unwrap_err();
        assert_eq!(log.end(), 1);
    }
    let batch = vec![testing::event(1, 2), testing::event(1, 1), testing::event(1, 3)];
    let receipts = log.append(batch).await.unwrap();
    let got: Vec<_> = receipts
        .iter()
        .map(|receipt| (receipt.index, receipt.duplicate))
        .collect();
    assert_eq!(got, [(1, false), (0, true), (2, false)]);
}

/// TR-2, TR-5
pub(crate) async fn concurrent_appends_are_dense_and_chained(place: impl Place) {
    let log = place.open();
    let appends = (0..300).map(|number| one(&log, testing::event(number % 7, number)));
    let receipts = join_all(appends).await;
    let indexes: BTreeSet<_> = receipts.into_iter().map(|receipt| receipt.unwrap().index).collect();
    assert_eq!(indexes, (0..300).collect());
    let entries = everything(&log).await;
    assert_eq!(entries.len(), 300);
    check_chains(&entries);
}

/// TR-3
pub(crate) async fn concurrent_duplicates_are_recorded_once(place: impl Place) {
    let log = place.open();
    let receipts = join_all((0..100).map(|_| one(&log, testing::event(1, 1)))).await;
    let receipts: Vec<_> = receipts.into_iter().map(Result::unwrap).collect();
    assert_eq!(receipts.iter().filter(|receipt| !receipt.duplicate).count(), 1);
    assert!(
        receipts
            .iter()
            .all(|receipt| receipt.index == 0 && receipt.leaf == receipts[0].leaf)
    );
    assert_eq!(log.end(), 1);
}

/// TR-7
pub(crate) async fn closed_traces_are_counted(place: impl Place) {
    let log = place.open();
    one(&log, testing::event(1, 1)).await.unwrap();
    one(&log, testing::typed(1, 2, EventType::ApprovalClosed))
        .await
        .unwrap();
    let scope = Scope::Own(testing::owner(1));
    let trace = log.trace(&scope, testing::trace(1)).await.unwrap();
    assert!(trace.closed);
    assert_eq!((trace.event_count, trace.last_kind), (3, EventType::ApprovalClosed));
    drop(log);
    let log = place.open();
    one(&log, testing::event(1, 3)).await.unwrap();
    let trace = log.trace(&scope, testing::trace(1)).await.unwrap();
    assert_eq!((trace.event_count, trace.closed), (5, true));
    let last = Line::parse(&everything(&log).await[4].bytes).unwrap();
    assert_eq!(last.kind, EventType::TraceClosed);
    assert_eq!(last.attrs[semconv::EVENT_COUNT], "4");
}

/// TR-6
pub(crate) async fn owners_and_auditors_see_what_is_theirs(place: impl Place) {
    let log = place.open();
    for number in 0..6 {
        one(&log, testing::event(number, 1)).await.unwrap();
    }
    let own = Scope::Own(testing::owner(1));
    let page = log.traces(&own, &TraceFilter::default(), None, 10, 10).await.unwrap();
    let seen: Vec<_> = page.traces.iter().map(|trace| trace.id).collect();
    assert_eq!(seen, [testing::trace(4), testing::trace(1)]);
    let foreign = log.trace(&own, testing::trace(2)).await;
    assert!(matches!(foreign, Err(TraceError::NotFound(_))));
    let query = EventQuery {
        scope: own,
        trace: Some(testing::trace(2)),
        ..auditor()
    };
    let foreign = log.events(&query, 0, u64::MAX, ALL).await;
    assert!(matches!(foreign, Err(TraceError::NotFound(_))));
    assert_eq!(everything(&log).await.len(), 6);
    let stranger = EventQuery {
        scope: Scope::Tenant("other".to_owned()),
        ..auditor()
    };
    assert!(log.events(&stranger, 0, u64::MAX, ALL).await.unwrap().events.is_empty());
}

pub(crate) async fn looking_for_something_rare_goes_on_where_the_last_call_stopped(place: impl Place) {
    let log = place.open();
    for number in 0..10 {
        let kind = match number {
            2 | 7 => EventType::ApprovalDenied,
            _ => EventType::ApprovalGranted,
        };
        one(&log, testing::typed(number, number, kind)).await.unwrap();
    }
    one(&log, testing::typed(1, 10, EventType::ApprovalClosed))
        .await
        .unwrap();
    let query = EventQuery {
        kind: Some(EventType::ApprovalDenied),
        ..auditor()
    };
    let budget = Budget { looks: 4, ..ALL };
    let mut pages = Vec::new();
    let mut next = Some(0);
    while let Some(from) = next {
        let page = log.events(&query, from, u64::MAX, budget).await.unwrap();
        pages.push(page.events.iter().map(|event| event.index).collect::<Vec<_>>());
        next = page.next;
    }
    assert_eq!(pages, [vec![2], vec![7], vec![]]);

    let closed = TraceFilter {
        closed: Some(true),
        ..TraceFilter::default()
    };
    let mut pages = Vec::new();
    let mut before = Some(u64::MAX);
    while let Some(end) = before {
        let page = log.traces(&query.scope, &closed, Some(end), 10, 4).await.unwrap();
        pages.push(page.traces.iter().map(|trace| trace.first_index).collect::<Vec<_>>());
        before = page.next;
    }
    assert_eq!(pages, [vec![], vec![], vec![1]]);
}

/// TR-8, as far as a living process shows it.
pub(crate) async fn content_comes_back_whatever_its_size(place: impl Place) {
    let log = place.open();
    let contents = [
        vec![],
        b"short".to_vec(),
        vec![0xfe; 10],
        vec![b'a'; 40_000],
        vec![7; 3_000_000],
    ];
    for (number, data) in (0..).zip(contents) {
        let mut event = testing::event(1, number);
        event.content.as_mut().unwrap().data = data.clone();
        let receipt = one(&log, event).await.unwrap();
        let page = log.events(&auditor(), receipt.index, u64::MAX, ALL).await.unwrap();
        let line = Line::parse(&page.events[0].bytes).unwrap();
        let back = match line.content.unwrap() {
            LineContent::Inline { text, .. } => text.into_bytes(),
            LineContent::Blob { sha256, bytes, .. } => {
                assert_eq!(bytes, data.len() as u64);
                log.blob(sha256).await.unwrap()
            }
        };
        assert_eq!(back, data);
    }
}
