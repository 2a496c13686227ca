//! Spends a warrant, by one request: it is asked again with the same id while there is no answer, so that an answer that
//! was lost doesn't lose the claim.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chassis::{
    CallContext, PartName,
    fault::{outcome_unknown, relay},
};
use proto::approval::v1::ClaimWarrantRequest;
use tonic::Status;

use super::{Claimed, Executor, ended::Ended, lease::Lease, skew::skew};
use crate::{
    clients::{is_final, persist},
    error::DOMAIN,
    gateway::GatewayRequest,
    permit::Permit,
};

/// How long the caller waits for the claim. The orchestrator counts on it (`dispatch/patience.rs`).
const CLAIM_PATIENCE: Duration = Duration::from_secs(15);
/// How long a claim lasts without its holder, unless approval-svc is told otherwise.
const LEASE: Duration = Duration::from_mins(1);

/// A warrant, and the one request that spends it.
#[derive(Debug)]
pub(super) struct Spending<'a> {
    executor: &'a Executor,
    permit: &'a Permit,
    request: &'a GatewayRequest,
    context: &'a CallContext,
    message: ClaimWarrantRequest,
    /// Whether the warrant may be spent although no answer said so.
    left_open: AtomicBool,
}

// === impl Spending ===

impl<'a> Spending<'a> {
    pub(super) fn new(
        executor: &'a Executor,
        permit: &'a Permit,
        request: &'a GatewayRequest,
        context: &'a CallContext,
    ) -> Self {
        let message = ClaimWarrantRequest {
            request_id: executor.ids.uuid().to_string(),
            warrant_jws: permit.warrant_jws.clone(),
            action_digest: permit.action.digest().to_string(),
            executor_instance: executor.instance.clone(),
        };
        Self {
            executor,
            permit,
            request,
            context,
            message,
            left_open: AtomicBool::new(false),
        }
    }

    /// The claim, if there is an answer while the caller waits.
    pub(super) async fn claim(&self) -> Result<Claimed<'a>, Status> {
        self.ask(CLAIM_PATIENCE).await
    }

    /// What to do after `refusal`: if the warrant may be spent all the same, the claim is asked for until its lease is
    /// over, and given back. Only this process knows that nothing was sent.
    pub(super) async fn give_back(&self, refusal: &Status) {
        if is_final(refusal) || !self.left_open.load(Ordering::Relaxed) {
            return;
        }
        let claimed = tokio::select! {
            claimed = self.ask(LEASE) => claimed,
            () = self.executor.out_of_time() => Err(refusal.clone()),
        };
        let approval = self.permit.warrant.approval.name();
        match claimed {
            Ok(claimed) => {
                claimed.complete(&Ended::not_started(refusal), None).await.ok();
            }
            Err(status) if is_final(&status) => {
                tracing::debug!(approval, error = status.message(), "there is no claim to give back");
            }
            Err(status) => {
                let message = status.message();
                tracing::warn!(
                    approval,
                    error = message,
                    "whether the warrant was claimed is not known; nothing was sent"
                );
            }
        }
    }

    async fn ask(&self, patience: Duration) -> Result<Claimed<'a>, Status> {
        let Executor { claims, clock, .. } = self.executor;
        let ask = || async {
            let (asked_at, before) = (clock.monotonic(), clock.now());
            let answer = claims.claim(self.context, self.message.clone()).await;
            let claim = answer.inspect_err(|status| {
                self.left_open.fetch_or(outcome_unknown(status), Ordering::Relaxed);
            })?;
            let skew = skew(&claim, before, clock.now());
            Ok((asked_at, claim, skew))
        };
        let (asked_at, claim, skew) = persist(patience, ask)
            .await
            .map_err(|status| relay(DOMAIN, PartName::Approval, status))?;
        let (claims, clock) = (Arc::clone(claims), Arc::clone(clock));
        let lease = Lease::keep(&claim, asked_at, claims, clock, self.context.clone());
        Ok(Claimed {
            executor: self.executor,
            permit: self.permit,
            request: self.request,
            context: self.context,
            claim,
            skew,
            lease,
        })
    }
}
