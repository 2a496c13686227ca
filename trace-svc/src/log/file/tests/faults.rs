//! A disk that is full, writes short, or fails to sync: what a real one can't be made to show.

use std::{
    io,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};

use chassis::{Node, NodeConfig, PartName};

use crate::log::file::disk::{DiskFile, DiskFolder};

use super::*;

/// What is wrong with the disk at the moment, and what it has seen.
#[derive(Debug)]
struct Faults {
    /// Bytes that still fit.
    room: AtomicI64,
    /// A write takes at most three bytes.
    short: AtomicBool,
    /// Files can't be synced.
    no_sync: AtomicBool,
    /// Folders can't be synced.
    no_folder_sync: AtomicBool,
    /// Files can't be written, for no good reason.
    no_write: AtomicBool,
    /// Files and folders can't be opened for the moment, for this error of the operating system; 0 is none.
    no_open: AtomicI32,
    /// A write panics.
    panics: AtomicBool,
    /// What was asked of it, in order: `write`, `sync`, `rename`, each with its folder.
    asked: Mutex<Vec<String>>,
}

#[derive(Debug, Clone)]
struct FaultyDisk(Arc<Faults>);

#[derive(Debug)]
struct FaultyFolder {
    faults: Arc<Faults>,
    name: String,
    folder: Box<dyn DiskFolder>,
}

#[derive(Debug)]
struct FaultyFile {
    faults: Arc<Faults>,
    folder: String,
    file: Box<dyn DiskFile>,
    length: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            room: AtomicI64::new(i64::MAX / 2),
            short: AtomicBool::default(),
            no_sync: AtomicBool::default(),
            no_folder_sync: AtomicBool::default(),
            no_write: AtomicBool::default(),
            no_open: AtomicI32::default(),
            panics: AtomicBool::default(),
            asked: Mutex::default(),
        }
    }
}

impl Faults {
    fn note(&self, what: &str, folder: &str) {
        self.asked.lock().unwrap().push(format!("{what} {folder}"));
    }

