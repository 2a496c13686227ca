//! A gateway that does what a test tells it to: at once, slowly, wrongly, or not at all.
//!
//! It speaks HTTP/1.1 on a loopback port of its own, answers with what a real gateway was recorded to answer, and keeps
//! every request that it was sent, so that a test can say what was sent and what was not. It ends when dropped.

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

mod http;
mod recording;

pub use http::RecordedRequest;
pub use recording::Recording;

const RUN_ID: &str = "chatcmpl_fake";

/// What the gateway does with an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// A complete answer at once, in one piece.
    Succeed,
    /// A complete answer with this text, one word a piece.
    Say(String),
    /// What a real gateway was recorded to answer.
    Recorded(Recording),
    /// This status and body.
    Answer {
        /// The status.
        status: u16,
        /// The `Content-Type`.
        media_type: String,
        /// The body.
        body: String,
    },
    /// A stream of these events, with its proper end.
    Stream(Vec<String>),
    /// Silence, until [`FakeGateway::release`]; then a complete answer.
    HangBeforeFirstByte,
    /// The beginning of an answer, then silence until [`FakeGateway::release`]; then the rest.
    HangMidStream,
    /// The connection is closed without a byte.
    CutBeforeFirstByte,
    /// The beginning of an answer, then the connection is closed.
    CutMidStream,
    /// Bytes that are no HTTP.
    Garbage,
    /// A complete answer of so many pieces, with a pause before each.
    Drip {
        /// How many.
        pieces: usize,
        /// The pause.
        pause: Duration,
    },
}

/// A gateway under a test's control.
#[derive(Debug)]
pub struct FakeGateway {
    address: SocketAddr,
    shared: Arc<Shared>,
    _server: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    script: Mutex<Script>,
    /// Whether it is to be reached, and whether it is.
    wanted: watch::Sender<bool>,
    reachable: watch::Sender<bool>,
    executions: watch::Sender<usize>,
    disconnects: watch::Sender<usize>,
    released: watch::Sender<usize>,
    answers: watch::Sender<usize>,
    success: String,
}

#[derive(Debug)]
struct Script {
    usual: Behaviour,
    next: VecDeque<Behaviour>,
    ready: bool,
    keeps_requests: bool,
    requests: Vec<RecordedRequest>,
}

/// What becomes of a connection after an answer.
#[derive(Debug, PartialEq, Eq)]
enum After {
    Keep,
    Close,
}

// === impl FakeGateway ===

impl FakeGateway {
    /// The token that it accepts.
    pub const TOKEN: &'static str = "fake-gateway-token";
    /// What it says unless told otherwise.
    pub const ANSWER: &'static str = "The governed answer.";

    /// A gateway that answers at once.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(Behaviour::Succeed).await
    }

    /// A gateway that does this with every execution.
    pub async fn start_with(behaviour: Behaviour) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let script = Script {
            usual: behaviour,
            next: VecDeque::new(),
            ready: true,
            keeps_requests: true,
            requests: Vec::new(),
        };
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            wanted: watch::Sender::new(true),
            reachable: watch::Sender::new(true),
            executions: watch::Sender::new(0),
            disconnects: watch::Sender::new(0),
            released: watch::Sender::new(0),
            answers: watch::Sender::new(0),
            success: complete_answer(&[Self::ANSWER]),
        });
        let server = AbortOnDropHandle::new(tokio::spawn(serve(listener, Arc::clone(&shared))));
        Ok(Self {
            address,
            shared,
            _server: server,
        })
    }

    /// The URL of a port on which nobody listens.
    pub async fn nobody() -> io::Result<String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(format!("http://{}", listener.local_addr()?))
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Does this with every execution from now on.
    pub fn usually(&self, behaviour: Behaviour) {
        self.shared.script().usual = behaviour;
    }

    /// Does this with the next execution that has no plan yet.
    pub fn next(&self, behaviour: Behaviour) {
        self.shared.script().next.push_back(behaviour);
    }

    /// What `/readyz` says from now on.
    pub fn set_ready(&self, ready: bool) {
        self.shared.script().ready = ready;
    }

    /// Closes its port and all connections, or opens the port again; done when it returns.
    pub async fn set_reachable(&self, reachable: bool) {
        self.shared.wanted.send_replace(reachable);
        // The sender lives as long as the gateway, so waiting ends only by the change.
        self.shared
            .reachable
            .subscribe()
            .wait_for(|now| *now == reachable)
            .await
            .ok();
    }

    /// Keeps no request from now on; for benchmarks, which send many.
    pub fn keep_no_requests(&self) {
        self.shared.script().keeps_requests = false;
    }

    /// Lets everything go on that hangs.
    pub fn release(&self) {
        self.shared.released.send_modify(|count| *count += 1);
    }

    /// The requests for executions so far; questions for its health are not among them.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.script().requests.clone()
    }

    /// Waits until so many executions have been asked for.
    pub async fn wait_for_requests(&self, count: usize) {
        at_least(&self.shared.executions, count).await;
    }

    /// Waits until so many answers that were held back have been sent.
    pub async fn wait_for_released_answers(&self, count: usize) {
        at_least(&self.shared.answers, count).await;
    }

    /// Waits until so many clients have gone while they were being answered.
    pub async fn wait_for_disconnects(&self, count: usize) {
        at_least(&self.shared.disconnects, count).await;
    }
}

