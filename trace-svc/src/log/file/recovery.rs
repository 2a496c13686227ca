//! Opening a log that may have been cut off at any byte.
//!
//! Every line is read, checked to be exactly what the log writes, and checked against the chain. A crash can leave a torn
//! tail after the last durable line: bytes that were never acknowledged. It is moved to `quarantine/`, and a
//! `log.recovered` event says so. Anything else that is wrong is damage, and the log refuses to open (TR-11).
//!
//! The zero bytes that a segment has grown ahead by are cut off, and no tail. They also tell what a power cut has left of the
//! one commit that wasn't synced, whose sectors reach the disk in any order: where one had not, it still is zero, and
//! what follows is of the same commit, with the same time. Lines that can be read and lack either of these marks are never
//! set aside: something that was acknowledged may have been damaged, and a person has to decide (docs/trace-log.md). Where
//! nothing at the very end can be read, that can't be told from a torn tail.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use chassis::part::PartName;

use crate::{
    error::OpenError,
    event::{Actor, ActorType, EventType, MAX_LINE_BYTES, TraceId},
    line::{BlobId, Draft, Leaf, Line, LineContent},
    log::index::Index,
};

use super::folders::{Folders, create_file, sync_folder};

const TAIL_SUFFIX: &str = ".tail";
const READ_BUFFER_BYTES: usize = 256 * 1024;
/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// What was found.
#[derive(Debug)]
pub(super) struct Recovered {
    /// Everything in the log.
    pub(super) index: Index,
    /// The last segment, to be continued.
    pub(super) end: Option<SegmentEnd>,
    /// Events about torn tails, not recorded yet.
    pub(super) quarantined: Vec<Draft>,
}

/// Where the log goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct SegmentEnd {
    /// Names the segment.
    pub(super) first_index: u64,
    /// Length of its good part.
    pub(super) length: u64,
}

/// What one segment holds.
struct Scanned {
    /// Length of its good part.
    length: u64,
    /// Where the lines of the last commit begin, or before: the lines of a commit are recorded at one time.
    last_commit: u64,
    /// What follows the good part.
    fault: Option<Fault>,
}

/// Where a segment stops being good, and why.
struct Fault {
    offset: u64,
    cause: String,
}

/// Reads the whole log, cuts off a torn tail, and builds the index.
pub(super) fn recover(folders: &Folders) -> Result<Recovered, OpenError> {
    // A segment that a crash left behind may have a name that isn't durable yet.
    sync_folder(&folders.segments())?;
    let firsts = folders.list_segments()?;
    let mut index = Index::default();
    let mut last = None;
    for (position, first_index) in firsts.iter().copied().enumerate() {
        let path = folders.segment(first_index);
        if first_index != index.end() {
            return Err(damaged(&path, &index, 0, "the segment before it is missing or short"));
        }
        index.begin_segment();
        let scanned = scan(folders, &path, &mut index)?;
        if let Some(fault) = &scanned.fault {
            let is_last = position + 1 == firsts.len();
            cut_tail(folders, first_index, &index, fault, is_last)?;
        }
        last = Some((first_index, scanned));
    }
    if let Some((first_index, scanned)) = &last {
        let path = folders.segment(*first_index);
        write_again(&path, scanned).map_err(OpenError::io(path))?;
    }
    let quarantined = unrecorded_tails(folders, &index)?;
    Ok(Recovered {
        index,
        end: last.map(|(first_index, scanned)| SegmentEnd {
            first_index,
            length: scanned.length,
        }),
        quarantined,
    })
}

fn damaged(segment: &Path, index: &Index, offset: u64, cause: &str) -> OpenError {
    OpenError::Damaged {
        segment: segment.to_owned(),
        offset,
        index: index.end(),
        cause: cause.to_owned(),
    }
}

