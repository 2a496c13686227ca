//! The log in files: every promise of a log, and those that only files can break.

mod crash;
mod faults;
mod room;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use futures_util::FutureExt as _;

use crate::{
    error::OpenError,
    event::{EventType, NewEvent, Receipt},
    line::Line,
    log::{
        Recorded,
        conformance::{Place, check_chains, trace_log_conformance},
    },
    testing,
};

use super::*;

/// A log in a folder that vanishes.
struct InFolder {
    folder: tempfile::TempDir,
    segment_bytes: u32,
}

impl InFolder {
    fn new(segment_bytes: u32) -> Self {
        Self {
            folder: testing::folder(),
            segment_bytes,
        }
    }
}

impl Place for InFolder {
    type Log = FileLog;

    fn open(&self) -> FileLog {
        open_with(self.folder.path(), self.segment_bytes).unwrap()
    }
}

trace_log_conformance!(in_one_segment, InFolder::new(64 * 1024 * 1024));
trace_log_conformance!(in_many_segments, InFolder::new(2_000));

fn open_with(folder: &Path, segment_bytes: u32) -> Result<FileLog, OpenError> {
    let options = FileLogOptions {
        segment_bytes,
        ..FileLogOptions::new(folder)
    };
    FileLog::open(options, testing::impure().0, Arc::new(chassis::SystemIds))
}

async fn append(log: &FileLog, event: NewEvent) -> Result<Receipt, TraceError> {
    log.append(vec![event]).await.map(|mut receipts| receipts.remove(0))
}

