//! Compact JWS with one algorithm: signing, and the strict verification that both token types share.

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::TokenError,
    json,
    keys::{KeySet, SigningKey},
    known::KnownSignatures,
};

/// Longer tokens are refused unread.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// How far `iat` and `nbf` may lie ahead of the verifier's clock: as far as the clocks of two parts may differ at all.
/// There is no leeway on `exp`.
pub const CLOCK_LEEWAY: Duration = Duration::from_secs(30);

const ALGORITHM: &str = "EdDSA";

/// What [`Signer`] and [`Verifier`] need to know about a kind of token. Only this crate implements it.
pub trait Claims: Serialize + DeserializeOwned + private::Sealed {
    /// The header's `typ`, which keeps one kind of token from passing as another.
    const TYPE: &'static str;
    /// The longest that such a token may live.
    const MAX_LIFETIME: Duration;

    /// `iss`: who signed.
    fn iss(&self) -> &str;
    /// `aud`: for whom.
    fn aud(&self) -> &str;
    /// `iat`, in seconds since the epoch.
    fn iat(&self) -> u64;
    /// `nbf`, in seconds since the epoch; `iat` where the type has none.
    fn nbf(&self) -> u64;
    /// `exp`, in seconds since the epoch.
    fn exp(&self) -> u64;
    /// What is impossible about the claims whatever the time, if anything.
    fn fault(&self) -> Option<&'static str>;
}

/// Signs in the name of one issuer.
#[derive(Debug)]
pub struct Signer {
    issuer: String,
    key: SigningKey,
    known: Arc<KnownSignatures>,
}

/// Accepts one kind of token, from one issuer, for one audience, under the keys pinned for them.
pub struct Verifier<C> {
    issuer: String,
    audience: String,
    keys: KeySet,
    known: Arc<KnownSignatures>,
    claims: PhantomData<fn() -> C>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// Seconds since the epoch, rounded down; a time before the epoch is taken for the epoch.
pub fn numeric_date(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn check_lifetime<C: Claims>(claims: &C) -> Result<(), TokenError> {
    let lifetime = claims.exp().checked_sub(claims.iat()).filter(|seconds| *seconds > 0);
    match lifetime {
        None => Err(TokenError::Malformed("`exp` is not after `iat`")),
        Some(seconds) if seconds > C::MAX_LIFETIME.as_secs() => Err(TokenError::LifetimeTooLong),
        Some(_) if claims.nbf() >= claims.exp() => Err(TokenError::Malformed("`exp` is not after `nbf`")),
        Some(_) => Ok(()),
    }
}

fn check_shape<C: Claims>(claims: &C) -> Result<(), TokenError> {
    claims
        .fault()
        .map_or(Ok(()), |fault| Err(TokenError::Malformed(fault)))?;
    check_lifetime(claims)
}

/// Decodes base64url without padding, in its one canonical spelling.
fn decode(text: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| TokenError::Malformed("not base64url without padding"))
}

fn decode_text(text: &str) -> Result<String, TokenError> {
    String::from_utf8(decode(text)?).map_err(|_| TokenError::Malformed("not UTF-8"))
}

/// Checks header, key and signature, and gives back the payload's text.
fn open(token: &str, typ: &str, keys: &KeySet, known: &KnownSignatures) -> Result<String, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::TooLong);
    }
    let not_compact = TokenError::Malformed("not a compact JWS");
    let (signed, signature) = token.rsplit_once('.').ok_or(not_compact.clone())?;
    let (header, payload) = signed
        .split_once('.')
        .filter(|(_, payload)| !payload.contains('.'))
        .ok_or(not_compact)?;

    let header: Header = json::parse_record(&decode_text(header)?)
        .map_err(|_| TokenError::Malformed("header is not exactly `alg`, `typ`, `kid`"))?;
    if header.alg != ALGORITHM {
        return Err(TokenError::WrongAlgorithm);
    }
    if header.typ != typ {
        return Err(TokenError::WrongType);
    }
    let key = keys
        .get(&header.kid)
        .ok_or(TokenError::UnknownKey { kid: header.kid })?;

    let signature = decode(signature)?;
    let signature = signature.as_slice().try_into().map_err(|_| TokenError::BadSignature)?;
    if !known.verify(key, signed.as_bytes(), signature) {
        return Err(TokenError::BadSignature);
    }
    decode_text(payload)
}

