//! Warrants: minted from granted approvals, and read again when they are claimed.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chassis::PartName;
use sha2::{Digest as _, Sha256};
use warrant::{Signer, SigningKey, Warrant, WarrantVerifier, token_hash};

use crate::{
    approval::{Approval, State},
    error::ApprovalError,
    moment::Moment,
};

/// How long a warrant lives at most.
const LIFETIME: Duration = Duration::from_mins(2);

/// How many warrants are remembered: those that are claimed soon.
const REMEMBERED: usize = 1_024;

/// Signs warrants and verifies its own.
#[derive(Debug)]
pub struct Mint {
    signer: Signer,
    verifier: WarrantVerifier,
    minted: Mutex<Minted>,
}

/// The warrants that were signed last, by the SHA-256 of their tokens: exactly these bytes need no second look at their
/// signature, which costs more than all else that a claim computes.
#[derive(Debug, Default)]
struct Minted {
    warrants: HashMap<[u8; 32], Warrant>,
    order: VecDeque<[u8; 32]>,
}

// === impl Mint ===

impl Mint {
    /// A mint that signs as `issuer`.
    pub fn new(issuer: &str, key: SigningKey) -> Self {
        let signer = Signer::new(issuer, key);
        let audience = PartName::Executor.as_str();
        let verifier = WarrantVerifier::new(issuer, audience, signer.key_set());
        Self {
            signer,
            verifier,
            minted: Mutex::default(),
        }
    }

    /// Who signs.
    pub fn issuer(&self) -> &str {
        self.signer.issuer()
    }

    /// The public keys, as RFC 7517 JSON.
    pub fn key_set_json(&self) -> String {
        self.signer.key_set().to_json()
    }

    /// The warrant of a granted approval; `None` when the grant is over, or too short for a whole second.
    ///
    /// The caller has made sure that the decision's events are recorded (AP-7).
    pub fn mint(&self, approval: &Approval, now: Moment) -> Result<Option<String>, ApprovalError> {
        let (content, progress) = (&approval.content, &approval.progress);
        let (State::Granted, Some(mode), Some(grant_expire)) = (progress.state, progress.mode, progress.grant_expire)
        else {
            return Ok(None);
        };
        let iat = now.seconds();
        let exp = now.plus(LIFETIME).seconds().min(grant_expire.seconds());
        if exp <= iat {
            return Ok(None);
        }
        let action = &content.action;
        let claims = Warrant {
            iss: self.signer.issuer().to_owned(),
            aud: PartName::Executor.as_str().to_owned(),
            sub: action.agent.clone(),
            act: action.requester.clone(),
            tenant: action.tenant.clone(),
            jti: progress.jti.clone(),
            iat,
            nbf: iat,
            exp,
            act_digest: content.digest,
            approval: content.id,
            revision: progress.revision.into(),
            risk: content.rule.risk,
            policy: content.policy_digest.clone(),
            mode,
            run: action.run,
            attempt: progress.attempt,
            // The same for every attempt: should an attempt that reported nothing sent have been wrong, a gateway that
            // heeds the key still acts once.
            idem: format!("cs-{}", action.run),
            verdict: token_hash(&content.verdict_jws),
        };
        let token = self
            .signer
            .sign(&claims)
            .map_err(|error| ApprovalError::Internal(error.into()))?;
        self.minted().remember(&token, claims);
        Ok(Some(token))
    }

    /// Reads a warrant: its signature, type, issuer and audience. Its expiry is left to the claim, which judges it inside
    /// the compare-and-set.
    pub fn read(&self, token: &str, now: Moment) -> Result<Warrant, ApprovalError> {
        if let Some(warrant) = self.minted().find(token) {
            return Ok(warrant);
        }
        self.verifier
            .verify_ignoring_expiry(token, now.into())
            .map_err(|error| ApprovalError::WarrantRejected(error.to_string()))
    }

    fn minted(&self) -> std::sync::MutexGuard<'_, Minted> {
        self.minted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Minted ===

impl Minted {
    fn remember(&mut self, token: &str, warrant: Warrant) {
        let hash = sha256(token);
        if self.warrants.insert(hash, warrant).is_some() {
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > REMEMBERED
            && let Some(first) = self.order.pop_front()
        {
            self.warrants.remove(&first);
        }
    }

    fn find(&self, token: &str) -> Option<Warrant> {
        self.warrants.get(&sha256(token)).cloned()
    }
}

fn sha256(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_warrants_are_remembered_and_only_byte_for_byte() {
        let mut minted = Minted::default();
        let warrant = Warrant {
            iss: "approval-svc".to_owned(),
            aud: PartName::Executor.as_str().to_owned(),
            sub: "main".to_owned(),
            act: "alice".to_owned(),
            tenant: "acme".to_owned(),
            jti: "1".to_owned(),
            iat: 1,
            nbf: 1,
            exp: 2,
            act_digest: warrant::ActionDigest::from_bytes([7; 32]),
            approval: warrant::approval_id(&warrant::RunId::derive("acme", "issuer", "alice", "1")),
            revision: 1,
            risk: warrant::Risk::Green,
            policy: "sha256:01".to_owned(),
            mode: warrant::Mode::Policy,
            run: warrant::RunId::derive("acme", "issuer", "alice", "1"),
            attempt: 1,
            idem: "cs-1".to_owned(),
            verdict: token_hash("verdict"),
        };
        for number in 0..=REMEMBERED {
            minted.remember(&number.to_string(), warrant.clone());
        }
        assert!(minted.find("0").is_none(), "the first left for the last");
        assert_eq!(minted.find("1"), Some(warrant));
        assert!(minted.find("1 ").is_none());
        assert_eq!(minted.warrants.len(), REMEMBERED);
    }
}
