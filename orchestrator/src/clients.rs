//! The four parts that the orchestrator asks, and how long it waits for each.

use std::{future::Future, time::Duration};

use chassis::{
    BoxError,
    context::CallContext,
    fault,
    link::{Link, within},
    node::Node,
    part::PartName,
};
use proto::{
    approval::v1::{
        AcquireApprovalsRequest, AcquireApprovalsResponse, Approval, CancelApprovalRequest, CreateApprovalRequest,
        CreateApprovalResponse, GetApprovalRequest, ListApprovalsRequest, ListApprovalsResponse, WatchApprovalsRequest,
        WatchApprovalsResponse, approval_service_client::ApprovalServiceClient,
    },
    classification::v1::{
        Classification, ClassifyActionRequest, classification_service_client::ClassificationServiceClient,
    },
    common::v1::{Action, ErrorReason},
    execution::v1::{ExecuteActionRequest, ExecuteActionResponse, execution_service_client::ExecutionServiceClient},
    trace::v1::{ListEventsRequest, trace_service_client::TraceServiceClient},
};
use tonic::{Response, Status, Streaming};
use warrant::RunId;

use crate::config::Config;

/// Ways to the four parts that the orchestrator asks.
#[derive(Clone, Debug)]
pub struct Links {
    /// To classifier-svc.
    pub classifier: Link,
    /// To approval-svc.
    pub approval: Link,
    /// To executor-svc.
    pub executor: Link,
    /// To trace-svc.
    pub trace: Link,
}

/// The four parts that the orchestrator asks.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    links: Links,
    classifier: ClassificationServiceClient<Link>,
    approval: ApprovalServiceClient<Link>,
    executor: ExecutionServiceClient<Link>,
    trace: TraceServiceClient<Link>,
}

/// How long one call may take; a caller's shorter deadline stands.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer read from the trace.
const ANSWER_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

// === impl Links ===

impl Links {
    /// Links over the network; none of the parts needs to be up yet.
    pub fn connect(config: &Config, node: &Node) -> Result<Self, BoxError> {
        Ok(Self {
            classifier: node.connect(PartName::Classifier, &config.classifier_url)?,
            approval: node.connect(PartName::Approval, &config.approval_url)?,
            executor: node.connect(PartName::Executor, &config.executor_url)?,
            trace: node.connect(PartName::Trace, &config.trace_url)?,
        })
    }
}

// === impl Clients ===

impl Clients {
    pub(crate) fn new(links: Links) -> Self {
        Self {
            classifier: ClassificationServiceClient::new(links.classifier.clone()),
            approval: ApprovalServiceClient::new(links.approval.clone()),
            executor: ExecutionServiceClient::new(links.executor.clone()),
            trace: TraceServiceClient::new(links.trace.clone()).max_decoding_message_size(ANSWER_MESSAGE_BYTES),
            links,
        }
    }

    /// Whether all four parts say that they serve.
    pub(crate) async fn all_serving(&self) -> bool {
        let Links {
            classifier,
            approval,
            executor,
            trace,
        } = &self.links;
        let (classifier, approval, executor, trace) = tokio::join!(
            classifier.is_ready(),
            approval.is_ready(),
            executor.is_ready(),
            trace.is_ready()
        );
        classifier && approval && executor && trace
    }

    /// What the classifier says of an action.
    pub(crate) async fn classify(
        &self,
        context: &CallContext,
        action: Action,
    ) -> Result<Option<Classification>, Status> {
        let mut client = self.classifier.clone();
        let message = ClassifyActionRequest { action: Some(action) };
        let response = call(context, message, |request| async move {
            client.classify_action(request).await
        });
        Ok(response.await?.classification)
    }

    /// Creates the approval that decides an action.
    pub(crate) async fn create_approval(
        &self,
        context: &CallContext,
        message: CreateApprovalRequest,
    ) -> Result<CreateApprovalResponse, Status> {
        let mut client = self.approval.clone();
        call(context, message, |request| async move {
            client.create_approval(request).await
        })
        .await
    }

