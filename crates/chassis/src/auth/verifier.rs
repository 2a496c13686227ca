//! Verifies bearer tokens; remembers what it verified until the token expires.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::Validation;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{
    Audience, IssuerKind, Person, Principal, Refusal, Trust, TrustError,
    trust::{Issuer, Key},
};
use crate::{clock::Clock, fault::with_causes, part::PartName};

const MAX_TOKEN_BYTES: usize = 16 * 1024;
const MAX_REMEMBERED: usize = 10_000;
const MAX_SERVICE_LIFETIME: Duration = Duration::from_mins(5);
const NOT_BEFORE_LEEWAY: Duration = Duration::from_secs(5);
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

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audiences,
    exp: u64,
    #[serde(default)]
    nbf: Option<u64>,
    #[serde(default)]
    iat: Option<u64>,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    groups: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct IssuerOnly {
    iss: String,
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
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        self.lock_remembered().clear();
        tracing::info!("trusted keys changed");
        Ok(())
    }

    /// Who presents `token`.
    pub(crate) fn verify(&self, token: &str) -> Result<Principal, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::Invalid);
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
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Invalid)?;
        let key_id = header.kid.ok_or(Refusal::Invalid)?;
        let named: IssuerOnly = jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| Refusal::Invalid)?;
        let mut trust = self.trust();
        let known = |trust: &Trust| {
            trust
                .issuer(&named.iss)
                .is_some_and(|issuer| issuer.keys.contains_key(&key_id))
        };
        if !known(&trust) && self.reload_for_unknown_key() {
            trust = self.trust();
        }
        let issuer = trust.issuer(&named.iss).ok_or(Refusal::Invalid)?;
        let key = issuer.keys.get(&key_id).ok_or(Refusal::Invalid)?;
        let claims = signed_claims(token, key)?;
        if claims.iss != named.iss {
            return Err(Refusal::Invalid);
        }
        let expires = check_times(&claims, now)?;
        let principal = match issuer.kind {
            IssuerKind::People => Principal::Person(person(claims, issuer)?),
            IssuerKind::Services => Principal::Service(self.service(&claims, &key_id)?),
        };
        Ok((Verified { principal, expires }, trust))
    }

    /// The part that a service token stands for: its key must be pinned to it, and the token meant for this part.
    fn service(&self, claims: &Claims, key_id: &str) -> Result<PartName, Refusal> {
        let part: PartName = claims.sub.parse().map_err(|_| Refusal::Invalid)?;
        let pinned = key_id.split_once('/').is_some_and(|(owner, _)| owner == part.as_str());
        if !pinned {
            return Err(Refusal::Invalid);
        }
        let lifetime = claims.exp.saturating_sub(claims.iat.ok_or(Refusal::Invalid)?);
        if lifetime > MAX_SERVICE_LIFETIME.as_secs() {
            return Err(Refusal::Invalid);
        }
        match &claims.aud {
            Audiences::One(aud) if aud == self.part.as_str() => Ok(part),
            _ => Err(Refusal::WrongAudience),
        }
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

fn signed_claims(token: &str, key: &Key) -> Result<Claims, Refusal> {
    let mut validation = Validation::new(key.algorithm);
    // Times are checked against the part's own clock, audiences by the kind of issuer.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation)
        .map(|data| data.claims)
        .map_err(|_| Refusal::Invalid)
}

/// When the token expires; no leeway on `exp`.
fn check_times(claims: &Claims, now: SystemTime) -> Result<SystemTime, Refusal> {
    let at = |seconds: u64| {
        UNIX_EPOCH
            .checked_add(Duration::from_secs(seconds))
            .ok_or(Refusal::Invalid)
    };
    let expires = at(claims.exp)?;
    let starts = at(claims.nbf.max(claims.iat).unwrap_or_default())?;
    if now >= expires || now + NOT_BEFORE_LEEWAY < starts {
        return Err(Refusal::Expired);
    }
    Ok(expires)
}

fn person(claims: Claims, issuer: &Issuer) -> Result<Person, Refusal> {
    let audience = claims.aud.audience().ok_or(Refusal::WrongAudience)?;
    let tenant = claims
        .tenant
        .filter(|tenant| !tenant.is_empty())
        .ok_or(Refusal::Invalid)?;
    let speaks_for = issuer.tenants.is_empty() || issuer.tenants.contains(&tenant);
    // A name that breaks a line would look like something else in records.
    let plausible = !claims.sub.is_empty() && !claims.sub.contains(char::is_control);
    if !speaks_for || !plausible {
        return Err(Refusal::Invalid);
    }
    Ok(Person {
        issuer: claims.iss,
        subject: claims.sub,
        tenant,
        groups: claims.groups,
        audience,
    })
}

// === impl Audiences ===

impl Audiences {
    /// The one Countersign audience among them: a token that could both ask and decide is for neither.
    fn audience(&self) -> Option<Audience> {
        let names = match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names.as_slice(),
        };
        let mut ours = names.iter().filter_map(|name| Audience::from_aud(name));
        ours.next().filter(|_| ours.next().is_none())
    }
}
