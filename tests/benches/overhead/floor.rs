//! The floor: five processes that call each other as the five services do, with empty handlers.
//!
//! One GREEN run is eleven hops, two of them streams: caller → orchestrator → classifier; → approval (→ trace);
//! → executor (→ approval, → trace, → gateway, → trace, → approval (→ trace, not waited for)).

use std::{
    env,
    io::{BufRead as _, BufReader},
    pin::Pin,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::{Stream, StreamExt as _, future::BoxFuture};
use proto::trace::v1::{Content, CreateEventRequest, NewEvent};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    server::{Grpc, NamedService, ServerStreamingService, UnaryService},
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;

use crate::{cpu::Processes, load::Target};

/// Tells a process of this program which role to play.
pub(crate) const ROLE_VARIABLE: &str = "COUNTERSIGN_BENCH_FLOOR_ROLE";

const PEERS_VARIABLE: &str = "COUNTERSIGN_BENCH_FLOOR_PEERS";
/// About what an action with its verdict and warrant weighs.
const PAYLOAD_BYTES: usize = 1500;
/// Connections of the load, as many as the chain's load has.
const CONNECTIONS: usize = 4;

type Message = CreateEventRequest;
type Codec = ProstCodec<Message, Message>;

/// The five processes.
pub(crate) struct Floor {
    processes: Vec<(&'static str, Child)>,
    entry: String,
}

/// Where the floor is driven.
#[derive(Clone)]
pub(crate) struct FloorTarget {
    channels: Vec<Channel>,
    next: Arc<AtomicUsize>,
}

/// One process: what it calls, in order.
#[derive(Clone)]
struct Hop {
    peers: Arc<Peers>,
    role: Arc<str>,
    when: When,
}

/// When a role does its work.
#[derive(Clone, Copy)]
enum When {
    BeforeAnswering,
    Later,
    Never,
}

#[derive(Default)]
struct Peers {
    classifier: Option<Channel>,
    approval: Option<Channel>,
    executor: Option<Channel>,
    trace: Option<Channel>,
    gateway: Option<(reqwest::Client, String)>,
}

// === impl Floor ===

impl Floor {
    pub(crate) fn spawn(gateway: &str) -> Self {
        let mut processes = Vec::new();
        let mut spawn = |role: &'static str, peers: String| {
            let mut process = Command::new(env::current_exe().unwrap())
                .env(ROLE_VARIABLE, role)
                .env(PEERS_VARIABLE, peers)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut url = String::new();
            BufReader::new(process.stdout.take().unwrap())
                .read_line(&mut url)
                .unwrap();
            processes.push((role, process));
            url.trim().to_owned()
        };
        let trace = spawn("trace", String::new());
        let classifier = spawn("classifier", String::new());
        let approval = spawn("approval", format!("trace={trace}"));
        let executor = spawn(
            "executor",
            format!("trace={trace},approval={approval},gateway={gateway}"),
        );
        let entry = spawn(
            "orchestrator",
            format!("classifier={classifier},approval={approval},executor={executor}"),
        );
        Self { processes, entry }
    }

    pub(crate) fn processes(&self) -> Processes {
        self.processes
            .iter()
            .map(|(role, process)| (*role, process.id()))
            .collect()
    }

    pub(crate) fn target(&self) -> Target {
        let channels = (0..CONNECTIONS).map(|_| channel(&self.entry)).collect();
        Target::Floor(FloorTarget {
            channels,
            next: Arc::default(),
        })
    }
}

impl Drop for Floor {
    /// Ends as [`Chain`](crate::chain::Chain) does.
    fn drop(&mut self) {
        let ids = self.processes.iter().map(|(_, process)| process.id().to_string());
        let _ = Command::new("kill").args(ids).status();
        for (_, process) in &mut self.processes {
            let _ = process.wait();
        }
    }
}

// === impl FloorTarget ===

impl FloorTarget {
    pub(crate) async fn flow(&mut self, _caller: usize) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let channel = self.channels[turn % self.channels.len()].clone();
        let mut answers = stream(channel, payload()).await.unwrap();
        while let Some(answer) = answers.next().await {
            answer.unwrap();
        }
    }
}

// === impl Hop ===

