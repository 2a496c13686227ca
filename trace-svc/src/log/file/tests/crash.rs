//! The log cut off at every byte, torn in every way that disks know, and damaged in ways that they don't.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use chassis::{clock::ManualClock, semconv};

use crate::event::EventType;

use super::*;

pub(super) const EVENTS: u32 = 8;

/// A closed log of a few events, each of another time, and the bytes of its only segment.
pub(super) async fn recorded() -> (tempfile::TempDir, Vec<u8>) {
    let folder = testing::folder();
    let (log, clock) = open_after(folder.path(), 0);
    for number in 0..EVENTS {
        clock.advance(Duration::from_micros(1));
        append(&log, testing::event(u128::from(number % 3), number.into()))
            .await
            .unwrap();
    }
    drop(log);
    let bytes = fs::read(first_segment(folder.path())).unwrap();
    (folder, bytes)
}

/// The log, some seconds after it began, and its clock.
pub(super) fn open_after(folder: &Path, seconds: u64) -> (FileLog, Arc<ManualClock>) {
    let (clock, _) = testing::impure();
    clock.advance(Duration::from_secs(seconds));
    let options = FileLogOptions::new(folder);
    let log = FileLog::open(options, clock.clone(), Arc::new(chassis::SystemIds)).unwrap();
    (log, clock)
}

/// A new log whose only segment holds these bytes.
pub(super) fn planted(bytes: &[u8]) -> tempfile::TempDir {
    let folder = testing::quick_folder();
    fs::create_dir(folder.path().join("segments")).unwrap();
    fs::write(first_segment(folder.path()), bytes).unwrap();
    folder
}

pub(super) fn complete_lines(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count() - 1
}

