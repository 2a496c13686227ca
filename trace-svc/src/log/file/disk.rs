//! The few things the log asks of a disk when it writes, behind a trait: so that tests can have the faults that a real
//! disk can't be made to show.

use std::{
    fmt::Debug,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
};

use crate::error::TraceError;

use super::folders::create_file;

/// A disk to write to.
pub(super) trait Disk: Debug + Send + Sync {
    /// A new, empty file; one that is there is emptied.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// A file that is there, to be written to.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file its final name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// A folder that is there, to be synced. It stays open: what can't be opened for the moment is no failed sync.
    fn open_folder(&self, path: &Path) -> io::Result<Box<dyn DiskFolder>>;
}

/// A file to write to.
pub(super) trait DiskFile: Debug + Send {
    /// Writes some of the bytes at this offset; says how many.
    fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Makes what was written durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to this length.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// A folder whose files come and go.
pub(super) trait DiskFolder: Debug + Send + Sync {
    /// Makes the names in it durable.
    fn sync(&self) -> io::Result<()>;
}

/// What is missing for the moment, so that nothing was written: a state that passes, unlike all other errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shortage {
    /// Room on the disk.
    Room,
    /// File descriptors, or memory for one.
    Handles,
}

/// The machine's disk.
#[derive(Debug)]
pub(super) struct RealDisk;

#[derive(Debug)]
struct RealFile(File);

/// Writes all of the bytes at this offset, in as many pieces as the disk wants.
pub(super) fn write_all(file: &mut dyn DiskFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

// === impl Shortage ===

impl Shortage {
    /// What a write lacked.
    pub(super) fn of_write(error: &io::Error) -> Option<Self> {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        full.then_some(Self::Room)
    }

    /// What an open lacked.
    pub(super) fn of_open(error: &io::Error) -> Option<Self> {
        // ENOMEM, ENFILE, EMFILE; the last two have no kind of their own.
        let no_handle = matches!(error.raw_os_error(), Some(12 | 23 | 24));
        Self::of_write(error).or(no_handle.then_some(Self::Handles))
    }
}

impl From<Shortage> for TraceError {
    fn from(shortage: Shortage) -> Self {
        match shortage {
            Shortage::Room => Self::DiskFull,
            Shortage::Handles => Self::OutOfHandles,
        }
    }
}

// === impl RealDisk ===

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        drop(create_file(path)?);
        self.open(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().write(true).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn open_folder(&self, path: &Path) -> io::Result<Box<dyn DiskFolder>> {
        Ok(Box::new(File::open(path)?))
    }
}

impl DiskFolder for File {
    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}

// === impl RealFile ===

impl DiskFile for RealFile {
    fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}