    fn check_open(&self) -> io::Result<()> {
        match self.no_open.load(SeqCst) {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }

    /// What was asked since this was asked last.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

impl FaultyDisk {
    fn wrap(&self, path: &Path, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        let folder = name(path.parent().unwrap());
        Box::new(FaultyFile {
            faults: Arc::clone(&self.0),
            folder,
            file,
            length: fs::metadata(path).unwrap().len(),
        })
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.0.check_open()?;
        Ok(self.wrap(path, RealDisk.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.0.check_open()?;
        Ok(self.wrap(path, RealDisk.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.note("rename in", &name(to.parent().unwrap()));
        RealDisk.rename(from, to)
    }

    fn open_folder(&self, path: &Path) -> io::Result<Box<dyn DiskFolder>> {
        self.0.check_open()?;
        Ok(Box::new(FaultyFolder {
            faults: Arc::clone(&self.0),
            name: name(path),
            folder: RealDisk.open_folder(path)?,
        }))
    }
}

impl DiskFolder for FaultyFolder {
    fn sync(&self) -> io::Result<()> {
        self.faults.note("sync folder", &self.name);
        if self.faults.no_folder_sync.load(SeqCst) {
            return Err(io::Error::other("EIO"));
        }
        self.folder.sync()
    }
}

impl DiskFile for FaultyFile {
    fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.faults.note("write in", &self.folder);
        assert!(!self.faults.panics.load(SeqCst), "told to");
        if self.faults.no_write.load(SeqCst) {
            return Err(io::Error::other("EIO"));
        }
        let room = self.length + self.faults.room.load(SeqCst).max(0).cast_unsigned();
        let room = usize::try_from(room.saturating_sub(offset)).unwrap_or(usize::MAX);
        if room == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let most = if self.faults.short.load(SeqCst) { 3 } else { usize::MAX };
        let written = self.file.write(&bytes[..bytes.len().min(most).min(room)], offset)?;
        self.grow_to(self.length.max(offset + written as u64));
        Ok(written)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.faults.note("sync in", &self.folder);
        if self.faults.no_sync.load(SeqCst) {
            return Err(io::Error::other("EIO"));
        }
        self.file.sync()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.truncate(length)?;
        self.grow_to(length);
        Ok(())
    }
}

impl FaultyFile {
    fn grow_to(&mut self, length: u64) {
        let grown = length.cast_signed() - std::mem::replace(&mut self.length, length).cast_signed();
        self.faults.room.fetch_sub(grown, SeqCst);
    }
}

fn open_faulty(folder: &Path, segment_bytes: u32) -> (FileLog, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    let options = FileLogOptions {
        segment_bytes,
        ..FileLogOptions::new(folder)
    };
    let disk = Arc::new(FaultyDisk(Arc::clone(&faults)));
    let log = FileLog::open_on(disk, options, testing::impure().0, Arc::new(chassis::SystemIds));
    (log.unwrap(), faults)
}

fn with_blob(number: u128) -> NewEvent {
    with_content(vec![0xff; 1000], number)
}

fn with_content(data: Vec<u8>, number: u128) -> NewEvent {
    let mut event = testing::event(1, number);
    event.content.as_mut().unwrap().data = data;
    event
}

#[tokio::test]
async fn an_acknowledgement_comes_after_the_sync_and_a_line_after_its_blob() {
    let folder = testing::folder();
    let (log, faults) = open_faulty(folder.path(), 1_500);
    assert_eq!(faults.asked(), ["sync in segments", "sync folder segments"]);
    append(&log, testing::event(1, 0)).await.unwrap();
    assert_eq!(faults.asked(), ["write in segments", "sync in segments"]);
    append(&log, with_blob(1)).await.unwrap();
    let blob = [
        "write in blobs",
        "sync in blobs",
        "rename in blobs",
        "sync folder blobs",
    ];
    let line = ["write in segments", "sync in segments"];
    assert_eq!(faults.asked(), [&blob[..], &line[..]].concat());
    // A blob that is there is vouched for again; and a full segment is followed by another.
    append(&log, with_blob(2)).await.unwrap();
    let again = [
        "sync folder blobs",
        "sync in segments",
        "sync in segments",
        "sync folder segments",
    ];
    assert_eq!(faults.asked(), [&again[..], &line[..]].concat());
    append(&log, with_blob(2)).await.unwrap();
    assert_eq!(faults.asked(), ["sync folder blobs"], "a duplicate writes nothing");
}

#[tokio::test]
async fn what_waits_together_is_synced_together() {
    let folder = testing::folder();
    let (log, faults) = open_faulty(folder.path(), 1 << 20);
    faults.asked();
    let answers = burst(&log, (0..200).map(|number| testing::event(1, number))).await;
    assert!(answers.iter().all(Result::is_ok));
    let syncs = faults.asked().iter().filter(|asked| asked.starts_with("sync")).count();
    assert!((1..=2).contains(&syncs), "{syncs} syncs for 200 events");
}

#[tokio::test]
async fn short_writes_are_completed() {
    let folder = testing::folder();
    let (log, faults) = open_faulty(folder.path(), 2_000);
    faults.short.store(true, SeqCst);
    for number in 0..6 {
        append(&log, testing::event(1, number)).await.unwrap();
    }
    append(&log, with_blob(7)).await.unwrap();
    assert_eq!(log.blob(BlobId::of(&[0xff; 1000])).await.unwrap(), [0xff; 1000]);
    drop(log);
    check_chains(&lines(folder.path()));
}

#[tokio::test]
async fn a_full_disk_refuses_events_keeps_reads_and_recovers() {
    let folder = testing::folder();
    let (log, faults) = open_faulty(folder.path(), 1 << 20);
    // Enough for its line, and not for room ahead.
    faults.room.store(1_000, SeqCst);
    append(&log, testing::event(1, 0)).await.unwrap();
    let before = fs::read(first_segment(folder.path())).unwrap();
    assert_eq!(before.last(), Some(&b'\n'));
    for room in [0, 1, 100, 400] {
        faults.room.store(room, SeqCst);
        let refused = append(&log, testing::event(1, 1)).await;
        assert!(
            matches!(refused, Err(TraceError::DiskFull)),
            "room for {room}: {refused:?}"
        );
        assert_eq!(fs::read(first_segment(folder.path())).unwrap(), before);
    }
    assert!(append(&log, testing::event(1, 0)).await.unwrap().duplicate);
    assert_eq!(log.end(), 1);
    assert!(!*log.failed().borrow());
    faults.room.store(i64::MAX / 2, SeqCst);
    let receipt = append(&log, testing::event(1, 1)).await.unwrap();
    assert_eq!((receipt.index, receipt.duplicate), (1, false));
    drop(log);
    assert_eq!(testing::open(folder.path()).end(), 2);
    check_chains(&lines(folder.path()));
}

#[tokio::test]
async fn room_that_a_segment_has_ahead_is_there_when_the_disk_is_full() {
    let folder = testing::folder();
    let (log, faults) = open_faulty(folder.path(), 1 << 20);
    append(&log, testing::event(1, 0)).await.unwrap();
    let length = fs::metadata(first_segment(folder.path())).unwrap().len();
    faults.room.store(0, SeqCst);
    for number in 1..100 {
        append(&log, testing::event(1, number)).await.unwrap();
    }
    assert_eq!(fs::metadata(first_segment(folder.path())).unwrap().len(), length);
    drop(log);
    assert_eq!(testing::open(folder.path()).end(), 100);
    check_chains(&lines(folder.path()));
}

#[tokio::test]
async fn a_full_disk_refuses_blobs_and_new_segments_too() {
    let folder = testing::folder();
    let (log, faults) = open_faulty(folder.path(), 1_000);
    append(&log, testing::event(1, 0)).await.unwrap();
    faults.room.store(500, SeqCst);
    assert!(matches!(append(&log, with_blob(1)).await, Err(TraceError::DiskFull)));
    assert_eq!(fs::read_dir(folder.path().join("blobs")).unwrap().count(), 0);
    faults.room.store(10, SeqCst);
    assert!(matches!(
        append(&log, testing::event(1, 2)).await,
        Err(TraceError::DiskFull)
    ));
    faults.room.store(i64::MAX / 2, SeqCst);
    append(&log, testing::event(1, 2)).await.unwrap();
    append(&log, with_blob(1)).await.unwrap();
    drop(log);
    assert_eq!(testing::open(folder.path()).end(), 3);
}

#[tokio::test]
async fn a_process_out_of_descriptors_refuses_what_needs_one_and_goes_on() {
    const OF_THE_MEMORY_THE_MACHINE_AND_THE_PROCESS: [i32; 3] = [12, 23, 24];
    for code in OF_THE_MEMORY_THE_MACHINE_AND_THE_PROCESS {
        let folder = testing::folder();
        let (log, faults) = open_faulty(folder.path(), 1_500);
        append(&log, with_blob(0)).await.unwrap();
        faults.no_open.store(code, SeqCst);
        append(&log, testing::event(1, 1)).await.unwrap();
        // Each needs another segment, the second a blob before that, the third one that is there.
        for event in [testing::event(1, 2), with_content(vec![0xfe; 1000], 3), with_blob(4)] {
            let refused = append(&log, event).await;
            assert!(matches!(refused, Err(TraceError::OutOfHandles)), "{code}: {refused:?}");
        }
        assert!(!*log.failed().borrow());
        faults.no_open.store(0, SeqCst);
        append(&log, testing::event(1, 2)).await.unwrap();
        append(&log, with_content(vec![0xfe; 1000], 3)).await.unwrap();
        drop(log);
        assert_eq!(testing::open(folder.path()).end(), 4);
    }
}

/// TR-9
async fn assert_failed(log: &FileLog, faults: &Faults) {
    assert!(*log.failed().borrow());
    faults.asked();
    for flag in [&faults.no_sync, &faults.no_folder_sync, &faults.no_write] {
        flag.store(false, SeqCst);
    }
    for event in [testing::event(1, 50), with_blob(51)] {
        assert!(matches!(append(log, event).await, Err(TraceError::Unavailable(_))));
    }
    assert_eq!(
        faults.asked(),
        Vec::<String>::new(),
        "nothing is written or synced again"
    );
    let scope = Scope::Own(testing::owner(1));
    let read = log.trace(&scope, testing::trace(1)).await.unwrap();
    assert_eq!(read.event_count, 1, "reads go on, and show only what was acknowledged");
}

#[tokio::test]
async fn a_failed_sync_ends_the_log_for_good() {
    let folder = testing::folder();
    let (log, faults) = open_faulty(folder.path(), 1 << 20);
    append(&log, testing::event(1, 0)).await.unwrap();
    faults.no_sync.store(true, SeqCst);
    let answers =
        futures_util::future::join(append(&log, testing::event(1, 1)), append(&log, testing::event(1, 2))).await;
    assert!(matches!(
        answers,
        (Err(TraceError::Unavailable(_)), Err(TraceError::Unavailable(_)))
    ));
    assert_failed(&log, &faults).await;
}

#[tokio::test]
async fn what_a_failed_sync_left_unacknowledged_is_not_found_by_the_next_start() {
    let folder = testing::folder();
    let (log, faults) = open_faulty(folder.path(), 1 << 20);
    append(&log, testing::event(1, 0)).await.unwrap();
    faults.no_sync.store(true, SeqCst);
    append(&log, testing::event(1, 1)).await.unwrap_err();
    drop(log);
    let log = testing::open(folder.path());
    assert!(append(&log, testing::event(1, 0)).await.unwrap().duplicate);
    assert!(!append(&log, testing::event(1, 1)).await.unwrap().duplicate);
}

#[tokio::test]
async fn a_failed_write_ends_the_log_for_good() {
    let folder = testing::folder();
    let (log, faults) = open_faulty(folder.path(), 1 << 20);
    append(&log, testing::event(1, 0)).await.unwrap();
    faults.no_write.store(true, SeqCst);
    append(&log, testing::event(1, 1)).await.unwrap_err();
    assert_failed(&log, &faults).await;
}

#[tokio::test]
async fn a_writer_that_panics_ends_the_log_for_good() {
    let folder = testing::folder();
    let (log, faults) = open_faulty(folder.path(), 1 << 20);
    append(&log, testing::event(1, 0)).await.unwrap();
    faults.panics.store(true, SeqCst);
    // The panic first takes its own request with it, and what comes before the thread has ended.
    while matches!(append(&log, testing::event(1, 1)).await, Err(TraceError::Interrupted)) {}
    assert_failed(&log, &faults).await;
}

#[tokio::test]
async fn a_service_whose_writer_has_panicked_ends_though_nobody_sends_more() {
    let folder = testing::folder();
    let (log, faults) = open_faulty(folder.path(), 1 << 20);
    let log = Arc::new(log);
    let node = Node::open(PartName::Trace, NodeConfig::default()).unwrap();
    let part = crate::part(Arc::clone(&log), &node).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let served = tokio::spawn(part.serve(listener));
    faults.panics.store(true, SeqCst);
    append(&log, testing::event(1, 1)).await.unwrap_err();
    let ended = tokio::time::timeout(Duration::from_secs(20), served).await.unwrap();
    assert_eq!(ended.unwrap().unwrap_err().to_string(), "the log has failed");
}

#[tokio::test]
async fn a_blob_or_segment_that_cannot_be_made_durable_ends_the_log_for_good() {
    for blob in [true, false] {
        let folder = testing::folder();
        let (log, faults) = open_faulty(folder.path(), 700);
        append(&log, testing::event(1, 0)).await.unwrap();
        faults.no_folder_sync.store(true, SeqCst);
        let event = if blob { with_blob(1) } else { testing::event(1, 1) };
        assert!(matches!(append(&log, event).await, Err(TraceError::Unavailable(_))));
        assert_failed(&log, &faults).await;
    }
}
