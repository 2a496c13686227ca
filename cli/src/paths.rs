//! The data directory of `countersign up`: what lies where, readable by its owner only.

use std::{
    env, fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use chassis::part::PartName;
use tempfile::NamedTempFile;

use crate::{args::GlobalArgs, error::CliError};

const PRIVATE_DIRECTORY: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

/// The data directory of one local deployment.
#[derive(Clone, Debug)]
pub(crate) struct DataDir(PathBuf);

/// A file in the making: it appears under its name, readable by its owner only, once it is whole and on disk.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    file: NamedTempFile,
}

/// Where a command writes what the user asked for.
#[derive(Debug)]
pub(crate) enum OutFile {
    New(NewFile),
    Stream(fs::File, PathBuf),
}

// === impl DataDir ===

impl DataDir {
    /// The directory that was asked for, else the user's default one.
    pub(crate) fn of(global: &GlobalArgs) -> Result<Self, CliError> {
        if let Some(path) = &global.data_dir {
            let absolute = std::path::absolute(path);
            return absolute
                .map(Self)
                .map_err(|error| CliError::io(format!("use `{}`", path.display()), error));
        }
        let set = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
        base.map(|base| Self(base.join("countersign"))).ok_or_else(|| {
            CliError::usage("no data directory: neither HOME nor XDG_DATA_HOME is set").hint("give --data-dir")
        })
    }

    /// The directory at this path.
    #[cfg(test)]
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Whether a deployment has been made here.
    pub(crate) fn exists(&self) -> bool {
        self.identities().exists()
    }

    /// Locked while an instance runs on the directory.
    pub(crate) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Where the running instance can be reached.
    pub(crate) fn endpoints(&self) -> PathBuf {
        self.0.join("endpoints.json")
    }

    /// The people that the local issuer knows.
    pub(crate) fn identities(&self) -> PathBuf {
        self.0.join("identities.json")
    }

    /// The local issuer's private key.
    pub(crate) fn people_key(&self) -> PathBuf {
        self.0.join("keys/people.pem")
    }

    /// The key that signs verdicts.
    pub(crate) fn verdict_key(&self) -> PathBuf {
        self.0.join("keys/verdict.pem")
    }

    /// The key that signs warrants.
    pub(crate) fn warrant_key(&self) -> PathBuf {
        self.0.join("keys/warrant.pem")
    }

    /// The key of a part's own credential.
    pub(crate) fn service_key(&self, part: PartName) -> PathBuf {
        self.0.join(format!("keys/{part}.pem"))
    }

    /// What stands in for a gateway's token when there is no gateway.
    pub(crate) fn no_gateway_token(&self) -> PathBuf {
        self.0.join("keys/no-gateway.token")
    }

    /// Whose tokens the parts believe.
    pub(crate) fn trust(&self) -> PathBuf {
        self.0.join("trust/trust.yaml")
    }

    /// Public keys of the local issuer.
    pub(crate) fn people_key_set(&self) -> PathBuf {
        self.0.join("trust/people.jwks.json")
    }

    /// Public keys of the parts.
    pub(crate) fn services_key_set(&self) -> PathBuf {
        self.0.join("trust/services.jwks.json")
    }

    /// Public keys that verify verdicts.
    pub(crate) fn verdict_key_set(&self) -> PathBuf {
        self.0.join("trust/verdict.jwks.json")
    }

    /// Public keys that verify warrants.
    pub(crate) fn warrant_key_set(&self) -> PathBuf {
        self.0.join("trust/warrant.jwks.json")
    }

    /// Where a part keeps its store.
    pub(crate) fn store(&self, part: PartName) -> PathBuf {
        self.0.join(part.as_str())
    }

    /// Makes the directory and those within it, if they are missing.
    pub(crate) fn create(&self) -> Result<(), CliError> {
        let stores = [PartName::Approval, PartName::Trace].map(|part| self.store(part));
        let inner = [self.0.join("keys"), self.0.join("trust")];
        for path in std::iter::once(self.0.clone()).chain(inner).chain(stores) {
            make_private_directory(&path).map_err(|error| CliError::io(format!("make `{}`", path.display()), error))?;
        }
        Ok(())
    }
}

// === impl NewFile ===

