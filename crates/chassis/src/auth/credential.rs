//! A part's own credential: it signs short-lived tokens, each naming one other part as its audience.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::{clock::Clock, part::PartName};

const RENEW_AFTER: Duration = Duration::from_mins(4);

/// Why a credential can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The key is no Ed25519 private key in PKCS#8 PEM.
    #[error("credential key: {0}")]
    Key(String),
    /// A token could not be signed.
    #[error("sign service token")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// A part's own credential.
pub struct Credential {
    part: PartName,
    issuer: String,
    key_id: String,
    key: EncodingKey,
    clock: Arc<dyn Clock>,
    minted: Mutex<BTreeMap<PartName, Minted>>,
}

struct Minted {
    header: http::HeaderValue,
    minted_at: SystemTime,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'static str,
    aud: &'static str,
    iat: u64,
    exp: u64,
}

// === impl Credential ===

impl Credential {
    /// How long a token lives.
    pub const LIFETIME: Duration = Duration::from_mins(5);

    /// The credential of `part` with the private key in `pem`; `issuer` is the services' issuer in the trust file.
    pub fn new(
        part: PartName,
        issuer: impl Into<String>,
        pem: &SecretString,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CredentialError> {
        let text = pem.expose_secret();
        let public =
            warrant::SigningKey::from_pkcs8_pem(text).map_err(|error| CredentialError::Key(error.to_string()))?;
        let key = EncodingKey::from_ed_pem(text.as_bytes()).map_err(|error| CredentialError::Key(error.to_string()))?;
        Ok(Self {
            part,
            issuer: issuer.into(),
            key_id: Self::key_id(part, &public),
            key,
            clock,
            minted: Mutex::default(),
        })
    }

    /// The key id under which the services' key set must hold the public key: `<part>/<RFC 7638 thumbprint>`.
    pub fn key_id(part: PartName, key: &warrant::SigningKey) -> String {
        format!("{part}/{}", key.key_id())
    }

    /// The value of `authorization` for calls to `target`; made anew a minute before it expires.
    pub fn authorization(&self, target: PartName) -> Result<http::HeaderValue, CredentialError> {
        let now = self.clock.now();
        let mut minted = self.minted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = minted.get(&target).filter(|token| token.is_good_at(now)) {
            return Ok(token.header.clone());
        }
        // Not marked as sensitive: HTTP/2 would then send the whole token with every call. It lives five minutes, and
        // nothing on the connection is secret from either end of it.
        let header = http::HeaderValue::try_from(format!("Bearer {}", self.token_at(target, now)?))
            .map_err(|error| CredentialError::Key(error.to_string()))?;
        let token = Minted {
            header: header.clone(),
            minted_at: now,
        };
        minted.insert(target, token);
        Ok(header)
    }

    /// A fresh token for calls to `target`.
    pub fn token(&self, target: PartName) -> Result<String, CredentialError> {
        self.token_at(target, self.clock.now())
    }

    fn token_at(&self, target: PartName, now: SystemTime) -> Result<String, CredentialError> {
        let iat = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = Claims {
            iss: &self.issuer,
            sub: self.part.as_str(),
            aud: target.as_str(),
            iat,
            exp: iat + Self::LIFETIME.as_secs(),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.key_id.clone());
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(CredentialError::Sign)
    }
}

impl Minted {
    /// Whether it is young enough; not so if the clock went back, as others would take it for one from the future.
    fn is_good_at(&self, now: SystemTime) -> bool {
        now.duration_since(self.minted_at).is_ok_and(|age| age < RENEW_AFTER)
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("part", &self.part)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const SEED: [u8; 32] = [7; 32];

    #[test]
    fn a_token_is_used_again_while_it_is_young_and_not_from_the_future() {
        let start = UNIX_EPOCH + Duration::from_hours(1);
        let clock = Arc::new(ManualClock::new(start));
        let pem = warrant::SigningKey::from_seed(&SEED).to_pkcs8_pem().unwrap();
        let pem = SecretString::from(pem.as_str());
        let credential = Credential::new(PartName::Executor, "services", &pem, clock.clone()).unwrap();
        let token = || credential.authorization(PartName::Trace).unwrap();
        let first = token();
        clock.advance(RENEW_AFTER / 2);
        assert_eq!(token(), first);
        clock.advance(RENEW_AFTER / 2);
        let second = token();
        assert_ne!(second, first);
        clock.set(start);
        assert_ne!(token(), second);
    }
}