/// Adds the segment's lines to the index.
fn scan(folders: &Folders, path: &Path, index: &mut Index) -> Result<Scanned, OpenError> {
    let file = File::open(path).map_err(OpenError::io(path))?;
    let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, file);
    let mut offset = 0;
    let mut last_commit = 0;
    let mut bytes = Vec::new();
    let fault = loop {
        bytes.clear();
        let most = MAX_LINE_BYTES as u64 + 1;
        let read = reader.by_ref().take(most).read_until(b'\n', &mut bytes);
        if read.map_err(OpenError::io(path))? == 0 {
            break None;
        }
        let recorded_before = index.last_recorded_at();
        if let Err(cause) = accept(folders, index, &bytes, offset) {
            break Some(Fault { offset, cause });
        }
        if index.last_recorded_at() != recorded_before {
            last_commit = offset;
        }
        offset += bytes.len() as u64;
    };
    Ok(Scanned {
        length: offset,
        last_commit,
        fault,
    })
}

/// Writes the last commit's lines again, the same bytes in their place, and syncs them.
///
/// All others were synced before it began. It may never have been; and if its sync failed and the process ended before it
/// could cut the lines off, the kernel keeps them as if they were on the disk and has reported the error already: syncing
/// alone would succeed. What remains is a file system that still fails to write them and says that it did.
fn write_again(segment: &Path, scanned: &Scanned) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(segment)?;
    let length = usize::try_from(scanned.length - scanned.last_commit).map_err(io::Error::other)?;
    let mut lines = vec![0; length];
    file.read_exact_at(&mut lines, scanned.last_commit)?;
    file.write_all_at(&lines, scanned.last_commit)?;
    file.sync_all()
}

fn accept(folders: &Folders, index: &mut Index, bytes: &[u8], offset: u64) -> Result<(), String> {
    let bytes = bytes.strip_suffix(b"\n").ok_or("a line is not ended")?;
    let line = Line::parse(bytes).map_err(|error| error.to_string())?;
    index.check(&line).map_err(|error| error.to_string())?;
    if let Some(LineContent::Blob { bytes, sha256, .. }) = &line.content {
        check_blob(folders, *sha256, *bytes)?;
    }
    let too_long = |_| "the segment is too long".to_owned();
    let offset = u32::try_from(offset).map_err(too_long)?;
    let length = u16::try_from(bytes.len()).map_err(too_long)?;
    index.apply(&line, Leaf::of(bytes), offset, length);
    Ok(())
}

fn check_blob(folders: &Folders, id: BlobId, bytes: u64) -> Result<(), String> {
    match fs::metadata(folders.blobs().join(id.to_string())) {
        Ok(file) if file.len() == bytes => Ok(()),
        Ok(file) => Err(format!("its blob has {} bytes instead of {bytes}", file.len())),
        Err(error) => Err(format!("its blob is missing: {error}")),
    }
}

