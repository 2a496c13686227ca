//! The warrant: a signed, single-use, short-lived permission to carry out one action.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    action::Action,
    digest::{ActionDigest, is_lower_hex, token_hash},
    error::{BindingError, ParseError},
    ids::{ApprovalId, RunId, approval_id},
    jws::{Claims, Verifier, private::Sealed},
    verdict::{Risk, Verdict, first_failure},
};

/// Accepts warrants of one approval service.
pub type WarrantVerifier = Verifier<Warrant>;

/// Who granted the approval under a warrant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The policy, without people.
    Policy,
    /// People.
    People,
    /// At least one simulated approver; an executor refuses it unless it was started to accept it.
    Simulated,
    /// People, past the ordinary rules, in an emergency.
    BreakGlass,
}

/// The claims of a warrant, named as in the token. Times are seconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warrant {
    /// The approval service that signed.
    pub iss: String,
    /// The executor that it is for.
    pub aud: String,
    /// The agent.
    pub sub: String,
    /// The requester, on whose behalf the agent acts.
    pub act: String,
    /// The tenant.
    pub tenant: String,
    /// Names this warrant; the claim accepts only the latest of an approval.
    pub jti: String,
    /// When it was signed.
    pub iat: u64,
    /// From when it can be claimed.
    pub nbf: u64,
    /// Until when it can be claimed; at most 120 s after `iat`.
    pub exp: u64,
    /// The action permitted.
    pub act_digest: ActionDigest,
    /// The approval that it was minted from.
    pub approval: ApprovalId,
    /// The revision of the approval that was granted.
    pub revision: u64,
    /// How risky the action was judged.
    pub risk: Risk,
    /// The digest of the policy bundle that judged it.
    pub policy: String,
    /// Who granted it.
    pub mode: Mode,
    /// The run that the action belongs to.
    pub run: RunId,
    /// Which attempt at the action this is, from 1.
    pub attempt: u32,
    /// The idempotency key for the gateway.
    pub idem: String,
    /// [`token_hash`] of the verdict that it was granted on.
    pub verdict: String,
}

// === impl Mode ===

impl Mode {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Policy, Self::People, Self::Simulated, Self::BreakGlass];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::People => "people",
            Self::Simulated => "simulated",
            Self::BreakGlass => "break_glass",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or(ParseError { expected: "mode" })
    }
}

// === impl Warrant ===

impl Warrant {
    /// Checks that this warrant permits this action, whose digest is computed anew.
    pub fn check_action(&self, action: &Action) -> Result<(), BindingError> {
        let checks = [
            (self.tenant == action.tenant, BindingError::Tenant),
            (self.run == action.run, BindingError::Run),
            (self.approval == approval_id(&action.run), BindingError::Approval),
            (self.act == action.requester, BindingError::Requester),
            (self.sub == action.agent, BindingError::Agent),
            (self.act_digest == action.digest(), BindingError::Action),
        ];
        first_failure(&checks)
    }

    /// Checks that this warrant was granted on this verdict.
    ///
    /// `token` is the verdict's compact form, `verdict` its claims as a [`crate::VerdictVerifier`] gave them.
    pub fn check_verdict(&self, token: &str, verdict: &Verdict) -> Result<(), BindingError> {
        let checks = [
            (self.verdict == token_hash(token), BindingError::Verdict),
            (self.tenant == verdict.tenant, BindingError::Tenant),
            (self.run == verdict.run, BindingError::Run),
            (self.act == verdict.requester, BindingError::Requester),
            (self.act_digest == verdict.act_digest, BindingError::Action),
            (self.risk == verdict.risk, BindingError::Risk),
            (self.policy == verdict.policy, BindingError::Policy),
        ];
        first_failure(&checks)
    }
}

impl Sealed for Warrant {}

impl Claims for Warrant {
    const TYPE: &'static str = "warrant+jwt";
    const MAX_LIFETIME: Duration = Duration::from_mins(2);

    fn iss(&self) -> &str {
        &self.iss
    }

    fn aud(&self) -> &str {
        &self.aud
    }

    fn iat(&self) -> u64 {
        self.iat
    }

    fn nbf(&self) -> u64 {
        self.nbf
    }

    fn exp(&self) -> u64 {
        self.exp
    }

    fn fault(&self) -> Option<&'static str> {
        let required = [&self.sub, &self.act, &self.tenant, &self.jti, &self.policy, &self.idem];
        if required.into_iter().any(String::is_empty) {
            return Some("a claim of the warrant is empty");
        }
        if self.verdict.len() != 64 || !is_lower_hex(&self.verdict) {
            return Some("`verdict` is not a SHA-256 in lowercase hex");
        }
        (self.attempt == 0).then_some("`attempt` is zero")
    }
}

#[cfg(test)]
mod tests;
