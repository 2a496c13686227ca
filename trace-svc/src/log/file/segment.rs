//! The segment that is being written: its lines, and behind them room for more.
//!
//! A file that grows with every commit has its new length written as well, elsewhere on the disk, before a sync returns. So it
//! grows ahead, by zero bytes: lines never hold one. They are cut off when the segment ends or the log is closed; after a
//! crash, recovery does that, and tells by them where a commit had not reached the disk.

use std::io;

use super::disk::{DiskFile, Shortage, write_all};

/// How far it grows ahead: a sync of so much still is a quick one. Measured (docs/benchmarks.md).
const ROOM_BYTES: u64 = 128 * 1024;

/// A segment to append to.
#[derive(Debug)]
pub(super) struct Segment {
    file: Box<dyn DiskFile>,
    /// Where the durable lines end.
    length: u64,
    /// Where the file ends.
    file_length: u64,
    /// How long it may become, if no line alone is longer.
    limit: u64,
}

// === impl Segment ===

impl Segment {
    /// The file holds this many bytes of lines, and nothing else.
    pub(super) fn new(file: Box<dyn DiskFile>, length: u64, limit: u64) -> Self {
        Self {
            file,
            length,
            file_length: length,
            limit,
        }
    }

    /// Goes on in the empty file of the segment that comes after it.
    pub(super) fn go_on_in(&mut self, file: Box<dyn DiskFile>) {
        *self = Self::new(file, 0, self.limit);
    }

    /// Where the durable lines end.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether so many bytes more would make it too long.
    pub(super) fn is_full_for(&self, bytes: usize) -> bool {
        self.length > 0 && self.length + bytes as u64 > self.limit
    }

    /// Writes lines behind the durable ones; [`sync`](Self::sync) makes them durable.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let end = self.length + lines.len() as u64;
        if end > self.file_length {
            match self.write_with_room(lines, end) {
                // What fits without the room for more is still taken.
                Err(error) if Shortage::of_write(&error).is_some() => self.cut_back()?,
                written => return written,
            }
        }
        write_all(self.file.as_mut(), lines, self.length)?;
        self.file_length = self.file_length.max(end);
        Ok(())
    }

    fn write_with_room(&mut self, lines: &[u8], end: u64) -> io::Result<()> {
        let file_length = end.next_multiple_of(ROOM_BYTES).min(self.limit.max(end));
        let mut bytes = lines.to_vec();
        bytes.resize(lines.len() + usize::try_from(file_length - end).unwrap_or(0), 0);
        write_all(self.file.as_mut(), &bytes, self.length)?;
        self.file_length = file_length;
        Ok(())
    }

    /// Makes what was written durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }

    /// So many bytes more are durable.
    pub(super) fn extend(&mut self, bytes: usize) {
        self.length += bytes as u64;
    }

    /// Cuts off all but the durable lines.
    pub(super) fn cut_back(&mut self) -> io::Result<()> {
        self.file.truncate(self.length)?;
        self.file_length = self.length;
        Ok(())
    }

    /// Ends it: the file holds its lines and nothing else, durably.
    pub(super) fn close(&mut self) -> io::Result<()> {
        if self.file_length == self.length {
            return Ok(());
        }
        self.cut_back()?;
        self.sync()
    }
}
