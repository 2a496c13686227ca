//! Readiness, reflection and an orderly end, over a real socket.

use std::{io, time::Duration};

use chassis::{Node, NodeConfig, Part, PartName};
use proto::common::v1::ErrorReason;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    authority::Authority,
    fixture::{assert_error, part},
};

type Server = JoinHandle<io::Result<()>>;

async fn serve(node: &Node, part: Part) -> (chassis::Link, Server) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(part.serve(listener));
    (node.connect(PartName::Classifier, &url).unwrap(), server)
}

/// How a server ends, which it must soon.
async fn ended(server: Server) -> io::Result<()> {
    tokio::time::timeout(Duration::from_secs(20), server)
        .await
        .unwrap()
        .unwrap()
}

async fn until_ready(link: &chassis::Link, ready: bool) {
    let reached = async {
        while link.is_ready().await != ready {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap();
}

#[tokio::test]
async fn a_part_becomes_ready_and_drains_within_its_bound() {
    let authority = Authority::new();
    let config = NodeConfig {
        grace_period: Duration::from_millis(200),
        ..authority.config("trace-svc")
    };
    let node = Node::open(PartName::Classifier, config).unwrap();
    let (link, server) = serve(&node, part(&node).unwrap()).await;
    until_ready(&link, true).await;
    node.shutdown().cancel();
    ended(server).await.unwrap();
}

#[tokio::test]
async fn a_part_that_has_not_begun_is_not_ready() {
    let authority = Authority::new();
    let node = Node::open(PartName::Classifier, authority.config("trace-svc")).unwrap();
    let part = part(&node).unwrap();
    assert!(!node.local(&part).is_ready().await);
}

#[tokio::test]
async fn a_silent_connection_does_not_keep_a_part_from_ending() {
    let authority = Authority::new();
    let config = NodeConfig {
        grace_period: Duration::from_millis(200),
        ..authority.config("trace-svc")
    };
    let node = Node::open(PartName::Classifier, config).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(part(&node).unwrap().serve(listener));
    let silent = TcpStream::connect(address).await.unwrap();
    node.shutdown().cancel();
    ended(server).await.unwrap();
    drop(silent);
}

#[tokio::test]
async fn a_part_whose_dependency_is_down_is_not_ready() {
    let authority = Authority::new();
    let node = Node::open(PartName::Classifier, authority.config("trace-svc")).unwrap();
    let (up, answers) = tokio::sync::watch::channel(false);
    let probe = Part::builder(&node)
        .ready_when(move || std::future::ready(*answers.borrow()))
        .build()
        .unwrap();
    let (link, _server) = serve(&node, probe).await;
    assert!(!link.is_ready().await);
    up.send(true).unwrap();
    until_ready(&link, true).await;
    up.send(false).unwrap();
    until_ready(&link, false).await;
    node.shutdown().cancel();
}

#[tokio::test]
async fn what_is_under_way_can_rely_on_background_tasks_to_its_end() {
    let authority = Authority::new();
    let config = NodeConfig {
        drain_delay: Duration::from_millis(50),
        ..authority.config("trace-svc")
    };
    let node = Node::open(PartName::Classifier, config).unwrap();
    let (ask, mut asked) = mpsc::channel::<oneshot::Sender<()>>(1);
    let part = Part::builder(&node)
        .background("helper", |over| async move {
            while let Some(Some(answer)) = over.run_until_cancelled(asked.recv()).await {
                answer.send(()).unwrap();
            }
        })
        .build()
        .unwrap();
    let closing = node.closing();
    let helped = node.tasks().spawn(async move {
        closing.cancelled().await;
        let (answer, answered) = oneshot::channel();
        ask.send(answer).await.is_ok() && answered.await.is_ok()
    });
    let (_, server) = serve(&node, part).await;
    node.shutdown().cancel();
    assert!(helped.await.unwrap());
    ended(server).await.unwrap();
}

#[tokio::test]
async fn a_part_whose_background_task_panics_ends_with_a_failure() {
    let authority = Authority::new();
    let node = Node::open(PartName::Classifier, authority.config("trace-svc")).unwrap();
    let part = Part::builder(&node)
        .background("clumsy", |_| async { panic!("told to") })
        .build()
        .unwrap();
    let (_, server) = serve(&node, part).await;
    assert!(ended(server).await.is_err());
}

#[tokio::test]
async fn an_open_health_watch_does_not_hold_up_the_end() {
    let authority = Authority::new();
    let config = NodeConfig {
        grace_period: Duration::from_mins(5),
        ..authority.config("trace-svc")
    };
    let node = Node::open(PartName::Classifier, config).unwrap();
    let (link, server) = serve(&node, part(&node).unwrap()).await;
    let watch = HealthClient::new(link).watch(HealthCheckRequest::default()).await;
    let mut watch = watch.unwrap().into_inner();
    node.shutdown().cancel();
    let status = loop {
        if let Err(status) = watch.message().await {
            break status;
        }
    };
    assert_error(&status, Code::Unavailable, ErrorReason::ShuttingDown);
    ended(server).await.unwrap();
}
