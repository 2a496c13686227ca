//! Content kept beside the log: one file for each, named by the SHA-256 of its bytes.

use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{error::OpenError, line::BlobId, prepare::Blob};

use super::disk::{Disk, DiskFolder, Shortage, write_all};

/// The folder of blobs.
#[derive(Debug)]
pub(super) struct Blobs {
    path: PathBuf,
    folder: Box<dyn DiskFolder>,
    disk: Arc<dyn Disk>,
    unfinished: AtomicU64,
}

/// Why a blob was not stored.
#[derive(Debug)]
pub(super) enum StoreError {
    /// Something is missing; later, perhaps.
    Short(Shortage, io::Error),
    /// The disk failed; what it holds is no longer known.
    Broken(io::Error),
}

// === impl Blobs ===

impl Blobs {
    pub(super) fn open(path: PathBuf, disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let folder = disk.open_folder(&path).map_err(OpenError::io(&path))?;
        Ok(Self {
            path,
            folder,
            disk,
            unfinished: AtomicU64::new(0),
        })
    }

    /// Stores a blob durably, file and folder (TR-8). A line that names it may be written after this.
    ///
    /// A blob whose line is then refused stays behind; it is named by nothing and harms nothing.
    pub(super) fn store(&self, blob: &Blob) -> Result<(), StoreError> {
        if self.size(blob.id) != Some(blob.data.len() as u64) {
            self.write(blob)?;
        }
        // Also for one that is there: whoever wrote it may not have come so far yet.
        self.folder.sync().map_err(StoreError::Broken)
    }

    /// Size of the blob's file, if there is one.
    pub(super) fn size(&self, id: BlobId) -> Option<u64> {
        fs::metadata(self.path(id)).ok().map(|file| file.len())
    }

    /// Reads a blob back and checks it against its name.
    pub(super) fn read(&self, id: BlobId) -> io::Result<Vec<u8>> {
        let data = fs::read(self.path(id))?;
        if BlobId::of(&data) != id {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its bytes are not those it is named for",
            ));
        }
        Ok(data)
    }

    fn write(&self, blob: &Blob) -> Result<(), StoreError> {
        let number = self.unfinished.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.path.join(format!("{}.{number}.part", blob.id));
        let written = self.write_to(&unfinished, blob);
        if written.is_err() {
            // Best effort: an unfinished file is overwritten or ignored, never read.
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    fn write_to(&self, unfinished: &std::path::Path, blob: &Blob) -> Result<(), StoreError> {
        let mut file = self.disk.create(unfinished).map_err(StoreError::of_open)?;
        write_all(file.as_mut(), &blob.data, 0).map_err(StoreError::of_write)?;
        file.sync().map_err(StoreError::Broken)?;
        self.disk
            .rename(unfinished, &self.path(blob.id))
            .map_err(StoreError::of_write)
    }

    fn path(&self, id: BlobId) -> PathBuf {
        self.path.join(id.to_string())
    }
}

// === impl StoreError ===

impl StoreError {
    fn of_write(error: io::Error) -> Self {
        Self::of(Shortage::of_write(&error), error)
    }

    fn of_open(error: io::Error) -> Self {
        Self::of(Shortage::of_open(&error), error)
    }

    fn of(shortage: Option<Shortage>, error: io::Error) -> Self {
        match shortage {
            Some(shortage) => Self::Short(shortage, error),
            None => Self::Broken(error),
        }
    }
}
