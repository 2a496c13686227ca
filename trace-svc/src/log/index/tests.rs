//! Who sees what, in which order, in pages of any size.

use crate::{
    event::{EventType, NewEvent},
    line::Position,
    log::{Budget, EventQuery, Scope, TraceFilter},
    prepare::prepare,
    testing,
};

use super::*;

/// Five traces of three people, with three events each, the last trace closed.
fn index() -> Index {
    let mut index = Index::default();
    index.begin_segment();
    for number in 0..15_u128 {
        let kind = if number == 14 {
            EventType::TraceClosed
        } else {
            EventType::ApprovalGranted
        };
        if number == 10 {
            index.begin_segment();
        }
        add(&mut index, testing::typed(number % 5, number, kind));
    }
    index
}

fn add(index: &mut Index, event: NewEvent) {
    let draft = prepare(event).unwrap().draft;
    let tail = index.tail(draft.trace_id).map(|tail| (tail.seq, tail.leaf));
    let line = Line::new(
        draft,
        Position {
            index: index.end(),
            trace_seq: tail.map_or(0, |tail| tail.0) + 1,
            trace_prev: tail.map(|tail| tail.1),
            recorded_at: testing::now(),
        },
    );
    let bytes = line.encode();
    index.apply(&line, Leaf::of(&bytes), 0, u16::try_from(bytes.len()).unwrap());
}

fn own(trace: u128) -> Scope {
    Scope::Own(testing::owner(trace))
}

fn auditor(tenant: &str) -> Scope {
    Scope::Tenant(tenant.to_owned())
}

fn query(scope: Scope, trace: Option<u128>) -> EventQuery {
    EventQuery {
        scope,
        trace: trace.map(testing::trace),
        kind: None,
        risk: None,
        producer: None,
    }
}

const ALL: Budget = Budget {
    looks: usize::MAX,
    events: 100,
    bytes: usize::MAX,
};

fn found(index: &Index, query: &EventQuery) -> Option<Vec<u64>> {
    let selection = index.select(query, 0, u64::MAX, ALL)?;
    assert_eq!(selection.next, None);
    Some(selection.found.iter().map(|location| location.index).collect())
}

#[test]
fn requesters_see_their_own_and_auditors_their_tenants() {
    let index = index();
    assert_eq!(found(&index, &query(own(1), Some(1))), Some(vec![1, 6, 11]));
    assert_eq!(found(&index, &query(own(1), Some(2))), None);
    // The traces 1 and 4 are of the same person.
    assert_eq!(found(&index, &query(own(1), None)), Some(vec![1, 4, 6, 9, 11, 14]));
    assert_eq!(found(&index, &query(auditor("acme"), Some(2))), Some(vec![2, 7, 12]));
    assert_eq!(found(&index, &query(auditor("acme"), None)).unwrap().len(), 15);
    assert_eq!(found(&index, &query(auditor("other"), None)), Some(vec![]));
    assert_eq!(found(&index, &query(auditor("other"), Some(2))), None);
    let namesake = Owner {
        issuer: "https://elsewhere".to_owned(),
        ..testing::owner(1)
    };
    assert_eq!(found(&index, &query(Scope::Own(namesake), Some(1))), None);
}

#[test]
fn a_requester_is_not_kept_waiting_by_what_others_wrote() {
    let mut index = index();
    for number in 15..15 + select::STRETCH as u128 {
        add(&mut index, testing::event(0, number));
    }
    let last = index.end();
    add(&mut index, testing::event(1, u128::from(last)));
    let everything = query(own(1), None);
    assert_eq!(found(&index, &everything), Some(vec![1, 4, 6, 9, 11, 14, last]));
}

#[test]
fn pages_join_to_the_whole_whatever_their_size() {
    let index = index();
    let query = query(own(1), None);
    for events in 1..8 {
        for (looks, bytes) in [(1, 1), (2, usize::MAX), (usize::MAX, 1000), (usize::MAX, usize::MAX)] {
            let (mut joined, mut from) = (Vec::new(), Some(0));
            let budget = Budget { looks, events, bytes };
            while let Some(start) = from {
                let page = index.select(&query, start, u64::MAX, budget).unwrap();
                assert!((1..=events.min(looks)).contains(&page.found.len()));
                joined.extend(page.found.iter().map(|location| location.index));
                from = page.next;
            }
            assert_eq!(joined, [1, 4, 6, 9, 11, 14]);
        }
    }
}

#[test]
fn traces_are_listed_newest_first_in_pages_and_filtered() {
    let index = index();
    let list_in = |looks, filter: &TraceFilter, limit| {
        let (mut listed, mut before) = (Vec::new(), Some(u64::MAX));
        while let Some(end) = before {
            let page = index.list(&auditor("acme"), filter, end, limit, looks);
            listed.extend(page.traces.iter().map(|trace| trace.first_index));
            before = page.next;
        }
        listed
    };
    let list = |filter: &TraceFilter, limit| {
        let listed = list_in(usize::MAX, filter, limit);
        assert_eq!(list_in(1, filter, limit), listed);
        listed
    };
    for limit in 1..6 {
        assert_eq!(list(&TraceFilter::default(), limit), [4, 3, 2, 1, 0]);
    }
    let closed = TraceFilter {
        closed: Some(true),
        ..TraceFilter::default()
    };
    assert_eq!(list(&closed, 2), [4]);
    let requester = TraceFilter {
        requester: Some("user-0".to_owned()),
        ..TraceFilter::default()
    };
    assert_eq!(list(&requester, 2), [3, 0]);
    let own = index.list(&own(1), &TraceFilter::default(), u64::MAX, 9, usize::MAX);
    assert_eq!(own.traces.len(), 2);
}

#[test]
fn an_entry_is_found_in_its_segment() {
    let index = index();
    assert_eq!(index.locate(9).unwrap().segment, 0);
    assert_eq!(index.locate(10).unwrap().segment, 10);
    assert_eq!(index.locate(15), None);
}

#[test]
fn an_entry_takes_little_memory() {
    assert!(size_of::<Entry>() <= 12, "{}", size_of::<Entry>());
}