// === impl Signer ===

impl Signer {
    /// A signer for this issuer.
    pub fn new(issuer: impl Into<String>, key: SigningKey) -> Self {
        Self {
            issuer: issuer.into(),
            key,
            known: Arc::default(),
        }
    }

    /// The same signer, which notes its signatures where verifiers of this process find them.
    #[must_use]
    pub fn noting(self, known: Arc<KnownSignatures>) -> Self {
        Self { known, ..self }
    }

    /// The issuer, to be put into `iss`.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The key's identifier.
    pub fn key_id(&self) -> &str {
        self.key.key_id()
    }

    /// The public key, as a set to be published.
    pub fn key_set(&self) -> KeySet {
        KeySet::from(self.key.public().clone())
    }

    /// Signs; refuses what a verifier would refuse at any time.
    pub fn sign<C: Claims>(&self, claims: &C) -> Result<String, TokenError> {
        if claims.iss() != self.issuer {
            return Err(TokenError::WrongIssuer);
        }
        check_shape(claims)?;
        let encoding_failed = |error: serde_json::Error| TokenError::InvalidClaims(error.to_string());
        let header = Header {
            alg: ALGORITHM.into(),
            typ: C::TYPE.into(),
            kid: self.key_id().into(),
        };
        let header = serde_json::to_vec(&header).map_err(encoding_failed)?;
        let payload = serde_json::to_vec(claims).map_err(encoding_failed)?;
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.key.sign(signed.as_bytes());
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        self.known.note(self.key.public(), signed.as_bytes(), &signature);
        Ok(token)
    }
}

// === impl Verifier ===

impl<C: Claims> Verifier<C> {
    /// A verifier for this issuer and audience, with the keys pinned for this issuer and kind of token.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, keys: KeySet) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            keys,
            known: Arc::default(),
            claims: PhantomData,
        }
    }

    /// The same verifier, for which the signatures in `known` need no second look.
    #[must_use]
    pub fn knowing(self, known: Arc<KnownSignatures>) -> Self {
        Self { known, ..self }
    }

    /// The same verifier with other keys, after a refetch.
    #[must_use]
    pub fn with_keys(&self, keys: KeySet) -> Self {
        Self { keys, ..self.clone() }
    }

    /// The pinned keys.
    pub const fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// Verifies a token that is to take effect now.
    ///
    /// On [`TokenError::UnknownKey`] the caller may fetch the issuer's keys once more and try again.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<C, TokenError> {
        let claims = self.verify_ignoring_expiry(token, now)?;
        if numeric_date(now) >= claims.exp() {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }

    /// Verifies everything but that `exp` has not passed.
    ///
    /// For a token that took effect while it was valid and is now evidence: the verdict under an approval
    /// that people took an hour to grant, or a warrant in a trace. It must never permit anything by itself.
    pub fn verify_ignoring_expiry(&self, token: &str, now: SystemTime) -> Result<C, TokenError> {
        let payload = open(token, C::TYPE, &self.keys, &self.known)?;
        let claims: C = json::parse_record(&payload).map_err(|error| TokenError::InvalidClaims(error.to_string()))?;
        if claims.iss() != self.issuer {
            return Err(TokenError::WrongIssuer);
        }
        if claims.aud() != self.audience {
            return Err(TokenError::WrongAudience);
        }
        check_shape(&claims)?;
        let horizon = numeric_date(now).saturating_add(CLOCK_LEEWAY.as_secs());
        if claims.iat() > horizon || claims.nbf() > horizon {
            return Err(TokenError::NotYetValid);
        }
        Ok(claims)
    }
}

impl<C> Clone for Verifier<C> {
    fn clone(&self) -> Self {
        Self {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            keys: self.keys.clone(),
            known: Arc::clone(&self.known),
            claims: PhantomData,
        }
    }
}

impl<C: Claims> fmt::Debug for Verifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("type", &C::TYPE)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

pub(crate) mod private {
    /// Keeps other crates from adding kinds of tokens.
    pub trait Sealed {}
}

#[cfg(test)]
mod tampering;
#[cfg(test)]
mod tests;
