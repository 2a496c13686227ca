//! Whose tokens are believed: issuers and their public keys, from files.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What an issuer's tokens stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IssuerKind {
    /// People and platforms. Such an issuer can never yield a service role.
    People,
    /// Parts of Countersign. The key id `<part>/<anything>` pins a key to one part.
    Services,
}

/// One issuer in the trust file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedIssuer {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// What its tokens stand for.
    pub kind: IssuerKind,
    /// Its public keys as a JSON Web Key Set (RFC 7517); relative to the trust file.
    pub key_set_file: PathBuf,
    /// Tenants that it may speak for; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<String>,
}

/// Why trust could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file can't be read.
    #[error("read `{path}`")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The trust file is malformed.
    #[error("trust file `{path}`: {detail}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong.
        detail: String,
    },
    /// A key set is malformed.
    #[error("key set `{path}`: {detail}")]
    KeySet {
        /// The file.
        path: String,
        /// What is wrong.
        detail: String,
    },
}

/// The issuers that are believed, with their keys.
pub struct Trust {
    issuers: BTreeMap<String, Issuer>,
    unusable: Vec<String>,
    fingerprint: [u8; 32],
}

pub(super) struct Issuer {
    pub(super) kind: IssuerKind,
    pub(super) tenants: Vec<String>,
    pub(super) keys: BTreeMap<String, Key>,
}

pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustFile {
    issuers: Vec<TrustedIssuer>,
}

/// A JSON Web Key Set; each key is read by itself, as it may be of a kind that isn't known here.
#[derive(Deserialize)]
struct KeySetFile {
    keys: Vec<Value>,
}

/// The shortest RSA modulus whose signatures are verified (NIST SP 800-131A).
const MIN_RSA_BITS: usize = 2048;

// === impl Trust ===

impl Trust {
    /// Loads the trust file at `path` (YAML or JSON) and the key sets that it names.
    pub fn load(path: &Path) -> Result<Self, TrustError> {
        let text = read(path)?;
        let file: TrustFile = serde_saphyr::from_str(&text).map_err(|error| malformed(path, &error.to_string()))?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let mut hasher = Sha256::new_with_prefix(text.as_bytes());
        let (mut issuers, mut unusable) = (BTreeMap::new(), Vec::new());
        for entry in file.issuers {
            let key_set_path = folder.join(&entry.key_set_file);
            let key_set = read(&key_set_path)?;
            hasher.update(key_set.as_bytes());
            let issuer = Issuer {
                kind: entry.kind,
                tenants: entry.tenants,
                keys: keys(&key_set_path, &key_set, &mut unusable)?,
            };
            if issuers.insert(entry.issuer.clone(), issuer).is_some() {
                return Err(malformed(path, &format!("issuer `{}` stands twice", entry.issuer)));
            }
        }
        Ok(Self {
            issuers,
            unusable,
            fingerprint: hasher.finalize().into(),
        })
    }

    /// Believes nobody.
    pub fn nobody() -> Self {
        Self {
            issuers: BTreeMap::new(),
            unusable: Vec::new(),
            fingerprint: [0; 32],
        }
    }

    /// Says in the log which keys of the sets are left out, and why: a provider's set may hold keys for other purposes.
    pub(crate) fn warn_of_unusable_keys(&self) {
        for why in &self.unusable {
            tracing::warn!(why, "a trusted issuer's key is left out");
        }
    }

    /// Changes when any file behind it changed.
    pub(super) const fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    pub(super) fn issuer(&self, name: &str) -> Option<&Issuer> {
        self.issuers.get(name)
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust")
            .field("issuers", &self.issuers.keys())
            .finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<String, TrustError> {
    fs::read_to_string(path).map_err(|source| TrustError::Read {
        path: path.display().to_string(),
        source,
    })
}

fn malformed(path: &Path, detail: &str) -> TrustError {
    TrustError::Malformed {
        path: path.display().to_string(),
        detail: detail.to_owned(),
    }
}

/// The usable keys of a set, of which there must be one unless the set is empty; why others are not goes into `unusable`.
fn keys(path: &Path, text: &str, unusable: &mut Vec<String>) -> Result<BTreeMap<String, Key>, TrustError> {
    let refuse = |detail: String| TrustError::KeySet {
        path: path.display().to_string(),
        detail,
    };
    let set: KeySetFile = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
    let (given, mut keys) = (set.keys.len(), BTreeMap::new());
    for (position, jwk) in set.keys.into_iter().enumerate() {
        let name = jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
        match usable(jwk) {
            Ok((id, _)) if keys.contains_key(&id) => return Err(refuse(format!("key id `{id}` stands twice"))),
            Ok((id, key)) => drop(keys.insert(id, key)),
            Err(why) => {
                let name = name.map_or_else(|| format!("key {}", position + 1), |name| format!("key `{name}`"));
                unusable.push(format!("{name} of `{}` {why}", path.display()));
            }
        }
    }
    // An empty set is meant: nobody of this issuer is believed any more.
    if keys.is_empty() && given > 0 {
        return Err(refuse("it has no usable key; Ed25519, P-256 and RSA are".to_owned()));
    }
    Ok(keys)
}

/// A key with its id, or why it can't verify a token.
fn usable(jwk: Value) -> Result<(String, Key), String> {
    let jwk: Jwk = serde_json::from_value(jwk).map_err(|error| format!("can't be read: {error}"))?;
    let id = jwk.common.key_id.clone().ok_or("has no `kid`")?;
    let (algorithm, named) = algorithm(&jwk).ok_or("is neither Ed25519, P-256 nor RSA of 2048 bits or more")?;
    let other_use = jwk
        .common
        .public_key_use
        .as_ref()
        .is_some_and(|used| *used != PublicKeyUse::Signature);
    if other_use || jwk.common.key_algorithm.is_some_and(|said| said != named) {
        return Err(format!("is not for {named} signatures"));
    }
    let decoding = DecodingKey::from_jwk(&jwk).map_err(|error| format!("is malformed: {error}"))?;
    Ok((id, Key { algorithm, decoding }))
}

/// The one algorithm that a key is used with, and how a key set names it: it follows from the key, never from a token's
/// header.
fn algorithm(jwk: &Jwk) -> Option<(Algorithm, KeyAlgorithm)> {
    match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Some((Algorithm::EdDSA, KeyAlgorithm::EdDSA))
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Some((Algorithm::ES256, KeyAlgorithm::ES256))
        }
        AlgorithmParameters::RSA(key) if modulus_bits(&key.n) >= MIN_RSA_BITS => {
            Some((Algorithm::RS256, KeyAlgorithm::RS256))
        }
        _ => None,
    }
}

/// How long an RSA modulus is (RFC 7518, section 6.3.1.1: base64url, without leading zero bytes); 0 if it is none.
fn modulus_bits(modulus: &str) -> usize {
    let bytes = URL_SAFE_NO_PAD.decode(modulus).unwrap_or_default();
    bytes.len() * 8
}
