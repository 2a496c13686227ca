//! Limits: what is refused when there is too much of it, and what isn't.

use std::time::Duration;

use chassis::{CallContext, Link, Node, NodeConfig, Part, PartName};
use proto::{
    classification::v1::classification_service_client::ClassificationServiceClient,
    common::v1::ErrorReason,
    execution::v1::{ExecuteActionRequest, ExecuteActionResponse, execution_service_client::ExecutionServiceClient},
};
use tonic::{Code, Response, Status, Streaming};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    authority::Authority,
    fixture::{ask, assert_error, executor, part, stranger},
};

/// A link to the part with the orchestrator's credential.
fn orchestrator(authority: &Authority, part: &Part) -> Link {
    Node::open(PartName::Orchestrator, authority.config("orchestrator"))
        .unwrap()
        .local(part)
}

async fn execute(link: &Link) -> Result<Response<Streaming<ExecuteActionResponse>>, Status> {
    let request = CallContext::background().outbound(ExecuteActionRequest::default());
    ExecutionServiceClient::new(link.clone()).execute_action(request).await
}

#[tokio::test]
async fn past_the_limit_calls_are_refused_with_a_hint_when_to_come_back() {
    let authority = Authority::new();
    let config = NodeConfig {
        max_requests: 1,
        ..authority.config("trace-svc")
    };
    let node = Node::open(PartName::Classifier, config).unwrap();
    let link = stranger(&part(&node).unwrap());
    let mut busy = ClassificationServiceClient::new(link.clone());
    let mut held = Box::pin(busy.classify_action(ask("hang")));
    assert!(futures_util::poll!(&mut held).is_pending());
    let status = ClassificationServiceClient::new(link)
        .classify_action(ask("fine"))
        .await
        .unwrap_err();
    assert_error(&status, Code::ResourceExhausted, ErrorReason::Overloaded);
    let retry = tonic_types::StatusExt::get_details_retry_info(&status).unwrap();
    assert!(retry.retry_delay.unwrap() > Duration::ZERO);
}

#[tokio::test]
async fn an_open_stream_keeps_its_place_until_its_reader_has_gone() {
    let authority = Authority::new();
    let config = NodeConfig {
        max_requests: 1,
        max_open_streams: 1,
        ..authority.config("executor-svc")
    };
    let node = Node::open(PartName::Executor, config).unwrap();
    let link = orchestrator(&authority, &executor(&node).unwrap());
    let open = execute(&link).await.unwrap();
    let status = execute(&link).await.unwrap_err();
    assert_error(&status, Code::ResourceExhausted, ErrorReason::Overloaded);
    // The only place for calls is free again.
    assert_eq!(status.message(), "too many open streams at once");
    drop(open);
    execute(&link).await.unwrap();
}

#[tokio::test]
async fn strangers_have_one_share_of_the_open_streams_and_parts_are_not_counted() {
    let authority = Authority::new();
    let config = NodeConfig {
        max_open_streams_per_caller: 1,
        ..authority.config("executor-svc")
    };
    let node = Node::open(PartName::Executor, config).unwrap();
    let part = executor(&node).unwrap();
    let watch = || async {
        HealthClient::new(stranger(&part))
            .watch(HealthCheckRequest::default())
            .await
    };
    let open = watch().await.unwrap();
    let status = watch().await.unwrap_err();
    assert_error(&status, Code::ResourceExhausted, ErrorReason::Overloaded);
    assert_eq!(status.message(), "too many open streams of one caller at once");
    let link = orchestrator(&authority, &part);
    let _executions = [execute(&link).await.unwrap(), execute(&link).await.unwrap()];
    drop(open);
    watch().await.unwrap();
}