pub(super) fn after_last_newline(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

pub(super) fn quarantined(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder.join("quarantine"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

#[tokio::test]
async fn cut_at_any_byte_the_log_keeps_every_complete_line() {
    let (_folder, whole) = recorded().await;
    for cut in 0..=whole.len() {
        let folder = planted(&whole[..cut]);
        let folders = Folders::create(folder.path()).unwrap();
        let recovered = recovery::recover(&folders).unwrap();
        let kept = complete_lines(&whole[..cut]);
        let good = after_last_newline(&whole[..cut]);
        assert_eq!(recovered.index.end(), kept as u64, "cut at {cut}");
        assert_eq!(fs::read(first_segment(folder.path())).unwrap(), &whole[..good]);
        let tails = quarantined(folder.path());
        assert_eq!(recovered.quarantined.len(), tails.len());
        if good == cut {
            assert_eq!(tails, Vec::<PathBuf>::new());
        } else {
            assert_eq!(fs::read(&tails[0]).unwrap(), &whole[good..cut]);
        }
    }
}

#[tokio::test]
async fn a_torn_tail_is_recorded_once_and_the_log_goes_on() {
    let (_folder, whole) = recorded().await;
    let folder = planted(&whole[..whole.len() - 10]);
    let log = testing::open(folder.path());
    // The event that was torn off was never acknowledged, so its producer sends it again.
    let receipt = append(
        &log,
        testing::event(u128::from((EVENTS - 1) % 3), u128::from(EVENTS - 1)),
    )
    .await
    .unwrap();
    assert!(!receipt.duplicate);
    drop(log);
    drop(testing::open(folder.path()));
    let lines = lines(folder.path());
    check_chains(&lines);
    let parsed: Vec<_> = lines.iter().map(|entry| Line::parse(&entry.bytes).unwrap()).collect();
    let recovered: Vec<_> = parsed
        .iter()
        .filter(|line| line.kind == EventType::LogRecovered)
        .collect();
    assert_eq!(recovered.len(), 1);
    assert_eq!(recovered[0].trace_id, TraceId::LOG);
    let tail = fs::read(&quarantined(folder.path())[0]).unwrap();
    assert_eq!(recovered[0].attrs["countersign.log.bytes"], tail.len().to_string());
    assert_eq!(
        recovered[0].attrs["countersign.log.sha256"],
        BlobId::of(&tail).to_string()
    );
    assert_eq!(recovered[0].attrs["countersign.log.segment"], "0");
}

#[tokio::test]
async fn a_recovery_that_is_cut_off_is_finished_by_the_next() {
    let (_folder, whole) = recorded().await;
    let torn = &whole[..whole.len() - 10];
    let folder = planted(torn);
    let folders = Folders::create(folder.path()).unwrap();
    // Cut off before the event was written; and, besides, before the segment was cut.
    drop(recovery::recover(&folders).unwrap());
    fs::write(first_segment(folder.path()), torn).unwrap();
    drop(testing::open(folder.path()));
    let lines = lines(folder.path());
    let recovered = lines
        .iter()
        .filter(|entry| Line::parse(&entry.bytes).unwrap().kind == EventType::LogRecovered);
    assert_eq!(recovered.count(), 1);
    assert_eq!(quarantined(folder.path()).len(), 1);
}

#[tokio::test]
async fn a_closing_that_is_cut_off_is_finished_by_the_next_start() {
    let folder = testing::folder();
    let log = testing::open(folder.path());
    append(&log, testing::event(1, 1)).await.unwrap();
    let closing = testing::typed(1, 2, EventType::ApprovalClosed);
    append(&log, closing.clone()).await.unwrap();
    append(&log, testing::event(1, 3)).await.unwrap();
    drop(log);
    let whole = fs::read(first_segment(folder.path())).unwrap();
    let ends: Vec<_> = (1..=whole.len()).filter(|end| whole[end - 1] == b'\n').collect();
    // After `approval.closed`, and after the late event, both of which a `trace.closed` follows: right there, or within it.
    for end in [ends[1], ends[1] + 7, ends[3], ends[3] + 7] {
        let folder = planted(&whole[..end]);
        for _ in 0..2 {
            let log = testing::open(folder.path());
            // It was never acknowledged, so its producer sends it again.
            assert!(append(&log, closing.clone()).await.unwrap().duplicate);
        }
        let lines = lines(folder.path());
        check_chains(&lines);
        let closed = Line::parse(&lines[complete_lines(&whole[..end])].bytes).unwrap();
        assert_eq!(closed.kind, EventType::TraceClosed, "cut at {end}");
        assert_eq!(
            closed.attrs[semconv::EVENT_COUNT],
            complete_lines(&whole[..end]).to_string()
        );
        let of_log = usize::from(!ends.contains(&end));
        assert_eq!(lines.len(), complete_lines(&whole[..end]) + 1 + of_log);
    }
}

#[tokio::test]
async fn what_nobody_may_have_synced_is_written_again() {
    let (folder, whole) = recorded().await;
    let segment = fs::File::options()
        .write(true)
        .open(first_segment(folder.path()))
        .unwrap();
    segment.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    recovery::recover(&Folders::create(folder.path()).unwrap()).unwrap();
    assert!(segment.metadata().unwrap().modified().unwrap() > SystemTime::UNIX_EPOCH);
    assert_eq!(fs::read(first_segment(folder.path())).unwrap(), whole);
}

#[tokio::test]
async fn every_kind_of_torn_tail_is_quarantined() {
    let (_folder, whole) = recorded().await;
    let line = &whole[..=whole.iter().position(|byte| *byte == b'\n').unwrap()];
    let tails: [Vec<u8>; 6] = [
        b"garbage".to_vec(),
        b"garbage\nmore garbage\n\n\n".to_vec(),
        b"{}\n".to_vec(),
        vec![0xff; 200_000],
        b"\n".to_vec(),
        [&line[..line.len() - 1], &b" \n"[..]].concat(),
    ];
    for tail in tails {
        let folder = planted(&[whole.as_slice(), &tail].concat());
        let log = testing::open(folder.path());
        assert_eq!(log.end(), u64::from(EVENTS) + 1);
        assert_eq!(fs::read(&quarantined(folder.path())[0]).unwrap(), tail);
    }
}

pub(super) fn assert_damaged(folder: &Path, index: u64) {
    for _ in 0..2 {
        match open_with(folder, 1 << 20) {
            Err(OpenError::Damaged { index: found, .. }) => assert_eq!(found, index),
            other => panic!("opened: {other:?}"),
        }
    }
    let quarantine = folder.join("quarantine");
    assert_eq!(
        fs::read_dir(quarantine).unwrap().count(),
        0,
        "damage is left as it is found"
    );
}

#[tokio::test]
async fn damage_that_is_no_torn_tail_is_refused() {
    let (_folder, whole) = recorded().await;
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let plant = |lines: Vec<&[u8]>| planted(&lines.concat());

    let mut flipped = whole.clone();
    flipped[lines[0].len()] ^= 1;
    assert_damaged(planted(&flipped).path(), 1);

    // A forged value makes a line as good as any; the next event of its trace gives it away.
    let forged = String::from_utf8(lines[1].to_vec()).unwrap().replace("AMBER", "GREEN");
    let mut with_forged = lines.clone();
    with_forged[1] = forged.as_bytes();
    assert_damaged(plant(with_forged).path(), 4);

    let mut without = lines.clone();
    without.remove(3);
    assert_damaged(plant(without).path(), 3);

    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    assert_damaged(plant(swapped).path(), 2);

    let mut repeated = lines.clone();
    repeated.push(lines[0]);
    assert_damaged(plant(repeated).path(), u64::from(EVENTS));

    let mut hole = lines.clone();
    let zeros = vec![0; lines[4].len()];
    hole[4] = &zeros;
    assert_damaged(plant(hole).path(), 4);
}

#[tokio::test]
async fn a_missing_segment_is_refused_and_so_is_a_torn_one_that_is_not_the_last() {
    for damage in 0..3 {
        let folder = testing::folder();
        let log = open_with(folder.path(), 2_000).unwrap();
        for number in 0..EVENTS {
            append(&log, testing::event(1, number.into())).await.unwrap();
        }
        drop(log);
        let mut segments: Vec<_> = fs::read_dir(folder.path().join("segments"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        segments.sort();
        match damage {
            0 => fs::remove_file(&segments[0]).unwrap(),
            1 => fs::remove_file(&segments[1]).unwrap(),
            _ => {
                let bytes = fs::read(&segments[0]).unwrap();
                fs::write(&segments[0], &bytes[..bytes.len() - 1]).unwrap();
            }
        }
        assert!(
            matches!(open_with(folder.path(), 2_000), Err(OpenError::Damaged { .. })),
            "{damage}"
        );
    }
}

#[tokio::test]
async fn a_line_without_its_blob_is_refused() {
    for truncate in [false, true] {
        let folder = testing::folder();
        let log = testing::open(folder.path());
        let mut event = testing::event(1, 1);
        event.content.as_mut().unwrap().data = vec![0xff; 100];
        append(&log, event).await.unwrap();
        drop(log);
        let blob = fs::read_dir(folder.path().join("blobs"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        if truncate {
            fs::write(blob, [0xff; 99]).unwrap();
        } else {
            fs::remove_file(blob).unwrap();
        }
        assert_damaged(folder.path(), 0);
    }
}
