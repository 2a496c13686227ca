//! Whose tokens are believed: issuers and their public keys, from files.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet},
};
use serde::{Deserialize, Serialize};
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

// === impl Trust ===

impl Trust {
    /// Loads the trust file at `path` (YAML or JSON) and the key sets that it names.
    pub fn load(path: &Path) -> Result<Self, TrustError> {
        let text = read(path)?;
        let file: TrustFile = serde_saphyr::from_str(&text).map_err(|error| malformed(path, &error.to_string()))?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let mut hasher = Sha256::new_with_prefix(text.as_bytes());
        let mut issuers = BTreeMap::new();
        for entry in file.issuers {
            let key_set_path = folder.join(&entry.key_set_file);
            let key_set = read(&key_set_path)?;
            hasher.update(key_set.as_bytes());
            let issuer = Issuer {
                kind: entry.kind,
                tenants: entry.tenants,
                keys: keys(&key_set_path, &key_set)?,
            };
            if issuers.insert(entry.issuer.clone(), issuer).is_some() {
                return Err(malformed(path, &format!("issuer `{}` stands twice", entry.issuer)));
            }
        }
        Ok(Self {
            issuers,
            fingerprint: hasher.finalize().into(),
        })
    }

    /// Believes nobody.
    pub fn nobody() -> Self {
        Self {
            issuers: BTreeMap::new(),
            fingerprint: [0; 32],
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

fn keys(path: &Path, text: &str) -> Result<BTreeMap<String, Key>, TrustError> {
    let refuse = |detail: String| TrustError::KeySet {
        path: path.display().to_string(),
        detail,
    };
    let set: JwkSet = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
    let mut keys = BTreeMap::new();
    for jwk in &set.keys {
        let id = jwk
            .common
            .key_id
            .clone()
            .ok_or_else(|| refuse("a key has no `kid`".to_owned()))?;
        let algorithm =
            algorithm(jwk).ok_or_else(|| refuse(format!("key `{id}` is neither Ed25519, P-256 nor RSA")))?;
        let decoding = DecodingKey::from_jwk(jwk).map_err(|error| refuse(format!("key `{id}`: {error}")))?;
        if keys.insert(id.clone(), Key { algorithm, decoding }).is_some() {
            return Err(refuse(format!("key id `{id}` stands twice")));
        }
    }
    Ok(keys)
}

/// The one algorithm that a key is used with: it follows from the key, never from a token's header.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Some(Algorithm::EdDSA),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Some(Algorithm::ES256),
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        _ => None,
    }
}
