//! What a commit would write, decided on an empty log and on one with a past.

use std::cell::RefCell;

use chassis::SequentialIds;

use crate::{event::NewEvent, prepare::prepare, testing};

use super::*;

/// A log without a disk: what was planned, applied.
#[derive(Default)]
struct Memory {
    index: RefCell<Index>,
    bytes: RefCell<Vec<u8>>,
    fresh: SequentialIds,
}

impl Lookup for Memory {
    fn read(&self, location: Location) -> Result<Vec<u8>, ReadError> {
        let start = usize::try_from(location.offset).unwrap();
        Ok(self.bytes.borrow()[start..start + location.length].to_vec())
    }
}

impl Memory {
    fn commit(&self, requests: Vec<Vec<NewEvent>>) -> Vec<Result<Vec<Receipt>, TraceError>> {
        let index = self.index.borrow();
        let mut plan = Plan::new("main", &index, self, &self.fresh, testing::now());
        let drafts = |events: Vec<NewEvent>| events.into_iter().map(|event| prepare(event).unwrap().draft).collect();
        let answers = requests.into_iter().map(|events| plan.add(drafts(events))).collect();
        let (lines, planned) = (plan.lines, plan.bytes);
        drop(index);
        let mut index = self.index.borrow_mut();
        index.begin_segment();
        let before = self.bytes.borrow().len();
        for planned in &lines {
            let offset = u32::try_from(before + planned.start).unwrap();
            index.apply(
                &planned.line,
                planned.leaf,
                offset,
                u16::try_from(planned.length).unwrap(),
            );
        }
        self.bytes.borrow_mut().extend(planned);
        answers
    }

    fn one(&self, event: NewEvent) -> Result<Receipt, TraceError> {
        self.commit(vec![vec![event]])
            .remove(0)
            .map(|mut receipts| receipts.remove(0))
    }

    fn lines(&self) -> Vec<Line> {
        let bytes = self.bytes.borrow();
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        lines
            .map(|line| Line::parse(line.strip_suffix(b"\n").unwrap()).unwrap())
            .collect()
    }

    fn kinds(&self) -> Vec<EventType> {
        self.lines().into_iter().map(|line| line.kind).collect()
    }
}

#[test]
fn the_same_event_gives_its_first_receipt_and_another_is_refused() {
    let log = Memory::default();
    let first = log.one(testing::event(1, 1)).unwrap();
    let again = log.one(testing::event(1, 1)).unwrap();
    assert_eq!(
        again,
        Receipt {
            duplicate: true,
            ..first
        }
    );
    let mut other = testing::event(1, 1);
    other.content.as_mut().unwrap().data.push(b'!');
    assert!(matches!(log.one(other), Err(TraceError::Conflict(_))));
    assert_eq!(log.lines().len(), 1);
}

#[test]
fn duplicates_within_a_request_and_within_a_commit_are_seen() {
    let log = Memory::default();
    let event = || testing::event(1, 1);
    let mut other = event();
    other.risk = None;
    let answers = log.commit(vec![vec![event(), event()], vec![event()], vec![other]]);
    let flags = |answer: &Result<Vec<Receipt>, TraceError>| {
        answer
            .as_ref()
            .ok()
            .map(|receipts| receipts.iter().map(|receipt| receipt.duplicate).collect::<Vec<_>>())
    };
    assert_eq!(flags(&answers[0]), Some(vec![false, true]));
    assert_eq!(flags(&answers[1]), Some(vec![true]));
    assert!(matches!(answers[2], Err(TraceError::Conflict(_))));
    assert_eq!(log.lines().len(), 1);
}

#[test]
fn a_refused_request_leaves_nothing_and_those_around_it_stand() {
    let log = Memory::default();
    log.one(testing::event(1, 1)).unwrap();
    let mut conflict = testing::event(1, 1);
    conflict.risk = None;
    let answers = log.commit(vec![
        vec![testing::event(1, 2)],
        vec![testing::event(1, 3), testing::event(2, 1), conflict],
        vec![testing::event(1, 4), testing::event(2, 1)],
    ]);
    assert!(answers[1].is_err());
    let receipts = answers[2].as_ref().unwrap();
    assert_eq!(receipts.iter().map(|receipt| receipt.index).collect::<Vec<_>>(), [2, 3]);
    assert!(!receipts[1].duplicate);
    let seqs: Vec<_> = log.lines().iter().map(|line| line.trace_seq).collect();
    assert_eq!(seqs, [1, 2, 3, 1]);
}

#[test]
fn closing_an_approval_closes_its_trace_and_a_late_event_closes_it_anew() {
    use EventType::{ApprovalClosed, ApprovalGranted, TraceClosed};
    let log = Memory::default();
    let closing = testing::typed(1, 2, EventType::ApprovalClosed);
    let answers = log.commit(vec![vec![testing::event(1, 1), closing, testing::event(2, 1)]]);
    assert_eq!(answers[0].as_ref().unwrap().len(), 3);
    log.one(testing::event(1, 3)).unwrap();
    let expected = [
        ApprovalGranted,
        ApprovalClosed,
        TraceClosed,
        ApprovalGranted,
        ApprovalGranted,
        TraceClosed,
    ];
    assert_eq!(log.kinds(), expected);
    let lines = log.lines();
    assert_eq!(lines[2].attrs[semconv::EVENT_COUNT], "2");
    assert_eq!(lines[2].trace_seq, 3);
    assert_eq!(lines[4].attrs[semconv::LATE], "true");
    assert_eq!(lines[5].attrs[semconv::EVENT_COUNT], "4");
    assert!(
        lines
            .iter()
            .filter(|line| line.kind == TraceClosed)
            .all(|line| line.producer == PartName::Trace)
    );
    // A late event that comes again is the same event still.
    assert!(log.one(testing::event(1, 3)).unwrap().duplicate);
    assert_eq!(log.lines().len(), 6);
}

#[test]
fn an_unknown_outcome_does_not_close_a_trace() {
    let log = Memory::default();
    log.one(testing::typed(1, 1, EventType::ExecutionUnknown)).unwrap();
    assert!(!log.index.borrow().summary(testing::trace(1)).unwrap().closed);
}

#[test]
fn a_trace_keeps_its_first_owner() {
    let log = Memory::default();
    log.one(testing::event(1, 1)).unwrap();
    for key in [semconv::TENANT, semconv::ISSUER, semconv::REQUESTER] {
        let mut foreign = testing::event(1, 2);
        foreign.attrs.insert(key.to_owned(), "mallory".to_owned());
        let within = vec![
            testing::event(7, 1),
            NewEvent {
                trace_id: testing::trace(7),
                ..foreign.clone()
            },
        ];
        assert!(
            matches!(log.one(foreign), Err(TraceError::TraceMismatch { .. })),
            "{key}"
        );
        let answer = log.commit(vec![within]).remove(0);
        assert!(matches!(answer, Err(TraceError::TraceMismatch { .. })), "{key}");
    }
    assert_eq!(log.lines().len(), 1);
}

#[test]
fn recorded_time_never_goes_back() {
    let log = Memory::default();
    log.one(testing::event(1, 1)).unwrap();
    let index = log.index.borrow();
    let earlier = testing::now() - std::time::Duration::from_hours(1);
    let plan = Plan::new("main", &index, &log, &log.fresh, earlier);
    assert_eq!(plan.recorded_at, testing::now());
}
