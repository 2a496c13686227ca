//! Verdicts: accepted only from the classifier whose keys are pinned, and only for exactly this action.

use std::{path::Path, sync::Arc};

use chassis::{Clock, KeySetError, PinnedVerifier};
use warrant::{Action, Disposition, KnownSignatures, Risk, VERDICT_AUDIENCE, Verdict};

use crate::{error::ApprovalError, moment::Moment};

/// Verifies verdicts of one classifier.
#[derive(Debug)]
pub struct Verdicts(PinnedVerifier<Verdict>);

// === impl Verdicts ===

impl Verdicts {
    /// Pins the keys in the file `key_set` to `issuer`.
    pub fn open(issuer: &str, key_set: &Path, clock: Arc<dyn Clock>) -> Result<Self, KeySetError> {
        Ok(Self(PinnedVerifier::open(
            issuer,
            VERDICT_AUDIENCE,
            key_set.to_owned(),
            clock,
        )?))
    }

    /// The same, for which the signatures in `known` need no second look.
    #[must_use]
    pub fn knowing(self, known: Arc<KnownSignatures>) -> Self {
        Self(self.0.knowing(known))
    }

    /// The verdict in `token`, if it is the classifier's, in time, and about `action`.
    pub fn check(&self, token: &str, action: &Action, now: Moment) -> Result<Verdict, ApprovalError> {
        let verdict = self.0.verify_at(token, now.into()).map_err(|error| rejected(&error))?;
        verdict.check_action(action).map_err(|error| rejected(&error))?;
        let follows = match verdict.risk {
            Risk::Green => Disposition::Allow,
            Risk::Amber => Disposition::RequireApproval,
            Risk::Red => Disposition::Block,
        };
        if verdict.disposition != follows {
            let reason = "its disposition does not follow from its risk";
            return Err(ApprovalError::VerdictRejected(reason.to_owned()));
        }
        Ok(verdict)
    }
}

fn rejected(error: &dyn std::fmt::Display) -> ApprovalError {
    ApprovalError::VerdictRejected(error.to_string())
}
