//! Verifiers whose keys are pinned in a file, which is read again from time to time, and when a key is not known.

use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use warrant::{Claims, KeyError, KeySet, KnownSignatures, TokenError, Verifier};

use crate::{clock::Clock, fault::with_causes};

/// The file is read again at most this often for keys that are not known.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);
/// The file is read again after this long: then a key that is gone from it is not known any more.
const BELIEVED_FOR: Duration = Duration::from_secs(30);

/// Verifies one kind of token of one issuer under the keys in a file.
#[derive(Debug)]
pub struct PinnedVerifier<C: Claims> {
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
    pub fn open(issuer: &str, audience: &str, path: PathBuf, clock: Arc<dyn Clock>) -> Result<Self, KeySetError> {
        let verifier = Arc::new(Verifier::new(issuer, audience, read(&path)?));
        let current = Mutex::new(Current {
            verifier,
            read_at: clock.monotonic(),
        });
        Ok(Self { path, clock, current })
    }

    /// The same verifier, for which the signatures in `known` need no second look.
    #[must_use]
    pub fn knowing(self, known: Arc<KnownSignatures>) -> Self {
        let verifier = Arc::new(Verifier::clone(&self.verifier()).knowing(known));
        self.lock().verifier = verifier;
        self
    }

    /// Verifies a token that is to take effect now.
    pub fn verify(&self, token: &str) -> Result<C, TokenError> {
        self.verify_at(token, self.clock.now())
    }

    /// Verifies a token that is to take effect at `now`, by a clock of the caller's.
    pub fn verify_at(&self, token: &str, now: SystemTime) -> Result<C, TokenError> {
        self.with_fresh_keys(|verifier| verifier.verify(token, now))
    }

    /// Verifies a token that took effect before and is evidence now.
    pub fn verify_ignoring_expiry(&self, token: &str) -> Result<C, TokenError> {
        let now = self.clock.now();
        self.with_fresh_keys(|verifier| verifier.verify_ignoring_expiry(token, now))
    }

    fn with_fresh_keys(&self, verify: impl Fn(&Verifier<C>) -> Result<C, TokenError>) -> Result<C, TokenError> {
        match verify(&self.verifier()) {
            Err(TokenError::UnknownKey { .. }) if self.look_for_new_keys() => verify(&self.verifier()),
            result => result,
        }
    }

    fn look_for_new_keys(&self) -> bool {
        self.reload(&mut self.lock(), RELOAD_INTERVAL)
    }

    fn verifier(&self) -> Arc<Verifier<C>> {
        let mut current = self.lock();
        self.reload(&mut current, BELIEVED_FOR);
        Arc::clone(&current.verifier)
    }

    /// Reads the file again if that was last done `interval` ago; whether it was. A file that is no longer good changes
    /// nothing.
    fn reload(&self, current: &mut Current<C>, interval: Duration) -> bool {
        let now = self.clock.monotonic();
        if now.saturating_sub(current.read_at) < interval {
            return false;
        }
        current.read_at = now;
        match read(&self.path) {
            Ok(keys) => {
                current.verifier = Arc::new(current.verifier.with_keys(keys));
                true
            }
            Err(error) => {
                let error = with_causes(&error);
                tracing::warn!(error, "key set can't be read again; the old keys stay");
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

    use tempfile::TempDir;
    use warrant::{ActionDigest, Disposition, Risk, RunId, Signer, SigningKey, VERDICT_AUDIENCE, Verdict};

    use super::*;
    use crate::clock::ManualClock;

    const NOW: u64 = 1_790_000_000;
    const FILE: &str = "verdict.jwks.json";

    fn signer(seed: u8) -> Signer {
        Signer::new("classifier-svc", SigningKey::from_seed(&[seed; 32]))
    }

    fn verdict() -> Verdict {
        Verdict {
            iss: "classifier-svc".to_owned(),
            aud: VERDICT_AUDIENCE.to_owned(),
            act_digest: ActionDigest::from_bytes([7; 32]),
            tenant: "acme".to_owned(),
            issuer: "https://people.example".to_owned(),
            requester: "alice".to_owned(),
            run: RunId::derive("acme", "https://people.example", "alice", "1"),
            ctx: "sha256:00".to_owned(),
            risk: Risk::Green,
            disposition: Disposition::Allow,
            rules: vec!["reading".to_owned()],
            reason_digest: "sha256:02".to_owned(),
            policy: "sha256:01".to_owned(),
            policy_version: "1".to_owned(),
            iat: NOW,
            exp: NOW + 60,
        }
    }

    /// A verifier under the first signer's key, which lies in [`FILE`] of the folder.
    fn pinned() -> (TempDir, Arc<ManualClock>, PinnedVerifier<Verdict>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        fs::write(&path, signer(1).key_set().to_json()).unwrap();
        let clock = Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(NOW)));
        let given = Arc::clone(&clock) as _;
        let keys = PinnedVerifier::open("classifier-svc", VERDICT_AUDIENCE, path, given).unwrap();
        (folder, clock, keys)
    }

    #[test]
    fn a_new_key_is_found_in_the_file_without_a_restart_and_not_too_often() {
        let (folder, clock, keys) = pinned();
        let path = folder.path().join(FILE);
        let token = signer(2).sign(&verdict()).unwrap();
        let mut both = signer(1).key_set();
        both.merge(&signer(2).key_set());
        fs::write(&path, both.to_json()).unwrap();

        assert!(
            matches!(keys.verify(&token), Err(TokenError::UnknownKey { .. })),
            "read just now"
        );
        clock.advance(Duration::from_secs(10));
        assert_eq!(keys.verify(&token).unwrap(), verdict());

        fs::write(&path, "garbage").unwrap();
        clock.advance(Duration::from_secs(10));
        let foreign = signer(3).sign(&verdict()).unwrap();
        assert!(matches!(keys.verify(&foreign), Err(TokenError::UnknownKey { .. })));
        assert!(keys.verify(&token).is_ok(), "the old keys stay");
        clock.advance(Duration::from_mins(1));
        assert!(matches!(keys.verify(&token), Err(TokenError::Expired)));
        assert!(keys.verify_ignoring_expiry(&token).is_ok());
    }

    #[test]
    fn a_key_that_is_gone_from_the_file_is_not_believed_for_long() {
        let (folder, clock, keys) = pinned();
        let path = folder.path().join(FILE);
        let keys = keys.knowing(Arc::default());
        let token = signer(1).sign(&verdict()).unwrap();
        keys.verify(&token).unwrap();
        fs::write(&path, signer(2).key_set().to_json()).unwrap();
        clock.advance(BELIEVED_FOR.checked_sub(Duration::from_secs(1)).unwrap());
        keys.verify(&token).unwrap();
        clock.advance(Duration::from_secs(1));
        assert!(matches!(keys.verify(&token), Err(TokenError::UnknownKey { .. })));
    }

    #[test]
    fn an_unreadable_or_empty_key_set_is_an_error_at_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(UNIX_EPOCH));
        let open = || PinnedVerifier::<Verdict>::open("a", "b", path.clone(), Arc::clone(&clock));
        assert!(matches!(open(), Err(KeySetError::Read { .. })));
        fs::write(&path, r#"{"keys":[]}"#).unwrap();
        assert!(matches!(open(), Err(KeySetError::Empty { .. })));
        fs::write(&path, "{}").unwrap();
        assert!(matches!(open(), Err(KeySetError::Invalid { .. })));
    }
}
