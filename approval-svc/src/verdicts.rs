//! Verdicts: accepted only from the classifier whose keys are pinned, and only for exactly this action.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chassis::{BoxError, Clock};
use warrant::{Action, Disposition, KeySet, Risk, TokenError, VERDICT_AUDIENCE, Verdict, VerdictVerifier};

use crate::{error::ApprovalError, moment::Moment};

/// How often the key set is read again at most, when a verdict names a key that is not in it.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// Verifies verdicts of one classifier.
#[derive(Debug)]
pub struct Verdicts {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    verifier: Arc<VerdictVerifier>,
    /// By the monotonic clock.
    read_at: Duration,
}

// === impl Verdicts ===

impl Verdicts {
    /// Pins the keys in the file `key_set` to `issuer`.
    pub fn open(issuer: &str, key_set: &Path, clock: Arc<dyn Clock>) -> Result<Self, BoxError> {
        let keys = read_keys(key_set)?;
        let verifier = Arc::new(VerdictVerifier::new(issuer, VERDICT_AUDIENCE, keys));
        let read_at = clock.monotonic();
        let current = Mutex::new(Current { verifier, read_at });
        Ok(Self {
            path: key_set.to_owned(),
            clock,
            current,
        })
    }

    /// The verdict in `token`, if it is the classifier's, in time, and about `action`.
    pub fn check(&self, token: &str, action: &Action, now: Moment) -> Result<Verdict, ApprovalError> {
        let verdict = self.verify(token, now).map_err(|error| rejected(&error))?;
        verdict.check_action(action).map_err(|error| rejected(&error))?;
        let follows = match verdict.risk {
            Risk::Green => Disposition::Allow,
            Risk::Amber => Disposition::RequireApproval,
            Risk::Red => Disposition::Block,
        };
        if verdict.disposition != follows {
            let reason = "its disposition does not follow from its risk";
            return Err(ApprovalError::VerdictRejected(reason.to_owned()));
        }
        Ok(verdict)
    }

    fn verify(&self, token: &str, now: Moment) -> Result<Verdict, TokenError> {
        let verifier = self.lock().verifier.clone();
        match verifier.verify(token, now.into()) {
            Err(error @ TokenError::UnknownKey { .. }) => match self.reloaded() {
                Some(verifier) => verifier.verify(token, now.into()),
                None => Err(error),
            },
            result => result,
        }
    }

    /// The keys may have been rotated: reads them again, but not at every foreign verdict.
    fn reloaded(&self) -> Option<Arc<VerdictVerifier>> {
        let mut current = self.lock();
        let now = self.clock.monotonic();
        if now.saturating_sub(current.read_at) < RELOAD_INTERVAL {
            return None;
        }
        current.read_at = now;
        match read_keys(&self.path) {
            Ok(keys) => {
                current.verifier = Arc::new(current.verifier.with_keys(keys));
                Some(current.verifier.clone())
            }
            Err(error) => {
                tracing::warn!(
                    error,
                    "the classifier's keys could not be read again; the old ones stay"
                );
                None
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_keys(path: &Path) -> Result<KeySet, BoxError> {
    let failed = |error: &dyn std::fmt::Display| format!("key set file `{}`: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
    Ok(KeySet::from_json(&text).map_err(|error| failed(&error))?)
}

fn rejected(error: &dyn std::fmt::Display) -> ApprovalError {
    ApprovalError::VerdictRejected(error.to_string())
}
