//! One execution, from the claim to its end.
//!
//! 1. The warrant is claimed: spent, whatever follows. From here on the execution is a task of its own; nobody's
//!    disconnect or deadline touches it, and its lease is renewed all the time.
//! 2. `execution.started` is recorded, with the evidence, and its receipt awaited. No receipt, no execution.
//! 3. Right before sending, the claim must hold and enough of its lease remain, by the monotonic clock, counted from
//!    before the claim was asked for.
//! 4. The request is sent, once.
//! 5. The end is recorded, and its receipt awaited for as long as [`Limits::record_patience`]; the event stays the same,
//!    byte for byte.
//! 6. The claim is completed with the outcome, even if its record could not be written: the log can be told later by
//!    approval-svc's own events, an outcome that nobody was told is lost.
//!
//! Where 2 or 3 fails, nothing was sent, and the claim is completed as `NOT_STARTED`; so is a claim whose answer comes
//! too late. A crash leaves the lease to run out; then nobody knows, and nobody tries again. When the port closes, 2 is
//! given up at once, 4 after [`Limits::grace`] and 5 after another [`Limits::parting`], so that there is time for 6.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use chassis::{
    CallContext, Node, PartName,
    clock::Clock,
    fault::{relay, to_status},
    ids::Ids,
    time,
};
use proto::{
    approval::v1::{Approval, Claim, CompleteWarrantRequest},
    execution::v1::{Accepted, Finished},
};
use tokio::time::{Instant, sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::Status;
use tracing::Instrument as _;

use self::{
    caller::{Caller, Messages},
    ended::Ended,
    lease::{Lease, Standing},
    record::Recorder,
    skew::{KnownSkew, SKEW_LIMIT, SKEW_WARNING},
    spending::Spending,
};
use crate::{
    clients::{Claims, TraceLog, persist},
    convert::outcome_name,
    error::{DOMAIN, ExecutionError},
    gateway::{Gateway, GatewayRequest},
    permit::Permit,
};

pub(crate) mod caller;
mod ended;
mod lease;
mod record;
pub(crate) mod skew;
mod spending;

/// What must be left of the lease when the request goes out. Longer than it takes to connect.
pub(crate) const SEND_MARGIN: Duration = Duration::from_secs(10);

/// How long the gateway's answer is still waited for after the claim was lost.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long an execution waits for others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For the receipt of `execution.started`.
    pub(crate) start_patience: Duration,
    /// For the receipt of the end, and then for its outcome to be taken.
    pub(crate) record_patience: Duration,
    /// How long a run may go on once the port is closed.
    pub(crate) grace: Duration,
    /// For the receipt of the end after that, and as long again for its outcome to be taken.
    pub(crate) parting: Duration,
}

/// Executes what it has a permit for.
#[derive(Debug)]
pub(crate) struct Executor {
    pub(crate) gateway: Arc<dyn Gateway>,
    pub(crate) claims: Arc<dyn Claims>,
    pub(crate) log: Arc<dyn TraceLog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) tasks: TaskTracker,
    pub(crate) closing: CancellationToken,
    /// When it was first seen to close; the grace counts from there.
    pub(crate) closed_at: OnceLock<Instant>,
    pub(crate) known_skew: KnownSkew,
    pub(crate) instance: String,
    pub(crate) limits: Limits,
}

/// An execution whose warrant is claimed.
struct Claimed<'a> {
    executor: &'a Executor,
    permit: &'a Permit,
    request: &'a GatewayRequest,
    context: &'a CallContext,
    claim: Claim,
    /// How far apart the clocks were.
    skew: Duration,
    lease: Lease,
}

// === impl Executor ===

impl Executor {
    /// Executes on the node's clocks, ids and tasks.
    pub(crate) fn new(
        node: &Node,
        gateway: Arc<dyn Gateway>,
        claims: Arc<dyn Claims>,
        log: Arc<dyn TraceLog>,
        limits: Limits,
    ) -> Self {
        let (clock, ids) = (node.clock(), node.ids());
        let instance = format!("{}/{}", PartName::Executor, ids.uuid());
        let (tasks, closing) = (node.tasks().clone(), node.closing());
        Self {
            gateway,
            claims,
            log,
            clock,
            ids,
            tasks,
            closing,
            closed_at: OnceLock::new(),
            known_skew: KnownSkew::default(),
            instance,
            limits,
        }
    }

