//! Hashes: the digest that everyone signs, and hashing of several texts without ambiguity.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use crate::error::ParseError;

const PREFIX: &str = "sha256:";

/// SHA-256 over the canonical form of an action.
///
/// Written as `sha256:` and 64 lowercase hexadecimal digits; no other spelling is read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionDigest([u8; 32]);

/// SHA-256 of a token's compact form, as 64 lowercase hexadecimal digits.
pub fn token_hash(token: &str) -> String {
    hex::encode(sha256(token.as_bytes()))
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// SHA-256 over a domain and texts, each preceded by its length (64 bits, big endian), so that no two
/// lists of texts hash the same bytes.
pub(crate) fn sha256_of_parts(domain: &str, parts: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(domain.as_bytes());
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().into()
}

/// Writes at most 32 bytes as lowercase hexadecimal digits.
pub fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let mut digits = [0; 64];
    let digits = digits.get_mut(..2 * bytes.len()).ok_or(fmt::Error)?;
    hex::encode_to_slice(bytes, digits).map_err(|_| fmt::Error)?;
    f.write_str(str::from_utf8(digits).map_err(|_| fmt::Error)?)
}

/// Whether the text consists of lowercase hexadecimal digits only.
pub(crate) fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

// === impl ActionDigest ===

impl ActionDigest {
    /// The digest of an action's canonical form.
    pub(crate) fn of_canonical(canonical: &str) -> Self {
        Self(sha256(canonical.as_bytes()))
    }

    /// Takes a digest as raw bytes, as messages and stores carry it.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ActionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for ActionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActionDigest({self})")
    }
}

impl FromStr for ActionDigest {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = ParseError {
            expected: "action digest (`sha256:` and 64 lowercase hex digits)",
        };
        let digits = text
            .strip_prefix(PREFIX)
            .filter(|digits| is_lower_hex(digits))
            .ok_or(error)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| error)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<&[u8]> for ActionDigest {
    type Error = ParseError;

    fn try_from(bytes: &[u8]) -> Result<Self, ParseError> {
        bytes.try_into().map(Self).map_err(|_| ParseError {
            expected: "action digest (32 bytes)",
        })
    }
}

impl Serialize for ActionDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ActionDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_text_round_trips_and_has_one_spelling() {
        let digest = ActionDigest::of_canonical("{}");
        let text = digest.to_string();
        assert_eq!(
            text,
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
        assert_eq!(text.parse(), Ok(digest));
        assert_eq!(ActionDigest::try_from(digest.as_bytes().as_slice()), Ok(digest));

        let bare = text.strip_prefix(PREFIX).unwrap();
        let upper = format!("{PREFIX}{}", bare.to_uppercase());
        let long = format!("{text}00");
        for wrong in [bare, &upper, &long, "sha256:", "", "SHA256:00", " sha256:00"] {
            assert!(wrong.parse::<ActionDigest>().is_err(), "{wrong}");
        }
        assert!(ActionDigest::try_from([0_u8; 31].as_slice()).is_err());
    }

    #[test]
    fn borders_between_parts_count() {
        let lists: [&[&str]; 5] = [&["ab", "c"], &["a", "bc"], &["abc"], &["abc", ""], &["", "abc"]];
        let hashes: std::collections::BTreeSet<_> = lists.iter().map(|parts| sha256_of_parts("d", parts)).collect();
        assert_eq!(hashes.len(), lists.len());
    }
}