/// Cuts off what follows the good part: zero bytes, and before them a torn tail, which goes to quarantine. Refuses what is
/// more than that.
fn cut_tail(folders: &Folders, first_index: u64, index: &Index, fault: &Fault, is_last: bool) -> Result<(), OpenError> {
    let path = folders.segment(first_index);
    let mut tail = read_from(&path, fault.offset).map_err(OpenError::io(&path))?;
    tail.truncate(tail.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    if !tail.is_empty() {
        if !is_last || !is_torn(&tail, fault.offset) {
            return Err(damaged(&path, index, fault.offset, &fault.cause));
        }
        keep_tail(&folders.quarantine(), first_index, fault.offset, &tail)?;
        tracing::warn!(
            segment = %path.display(), offset = fault.offset, bytes = tail.len(), cause = fault.cause,
            "cut off a torn tail; its bytes are in quarantine",
        );
    }
    let cut = || {
        let file = OpenOptions::new().write(true).open(&path)?;
        file.set_len(fault.offset)?;
        file.sync_all()
    };
    cut().map_err(OpenError::io(&path))
}

fn read_from(path: &Path, offset: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok(tail)
}

/// Whether a tail that begins at this offset is of a commit that was never synced.
fn is_torn(tail: &[u8], offset: u64) -> bool {
    let pieces = tail.split_inclusive(|byte| *byte == b'\n');
    let ended = pieces.filter_map(|piece| piece.strip_suffix(b"\n"));
    let mut times = ended.filter_map(|piece| Line::parse(piece).ok().map(|line| line.recorded_at));
    let Some(time) = times.next() else { return true };
    let first = tail.split(|byte| *byte == b'\n').next().unwrap_or_default();
    has_unwritten_sector(first, offset) && times.all(|other| other == time)
}

/// Whether these bytes, which begin at this offset of a file, are zero in all of a sector, or in all of one's end.
fn has_unwritten_sector(bytes: &[u8], offset: u64) -> bool {
    let begun = usize::try_from(offset % SECTOR_BYTES as u64).unwrap_or(0);
    let is_zero = |sector: &[u8]| sector.iter().all(|byte| *byte == 0);
    match bytes.split_at_checked(SECTOR_BYTES - begun) {
        Some((end_of_sector, sectors)) => is_zero(end_of_sector) || sectors.chunks_exact(SECTOR_BYTES).any(is_zero),
        None => false,
    }
}

fn keep_tail(folder: &Path, first_index: u64, offset: u64, tail: &[u8]) -> Result<(), OpenError> {
    let digest = hex::encode(Sha256::digest(tail));
    let path = folder.join(format!("{first_index}-{offset}-{}-{digest}{TAIL_SUFFIX}", tail.len()));
    let unfinished = path.with_extension("part");
    let write = || {
        let mut file = create_file(&unfinished)?;
        file.write_all(tail)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)
    };
    write().map_err(OpenError::io(&unfinished))?;
    sync_folder(folder)
}

/// An event for each tail in quarantine that has none yet: also for one that an earlier start was cut off from recording.
fn unrecorded_tails(folders: &Folders, index: &Index) -> Result<Vec<Draft>, OpenError> {
    let folder = folders.quarantine();
    let mut tails = Vec::new();
    for entry in fs::read_dir(&folder).map_err(OpenError::io(&folder))? {
        let path = entry.map_err(OpenError::io(&folder))?.path();
        tails.extend(tail_event(&path).filter(|event| index.find(&event.event_id).is_none()));
    }
    tails.sort_by(|left, right| left.attrs.cmp(&right.attrs));
    Ok(tails)
}

fn tail_event(path: &PathBuf) -> Option<Draft> {
    let name = path.file_name()?.to_str()?.strip_suffix(TAIL_SUFFIX)?;
    let parts: Vec<&str> = name.split('-').collect();
    let [first_index, offset, bytes, sha256] = parts.as_slice() else {
        return None;
    };
    let attrs = [
        ("countersign.log.segment", *first_index),
        ("countersign.log.offset", *offset),
        ("countersign.log.bytes", *bytes),
        ("countersign.log.sha256", *sha256),
    ];
    let kept_at = fs::metadata(path).and_then(|file| file.modified());
    Some(Draft {
        event_id: tail_event_id(name),
        trace_id: TraceId::LOG,
        kind: EventType::LogRecovered,
        occurred_at: kept_at.unwrap_or(SystemTime::UNIX_EPOCH),
        actor: Actor {
            kind: ActorType::Service,
            id: PartName::Trace.as_str().to_owned(),
        },
        risk: None,
        action_digest: None,
        attrs: attrs.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        content: None,
    })
}

/// Derived from what was cut off, so that it is recorded once, however often the start is cut off too.
fn tail_event_id(name: &str) -> Uuid {
    let hash: [u8; 32] = Sha256::new()
        .chain_update("countersign/log.recovered/v1")
        .chain_update(name)
        .finalize()
        .into();
    let half = hash.first_chunk::<16>().copied().unwrap_or_default();
    Uuid::new_v8(half)
}