    /// The approval of a run; none if there is none that the caller may see.
    pub(crate) async fn find_approval(&self, context: &CallContext, run: &RunId) -> Result<Option<Approval>, Status> {
        let mut client = self.approval.clone();
        let message = GetApprovalRequest {
            name: warrant::approval_id(run).name(),
        };
        let answer = call(
            context,
            message,
            |request| async move { client.get_approval(request).await },
        )
        .await;
        match answer {
            Ok(response) => Ok(response.approval),
            Err(status) if fault::reason_of(&status) == Some(ErrorReason::ApprovalNotFound) => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// The approvals that the caller may see and the filter lets through.
    pub(crate) async fn list_approvals(
        &self,
        context: &CallContext,
        message: ListApprovalsRequest,
    ) -> Result<ListApprovalsResponse, Status> {
        let mut client = self.approval.clone();
        call(context, message, |request| async move {
            client.list_approvals(request).await
        })
        .await
    }

    /// Withdraws an approval.
    pub(crate) async fn cancel_approval(
        &self,
        context: &CallContext,
        message: CancelApprovalRequest,
    ) -> Result<Option<Approval>, Status> {
        let mut client = self.approval.clone();
        let response = call(context, message, |request| async move {
            client.cancel_approval(request).await
        });
        Ok(response.await?.approval)
    }

    /// Changes of the approval of a run from now on.
    pub(crate) async fn watch_approval(
        &self,
        context: &CallContext,
        run: &RunId,
    ) -> Result<Streaming<WatchApprovalsResponse>, Status> {
        let message = WatchApprovalsRequest {
            resume_token: String::new(),
            filter: format!("run_id = \"{run}\""),
        };
        let mut client = self.approval.clone();
        let opening = client.watch_approvals(context.outbound(message));
        let opened = within(CALL_TIMEOUT, Box::pin(opening)).await?;
        Ok(opened.into_inner())
    }

    /// Granted approvals that nobody has claimed; waits up to `wait` for the first.
    pub(crate) async fn acquire_approvals(&self, max: i32, wait: Duration) -> Result<AcquireApprovalsResponse, Status> {
        let message = AcquireApprovalsRequest {
            max_approvals: max,
            wait_duration: Some(chassis::time::duration_to_proto(wait)),
        };
        let limit = wait + CALL_TIMEOUT;
        let context = CallContext::background().with_timeout(limit);
        let mut client = self.approval.clone();
        let acquiring = client.acquire_approvals(context.outbound(message));
        Ok(within(limit, Box::pin(acquiring)).await?.into_inner())
    }

    /// Executes an action under its warrant.
    pub(crate) async fn execute(
        &self,
        context: &CallContext,
        message: ExecuteActionRequest,
    ) -> Result<Streaming<ExecuteActionResponse>, Status> {
        let mut client = self.executor.clone();
        let opened = client.execute_action(context.outbound(message)).await?;
        Ok(opened.into_inner())
    }

    /// The agent's complete answer as the trace has it; none if the trace has no word of it.
    pub(crate) async fn read_answer(&self, context: &CallContext, run: &RunId) -> Result<Option<Vec<u8>>, Status> {
        let mut client = self.trace.clone();
        let message = ListEventsRequest {
            parent: format!("traces/{run}"),
            page_size: 1,
            page_token: String::new(),
            filter: format!("type = \"{}\"", chassis::semconv::event::EXECUTION_FINISHED),
            include_content: true,
        };
        let response = call(
            context,
            message,
            |request| async move { client.list_events(request).await },
        )
        .await?;
        let event = response.events.into_iter().next();
        // An empty answer is recorded without content.
        Ok(event.map(|event| event.content.unwrap_or_default().data))
    }
}

/// One unary call within the call timeout and the caller's deadline.
///
/// A call's future has kilobytes, and whoever holds one moves it around: it lies on the heap once.
async fn call<M, R, F>(
    context: &CallContext,
    message: M,
    send: impl FnOnce(tonic::Request<M>) -> F,
) -> Result<R, Status>
where
    F: Future<Output = Result<Response<R>, Status>>,
{
    let context = context.clone().with_timeout(CALL_TIMEOUT);
    let limit = context.remaining().unwrap_or(CALL_TIMEOUT);
    let answer = within(limit, Box::pin(send(context.outbound(message)))).await?;
    Ok(answer.into_inner())
}
