//! Signing keys, and the key sets that others check signatures with.

use std::{collections::BTreeMap, fmt};

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{
    Signature, VerifyingKey,
    pkcs8::{
        DecodePrivateKey, EncodePrivateKey, KeypairBytes,
        spki::der::{
            pem::LineEnding,
            zeroize::{Zeroize, Zeroizing},
        },
    },
};
use serde::{Deserialize, de::IgnoredAny};

use crate::{digest::sha256, error::KeyError, json};

/// A private Ed25519 key. Never shown by `Debug`, and wiped from memory when dropped.
pub struct SigningKey {
    /// To be written down: `pair` would leave a copy in memory that nobody wipes.
    secret: ed25519_dalek::SigningKey,
    /// Signs. Ed25519 leaves a signer no choice (RFC 8032), and this takes two thirds of `secret`'s time.
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// A public Ed25519 key and its identifier.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    point: VerifyingKey,
    key_id: String,
}

/// Public keys by their identifiers: a JSON Web Key Set of Ed25519 signature keys.
///
/// A key's identifier is its thumbprint (RFC 7638), so a set cannot give a key another one's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    keys: BTreeMap<String, PublicKey>,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

/// A key as RFC 8037 writes it. Members other than these say nothing about the key and are ignored;
/// `d`, the private half, is read only to be refused.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    kid: String,
    alg: String,
    #[serde(rename = "use")]
    usage: String,
    #[serde(default)]
    d: Option<IgnoredAny>,
}

// === impl SigningKey ===

impl SigningKey {
    /// Reads a key from PKCS#8 PEM, as `openssl genpkey -algorithm ed25519` writes it.
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, KeyError> {
        let mut pair = KeypairBytes::from_pkcs8_pem(pem).map_err(|_| KeyError::InvalidPrivateKey)?;
        let secret = ed25519_dalek::SigningKey::try_from(&pair);
        pair.secret_key.zeroize();
        secret.map(Self::new).map_err(|_| KeyError::InvalidPrivateKey)
    }

    /// Makes a key of 32 bytes, which must come from a cryptographic source of randomness.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::new(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Writes the key as PKCS#8 PEM, version 1, which every common tool reads. The text is wiped when dropped.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let mut pair = KeypairBytes::from(&self.secret);
        pair.public_key = None;
        let pem = pair.to_pkcs8_pem(LineEnding::LF);
        pair.secret_key.zeroize();
        pem.map_err(|_| KeyError::Encoding)
    }

    /// The key's identifier: the base64url thumbprint (RFC 7638) of its public half.
    pub fn key_id(&self) -> &str {
        self.public.key_id()
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        signature
    }

    fn new(secret: ed25519_dalek::SigningKey) -> Self {
        let public = PublicKey::new(secret.verifying_key());
        let pair = Ed25519KeyPair::from_seed_and_public_key(secret.as_bytes(), public.as_bytes());
        #[expect(clippy::expect_used, reason = "any 32 bytes are a seed, and this is its public half")]
        let pair = pair.expect("a seed and its public key");
        Self { secret, pair, public }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("key_id", &self.key_id())
            .finish_non_exhaustive()
    }
}

// === impl PublicKey ===

impl PublicKey {
    /// Takes a public key as raw bytes; weak ones, under which a signature proves nothing, are refused.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let point = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::InvalidPublicKey)?;
        if point.is_weak() || point.as_bytes() != bytes {
            return Err(KeyError::InvalidPublicKey);
        }
        Ok(Self::new(point))
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.point.as_bytes()
    }

    /// The key's identifier: its base64url thumbprint (RFC 7638).
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.point
            .verify_strict(message, &Signature::from_bytes(signature))
            .is_ok()
    }

    fn new(point: VerifyingKey) -> Self {
        let x = URL_SAFE_NO_PAD.encode(point.as_bytes());
        // The required members in the order of their names, without white space (RFC 8037, appendix A.3).
        let thumbprint = sha256(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes());
        Self {
            point,
            key_id: URL_SAFE_NO_PAD.encode(thumbprint),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.key_id)
    }
}

// === impl KeySet ===

impl KeySet {
    /// Reads a JSON Web Key Set.
    ///
    /// Refused are duplicate keys, keys of another kind or purpose, keys whose identifier is not their
    /// thumbprint, and private keys, which someone has published by mistake.
    pub fn from_json(text: &str) -> Result<Self, KeyError> {
        let malformed = |error: serde_json::Error| KeyError::MalformedKeySet(error.to_string());
        let jwks: Jwks = json::parse_object(text).map_err(malformed)?;
        let mut set = Self::default();
        for jwk in jwks.keys {
            let key = PublicKey::try_from(jwk)?;
            if set.contains(key.key_id()) {
                return Err(KeyError::DuplicateKey { kid: key.key_id });
            }
            set.insert(key);
        }
        Ok(set)
    }

    /// Writes the JSON Web Key Set, in the order of the identifiers.
    pub fn to_json(&self) -> String {
        let keys = self.keys.values().map(|key| {
            let (x, kid) = (URL_SAFE_NO_PAD.encode(key.as_bytes()), &key.key_id);
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","kid":"{kid}","alg":"EdDSA","use":"sig"}}"#)
        });
        format!(r#"{{"keys":[{}]}}"#, keys.collect::<Vec<_>>().join(","))
    }

    /// Adds a key. Adding it again changes nothing.
    pub fn insert(&mut self, key: PublicKey) {
        self.keys.insert(key.key_id.clone(), key);
    }

    /// Adds all keys of another set: the ones in use to the retired ones, for example.
    pub fn merge(&mut self, other: &Self) {
        self.keys.extend(other.keys.clone());
    }

    /// The key of this identifier.
    pub fn get(&self, key_id: &str) -> Option<&PublicKey> {
        self.keys.get(key_id)
    }

    /// Whether a key of this identifier is in the set.
    pub fn contains(&self, key_id: &str) -> bool {
        self.keys.contains_key(key_id)
    }

    /// All keys, in the order of their identifiers.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.values()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl From<PublicKey> for KeySet {
    fn from(key: PublicKey) -> Self {
        Self::from_iter([key])
    }
}

impl FromIterator<PublicKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        Self {
            keys: keys.into_iter().map(|key| (key.key_id.clone(), key)).collect(),
        }
    }
}

// === impl Jwk ===

impl TryFrom<Jwk> for PublicKey {
    type Error = KeyError;

    fn try_from(jwk: Jwk) -> Result<Self, KeyError> {
        if jwk.d.is_some() {
            return Err(KeyError::PrivateKey);
        }
        let kind = [jwk.kty.as_str(), &jwk.crv, &jwk.alg, &jwk.usage];
        if kind != ["OKP", "Ed25519", "EdDSA", "sig"] {
            return Err(KeyError::ForeignKey);
        }
        let bytes = URL_SAFE_NO_PAD.decode(&jwk.x).map_err(|_| KeyError::InvalidPublicKey)?;
        let key = Self::from_bytes(bytes.as_slice().try_into().map_err(|_| KeyError::InvalidPublicKey)?)?;
        if key.key_id != jwk.kid {
            return Err(KeyError::WrongKeyId { kid: jwk.kid });
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests;
