//! Seals: signatures beside a thing, by which whoever holds the public keys knows who made it.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    error::SealError,
    keys::{KeySet, SigningKey},
};

/// A signature over the digest of a thing, for one purpose. It doesn't expire.
///
/// What is signed is `countersign/seal/v1`, the purpose and the digest, a line each; so a seal for one purpose is none for
/// another, and no seal is a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    key_id: String,
    signature: [u8; 64],
}

// === impl Seal ===

impl Seal {
    /// Seals `digest` for `purpose`.
    pub fn sign(key: &SigningKey, purpose: &str, digest: &str) -> Self {
        Self {
            key_id: key.key_id().to_owned(),
            signature: key.sign(message(purpose, digest).as_bytes()),
        }
    }

    /// Reads a seal as its `Display` writes it: the key's identifier and the base64url signature.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let mut fields = text.split_whitespace();
        let (Some(key_id), Some(signature), None) = (fields.next(), fields.next(), fields.next()) else {
            return Err(SealError::Malformed);
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| SealError::Malformed)?;
        Ok(Self {
            key_id: key_id.to_owned(),
            signature: signature.try_into().map_err(|_| SealError::Malformed)?,
        })
    }

    /// The identifier of the key that signed.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Checks that one of `keys` sealed `digest` for `purpose`.
    pub fn verify(&self, keys: &KeySet, purpose: &str, digest: &str) -> Result<(), SealError> {
        let key = keys.get(&self.key_id).ok_or_else(|| SealError::UnknownKey {
            kid: self.key_id.clone(),
        })?;
        if key.verifies(message(purpose, digest).as_bytes(), &self.signature) {
            Ok(())
        } else {
            Err(SealError::BadSignature)
        }
    }
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key_id, URL_SAFE_NO_PAD.encode(self.signature))
    }
}

fn message(purpose: &str, digest: &str) -> String {
    format!("countersign/seal/v1\n{purpose}\n{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    #[test]
    fn a_seal_holds_for_its_key_purpose_and_digest_alone() {
        let keys = KeySet::from(key(1).public().clone());
        let seal = Seal::sign(&key(1), "policy", "sha256:01");
        assert_eq!(seal.verify(&keys, "policy", "sha256:01"), Ok(()));
        assert_eq!(seal.verify(&keys, "policy", "sha256:02"), Err(SealError::BadSignature));
        assert_eq!(seal.verify(&keys, "log", "sha256:01"), Err(SealError::BadSignature));
        let foreign = Seal::sign(&key(2), "policy", "sha256:01");
        assert!(matches!(
            foreign.verify(&keys, "policy", "sha256:01"),
            Err(SealError::UnknownKey { .. })
        ));
        let renamed = Seal {
            key_id: seal.key_id.clone(),
            ..foreign
        };
        assert_eq!(
            renamed.verify(&keys, "policy", "sha256:01"),
            Err(SealError::BadSignature)
        );
    }

    #[test]
    fn a_seal_survives_its_text_and_nothing_else_is_one() {
        let seal = Seal::sign(&key(1), "policy", "sha256:01");
        assert_eq!(Seal::parse(&format!("{seal}\n")), Ok(seal.clone()));
        for text in ["", "kid", "kid AA", "kid !!", &format!("{seal} more")] {
            assert_eq!(Seal::parse(text), Err(SealError::Malformed), "{text}");
        }
    }
}
