//! Verdicts: accepted only from the classifier whose keys are pinned, and only for exactly this action.

use std::{path::Path, sync::Arc};

use chassis::{Clock, KeySetError, PinnedVerifier};
use warrant::{Disposition, KnownSignatures, Risk, VERDICT_AUDIENCE, Verdict};

use crate::{convert::NewApproval, error::ApprovalError, moment::Moment};

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

    /// The verdict on which an approval is asked for, if it is the classifier's, in time, about this action, and says to
    /// people what is to be stored.
    pub fn check(&self, new: &NewApproval, now: Moment) -> Result<Verdict, ApprovalError> {
        let verdict = self.0.verify_at(&new.verdict_jws, now.into());
        let verdict = verdict.map_err(|error| rejected(&error))?;
        let bound = verdict.check_action(&new.action);
        bound
            .and_then(|()| verdict.check_reason(&new.reason, &new.safe_alternative))
            .map_err(|error| rejected(&error))?;
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
