//! Names derived rather than invented: the run, its approval, and the agent session it talks to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    digest::{is_lower_hex, sha256_of_parts, write_hex},
    error::ParseError,
};

const RUN_DOMAIN: &str = "countersign/run/v1";
const APPROVAL_DOMAIN: &str = "countersign/approval/v1";
const APPROVALS: &str = "approvals/";

/// Identifies a run; also its trace id. Never all zero, as W3C Trace Context demands.
///
/// Written as 32 lowercase hexadecimal digits; no other spelling is read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId([u8; 16]);

/// Identifies the approval of a run.
///
/// Written as a lowercase hyphenated UUID; its resource name is `approvals/{uuid}`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApprovalId(Uuid);

/// The approval of a run: derived from it, so that it is found without any state, and there is one.
///
/// A version 8 UUID of SHA-256(`countersign/approval/v1` ‖ the run's 16 bytes).
pub fn approval_id(run: &RunId) -> ApprovalId {
    let hash = Sha256::new()
        .chain_update(APPROVAL_DOMAIN)
        .chain_update(run.0)
        .finalize();
    ApprovalId(Uuid::new_v8(first_half(hash.into())))
}

/// The agent's session key at the gateway.
///
/// Tenant, issuer, requester and session enter as one hash, so that no caller can name, or guess its way into,
/// the session of another. The agent must already be known to match `[a-z0-9_-]{1,64}`.
pub fn session_key(agent: &str, tenant: &str, issuer: &str, requester: &str, session: &str) -> String {
    let hash = sha256_of_parts("", &[tenant, issuer, requester, session]);
    format!("agent:{agent}:cs-{}", hex::encode(hash))
}

fn first_half(hash: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(hash) {
        *to = from;
    }
    half
}

// === impl RunId ===

impl RunId {
    /// The run of a request: the same request of the same person is always the same run.
    ///
    /// The first 16 bytes of SHA-256(`countersign/run/v1` ‖ tenant, issuer, subject, request id), each
    /// text preceded by its length in bytes (64 bits, big endian).
    pub fn derive(tenant: &str, issuer: &str, subject: &str, request_id: &str) -> Self {
        let bytes = first_half(sha256_of_parts(RUN_DOMAIN, &[tenant, issuer, subject, request_id]));
        // One chance in 2^128, yet an all-zero trace id is invalid.
        Self::from_bytes(bytes).unwrap_or(Self([1; 16]))
    }

    /// Takes an identifier as raw bytes; all zero is refused.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, ParseError> {
        if bytes == [0; 16] {
            return Err(ParseError {
                expected: "run id (not all zero)",
            });
        }
        Ok(Self(bytes))
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunId({self})")
    }
}

impl FromStr for RunId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = ParseError {
            expected: "run id (32 lowercase hex digits, not all zero)",
        };
        let mut bytes = [0; 16];
        if !is_lower_hex(text) {
            return Err(error);
        }
        hex::decode_to_slice(text, &mut bytes).map_err(|_| error)?;
        Self::from_bytes(bytes).map_err(|_| error)
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

// === impl ApprovalId ===

impl ApprovalId {
    /// Reads a resource name `approvals/{uuid}`.
    pub fn from_name(name: &str) -> Result<Self, ParseError> {
        let error = ParseError {
            expected: "approval name (`approvals/{uuid}`)",
        };
        name.strip_prefix(APPROVALS).ok_or(error)?.parse().map_err(|_| error)
    }

    /// The resource name, `approvals/{uuid}`.
    pub fn name(&self) -> String {
        format!("{APPROVALS}{self}")
    }

    /// The UUID itself.
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.as_hyphenated(), f)
    }
}

impl fmt::Debug for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApprovalId({self})")
    }
}

impl FromStr for ApprovalId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = ParseError {
            expected: "approval id (lowercase hyphenated UUID)",
        };
        let id = Self(Uuid::try_parse(text).map_err(|_| error)?);
        // UUID parsers accept several spellings; a resource has one name.
        if id.to_string() == text { Ok(id) } else { Err(error) }
    }
}

impl Serialize for ApprovalId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ApprovalId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
