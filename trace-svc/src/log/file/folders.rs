//! Where the log's files are, and how entries are read back from them.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::{
    error::{OpenError, ReadError, TraceError},
    log::{Recorded, index::Location, plan::Lookup},
};

const SEGMENT_SUFFIX: &str = ".jsonl";

/// The folders of one log.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    root: PathBuf,
}

// === impl Folders ===

impl Folders {
    /// Makes the folders that aren't there yet.
    pub(super) fn create(root: &Path) -> Result<Self, OpenError> {
        let folders = Self { root: root.to_owned() };
        let changed = with_new_names(root);
        for folder in [folders.segments(), folders.blobs(), folders.quarantine()] {
            create_folder(&folder).map_err(OpenError::io(&folder))?;
        }
        changed.into_iter().try_for_each(sync_folder)?;
        Ok(folders)
    }

    /// Keeps other processes out for as long as the file is open.
    pub(super) fn lock(&self) -> Result<File, OpenError> {
        let path = self.root.join("LOCK");
        let file = create_file(&path).map_err(OpenError::io(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked(self.root.clone())),
            Err(TryLockError::Error(error)) => Err(OpenError::io(path)(error)),
        }
    }

    pub(super) fn segments(&self) -> PathBuf {
        self.root.join("segments")
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub(super) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    /// The segment whose first entry has this index.
    pub(super) fn segment(&self, first_index: u64) -> PathBuf {
        self.segments().join(format!("{first_index:020}{SEGMENT_SUFFIX}"))
    }

    /// The first indexes of all segments, in order.
    pub(super) fn list_segments(&self) -> Result<Vec<u64>, OpenError> {
        let folder = self.segments();
        let mut firsts = Vec::new();
        for entry in fs::read_dir(&folder).map_err(OpenError::io(&folder))? {
            let path = entry.map_err(OpenError::io(&folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let first = name.strip_suffix(SEGMENT_SUFFIX).and_then(|digits| digits.parse().ok());
            if let Some(first) = first.filter(|first| self.segment(*first) == path) {
                firsts.push(first);
            } else {
                tracing::warn!(path = %path.display(), "ignored: not a segment");
            }
        }
        firsts.sort_unstable();
        Ok(firsts)
    }

    /// Reads entries back, in order.
    pub(super) fn read(&self, locations: &[Location]) -> Result<Vec<Recorded>, TraceError> {
        let mut open: Option<(u64, File)> = None;
        let mut entries = Vec::with_capacity(locations.len());
        for location in locations {
            let unreadable = |error| TraceError::Unreadable {
                index: location.index,
                source: ReadError::Io(error),
            };
            let file = match open.take() {
                Some((segment, file)) if segment == location.segment => file,
                _ => File::open(self.segment(location.segment)).map_err(unreadable)?,
            };
            let bytes = read_at(&file, *location).map_err(unreadable)?;
            entries.push(Recorded {
                index: location.index,
                bytes,
            });
            open = Some((location.segment, file));
        }
        Ok(entries)
    }
}

impl Lookup for Folders {
    fn read(&self, location: Location) -> Result<Vec<u8>, ReadError> {
        let file = File::open(self.segment(location.segment))?;
        Ok(read_at(&file, location)?)
    }
}

fn read_at(file: &File, location: Location) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; location.length];
    file.read_exact_at(&mut bytes, location.offset)?;
    Ok(bytes)
}

/// Makes a folder, and those above it, for the process's own user alone: the log holds what people wrote.
fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// A new, empty file for the process's own user alone; one that is there is emptied.
pub(super) fn create_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// The folders that will have new names in them once `root` is there with what is in it: itself, and those above it up to
/// the first that is there.
///
/// The one above `root` is always among them: an earlier start may have been cut off before it was synced.
fn with_new_names(root: &Path) -> Vec<&Path> {
    let made = root.ancestors().take_while(|folder| !named(folder).exists()).count();
    root.ancestors().take(made.max(1) + 1).map(named).collect()
}

/// What is above a relative path of one name is the working directory.
fn named(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), OpenError> {
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(OpenError::io(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn every_folder_that_gets_a_new_name_is_synced() {
        let there = testing::folder();
        let path = |name: &str| there.path().join(name);
        let above_the_data: [&Path; 4] = [&path("a/b/log"), &path("a/b"), &path("a"), there.path()];
        assert_eq!(with_new_names(&path("a/b/log")), above_the_data);
        Folders::create(&path("a/b/log")).unwrap();
        assert_eq!(with_new_names(&path("a/b/log")), above_the_data[..2]);
        let relative = [Path::new("no-such/log"), Path::new("no-such"), Path::new(".")];
        assert_eq!(with_new_names(Path::new("no-such/log")), relative);
        assert_eq!(with_new_names(Path::new("/")), [Path::new("/")]);
    }
}