    /// Begins an execution as a task of its own; what it says is there to be read, or not.
    pub(crate) fn begin(self: &Arc<Self>, permit: Permit, context: &CallContext) -> Messages {
        let (caller, messages) = Caller::new();
        let (executor, context) = (Arc::clone(self), context.detached());
        // It has kilobytes, and on its way into the runtime it is moved around.
        let execution = Box::pin(async move { executor.execute(&permit, &context, caller).await });
        self.tasks.spawn(execution.in_current_span());
        messages
    }

    async fn execute(&self, permit: &Permit, context: &CallContext, mut caller: Caller) {
        if let Err(error) = self.may_claim() {
            return caller.refuse(to_status(&error));
        }
        let request = self.gateway.prepare(&permit.action, &permit.verdict);
        let spending = Spending::new(self, permit, &request, context);
        let claimed = match spending.claim().await {
            Ok(claimed) => claimed,
            Err(status) => {
                caller.refuse(status.clone());
                return spending.give_back(&status).await;
            }
        };
        let accepted = match claimed.start(&caller).await {
            Ok(accepted) => accepted,
            Err(status) => return caller.refuse(status),
        };
        caller.accept(accepted);
        let ended = claimed.send(&mut caller).await;
        claimed.end(ended, caller).await;
    }

    /// Checks that a claim would not have to be given back.
    fn may_claim(&self) -> Result<(), ExecutionError> {
        if self.closing.is_cancelled() {
            return Err(ExecutionError::ShuttingDown);
        }
        self.known_skew.check(self.clock.monotonic())
    }

    /// Waits until what was sent has to be given up.
    async fn out_of_time(&self) {
        self.closing.cancelled().await;
        let closed_at = *self.closed_at.get_or_init(Instant::now);
        sleep(self.limits.grace.saturating_sub(closed_at.elapsed())).await;
    }
}

// === impl Claimed ===