impl NewFile {
    pub(crate) fn create(path: &Path) -> Result<Self, CliError> {
        let file = tempfile::Builder::new()
            .prefix(".countersign-")
            .permissions(fs::Permissions::from_mode(PRIVATE_FILE))
            .tempfile_in(folder_of(path))
            .map_err(|error| cant_write(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.file
            .as_file_mut()
            .write_all(bytes)
            .map_err(|error| cant_write(&self.path, error))
    }

    pub(crate) fn commit(self) -> Result<(), CliError> {
        let Self { path, file } = self;
        let commit = || {
            file.as_file().sync_all()?;
            file.persist(&path)?;
            fs::File::open(folder_of(&path))?.sync_all()
        };
        commit().map_err(|error| cant_write(&path, error))
    }
}

// === impl OutFile ===

impl OutFile {
    /// A file that isn't there, or is a file, is written whole or not at all, where a link leads to. What is something
    /// else, as a pipe or a terminal, is written into.
    pub(crate) fn open(path: &Path) -> Result<Self, CliError> {
        let failed = |error| cant_write(path, error);
        match fs::metadata(path) {
            Ok(found) if found.is_file() => {
                let target = fs::canonicalize(path).map_err(failed)?;
                NewFile::create(&target).map(Self::New)
            }
            Ok(_) => {
                let file = fs::OpenOptions::new().write(true).open(path).map_err(failed)?;
                Ok(Self::Stream(file, path.to_owned()))
            }
            Err(_) => NewFile::create(path).map(Self::New),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        match self {
            Self::New(file) => file.write(bytes),
            Self::Stream(file, path) => file.write_all(bytes).map_err(|error| cant_write(path, error)),
        }
    }

    pub(crate) fn commit(self) -> Result<(), CliError> {
        match self {
            Self::New(file) => file.commit(),
            Self::Stream(..) => Ok(()),
        }
    }
}

/// Reads a file of the data directory.
pub(crate) fn read(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|error| CliError::io(format!("read `{}`", path.display()), error))
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), CliError> {
    let mut file = NewFile::create(path)?;
    file.write(content)?;
    file.commit()
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."))
}

fn cant_write(path: &Path, error: io::Error) -> CliError {
    CliError::io(format!("write `{}`", path.display()), error)
}

/// Makes a directory and what is missing above it. One that exists is left as it is: it may be somebody else's, and
/// each private file is private by itself.
fn make_private_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_DIRECTORY)
        .create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_written_is_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::at(folder.path().join("deep/data"));
        data.create().unwrap();
        data.create().unwrap();
        write_private(&data.people_key(), b"one").unwrap();
        write_private(&data.people_key(), b"two").unwrap();
        assert_eq!(read(&data.people_key()).unwrap(), "two");
        assert_eq!(mode(data.path()), 0o700);
        assert_eq!(mode(&data.people_key()), 0o600);
        assert_eq!(mode(data.people_key().parent().unwrap()), 0o700);
    }

    #[test]
    fn a_directory_that_exists_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let data = DataDir::at(folder.path());
        data.create().unwrap();
        assert_eq!((mode(data.path()), mode(&data.path().join("keys"))), (0o755, 0o700));
    }

    #[test]
    fn an_output_keeps_what_stands_at_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut out = OutFile::open(&link).unwrap();
        out.write(b"new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        out.commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        let device = Path::new("/dev/null");
        let mut out = OutFile::open(device).unwrap();
        assert!(matches!(out, OutFile::Stream(..)));
        out.write(b"gone").unwrap();
        out.commit().unwrap();
        assert!(OutFile::open(folder.path()).is_err());
    }

    #[test]
    fn what_stands_beside_an_output_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (file, neighbour) = (folder.path().join("report"), folder.path().join("report.new"));
        fs::write(&neighbour, "the user's").unwrap();
        for name in [&file, &neighbour] {
            let mut given_up = OutFile::open(name).unwrap();
            given_up.write(b"half").unwrap();
        }
        let mut out = OutFile::open(&file).unwrap();
        out.write(b"whole").unwrap();
        out.commit().unwrap();
        assert_eq!(fs::read_to_string(&neighbour).unwrap(), "the user's");
        assert_eq!(mode(&file), 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }
}