impl Hop {
    /// What the role does before it answers.
    async fn work(&self) -> Result<(), Status> {
        let peers = &self.peers;
        match &*self.role {
            "approval" => call(peers.trace.as_ref(), "/floor.Hop/Alone").await,
            "executor" => {
                call(peers.approval.as_ref(), "/floor.Hop/Alone").await?;
                call(peers.trace.as_ref(), "/floor.Hop/Alone").await?;
                let (client, url) = peers.gateway.as_ref().unwrap();
                let answer = client
                    .post(format!("{url}/v1/chat/completions"))
                    .body(r#"{"model":"openclaw/main","stream":true,"messages":[{"role":"user","content":"hello"}]}"#)
                    .send();
                answer.await.unwrap().bytes().await.unwrap();
                call(peers.trace.as_ref(), "/floor.Hop/Alone").await?;
                call(peers.approval.as_ref(), "/floor.Hop/Later").await
            }
            "orchestrator" => {
                call(peers.classifier.as_ref(), "/floor.Hop/Alone").await?;
                call(peers.approval.as_ref(), "/floor.Hop/Call").await?;
                let executor = peers.executor.clone().unwrap();
                let mut answers = stream(executor, payload()).await?;
                while let Some(answer) = answers.next().await {
                    answer?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl NamedService for Hop {
    const NAME: &'static str = "floor.Hop";
}

impl UnaryService<Message> for Hop {
    type Response = Message;
    type Future = BoxFuture<'static, Result<Response<Message>, Status>>;

    fn call(&mut self, request: Request<Message>) -> Self::Future {
        let hop = self.clone();
        Box::pin(async move {
            match hop.when {
                When::BeforeAnswering => hop.work().await?,
                When::Later => drop(tokio::spawn(async move { hop.work().await })),
                When::Never => {}
            }
            Ok(Response::new(request.into_inner()))
        })
    }
}

impl ServerStreamingService<Message> for Hop {
    type Response = Message;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Message, Status>> + Send>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Message>) -> Self::Future {
        let hop = self.clone();
        Box::pin(async move {
            hop.work().await?;
            let answers = vec![Ok(Message::default()), Ok(Message::default()), Ok(request.into_inner())];
            Ok(Response::new(
                Box::pin(futures_util::stream::iter(answers)) as Self::ResponseStream
            ))
        })
    }
}

impl tower::Service<http::Request<Body>> for Hop {
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut hop = self.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(Codec::default());
            let method = request.uri().path().rsplit('/').next().unwrap_or_default();
            hop.when = match method {
                "Alone" => When::Never,
                "Later" => When::Later,
                _ => When::BeforeAnswering,
            };
            Ok(if method == "Stream" {
                grpc.server_streaming(hop, request).await
            } else {
                grpc.unary(hop, request).await
            })
        })
    }
}

/// Plays one role until SIGTERM.
pub(crate) async fn serve(role: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    let mut peers = Peers::default();
    let urls = env::var(PEERS_VARIABLE).unwrap();
    for (name, url) in urls.split(',').filter_map(|peer| peer.split_once('=')) {
        match name {
            "classifier" => peers.classifier = Some(channel(url)),
            "approval" => peers.approval = Some(channel(url)),
            "executor" => peers.executor = Some(channel(url)),
            "trace" => peers.trace = Some(channel(url)),
            _ => peers.gateway = Some((reqwest::Client::new(), url.to_owned())),
        }
    }
    let hop = Hop {
        peers: Arc::new(peers),
        role: role.into(),
        when: When::BeforeAnswering,
    };
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let mut terminated = signal(SignalKind::terminate()).unwrap();
    tokio::select! {
        served = Server::builder().add_service(hop).serve_with_incoming(incoming) => served.unwrap(),
        _ = terminated.recv() => {}
    }
}

fn channel(url: &str) -> Channel {
    Endpoint::from_shared(url.to_owned())
        .unwrap()
        .tcp_nodelay(true)
        .connect_lazy()
}

fn payload() -> Message {
    let content = Content {
        media_type: "text/plain".to_owned(),
        data: vec![b'x'; PAYLOAD_BYTES],
    };
    Message {
        event: Some(NewEvent {
            content: Some(content),
            ..NewEvent::default()
        }),
    }
}

async fn call(peer: Option<&Channel>, path: &'static str) -> Result<(), Status> {
    let mut client = tonic::client::Grpc::new(peer.unwrap().clone());
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static(path);
    client
        .unary::<Message, Message, _>(Request::new(payload()), path, Codec::default())
        .await?;
    Ok(())
}

async fn stream(peer: Channel, message: Message) -> Result<Streaming<Message>, Status> {
    let mut client = tonic::client::Grpc::new(peer);
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/floor.Hop/Stream");
    let answer = client
        .server_streaming(Request::new(message), path, Codec::default())
        .await?;
    Ok(answer.into_inner())
}
