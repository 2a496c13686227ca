//! Warrants: minted from granted approvals, and read again when they are claimed.

use std::{sync::Arc, time::Duration};

use chassis::PartName;
use warrant::{KnownSignatures, Signer, SigningKey, Warrant, WarrantVerifier, token_hash};

use crate::{
    approval::{Approval, State},
    error::ApprovalError,
    moment::Moment,
};

/// How long a warrant lives at most.
const LIFETIME: Duration = Duration::from_mins(2);

/// Signs warrants and verifies its own.
#[derive(Debug)]
pub struct Mint {
    signer: Signer,
    verifier: WarrantVerifier,
}

// === impl Mint ===

impl Mint {
    /// A mint that signs as `issuer`; what is in `known`, its own signatures among them, needs no second look.
    pub fn new(issuer: &str, key: SigningKey, known: Arc<KnownSignatures>) -> Self {
        let signer = Signer::new(issuer, key).noting(Arc::clone(&known));
        let audience = PartName::Executor.as_str();
        let verifier = WarrantVerifier::new(issuer, audience, signer.key_set()).knowing(known);
        Self { signer, verifier }
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
        Ok(Some(token))
    }

    /// Reads a warrant: its signature, type, issuer and audience. Its expiry is left to the claim, which judges it inside
    /// the compare-and-set.
    pub fn read(&self, token: &str, now: Moment) -> Result<Warrant, ApprovalError> {
        self.verifier
            .verify_ignoring_expiry(token, now.into())
            .map_err(|error| ApprovalError::WarrantRejected(error.to_string()))
    }
}
