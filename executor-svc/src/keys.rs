//! Verifiers whose keys are pinned in a file, which is read again when a key is not known.

use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use chassis::clock::Clock;
use warrant::{Claims, KeyError, KeySet, TokenError, Verifier};

/// The file is read again at most this often.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// Verifies one kind of token of one issuer under the keys in a file.
#[derive(Debug)]
pub(crate) struct PinnedVerifier<C: Claims> {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    current: Mutex<Current<C>>,
}

#[derive(Debug)]
struct Current<C: Claims> {
    verifier: Arc<Verifier<C>>,
    read_at: Duration,
}

/// Why a key set could not be read.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// The file can't be read.
    #[error("read key set `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no key set.
    #[error("key set `{path}`")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// The key set is empty.
    #[error("key set `{path}` has no key")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

fn read(path: &PathBuf) -> Result<KeySet, KeySetError> {
    let text = fs::read_to_string(path).map_err(|source| KeySetError::Read {
        path: path.clone(),
        source,
    })?;
    let keys = KeySet::from_json(&text).map_err(|source| KeySetError::Invalid {
        path: path.clone(),
        source,
    })?;
    if keys.is_empty() {
        return Err(KeySetError::Empty { path: path.clone() });
    }
    Ok(keys)
}

// === impl PinnedVerifier ===

impl<C: Claims> PinnedVerifier<C> {
    /// Reads the keys pinned for this issuer.
    pub(crate) fn open(
        issuer: &str,
        audience: &str,
        path: PathBuf,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeySetError> {
        let verifier = Arc::new(Verifier::new(issuer, audience, read(&path)?));
        let current = Mutex::new(Current {
            verifier,
            read_at: clock.monotonic(),
        });
        Ok(Self { path, clock, current })
    }

    /// Verifies a token that is to take effect now.
    pub(crate) fn verify(&self, token: &str) -> Result<C, TokenError> {
        self.with_fresh_keys(|verifier, now| verifier.verify(token, now))
    }

    /// Verifies a token that took effect before and is evidence now.
    pub(crate) fn verify_ignoring_expiry(&self, token: &str) -> Result<C, TokenError> {
        self.with_fresh_keys(|verifier, now| verifier.verify_ignoring_expiry(token, now))
    }

    fn with_fresh_keys(
        &self,
        verify: impl Fn(&Verifier<C>, SystemTime) -> Result<C, TokenError>,
    ) -> Result<C, TokenError> {
        match verify(&self.verifier(), self.clock.now()) {
            Err(TokenError::UnknownKey { .. }) if self.reload() => verify(&self.verifier(), self.clock.now()),
            result => result,
        }
    }

    fn verifier(&self) -> Arc<Verifier<C>> {
        Arc::clone(&self.lock().verifier)
    }

    /// Reads the file again unless that was done just now; whether it was. A file that is no longer good changes nothing.
    fn reload(&self) -> bool {
        let mut current = self.lock();
        let now = self.clock.monotonic();
        if now.saturating_sub(current.read_at) < RELOAD_INTERVAL {
            return false;
        }
        current.read_at = now;
        match read(&self.path) {
            Ok(keys) => {
                current.verifier = Arc::new(current.verifier.with_keys(keys));
                true
            }
            Err(error) => {
                tracing::warn!(error = %error, path = %self.path.display(), "key set can't be read again; the old keys stay");
                false
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current<C>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use chassis::clock::ManualClock;
    use warrant::{Signer, SigningKey, Warrant};

    use super::*;
    use crate::fixtures;

    fn signer(seed: u8) -> Signer {
        Signer::new("approval-svc", SigningKey::from_seed(&[seed; 32]))
    }

    #[test]
    fn a_new_key_is_found_in_the_file_without_a_restart_and_not_too_often() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("warrant.jwks.json");
        fs::write(&path, signer(1).key_set().to_json()).unwrap();
        let clock = Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(fixtures::NOW)));
        let keys: PinnedVerifier<Warrant> =
            PinnedVerifier::open("approval-svc", "executor-svc", path.clone(), Arc::clone(&clock) as _).unwrap();

        let rotated = fixtures::warrant(&fixtures::action(), "verdict");
        let token = signer(2).sign(&rotated).unwrap();
        let mut both = signer(1).key_set();
        both.merge(&signer(2).key_set());
        fs::write(&path, both.to_json()).unwrap();

        assert!(
            matches!(keys.verify(&token), Err(TokenError::UnknownKey { .. })),
            "read just now"
        );
        clock.advance(Duration::from_secs(10));
        assert_eq!(keys.verify(&token).unwrap(), rotated);

        fs::write(&path, "garbage").unwrap();
        clock.advance(Duration::from_secs(10));
        let foreign = signer(3).sign(&rotated).unwrap();
        assert!(matches!(keys.verify(&foreign), Err(TokenError::UnknownKey { .. })));
        assert!(keys.verify(&token).is_ok(), "the old keys stay");
    }

    #[test]
    fn an_unreadable_or_empty_key_set_is_an_error_at_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(UNIX_EPOCH));
        let open = || PinnedVerifier::<Warrant>::open("a", "b", path.clone(), Arc::clone(&clock));
        assert!(matches!(open(), Err(KeySetError::Read { .. })));
        fs::write(&path, r#"{"keys":[]}"#).unwrap();
        assert!(matches!(open(), Err(KeySetError::Empty { .. })));
        fs::write(&path, "{}").unwrap();
        assert!(matches!(open(), Err(KeySetError::Invalid { .. })));
    }
}
