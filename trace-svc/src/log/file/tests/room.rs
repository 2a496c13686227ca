//! The zero bytes that a segment has ahead of its lines, and what a power cut leaves of a commit among them.

use std::path::PathBuf;

use super::{
    crash::{EVENTS, after_last_newline, assert_damaged, complete_lines, open_after, planted, quarantined, recorded},
    *,
};

/// A closed log in whose only segment a commit of several lines is the last; its events, and the segment's bytes.
async fn recorded_with_batch() -> (Vec<NewEvent>, Vec<u8>) {
    let (folder, _) = recorded().await;
    let batch: Vec<_> = (100..105).map(|number| testing::event(1, number)).collect();
    open_after(folder.path(), 1).0.append(batch.clone()).await.unwrap();
    (batch, fs::read(first_segment(folder.path())).unwrap())
}

#[tokio::test]
async fn zero_bytes_at_the_end_are_cut_off_and_are_no_tail() {
    let (_folder, whole) = recorded().await;
    for zeros in [1, 511, 4_096, 200_000] {
        let folder = planted(&[whole.as_slice(), &vec![0; zeros]].concat());
        drop(testing::open(folder.path()));
        assert_eq!(fs::read(first_segment(folder.path())).unwrap(), whole);
        assert_eq!(quarantined(folder.path()), Vec::<PathBuf>::new());
    }
    let folder = planted(&[whole.as_slice(), &whole[..100], &[0; 5_000]].concat());
    let log = testing::open(folder.path());
    assert_eq!(log.end(), u64::from(EVENTS) + 1);
    assert_eq!(fs::read(&quarantined(folder.path())[0]).unwrap(), &whole[..100]);
}

#[tokio::test]
async fn a_segment_has_zero_bytes_ahead_only_while_it_is_written() {
    let folder = testing::folder();
    let log = open_with(folder.path(), 200_000).unwrap();
    let mut event = testing::event(1, 0);
    event.attrs.insert("note".to_owned(), "x".repeat(50_000));
    for number in 0..6 {
        event.event_id = testing::event(1, number).event_id;
        append(&log, event.clone()).await.unwrap();
    }
    let second = folder.path().join("segments/00000000000000000003.jsonl");
    assert_eq!(fs::read(first_segment(folder.path())).unwrap().last(), Some(&b'\n'));
    assert_eq!(fs::read(&second).unwrap().last(), Some(&0));
    assert!(fs::metadata(&second).unwrap().len() <= 200_000);
    drop(log);
    assert_eq!(fs::read(&second).unwrap().last(), Some(&b'\n'));
    check_chains(&lines(folder.path()));
}

/// Whichever sectors of it were lost.
#[tokio::test]
async fn of_a_commit_that_was_not_synced_what_stands_before_the_first_lost_sector_is_kept() {
    let (batch, whole) = recorded_with_batch().await;
    let begin = recorded().await.1.len();
    let sectors: Vec<_> = (begin / 512..whole.len().div_ceil(512))
        .map(|sector| (sector * 512).max(begin)..((sector + 1) * 512).min(whole.len()))
        .collect();
    for lost in 1_u32..1 << sectors.len() {
        let mut torn = whole.clone();
        for (number, sector) in sectors.iter().enumerate() {
            if lost & (1 << number) != 0 {
                torn[sector.clone()].fill(0);
            }
        }
        torn.resize(whole.len() + 2_000, 0);
        let first = sectors[lost.trailing_zeros() as usize].start;
        let kept = complete_lines(&whole[..first]) - EVENTS as usize;
        let folder = planted(&torn);
        let log = testing::open(folder.path());
        // Its producer sends it again.
        let receipts = log.append(batch.clone()).await.unwrap();
        let known: Vec<_> = receipts.iter().map(|receipt| receipt.duplicate).collect();
        assert_eq!(known, (0..batch.len()).map(|at| at < kept).collect::<Vec<_>>());
        let rest = &torn[after_last_newline(&torn[..first])..];
        for tail in quarantined(folder.path()) {
            assert!(rest.starts_with(&fs::read(tail).unwrap()));
        }
        drop(log);
        check_chains(&lines(folder.path()));
    }
}

#[tokio::test]
async fn a_gap_that_may_be_in_what_was_acknowledged_is_refused() {
    let (_batch, whole) = recorded_with_batch().await;
    let begin = recorded().await.1.len();
    let gap = begin + whole[begin..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let sectors = gap.next_multiple_of(512);

    // No disk writes less than a sector.
    let mut damaged = whole.clone();
    damaged[gap + 1..sectors + 511].fill(0);
    assert_damaged(planted(&damaged).path(), u64::from(EVENTS) + 1);

    // The line that can't be read is not the one with the gap.
    let mut damaged = whole.clone();
    damaged[begin + 10] ^= 1;
    damaged[sectors..sectors + 512].fill(0);
    assert_damaged(planted(&damaged).path(), EVENTS.into());

    // A later commit came after it.
    let folder = planted(&whole);
    append(&open_after(folder.path(), 2).0, testing::event(1, 200))
        .await
        .unwrap();
    let mut damaged = fs::read(first_segment(folder.path())).unwrap();
    assert!(damaged.len() > whole.len());
    damaged[sectors..sectors + 512].fill(0);
    assert_damaged(planted(&damaged).path(), u64::from(EVENTS) + 1);
}
