//! Limits: what is refused when there is too much of it, and what isn't.

use std::time::Duration;

use chassis::{CallContext, Link, Node, NodeConfig, Part, PartName};
use proto::{
    classification::v1::classification_service_client::ClassificationServiceClient,
    common::v1::ErrorReason,
    execution::v1::{ExecuteActionRequest, ExecuteActionResponse, execution_service_client::ExecutionServiceClient},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tonic::{Code, Response, Status, Streaming};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    authority::Authority,
    fixture::{ask, ask_as, assert_error, classifier, executor, part, stranger},
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

#[tokio::test]
async fn a_caller_who_has_used_up_their_share_of_calls_leaves_the_others_theirs() {
    let authority = Authority::new();
    let config = NodeConfig {
        max_requests_per_caller: 1,
        ..authority.config("trace-svc")
    };
    let node = Node::open(PartName::Classifier, config).unwrap();
    let link = stranger(&part(&node).unwrap());
    let mut busy = ClassificationServiceClient::new(link.clone());
    let mut held = Box::pin(busy.classify_action(ask("hang")));
    assert!(futures_util::poll!(&mut held).is_pending());
    let mut client = ClassificationServiceClient::new(link);
    let status = client.classify_action(ask("fine")).await.unwrap_err();
    assert_error(&status, Code::ResourceExhausted, ErrorReason::Overloaded);
    assert_eq!(status.message(), "too many calls of one caller at once");
    client.classify_action(ask_as("bob", "fine")).await.unwrap();
    drop(held);
    client.classify_action(ask("fine")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_begins_gives_its_place_back() {
    let authority = Authority::new();
    let (_node, part) = classifier(&authority);
    let status = ClassificationServiceClient::new(stranger(&part))
        .classify_action(ask("hang"))
        .await
        .unwrap_err();
    assert_error(&status, Code::DeadlineExceeded, ErrorReason::DeadlineExceeded);
}

#[tokio::test]
async fn callers_who_leave_early_do_not_end_a_connection_for_the_others() {
    let authority = Authority::new();
    let (_node, part) = classifier(&authority);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut connection = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let _server = tokio::spawn(part.serve(listener));
    // HTTP/2 frames (RFC 9113, section 4.1): length, type, flags, stream, payload.
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    let mut sent = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &[])].concat();
    for stream in (1..).step_by(2).take(100) {
        // POST http /, and then a reset (CANCEL).
        sent.extend(frame(1, 4, stream, &[0x83, 0x86, 0x84]));
        sent.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
    }
    sent.extend(frame(6, 0, 0, &[0; 8]));
    connection.write_all(&sent).await.unwrap();
    let (go_away, ping) = (7, 6);
    let answered = loop {
        let mut head = [0; 9];
        connection.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        connection.read_exact(&mut vec![0; length as usize]).await.unwrap();
        if [go_away, ping].contains(&head[3]) {
            break head[3];
        }
    };
    assert_eq!(answered, ping);
}