/// All lines in all segments, read from the files alone.
fn lines(folder: &Path) -> Vec<Recorded> {
    let mut segments: Vec<_> = fs::read_dir(folder.join("segments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    segments.sort();
    let bytes: Vec<u8> = segments.iter().flat_map(|path| fs::read(path).unwrap()).collect();
    let lines = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\n").unwrap());
    (0..)
        .zip(lines)
        .map(|(index, line)| Recorded {
            index,
            bytes: line.to_vec(),
        })
        .collect()
}

fn first_segment(folder: &Path) -> std::path::PathBuf {
    folder.join("segments/00000000000000000000.jsonl")
}

#[tokio::test]
async fn the_files_hold_the_exact_lines() {
    let folder = testing::folder();
    let log = testing::open(folder.path());
    let receipt = append(&log, testing::event(1, 1)).await.unwrap();
    drop(log);
    let written = fs::read(first_segment(folder.path())).unwrap();
    assert_eq!(written.last(), Some(&b'\n'));
    assert_eq!(
        *crate::line::Leaf::of(&written[..written.len() - 1]).as_bytes(),
        receipt.leaf
    );
}

#[tokio::test]
async fn what_people_wrote_is_for_the_log_alone() {
    let folder = testing::folder();
    let root = folder.path().join("new/log");
    let log = testing::open(&root);
    let mut heavy = testing::event(1, 1);
    heavy.content.as_mut().unwrap().data = vec![b'x'; 100_000];
    append(&log, heavy).await.unwrap();
    drop(log);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut files = vec![root.join("LOCK"), first_segment(&root)];
    let blobs = fs::read_dir(root.join("blobs")).unwrap();
    files.extend(blobs.map(|entry| entry.unwrap().path()));
    assert_eq!(files.len(), 3);
    assert!(files.iter().all(|file| mode(file) == 0o600), "{files:?}");
    for name in ["", "segments", "blobs", "quarantine"] {
        assert_eq!(mode(&root.join(name)), 0o700, "{name}");
    }
}

#[tokio::test]
async fn two_openings_of_one_log_exclude_each_other() {
    let folder = testing::folder();
    let log = testing::open(folder.path());
    assert!(matches!(open_with(folder.path(), 1 << 20), Err(OpenError::Locked(_))));
    drop(log);
    open_with(folder.path(), 1 << 20).unwrap();
}

#[tokio::test]
async fn segments_roll_and_are_named_by_their_first_entry() {
    let folder = testing::folder();
    let log = open_with(folder.path(), 2_000).unwrap();
    for number in 0..10 {
        append(&log, testing::event(1, number)).await.unwrap();
    }
    drop(log);
    let segments = fs::read_dir(folder.path().join("segments")).unwrap().count();
    assert!(segments >= 4, "{segments}");
    for entry in fs::read_dir(folder.path().join("segments")).unwrap() {
        let path = entry.unwrap().path();
        let first = fs::read(&path).unwrap();
        let first = Line::parse(first.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
        assert_eq!(
            path.file_name().unwrap().to_str().unwrap(),
            format!("{:020}.jsonl", first.index)
        );
        assert!(path.metadata().unwrap().len() <= 2_000);
    }
    check_chains(&lines(folder.path()));
}

#[tokio::test]
async fn one_call_fills_its_page_from_several_stretches() {
    let folder = testing::quick_folder();
    let log = testing::open(folder.path());
    let last = STRETCH as u128 + 10;
    let events: Vec<_> = (0..=last)
        .map(|number| {
            let rare = [0, 5, last].contains(&number);
            let kind = if rare {
                EventType::ApprovalDenied
            } else {
                EventType::ApprovalGranted
            };
            testing::typed(number, number, kind)
        })
        .collect();
    for batch in events.chunks(1_024) {
        log.append(batch.to_vec()).await.unwrap();
    }
    let query = EventQuery {
        scope: Scope::Tenant("acme".to_owned()),
        trace: None,
        kind: Some(EventType::ApprovalDenied),
        risk: None,
        producer: None,
    };
    let last = u64::try_from(last).unwrap();
    let everything = usize::MAX;
    for (looks, events, found, next) in [
        (everything, everything, vec![0, 5, last], None),
        (everything, 3, vec![0, 5, last], None),
        (everything, 2, vec![0, 5], Some(6)),
        (STRETCH, everything, vec![0, 5], Some(STRETCH as u64)),
    ] {
        let bytes = everything;
        let budget = Budget { looks, events, bytes };
        let page = log.events(&query, 0, u64::MAX, budget).await.unwrap();
        let indexes: Vec<_> = page.events.iter().map(|event| event.index).collect();
        assert_eq!((indexes, page.next), (found, next), "{looks} {events}");
    }
    let all = TraceFilter::default();
    let page = log.traces(&query.scope, &all, None, everything, everything).await;
    let page = page.unwrap();
    assert_eq!((page.traces.len() as u64, page.next), (last + 1, None));
    let page = log.traces(&query.scope, &all, None, everything, STRETCH).await.unwrap();
    assert_eq!((page.traces.len(), page.next), (STRETCH, Some(11)));
}

/// Sends all of the events while the writer is held up, then lets it go.
async fn burst(log: &FileLog, events: impl Iterator<Item = NewEvent>) -> Vec<Result<Receipt, TraceError>> {
    let mut calls: Vec<_> = events.map(|event| Box::pin(append(log, event))).collect();
    let at_once: Vec<_> = {
        // The writer can't note what it has written while somebody reads the index.
        let _held_up = log.shared.index();
        calls.iter_mut().map(|call| call.as_mut().now_or_never()).collect()
    };
    let mut answers = Vec::new();
    for (call, answer) in calls.into_iter().zip(at_once) {
        answers.push(match answer {
            Some(answer) => answer,
            None => call.await,
        });
    }
    answers
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let folder = testing::folder();
    let options = FileLogOptions {
        queue_bytes: 3_000,
        ..FileLogOptions::new(folder.path())
    };
    let log = FileLog::open(options, testing::impure().0, Arc::new(chassis::SystemIds)).unwrap();
    let answers = burst(&log, (0..50).map(|number| testing::event(1, number))).await;
    let taken = answers.iter().filter(|answer| answer.is_ok()).count() as u64;
    assert!((1..5).contains(&taken), "{taken}");
    let refused = |answer: &Result<_, _>| matches!(answer, Err(TraceError::Overloaded));
    assert_eq!(
        answers.iter().filter(|answer| refused(answer)).count() as u64,
        50 - taken
    );
    assert_eq!(log.end(), taken);
    append(&log, testing::event(1, 99)).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_its_event_recorded() {
    let folder = testing::folder();
    let log = testing::open(folder.path());
    drop(append(&log, testing::event(1, 1)).now_or_never());
    let again = append(&log, testing::event(1, 1)).await.unwrap();
    assert!(again.duplicate);
}

#[tokio::test]
async fn a_damaged_entry_is_an_error_to_its_reader_and_not_a_wrong_answer() {
    let folder = testing::folder();
    let log = testing::open(folder.path());
    let mut event = testing::event(1, 1);
    event.content.as_mut().unwrap().data = vec![0xff; 100];
    append(&log, event.clone()).await.unwrap();
    let blob = fs::read_dir(folder.path().join("blobs"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::write(blob, [0xfe; 100]).unwrap();
    let id = BlobId::of(&[0xff; 100]);
    assert!(matches!(log.blob(id).await, Err(TraceError::BlobUnreadable(..))));
    fs::write(first_segment(folder.path()), "").unwrap();
    assert!(matches!(
        append(&log, event).await,
        Err(TraceError::Unreadable { index: 0, .. })
    ));
}
