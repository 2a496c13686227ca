//! The services as others call them.

pub mod approvals;
pub mod warrants;

use std::{sync::Arc, time::Duration};

use chassis::Caller;
use tokio_util::sync::CancellationToken;

use crate::{
    approval::{Approval, State},
    error::ApprovalError,
    mint::Mint,
    moment::Moment,
    store::{ApprovalStore, Committed, Stored},
    verdicts::Verdicts,
};

/// How long a caller waits at most for the receipt of a decision's events.
const RECEIPT_WAIT: Duration = Duration::from_secs(5);
/// What is left of a caller's deadline for the answer itself.
const ANSWER_TIME: Duration = Duration::from_millis(200);

/// What both services work with.
#[derive(Debug)]
pub struct Shared<S> {
    /// The approvals.
    pub store: Arc<S>,
    /// Signs and reads warrants.
    pub mint: Mint,
    /// Verifies verdicts.
    pub verdicts: Verdicts,
    /// Whether the simulated approver may vote.
    pub simulation: bool,
    /// How long whoever was handed an approval has it to themselves.
    pub dispatch_lease: Duration,
    /// Cancelled when the service closes.
    pub closing: CancellationToken,
}

// === impl Shared ===

impl<S: ApprovalStore> Shared<S> {
    /// The warrant of what was just created, once its events are recorded; `None` if that takes too long.
    ///
    /// A repeated request gets it only as long as nobody else was handed the approval for dispatch.
    async fn first_warrant(
        &self,
        committed: &Committed,
        remaining: Option<Duration>,
    ) -> Result<Option<String>, ApprovalError> {
        let Stored {
            approval,
            decision_position,
        } = &committed.stored;
        if approval.state() != State::Granted || (committed.replayed && !is_untouched(approval)) {
            return Ok(None);
        }
        let wait = remaining.map_or(RECEIPT_WAIT, |remaining| {
            remaining.saturating_sub(ANSWER_TIME).min(RECEIPT_WAIT)
        });
        let run = &approval.content.action.run;
        if !self.store.receipts().wait(run, *decision_position, wait).await {
            tracing::warn!(%run, "granted, but trace-svc has not acknowledged the decision yet; no warrant");
            return Ok(None);
        }
        self.mint.mint(approval, self.now())
    }

    fn now(&self) -> Moment {
        self.store.now()
    }
}

/// Whether the approval is as its creation left it, in the dispatch lease of its creator.
fn is_untouched(approval: &Approval) -> bool {
    approval.progress.version == 1 && approval.progress.dispatches == 0
}

/// Who sent a request, as it is remembered. Somebody may be known to several tenants.
fn principal(caller: &Caller) -> String {
    match (caller.person(), caller.service()) {
        (Some(person), _) => format!("{}\n{}", person.tenant, person.id()),
        (None, Some(part)) => part.to_string(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chassis::{
        Person,
        auth::{Audience, Principal},
    };

    use super::*;

    #[test]
    fn somebody_known_to_two_tenants_asks_as_two() {
        let bob_of = |tenant: &str| Caller {
            principal: Principal::Person(Person {
                issuer: "https://people.example".to_owned(),
                subject: "bob".to_owned(),
                tenant: tenant.to_owned(),
                groups: BTreeSet::new(),
                audience: Audience::Approval,
            }),
            subject: None,
        };
        assert_ne!(principal(&bob_of("acme")), principal(&bob_of("other")));
    }
}
