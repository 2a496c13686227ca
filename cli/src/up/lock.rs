//! One instance for each data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;

use crate::{error::CliError, paths::DataDir};

/// Held while an instance runs; the operating system lets go of it however the instance ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

// === impl Lock ===

impl Lock {
    pub(super) fn take(data: &DataDir) -> Result<Self, CliError> {
        let path = data.lock();
        let cant = |error| CliError::io(format!("lock `{}`", path.display()), error);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(cant)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(CliError::new(format!(
                "another `countersign up` runs on `{}`",
                data.path().display()
            ))
            .hint("stop it first, or give this one a --data-dir of its own")),
            Err(TryLockError::Error(error)) => Err(cant(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_instance_is_refused_until_the_first_ends() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::at(folder.path());
        let first = Lock::take(&data).unwrap();
        let error = Lock::take(&data).unwrap_err().to_string();
        assert!(error.starts_with("another `countersign up` runs on "), "{error}");
        drop(first);
        assert!(Lock::take(&data).is_ok());
    }
}