async fn at_least(counter: &watch::Sender<usize>, count: usize) {
    // The sender lives as long as the gateway, so waiting ends only by the count.
    counter.subscribe().wait_for(|seen| *seen >= count).await.ok();
}

// === impl Shared ===

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the request and says what is to be done with it.
    fn plan(&self, request: RecordedRequest) -> Behaviour {
        let mut script = self.script();
        if script.keeps_requests {
            script.requests.push(request);
        }
        let behaviour = script.next.pop_front().unwrap_or_else(|| script.usual.clone());
        drop(script);
        self.executions.send_modify(|count| *count += 1);
        behaviour
    }
}

/// Serves while it is to be reached, on the same port again and again.
async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let Ok(address) = listener.local_addr() else { return };
    let mut wanted = shared.wanted.subscribe();
    let mut listener = Some(listener);
    loop {
        let open = match listener.take() {
            Some(open) => open,
            None => TcpListener::bind(address).await.unwrap(),
        };
        shared.reachable.send_replace(true);
        tokio::select! {
            () = accept(open, &shared) => return,
            _ = wanted.wait_for(|wanted| !wanted) => {}
        }
        shared.reachable.send_replace(false);
        if wanted.wait_for(|wanted| *wanted).await.is_err() {
            return;
        }
    }
}

async fn accept(listener: TcpListener, shared: &Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(shared);
        connections.spawn(async move { converse(stream, &shared).await.ok() });
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(request) = http::read_request(&mut stream, &mut buffer).await? {
        if answer(&mut stream, request, shared).await? == After::Close {
            break;
        }
    }
    Ok(())
}

async fn answer(stream: &mut TcpStream, request: RecordedRequest, shared: &Shared) -> io::Result<After> {
    let authorized = request.header("authorization") == Some(&format!("Bearer {}", FakeGateway::TOKEN));
    let recording = match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/readyz") if shared.script().ready => Recording::Readyz,
        ("GET", "/readyz") => Recording::DrainingReadyz503,
        ("GET", "/healthz") => Recording::Healthz,
        ("POST", "/v1/chat/completions" | "/tools/invoke") if authorized => {
            return execute(stream, request, shared).await;
        }
        ("POST", "/v1/chat/completions" | "/tools/invoke") => Recording::WrongToken401,
        (_, "/v1/chat/completions" | "/tools/invoke") => Recording::WrongMethod405,
        _ => Recording::NotFound404,
    };
    replay(stream, recording).await
}

