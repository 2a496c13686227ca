//! How errors look: one `ErrorInfo` each, whoever made them.

use std::time::Duration;

use chassis::{CallContext, Node, NodeConfig, PartName};
use prost::Message as _;
use proto::{
    classification::v1::{ClassifyActionRequest, classification_service_client::ClassificationServiceClient},
    common::v1::ErrorReason,
    trace::v1::{GetTraceRequest, trace_service_client::TraceServiceClient},
};
use tonic::{Code, Request, Status, body::Body};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::Service as _;

use crate::{
    authority::Authority,
    fixture::{ask, assert_error, classifier, stranger},
};

/// Clients refuse details that name another code than the status does.
#[track_caller]
fn assert_details_agree(status: &Status) {
    let details = tonic_types::pb::Status::decode(status.details()).unwrap();
    assert_eq!(Code::from(details.code), status.code());
}

#[tokio::test]
async fn a_panic_is_internal_and_says_nothing() {
    let authority = Authority::new();
    let (_node, part) = classifier(&authority);
    let link = stranger(&part);
    let mut client = ClassificationServiceClient::new(link);
    let status = client.classify_action(ask("panic")).await.unwrap_err();
    assert_error(&status, Code::Internal, ErrorReason::Internal);
    assert!(!status.message().contains("told to"));
    client.classify_action(ask("fine")).await.unwrap();
}

#[tokio::test]
async fn a_compressed_message_is_refused_by_its_encoding() {
    let authority = Authority::new();
    let (_node, part) = classifier(&authority);
    let link = stranger(&part);
    let mut request = ask("fine");
    request.metadata_mut().insert("grpc-encoding", "gzip".parse().unwrap());
    let status = ClassificationServiceClient::new(link)
        .classify_action(request)
        .await
        .unwrap_err();
    assert_error(&status, Code::Unimplemented, ErrorReason::InvalidFields);
    assert!(status.message().contains("gzip"), "{status:?}");
    assert_eq!(status.metadata().get("grpc-accept-encoding").unwrap(), "identity");
    assert_details_agree(&status);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_call() {
    let authority = Authority::new();
    let (_node, part) = classifier(&authority);
    let link = stranger(&part);
    let mut request = ask("hang");
    request.set_timeout(Duration::from_secs(3));
    let status = ClassificationServiceClient::new(link)
        .classify_action(request)
        .await
        .unwrap_err();
    assert_error(&status, Code::DeadlineExceeded, ErrorReason::DeadlineExceeded);
}

#[tokio::test]
async fn an_unknown_method_keeps_its_code_and_gets_a_reason() {
    let authority = Authority::new();
    let (_node, part) = classifier(&authority);
    let link = stranger(&part);
    let mut request = Request::new(GetTraceRequest::default());
    request.metadata_mut().insert(
        "authorization",
        ask("").metadata().get("authorization").unwrap().clone(),
    );
    let status = TraceServiceClient::new(link).get_trace(request).await.unwrap_err();
    // The rights table knows the method; this part has no handler for it.
    assert_error(&status, Code::Unimplemented, ErrorReason::UnknownMethod);
    assert_details_agree(&status);
}

#[tokio::test]
async fn a_method_of_nobody_is_unknown_to_whoever_may_call_and_to_nobody_else() {
    let authority = Authority::new();
    let (_node, part) = classifier(&authority);
    let call = async |asked: Request<ClassifyActionRequest>| {
        let mut request = http::Request::new(Body::empty());
        *request.uri_mut() = "/countersign.classification.v1.ClassificationService/ClasifyAction"
            .parse()
            .unwrap();
        *request.headers_mut() = asked.into_parts().0.into_headers();
        let answer = part.service().call(request).await.unwrap();
        Status::from_header_map(answer.headers()).unwrap()
    };
    let status = call(ask("fine")).await;
    assert_error(&status, Code::Unimplemented, ErrorReason::UnknownMethod);
    let status = call(Request::new(ClassifyActionRequest::default())).await;
    assert_error(&status, Code::Unauthenticated, ErrorReason::TokenMissing);
}

#[tokio::test]
async fn a_health_name_that_is_not_there_is_not_found() {
    let authority = Authority::new();
    let (_node, part) = classifier(&authority);
    let link = stranger(&part);
    let request = HealthCheckRequest {
        service: "nothing".to_owned(),
    };
    let status = HealthClient::new(link).check(request).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "{status:?}");
}

#[tokio::test]
async fn a_part_that_is_not_there_is_named() {
    let node = Node::open(PartName::Orchestrator, NodeConfig::default()).unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let link = node.connect(PartName::Classifier, &format!("http://{closed}")).unwrap();
    let request = CallContext::background().outbound(ClassifyActionRequest::default());
    let status = ClassificationServiceClient::new(link)
        .classify_action(request)
        .await
        .unwrap_err();
    let told = chassis::fault::relay("governance.countersign", PartName::Classifier, status);
    assert_error(&told, Code::Unavailable, ErrorReason::PartUnavailable);
    assert_eq!(
        chassis::fault::metadata_of(&told, "part").as_deref(),
        Some("classifier-svc")
    );
}
