//! Verifies bearer tokens; remembers what it verified until the token expires.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use sha2::{Digest as _, Sha256};

use super::{
    IssuerKind, Principal, Refusal, Trust, TrustError,
    claims::{self, Claims},
};
use crate::{clock::Clock, fault::with_causes, part::PartName};

const MAX_TOKEN_BYTES: usize = 16 * 1024;
const MAX_REMEMBERED: usize = 10_000;
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// Verifies bearer tokens for one part.
pub struct Verifier {
    part: PartName,
    clock: Arc<dyn Clock>,
    trust_file: Option<PathBuf>,
    trust: RwLock<Arc<Trust>>,
    remembered: Mutex<HashMap<[u8; 32], Verified>>,
    last_reload: Mutex<Duration>,
}

#[derive(Clone)]
struct Verified {
    principal: Principal,
    expires: SystemTime,
}

// === impl Verifier ===

impl Verifier {
    /// A verifier for `part` that believes `trust`; with a `trust_file` it is read again when a key is not known.
    pub fn new(part: PartName, clock: Arc<dyn Clock>, trust: Trust, trust_file: Option<PathBuf>) -> Self {
        Self {
            part,
            last_reload: Mutex::new(clock.monotonic()),
            clock,
            trust_file,
            trust: RwLock::new(Arc::new(trust)),
            remembered: Mutex::default(),
        }
    }

    /// Reads the trust file again; what was remembered is forgotten if it changed.
    pub fn reload(&self) -> Result<(), TrustError> {
        let Some(path) = &self.trust_file else { return Ok(()) };
        let fresh = Trust::load(path)?;
        if fresh.fingerprint() == self.trust().fingerprint() {
            return Ok(());
        }
        fresh.warn_of_unusable_keys();
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        self.lock_remembered().clear();
        tracing::info!("trusted keys changed");
        Ok(())
    }

    /// Who presents `token`.
    pub(crate) fn verify(&self, token: &str) -> Result<Principal, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::Invalid("it is too long"));
        }
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let now = self.clock.now();
        if let Some(known) = self.lock_remembered().get(&hash).cloned() {
            return if now < known.expires {
                Ok(known.principal)
            } else {
                Err(Refusal::Expired)
            };
        }
        let (verified, trust) = self.check(token, now)?;
        self.remember(hash, verified.clone(), &trust, now);
        Ok(verified.principal)
    }

    /// Who presents `token`, by which trust.
    fn check(&self, token: &str, now: SystemTime) -> Result<(Verified, Arc<Trust>), Refusal> {
        let key_id = claims::key_id(token)?;
        let named = claims::unverified_issuer(token)?;
        let mut trust = self.trust();
        let known = |trust: &Trust| {
            trust
                .issuer(&named)
                .is_some_and(|issuer| issuer.keys.contains_key(&key_id))
        };
        if !known(&trust) && self.reload_for_unknown_key() {
            trust = self.trust();
        }
        let issuer = trust
            .issuer(&named)
            .ok_or(Refusal::Invalid("its issuer is not trusted"))?;
        let key = issuer.keys.get(&key_id);
        let key = key.ok_or(Refusal::Invalid("its issuer has no usable key of its `kid`"))?;
        let claims = Claims::signed(token, key)?;
        if claims.iss != named {
            return Err(Refusal::Invalid("it names two issuers"));
        }
        let expires = claims.check_times(now)?;
        let principal = match issuer.kind {
            IssuerKind::People => Principal::Person(claims.person(issuer)?),
            IssuerKind::Services => Principal::Service(claims.service(&key_id, self.part)?),
        };
        Ok((Verified { principal, expires }, trust))
    }

    /// Reads the trust file again, at most once in ten seconds; whether it did.
    fn reload_for_unknown_key(&self) -> bool {
        let now = self.clock.monotonic();
        let mut last = self.last_reload.lock().unwrap_or_else(PoisonError::into_inner);
        if self.trust_file.is_none() || now.saturating_sub(*last) < RELOAD_INTERVAL {
            return false;
        }
        *last = now;
        drop(last);
        self.reload()
            .inspect_err(|error| tracing::warn!(error = with_causes(error), "trusted keys could not be read again"))
            .is_ok()
    }

    fn remember(&self, hash: [u8; 32], verified: Verified, trust: &Arc<Trust>, now: SystemTime) {
        let mut remembered = self.lock_remembered();
        // Keys that were removed while the token was checked took everything remembered with them.
        if !Arc::ptr_eq(trust, &self.trust()) {
            return;
        }
        if remembered.len() >= MAX_REMEMBERED {
            remembered.retain(|_, known| now < known.expires);
        }
        if remembered.len() < MAX_REMEMBERED {
            remembered.insert(hash, verified);
        }
    }

    fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.trust.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock_remembered(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Verified>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("part", &self.part)
            .finish_non_exhaustive()
    }
}
