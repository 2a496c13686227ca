//! Bundles: the files of a policy as they lie in a folder, read whole or not at all, and who signed them.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use warrant::{KeySet, Seal, SigningKey};

use super::{
    DEFAULT, MAX_POLICY_BYTES, PolicyError,
    source::{Source, digest},
};

/// The file with the signature, beside those that it is over.
pub const SEAL_FILE: &str = "policy.sig";

/// What a policy's signature is for.
const PURPOSE: &str = "policy";
/// How often a folder that changes is read again.
const MAX_READS: usize = 5;
const ENDINGS: [&str; 2] = ["yaml", "model"];

/// The files of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Names and contents, by name.
    files: Vec<(String, String)>,
    /// What the signature file says.
    seal: Option<String>,
}

// === impl Bundle ===

impl Bundle {
    /// The policy that is built in.
    pub fn built_in() -> Self {
        Self::of(
            DEFAULT
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned())),
        )
    }

    /// These files, none of them signed.
    pub fn of(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort();
        Self { files, seal: None }
    }

    /// Reads a policy file, or all `.yaml` and `.model` files of a folder and its `policy.sig`.
    ///
    /// A folder is read until it is the same twice, so that the swap of a mounted volume never gives half of the old and half of
    /// the new. Files that are replaced one by one, slowly, may be the same twice in between: only a signature tells.
    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        let mut last = Self::read_once(path)?;
        for _ in 1..MAX_READS {
            let again = Self::read_once(path)?;
            if again == last {
                return Ok(again);
            }
            last = again;
        }
        Err(PolicyError::Unstable {
            path: path.display().to_string(),
        })
    }

    fn read_once(path: &Path) -> Result<Self, PolicyError> {
        let mut bundle = Self {
            files: Vec::new(),
            seal: None,
        };
        let mut size = 0;
        for path in paths(path)? {
            let text = read_file(&path).map_err(|error| PolicyError::read(&path, error))?;
            size += text.len();
            if size > MAX_POLICY_BYTES {
                return Err(PolicyError::TooLarge);
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name == SEAL_FILE {
                bundle.seal = Some(text);
            } else {
                bundle.files.push((name, text));
            }
        }
        Ok(bundle)
    }

    /// What the files say together, and what is refused of it.
    pub fn source(&self) -> (Source, Vec<PolicyError>) {
        Source::parse(&self.borrowed())
    }

    /// SHA-256 over the files, the signature apart: `sha256:<hex>`.
    pub fn digest(&self) -> String {
        format!("sha256:{}", hex::encode(digest(&self.borrowed())))
    }

    /// What is to be written to `policy.sig` so that the bundle is signed by `key`.
    pub fn sign(&self, key: &SigningKey) -> String {
        format!("{}\n", Seal::sign(key, PURPOSE, &self.digest()))
    }

    /// Checks that one of `keys` has signed exactly these files; gives the key's identifier.
    pub fn verify(&self, keys: &KeySet) -> Result<String, PolicyError> {
        let seal = Seal::parse(self.seal.as_deref().ok_or(PolicyError::Unsigned)?)?;
        seal.verify(keys, PURPOSE, &self.digest())?;
        Ok(seal.key_id().to_owned())
    }

    fn borrowed(&self) -> Vec<(&str, &str)> {
        let files = self.files.iter();
        files.map(|(name, text)| (name.as_str(), text.as_str())).collect()
    }
}

/// Reads a file, and of a large one only as much as shows that it is. What is no file might never end.
fn read_file(path: &Path) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    let mut text = String::new();
    fs::File::open(path)?
        .take(MAX_POLICY_BYTES as u64 + 1)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// The file itself, or what belongs to the policy in a folder, by name.
fn paths(path: &Path) -> Result<Vec<PathBuf>, PolicyError> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let failed = |source| PolicyError::read(path, source);
    let entries = fs::read_dir(path)
        .map_err(failed)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    let belongs = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| ENDINGS.contains(&ending)) || path.file_name().is_some_and(|name| name == SEAL_FILE)
    };
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(belongs).collect();
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "name: t\nversion: '1'\nrevision: 3\n";

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.yaml"), POLICY).unwrap();
        fs::write(folder.path().join("notes.txt"), "not part of it").unwrap();
        folder
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    #[test]
    fn a_signature_is_over_every_file_of_the_policy_and_no_other() {
        let (folder, keys) = (folder(), KeySet::from(key(1).public().clone()));
        let read = || Bundle::read(folder.path()).unwrap();
        assert!(matches!(read().verify(&keys), Err(PolicyError::Unsigned)));

        fs::write(folder.path().join(SEAL_FILE), read().sign(&key(1))).unwrap();
        assert_eq!(read().verify(&keys).unwrap(), key(1).key_id());
        fs::write(folder.path().join("notes.txt"), "still not part of it").unwrap();
        assert!(read().verify(&keys).is_ok());

        fs::write(folder.path().join("more.yaml"), "rules: []\n").unwrap();
        assert!(matches!(
            read().verify(&keys),
            Err(PolicyError::Signature(warrant::SealError::BadSignature))
        ));
        fs::write(folder.path().join(SEAL_FILE), read().sign(&key(2))).unwrap();
        assert!(matches!(
            read().verify(&keys),
            Err(PolicyError::Signature(warrant::SealError::UnknownKey { .. }))
        ));
    }

    #[test]
    fn a_folder_that_is_too_large_is_refused_before_it_is_read() {
        let folder = folder();
        let large = fs::File::create(folder.path().join("large.yaml")).unwrap();
        large.set_len(100 * 1024 * 1024).unwrap();
        assert!(matches!(Bundle::read(folder.path()), Err(PolicyError::TooLarge)));
        assert!(matches!(
            Bundle::read(&folder.path().join("large.yaml")),
            Err(PolicyError::TooLarge)
        ));
    }

    #[test]
    fn what_is_no_file_is_refused_and_not_read() {
        let folder = folder();
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("endless.yaml")).unwrap();
        assert!(matches!(Bundle::read(folder.path()), Err(PolicyError::Read { .. })));
    }

    #[test]
    fn a_policy_says_its_revision() {
        let (source, refusals) = Bundle::read(folder().path()).unwrap().source();
        assert_eq!((source.revision, refusals.len()), (Some(3), 0));
    }
}