async fn execute(stream: &mut TcpStream, request: RecordedRequest, shared: &Shared) -> io::Result<After> {
    let is_tool = request.path == "/tools/invoke";
    // From before the request shows in the count, so that no release after that is missed.
    let released = shared.released.subscribe();
    match shared.plan(request) {
        Behaviour::Succeed if is_tool => return replay(stream, Recording::ToolSuccess).await,
        Behaviour::Succeed => stream.write_all(shared.success.as_bytes()).await?,
        Behaviour::Say(text) => {
            let words: Vec<&str> = text.split_inclusive(' ').collect();
            stream.write_all(complete_answer(&words).as_bytes()).await?;
        }
        Behaviour::Recorded(recording) => return replay(stream, recording).await,
        Behaviour::Answer {
            status,
            media_type,
            body,
        } => {
            stream
                .write_all(http::answer(status, &media_type, &body).as_bytes())
                .await?;
        }
        Behaviour::Stream(events) => {
            let events: String = events.iter().map(|data| http::event(data)).collect();
            stream
                .write_all(format!("{}{events}{}", http::STREAM_HEAD, http::STREAM_END).as_bytes())
                .await?;
        }
        Behaviour::HangBeforeFirstByte => return hang(stream, shared, released, "", &shared.success).await,
        Behaviour::HangMidStream => {
            let (beginning, rest) = halves();
            return hang(stream, shared, released, &beginning, &rest).await;
        }
        Behaviour::CutBeforeFirstByte => return Ok(After::Close),
        Behaviour::CutMidStream => {
            stream.write_all(halves().0.as_bytes()).await?;
            return Ok(After::Close);
        }
        Behaviour::Garbage => {
            stream.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n").await?;
            return Ok(After::Close);
        }
        Behaviour::Drip { pieces, pause } => drip(stream, pieces, pause).await?,
    }
    Ok(After::Keep)
}

async fn replay(stream: &mut TcpStream, recording: Recording) -> io::Result<After> {
    let bytes = recording.bytes();
    stream.write_all(bytes).await?;
    let closes = bytes.windows(17).any(|window| window == b"Connection: close");
    Ok(if closes { After::Close } else { After::Keep })
}

/// Says the beginning, waits to be released, says the rest; or notes that the client has gone.
async fn hang(
    stream: &mut TcpStream,
    shared: &Shared,
    mut released: watch::Receiver<usize>,
    beginning: &str,
    rest: &str,
) -> io::Result<After> {
    stream.write_all(beginning.as_bytes()).await?;
    let mut byte = [0];
    tokio::select! {
        _ = released.changed() => {}
        _ = stream.read(&mut byte) => {
            shared.disconnects.send_modify(|count| *count += 1);
            return Ok(After::Close);
        }
    }
    stream.write_all(rest.as_bytes()).await?;
    shared.answers.send_modify(|count| *count += 1);
    Ok(After::Keep)
}

async fn drip(stream: &mut TcpStream, pieces: usize, pause: Duration) -> io::Result<()> {
    stream.write_all(http::STREAM_HEAD.as_bytes()).await?;
    for piece in 1..=pieces {
        tokio::time::sleep(pause).await;
        stream
            .write_all(http::event(&delta(&format!("{piece} "))).as_bytes())
            .await?;
    }
    stream
        .write_all(format!("{}{}{}", http::event(&stop()), http::event("[DONE]"), http::STREAM_END).as_bytes())
        .await
}

/// An answer that breaks off after its first piece, and what would have followed.
fn halves() -> (String, String) {
    let beginning = format!(
        "{}{}{}",
        http::STREAM_HEAD,
        http::event(&role()),
        http::event(&delta("The governed"))
    );
    let rest = [delta(" answer."), stop(), "[DONE]".to_owned()]
        .map(|data| http::event(&data))
        .concat();
    (beginning, rest + http::STREAM_END)
}

fn complete_answer(pieces: &[&str]) -> String {
    let deltas: String = pieces.iter().map(|piece| http::event(&delta(piece))).collect();
    let end = [stop(), usage(), "[DONE]".to_owned()]
        .map(|data| http::event(&data))
        .concat();
    format!(
        "{}{}{deltas}{end}{}",
        http::STREAM_HEAD,
        http::event(&role()),
        http::STREAM_END
    )
}

fn chunk(choices: &serde_json::Value, usage: &serde_json::Value) -> String {
    serde_json::json!({
        "id": RUN_ID, "object": "chat.completion.chunk", "created": 1, "model": "openclaw/main",
        "choices": choices, "usage": usage,
    })
    .to_string()
}

fn role() -> String {
    chunk(
        &serde_json::json!([{"index": 0, "delta": {"role": "assistant"}, "finish_reason": null}]),
        &serde_json::Value::Null,
    )
}

fn delta(text: &str) -> String {
    chunk(
        &serde_json::json!([{"index": 0, "delta": {"content": text}, "finish_reason": null}]),
        &serde_json::Value::Null,
    )
}

fn stop() -> String {
    chunk(
        &serde_json::json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]),
        &serde_json::Value::Null,
    )
}

fn usage() -> String {
    let usage = serde_json::json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10});
    chunk(&serde_json::json!([]), &usage)
}
