//! Loading: from a folder to a policy that may be put to work.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    classifier::Classifier,
    config::read_keys,
    policy::{Policy, PolicyError, bundle::Bundle},
};

/// Where a policy comes from, and what it must be.
#[derive(Clone, Debug, Default)]
pub struct Loader {
    /// A file or a folder; without it the built-in policy.
    pub path: Option<PathBuf>,
    /// File with the public keys of those whose signature it must have; without one it needs none. It is read anew each time,
    /// so that a key that is taken out of it counts no more.
    pub keys: Option<PathBuf>,
    /// Where the newest revision is noted, so that none older is loaded after a restart either.
    pub state: Option<PathBuf>,
}

/// A policy at work.
#[derive(Debug)]
pub struct Loaded {
    /// The policy.
    pub classifier: Classifier,
    /// The key that signed it, if signatures are asked for.
    pub key_id: Option<String>,
    /// When it was put to work.
    pub time: SystemTime,
}

/// A revision that was at work, with its digest.
struct Known {
    revision: u64,
    digest: String,
}

// === impl Loaded ===

impl Loaded {
    pub(super) const fn unsigned(classifier: Classifier, time: SystemTime) -> Self {
        Self {
            classifier,
            key_id: None,
            time,
        }
    }

    fn known(&self) -> Known {
        Known {
            revision: self.classifier.policy().revision,
            digest: self.classifier.digest().to_owned(),
        }
    }
}

// === impl Loader ===

impl Loader {
    /// Loads the policy at the start.
    pub fn load(&self, now: SystemTime) -> Result<Loaded, PolicyError> {
        let bundle = self.read()?.unwrap_or_else(Bundle::built_in);
        self.put_to_work(&bundle, self.noted()?, now)
    }

    /// The bundle as it is now; none if the policy is the built-in one, which never changes.
    pub(super) fn read(&self) -> Result<Option<Bundle>, PolicyError> {
        self.path.as_deref().map(Bundle::read).transpose()
    }

    /// Loads what is to take the place of `current`.
    pub(super) fn replace(&self, current: &Loaded, bundle: &Bundle, now: SystemTime) -> Result<Loaded, PolicyError> {
        self.put_to_work(bundle, Some(current.known()), now)
    }

    /// Checks that somebody has signed the bundle who may, if that is asked for; gives the key's identifier. The built-in
    /// policy is vouched for by the program itself.
    pub(super) fn check_signature(&self, bundle: &Bundle) -> Result<Option<String>, PolicyError> {
        let file = self.keys.as_ref().filter(|_| self.path.is_some());
        let read = |file: &PathBuf| read_keys(file).map_err(|error| PolicyError::read(file, io::Error::other(error)));
        file.map(|file| bundle.verify(&read(file)?)).transpose()
    }

    fn put_to_work(&self, bundle: &Bundle, known: Option<Known>, now: SystemTime) -> Result<Loaded, PolicyError> {
        let key_id = self.check_signature(bundle)?;
        let (source, mut refusals) = bundle.source();
        if !refusals.is_empty() {
            return Err(refusals.swap_remove(0));
        }
        let revision = source.revision.unwrap_or_default();
        if let Some(known) = known.filter(|known| known.digest != bundle.digest()) {
            known.check(revision)?;
        }
        let policy = Policy::compile((source, refusals))?;
        let loaded = Loaded {
            classifier: Classifier::from_policy(policy)?,
            key_id,
            time: now,
        };
        self.note(&loaded.known())?;
        let policy = loaded.classifier.policy();
        tracing::info!(
            policy = policy.name,
            version = policy.version,
            revision,
            digest = loaded.classifier.digest(),
            key_id = loaded.key_id,
            rules = policy.rule_count(),
            terms = policy.term_count(),
            "policy loaded"
        );
        Ok(loaded)
    }

    /// The newest revision that was at work before.
    fn noted(&self) -> Result<Option<Known>, PolicyError> {
        let Some(path) = &self.state else { return Ok(None) };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(PolicyError::read(path, error)),
        };
        let malformed = || {
            PolicyError::read(
                path,
                io::Error::new(io::ErrorKind::InvalidData, "no revision and digest"),
            )
        };
        Known::parse(&text).map(Some).ok_or_else(malformed)
    }

    fn note(&self, known: &Known) -> Result<(), PolicyError> {
        let Some(path) = &self.state else { return Ok(()) };
        write_whole(path, &format!("{} {}\n", known.revision, known.digest))
            .map_err(|error| PolicyError::read(path, error))
    }
}

// === impl Known ===

impl Known {
    fn parse(text: &str) -> Option<Self> {
        let (revision, digest) = text.trim().split_once(' ')?;
        Some(Self {
            revision: revision.parse().ok()?,
            digest: digest.to_owned(),
        })
    }

    /// Refuses what isn't newer.
    fn check(&self, found: u64) -> Result<(), PolicyError> {
        if found > self.revision {
            return Ok(());
        }
        Err(PolicyError::NotNewer {
            found,
            known: self.revision,
        })
    }
}

/// Replaces a file by a whole one, whatever happens meanwhile.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::File::open(&new)?.sync_all()?;
    fs::rename(new, path)?;
    // The new name lasts once its folder does.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
