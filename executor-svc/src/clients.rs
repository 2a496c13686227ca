//! The other parts as the executor uses them: claims at approval-svc, records at trace-svc.

use std::{fmt::Debug, future::Future, time::Duration};

use bytes::Bytes;
use chassis::{CallContext, Link, fault, link::within};
use futures_util::{FutureExt as _, future::BoxFuture};
use proto::{
    approval::v1::{
        Approval, Claim, ClaimWarrantRequest, CompleteWarrantRequest, RenewClaimRequest,
        warrant_service_client::WarrantServiceClient,
    },
    common::v1::ErrorReason,
    trace::v1::Receipt,
};
use tokio::time::{Instant, sleep};
use tonic::Status;

mod log;

pub(crate) use self::log::TraceClient;

/// The orchestrator counts on it (`dispatch/patience.rs`).
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Spends warrants.
pub(crate) trait Claims: Send + Sync + Debug {
    /// Spends a warrant; safe to repeat with the same request.
    fn claim(&self, context: &CallContext, request: ClaimWarrantRequest) -> BoxFuture<'_, Result<Claim, Status>>;
    /// Extends a claim's lease.
    fn renew(&self, context: &CallContext, request: RenewClaimRequest) -> BoxFuture<'_, Result<Claim, Status>>;
    /// Ends a claim, and gives the approval as it is then; safe to repeat with the same request.
    fn complete(
        &self,
        context: &CallContext,
        request: CompleteWarrantRequest,
    ) -> BoxFuture<'_, Result<Approval, Status>>;
}

/// Records events durably.
pub(crate) trait TraceLog: Send + Sync + Debug {
    /// Records an encoded `NewEvent`; safe to repeat with the same bytes. Returns after it is on disk.
    fn record(&self, event: Bytes) -> BoxFuture<'_, Result<Receipt, Status>>;
}

/// approval-svc.
#[derive(Debug)]
pub(crate) struct ApprovalClient(pub(crate) Link);

/// Calls until it works, is refused for good, or patience ends; then gives the last error.
pub(crate) async fn persist<T, F, Fut>(patience: Duration, mut call: F) -> Result<T, Status>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Status>>,
{
    let deadline = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        match call().await {
            Ok(value) => return Ok(value),
            Err(status) if is_final(&status) || Instant::now() + pause >= deadline => return Err(status),
            Err(status) => tracing::debug!(code = ?status.code(), error = status.message(), "trying again"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether asking again would get the same answer: the part has looked at the request and refused it.
pub(crate) fn is_final(status: &Status) -> bool {
    !matches!(
        fault::reason_of(status),
        None | Some(
            ErrorReason::Unspecified
                | ErrorReason::Internal
                | ErrorReason::Overloaded
                | ErrorReason::ShuttingDown
                | ErrorReason::DeadlineExceeded
                | ErrorReason::PartUnavailable
                | ErrorReason::TokenMissing
                | ErrorReason::TokenInvalid
                | ErrorReason::TokenExpired
                | ErrorReason::ReceiptPending
                | ErrorReason::LogUnavailable
        )
    )
}

// === impl ApprovalClient ===

impl ApprovalClient {
    fn client(&self) -> WarrantServiceClient<Link> {
        WarrantServiceClient::new(self.0.clone())
    }
}

impl Claims for ApprovalClient {
    fn claim(&self, context: &CallContext, request: ClaimWarrantRequest) -> BoxFuture<'_, Result<Claim, Status>> {
        let request = context.clone().with_timeout(CALL_TIMEOUT).outbound(request);
        async move {
            let mut client = self.client();
            let answer = within(CALL_TIMEOUT, client.claim_warrant(request)).await?.into_inner();
            answer
                .claim
                .ok_or_else(|| Status::internal("the answer holds no claim"))
        }
        .boxed()
    }

    fn renew(&self, context: &CallContext, request: RenewClaimRequest) -> BoxFuture<'_, Result<Claim, Status>> {
        let request = context.clone().with_timeout(CALL_TIMEOUT).outbound(request);
        async move {
            let mut client = self.client();
            let answer = within(CALL_TIMEOUT, client.renew_claim(request)).await?.into_inner();
            answer
                .claim
                .ok_or_else(|| Status::internal("the answer holds no claim"))
        }
        .boxed()
    }

    fn complete(
        &self,
        context: &CallContext,
        request: CompleteWarrantRequest,
    ) -> BoxFuture<'_, Result<Approval, Status>> {
        let request = context.clone().with_timeout(CALL_TIMEOUT).outbound(request);
        async move {
            let mut client = self.client();
            let answer = within(CALL_TIMEOUT, client.complete_warrant(request))
                .await?
                .into_inner();
            answer
                .approval
                .ok_or_else(|| Status::internal("the answer holds no approval"))
        }
        .boxed()
    }
}
