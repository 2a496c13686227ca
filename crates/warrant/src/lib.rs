//! What a governed action is, and the signed statements made about it.
//!
//! Three parties have to agree on one action without trusting each other: the classifier judges it
//! ([`Verdict`]), the approval service permits it once ([`Warrant`]), and the executor carries it out.
//! They agree by its [`ActionDigest`], a SHA-256 over the action's canonical JSON, which each of them
//! computes from the bytes in its own hands.
//!
//! The crate is pure: no I/O, no clock, no randomness. The caller passes the time in. What is remembered
//! ([`KnownSignatures`]) saves work and changes no answer.
//!
//! A signature says who permitted what. It does not say that the permission is still unspent: an
//! executor must also claim the warrant, and the claim is what makes it single-use.
//!
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//! use warrant::{Action, KeySet, Operation, RunId, Signer, SigningKey, WarrantVerifier};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let action = Action {
//!     run: RunId::derive("acme", "https://id.acme.example", "alice", "request-1"),
//!     tenant: "acme".into(),
//!     issuer: "https://id.acme.example".into(),
//!     requester: "alice".into(),
//!     agent: "main".into(),
//!     session: "inbox".into(),
//!     operation: Operation::Instruction { instruction: "Summarise my unread mail".into() },
//! };
//! assert!(action.validate().is_empty());
//!
//! let signer = Signer::new("approval-svc", SigningKey::from_seed(&[7; 32]));
//! let warrant = warrant::Warrant {
//!     iss: signer.issuer().to_owned(),
//!     aud: "executor-svc".into(),
//!     sub: action.agent.clone(),
//!     act: action.requester.clone(),
//!     tenant: action.tenant.clone(),
//!     jti: "0192f0c1".into(),
//!     iat: 1_000,
//!     nbf: 1_000,
//!     exp: 1_120,
//!     act_digest: action.digest(),
//!     approval: warrant::approval_id(&action.run),
//!     revision: 1,
//!     risk: warrant::Risk::Green,
//!     policy: "sha256:9a".into(),
//!     mode: warrant::Mode::Policy,
//!     run: action.run,
//!     attempt: 1,
//!     idem: "cs-0192f0c1".into(),
//!     verdict: warrant::token_hash("the verdict's compact form"),
//! };
//! let token = signer.sign(&warrant)?;
//!
//! let verifier = WarrantVerifier::new("approval-svc", "executor-svc", signer.key_set());
//! let checked = verifier.verify(&token, UNIX_EPOCH + Duration::from_secs(1_010))?;
//! checked.check_action(&action)?;
//! # Ok(())
//! # }
//! ```

mod action;
mod digest;
mod error;
#[cfg(test)]
mod fixtures;
mod ids;
mod json;
mod jws;
mod keys;
mod known;
mod seal;
mod text;
mod verdict;
mod warrant;

pub use crate::{
    action::{Action, DEFAULT_LIMITS, Limits, Operation, Violation},
    digest::{ActionDigest, token_hash, write_hex},
    error::{BindingError, KeyError, ParseError, SealError, TokenError},
    ids::{ApprovalId, RunId, approval_id, session_key},
    jws::{CLOCK_LEEWAY, Claims, MAX_TOKEN_BYTES, Signer, Verifier, numeric_date},
    keys::{KeySet, PublicKey, SigningKey},
    known::KnownSignatures,
    seal::Seal,
    text::{free_text_fault, identifier_fault, reorders_text},
    verdict::{Disposition, Risk, VERDICT_AUDIENCE, Verdict, VerdictVerifier, reason_digest},
    warrant::{Mode, Warrant, WarrantVerifier},
};
