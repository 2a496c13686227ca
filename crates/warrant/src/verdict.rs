//! The verdict: the classifier's signed statement about one action.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    action::Action,
    digest::{ActionDigest, sha256_of_parts},
    error::{BindingError, ParseError},
    ids::RunId,
    jws::{Claims, Verifier, private::Sealed},
};

/// The audience of every verdict.
pub const VERDICT_AUDIENCE: &str = "approval-svc";

const REASON_DOMAIN: &str = "countersign/reason/v1";

/// Accepts verdicts of one classifier.
pub type VerdictVerifier = Verifier<Verdict>;

/// How risky an action is. Ordered: RED is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Risk {
    /// Harmless: policy alone may grant it.
    Green,
    /// People decide.
    Amber,
    /// Not to be done.
    Red,
}

/// What follows from the risk. Ordered: `BLOCK` is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Disposition {
    /// Granted by policy.
    Allow,
    /// Held until people decide.
    RequireApproval,
    /// Denied by policy.
    Block,
}

/// The claims of a verdict, named as in the token. Times are seconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The classifier that signed.
    pub iss: String,
    /// For whom: [`VERDICT_AUDIENCE`].
    pub aud: String,
    /// The action judged.
    pub act_digest: ActionDigest,
    /// The run that the action belongs to.
    pub run: RunId,
    /// The tenant.
    pub tenant: String,
    /// The issuer of the requester's token; not to be confused with `iss`.
    pub issuer: String,
    /// The person on whose behalf the agent acts.
    pub requester: String,
    /// The digest of the context that was judged along with the action.
    pub ctx: String,
    /// How risky the action is.
    pub risk: Risk,
    /// What follows from it.
    pub disposition: Disposition,
    /// The rules that led to it.
    pub rules: Vec<String>,
    /// What people are told of it, by [`reason_digest`]: those who decide read it.
    pub reason_digest: String,
    /// The digest of the policy bundle.
    pub policy: String,
    /// The policy bundle's own version.
    pub policy_version: String,
    /// When the verdict was signed.
    pub iat: u64,
    /// Until when it can be acted on; at most 60 s after `iat`.
    pub exp: u64,
}

// === impl Risk ===

impl Risk {
    /// All, in their order.
    pub const ALL: [Self; 3] = [Self::Green, Self::Amber, Self::Red];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Green => "GREEN",
            Self::Amber => "AMBER",
            Self::Red => "RED",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Risk {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL
            .into_iter()
            .find(|risk| risk.as_str() == text)
            .ok_or(ParseError { expected: "risk" })
    }
}

// === impl Disposition ===

impl Disposition {
    /// All, in their order.
    pub const ALL: [Self; 3] = [Self::Allow, Self::RequireApproval, Self::Block];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::RequireApproval => "REQUIRE_APPROVAL",
            Self::Block => "BLOCK",
        }
    }
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Disposition {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let found = Self::ALL.into_iter().find(|disposition| disposition.as_str() == text);
        found.ok_or(ParseError {
            expected: "disposition",
        })
    }
}

// === impl Verdict ===

impl Verdict {
    /// Checks that this is the verdict on this action, whose digest is computed anew.
    pub fn check_action(&self, action: &Action) -> Result<(), BindingError> {
        let checks = [
            (self.tenant == action.tenant, BindingError::Tenant),
            (self.run == action.run, BindingError::Run),
            (self.issuer == action.issuer, BindingError::Issuer),
            (self.requester == action.requester, BindingError::Requester),
            (self.act_digest == action.digest(), BindingError::Action),
        ];
        first_failure(&checks)
    }

    /// Checks that this reason and this alternative are what the classifier said.
    pub fn check_reason(&self, reason: &str, safe_alternative: &str) -> Result<(), BindingError> {
        let said = reason_digest(reason, safe_alternative);
        first_failure(&[(self.reason_digest == said, BindingError::Reason)])
    }
}

/// What a verdict says to people, as one digest.
///
/// `sha256:` and the hexadecimal SHA-256(`countersign/reason/v1` ‖ reason, safe alternative), each text
/// preceded by its length in bytes (64 bits, big endian).
pub fn reason_digest(reason: &str, safe_alternative: &str) -> String {
    let hash = sha256_of_parts(REASON_DOMAIN, &[reason, safe_alternative]);
    format!("sha256:{}", hex::encode(hash))
}

/// The error of the first check that does not hold.
pub(crate) fn first_failure(checks: &[(bool, BindingError)]) -> Result<(), BindingError> {
    checks
        .iter()
        .find(|(holds, _)| !holds)
        .map_or(Ok(()), |(_, error)| Err(*error))
}

impl Sealed for Verdict {}

impl Claims for Verdict {
    const TYPE: &'static str = "verdict+jwt";
    const MAX_LIFETIME: Duration = Duration::from_mins(1);

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
        self.iat
    }

    fn exp(&self) -> u64 {
        self.exp
    }

    fn fault(&self) -> Option<&'static str> {
        let required = [
            &self.tenant,
            &self.issuer,
            &self.requester,
            &self.ctx,
            &self.reason_digest,
            &self.policy,
            &self.policy_version,
        ];
        required
            .into_iter()
            .any(String::is_empty)
            .then_some("a claim of the verdict is empty")
    }
}

#[cfg(test)]
mod tests;