impl Claimed<'_> {
    /// Records the start and checks that the request may go out. On an error nothing was sent, and the claim is given back.
    async fn start(&self, caller: &Caller) -> Result<Accepted, Status> {
        if let Err(error) = self.check_claim() {
            let status = to_status(&error);
            self.complete(&Ended::not_started(&status), None).await.ok();
            return Err(status);
        }
        let gateway_request_sha256 = self.request.sha256();
        let receipt_index = match self.record_start(&gateway_request_sha256).await {
            Ok(index) => index,
            Err(status) => {
                self.complete(&Ended::not_started(&status), None).await.ok();
                return Err(status);
            }
        };
        if let Err(error) = self.may_send() {
            let status = to_status(&error);
            let ended = Ended::not_started(&status);
            let receipt = self.record_end(&ended, caller).await;
            self.complete(&ended, receipt).await.ok();
            return Err(status);
        }
        let accept_time = Some(time::to_proto(self.executor.clock.now()));
        Ok(Accepted {
            approval: self.lease.approval.clone(),
            receipt_index,
            gateway_request_sha256,
            accept_time,
        })
    }

    /// Checks that there is time to send the request and to follow it.
    fn may_send(&self) -> Result<(), ExecutionError> {
        if self.executor.closing.is_cancelled() {
            return Err(ExecutionError::ShuttingDown);
        }
        self.lease.check(SEND_MARGIN)
    }

    /// Checks what the claim itself says.
    fn check_claim(&self) -> Result<(), ExecutionError> {
        let Executor { clock, known_skew, .. } = self.executor;
        if self.skew > SKEW_LIMIT {
            known_skew.remember(self.skew, clock.monotonic());
            return Err(ExecutionError::ClockSkew(self.skew));
        }
        if self.skew > SKEW_WARNING {
            let (approval, skew) = (&self.claim.approval, humantime::format_duration(self.skew));
            tracing::warn!(approval, %skew, "the clocks of executor-svc and approval-svc differ");
        }
        self.lease.standing().check()
    }

    async fn record_start(&self, request_sha256: &str) -> Result<u64, Status> {
        let Executor {
            log,
            ids,
            clock,
            closing,
            limits,
            ..
        } = self.executor;
        let event = self.recorder().started(ids.uuid(), clock.now(), request_sha256);
        tokio::select! {
            biased;
            recorded = persist(limits.start_patience, || log.record(event.clone())) => {
                recorded.map(|receipt| receipt.index).map_err(|status| relay(DOMAIN, PartName::Trace, status))
            }
            standing = self.lease.disturbed() => {
                let error = standing.check().err().unwrap_or(ExecutionError::ClaimLost);
                Err(to_status(&error))
            }
            () = closing.cancelled() => Err(to_status(&ExecutionError::ShuttingDown)),
        }
    }

    /// Sends the request, once, and follows it to its end, or until it has to be given up.
    async fn send(&self, caller: &mut Caller) -> Ended {
        tokio::select! {
            biased;
            answer = self.executor.gateway.send(self.request, caller) => {
                Ended::of_answer(answer, self.lease.standing())
            }
            standing = self.interrupted() => Ended::of_interruption(standing, self.request),
            () = self.executor.out_of_time() => {
                Ended::unknown("executor-svc was stopped before the gateway had answered")
            }
        }
    }

    /// Waits until the gateway need not go on. Whoever was stalled past the lease wakes up to a claim that is lost and,
    /// perhaps, to an answer that is being read: what it says is better than not knowing.
    async fn interrupted(&self) -> Standing {
        let standing = self.lease.disturbed().await;
        if standing == Standing::Lost {
            sleep(LAST_WORDS).await;
        }
        standing
    }

    /// Records the end, completes the claim, tells the caller.
    async fn end(&self, ended: Ended, caller: Caller) {
        let receipt = self.record_end(&ended, &caller).await;
        let completed = self.complete(&ended, receipt).await;
        let Ended {
            outcome, mut detail, ..
        } = ended;
        let (approval, gateway_run_id) = (&self.lease.approval, caller.gateway_run_id().to_owned());
        tracing::info!(
            approval,
            outcome = outcome_name(outcome),
            gateway_run_id,
            "execution ended"
        );
        let approval = completed
            .inspect_err(|status| {
                detail.push_str("; approval-svc has not taken the outcome: ");
                detail.push_str(status.message());
            })
            .ok();
        let receipt_index = receipt.unwrap_or_default();
        caller
            .finish(Finished {
                outcome: outcome.into(),
                detail,
                gateway_run_id,
                receipt_index,
                approval,
            })
            .await;
    }

    /// The index of the record, or none after long patience, or when the rest of the time is needed to complete.
    async fn record_end(&self, ended: &Ended, caller: &Caller) -> Option<u64> {
        let Executor {
            log,
            ids,
            clock,
            limits,
            ..
        } = self.executor;
        let event = self.recorder().ended(ids.uuid(), clock.now(), ended, caller);
        let recorded = tokio::select! {
            biased;
            recorded = persist(limits.record_patience, || log.record(event.clone())) => recorded,
            () = self.out_of_time_to_record() => Err(Status::cancelled("executor-svc is stopping")),
        };
        match recorded {
            Ok(receipt) => Some(receipt.index),
            Err(status) => {
                let message = status.message();
                tracing::error!(
                    approval = self.lease.approval,
                    error = message,
                    "the end of an execution could not be recorded"
                );
                None
            }
        }
    }

    async fn out_of_time_to_record(&self) {
        self.executor.out_of_time().await;
        sleep(self.executor.limits.parting).await;
    }

    async fn complete(&self, ended: &Ended, receipt: Option<u64>) -> Result<Approval, Status> {
        let Executor {
            claims, ids, limits, ..
        } = self.executor;
        let request = CompleteWarrantRequest {
            approval: self.lease.approval.clone(),
            fencing_token: self.lease.fencing_token.clone(),
            outcome: ended.outcome.into(),
            detail: ended.detail.clone(),
            receipt_index: receipt.unwrap_or_default(),
            request_id: ids.uuid().to_string(),
        };
        let completed = persist(limits.record_patience, || {
            claims.complete(self.context, request.clone())
        })
        .await;
        if let Err(status) = &completed {
            let (outcome, message) = (outcome_name(ended.outcome), status.message());
            tracing::warn!(
                approval = self.lease.approval,
                outcome,
                error = message,
                "approval-svc has not taken the outcome"
            );
        }
        completed
    }

    const fn recorder(&self) -> Recorder<'_> {
        Recorder {
            permit: self.permit,
            request: self.request,
        }
    }
}

#[cfg(test)]
mod tests;
