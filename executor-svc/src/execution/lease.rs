//! The lease of a claim: renewed while the execution lasts, and what is learnt by that.

use std::{sync::Arc, time::Duration};

use chassis::{CallContext, clock::Clock, time::duration_from_proto};
use proto::approval::v1::{Claim, RenewClaimRequest};
use tokio::{sync::watch, time::sleep};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::{
    clients::{Claims, is_final},
    error::ExecutionError,
};

pub(super) const RENEW_EVERY: Duration = Duration::from_secs(5);
const RENEW_AGAIN: Duration = Duration::from_secs(1);

/// A claim and its lease. Renewal ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) approval: String,
    pub(crate) fencing_token: String,
    clock: Arc<dyn Clock>,
    state: watch::Receiver<LeaseState>,
    _renewal: AbortOnDropHandle<()>,
}

/// Where the claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It holds.
    Held,
    /// It holds, and the requester asked to stop.
    CancelRequested,
    /// It is no longer this executor's.
    Lost,
}

#[derive(Debug, Clone, Copy)]
struct LeaseState {
    standing: Standing,
    /// By the monotonic clock, counted from before the call that gave the lease: never too late.
    ends_at: Duration,
}

// === impl Lease ===

impl Lease {
    /// Keeps the claim that was asked for at `asked_at` by the monotonic clock.
    pub(crate) fn keep(
        claim: &Claim,
        asked_at: Duration,
        claims: Arc<dyn Claims>,
        clock: Arc<dyn Clock>,
        context: CallContext,
    ) -> Self {
        let (sender, state) = watch::channel(LeaseState::of(claim, asked_at));
        let request = RenewClaimRequest {
            approval: claim.approval.clone(),
            fencing_token: claim.fencing_token.clone(),
        };
        let renewal = tokio::spawn(renew(sender, request, claims, Arc::clone(&clock), context).in_current_span());
        Self {
            approval: claim.approval.clone(),
            fencing_token: claim.fencing_token.clone(),
            clock,
            state,
            _renewal: AbortOnDropHandle::new(renewal),
        }
    }

    /// Where the claim stands.
    pub(crate) fn standing(&self) -> Standing {
        self.state.borrow().standing
    }

    /// Waits until the claim no longer simply holds.
    pub(crate) async fn disturbed(&self) -> Standing {
        let mut state = self.state.clone();
        let changed = state
            .wait_for(|state| state.standing != Standing::Held)
            .await
            .map(|state| state.standing);
        match changed {
            Ok(standing) => standing,
            Err(_) => std::future::pending().await,
        }
    }

    /// Checks that the claim holds and that at least `margin` of its lease remains.
    pub(crate) fn check(&self, margin: Duration) -> Result<(), ExecutionError> {
        self.standing().check()?;
        let remaining = self.state.borrow().ends_at.saturating_sub(self.clock.monotonic());
        if remaining < margin {
            Err(ExecutionError::LeaseTooShort)
        } else {
            Ok(())
        }
    }
}

// === impl Standing ===

impl Standing {
    /// An error unless the claim holds.
    pub(crate) const fn check(self) -> Result<(), ExecutionError> {
        match self {
            Self::Held => Ok(()),
            Self::CancelRequested => Err(ExecutionError::CancelRequested),
            Self::Lost => Err(ExecutionError::ClaimLost),
        }
    }
}

// === impl LeaseState ===

impl LeaseState {
    fn of(claim: &Claim, asked_at: Duration) -> Self {
        let duration = claim
            .lease_duration
            .as_ref()
            .and_then(duration_from_proto)
            .unwrap_or_default();
        let standing = if claim.cancel_requested {
            Standing::CancelRequested
        } else {
            Standing::Held
        };
        Self {
            standing,
            ends_at: asked_at.saturating_add(duration),
        }
    }
}

/// Renews until the claim is refused. Not reaching approval-svc is no refusal: what was sent has been sent, and the
/// holder of a claim may end it even after its lease.
async fn renew(
    state: watch::Sender<LeaseState>,
    request: RenewClaimRequest,
    claims: Arc<dyn Claims>,
    clock: Arc<dyn Clock>,
    context: CallContext,
) {
    let mut pause = RENEW_EVERY;
    loop {
        sleep(pause).await;
        let asked_at = clock.monotonic();
        match claims.renew(&context, request.clone()).await {
            Ok(claim) => {
                state.send_replace(LeaseState::of(&claim, asked_at));
                pause = RENEW_EVERY;
            }
            Err(status) if is_final(&status) => {
                tracing::debug!(
                    approval = request.approval,
                    error = status.message(),
                    "claim is not renewed"
                );
                state.send_modify(|state| state.standing = Standing::Lost);
                return;
            }
            Err(status) => {
                tracing::debug!(
                    approval = request.approval,
                    error = status.message(),
                    "claim could not be renewed"
                );
                pause = RENEW_AGAIN;
            }
        }
    }
}
