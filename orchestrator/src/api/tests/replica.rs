//! A replica of the orchestrator on fakes of the four parts, and what tests ask of it.

use std::{collections::BTreeSet, time::Duration};

use chassis::{
    Link,
    auth::{Audience, Principal},
};
use futures_util::FutureExt as _;
use proto::{common::v1::Instruction, governance::v1::Run};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    super::*,
    fakes::{ANSWER, World},
};
use crate::clients::Links;

pub(in crate::api) const GREEN: &str = "Summarize our AI governance policy for internal use.";
pub(in crate::api) const AMBER: &str = "Send an email to all employees that payroll will be delayed by 2 days.";
pub(in crate::api) const RED: &str = "Transfer funds from treasury to vendor account immediately.";
pub(in crate::api) const REQUEST_ID: &str = "6f1c7b9e-3f0a-4a51-9d1c-6a1de6f0b1aa";

/// One replica of the orchestrator; its dispatch loop ends with it.
pub(in crate::api) struct Replica {
    pub(in crate::api) api: GovernanceApi,
    pub(in crate::api) shutdown: CancellationToken,
    pub(in crate::api) parting: CancellationToken,
}

// === impl Replica ===

impl Replica {
    pub(in crate::api) fn start(links: Links, concurrency: u32) -> Self {
        let shutdown = CancellationToken::new();
        let (clients, live) = (Clients::new(links), LiveRuns::default());
        let dispatcher = Dispatcher::new(clients.clone(), live.clone(), TaskTracker::new(), concurrency);
        tokio::spawn(dispatcher.clone().run(shutdown.clone(), shutdown.clone()));
        let config = <Config as clap::Parser>::parse_from(["orchestrator"]);
        let parting = CancellationToken::new();
        let ending = Ending {
            closing: shutdown.clone(),
            parting: parting.clone(),
        };
        let api = GovernanceApi::new(&config, clients, live, dispatcher, ending);
        Self { api, shutdown, parting }
    }

    pub(in crate::api) async fn create(&self, text: &str) -> Result<Run, Status> {
        let response = self.api.create_run(by("alice", request(text))).await?;
        Ok(response.into_inner().run.unwrap())
    }

    pub(in crate::api) async fn stream(&self, text: &str) -> ResponseStream<StreamRunResponse> {
        let CreateRunRequest { request_id, .. } = request(text);
        let message = StreamRunRequest {
            request_id,
            operation: Some(proto::governance::v1::stream_run_request::Operation::Instruction(
                Instruction { text: text.to_owned() },
            )),
            ..StreamRunRequest::default()
        };
        self.api.stream_run(by("alice", message)).await.unwrap().into_inner()
    }

    pub(in crate::api) async fn watch(&self, run: &RunId) -> ResponseStream<WatchRunResponse> {
        let name = convert::run_name(&run.to_string());
        let message = by("alice", WatchRunRequest { name });
        self.api.watch_run(message).await.unwrap().into_inner()
    }

    pub(in crate::api) async fn get(&self, subject: &str, run: &RunId) -> Result<Run, Status> {
        let name = convert::run_name(&run.to_string());
        let response = self.api.get_run(by(subject, GetRunRequest { name })).await?;
        Ok(response.into_inner().run.unwrap())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub(in crate::api) fn links(url: &str) -> Links {
    let link = |part| Link::connect(part, url, None).unwrap();
    Links {
        classifier: link(PartName::Classifier),
        approval: link(PartName::Approval),
        executor: link(PartName::Executor),
        trace: link(PartName::Trace),
    }
}

/// A link to a port at which nobody listens.
pub(in crate::api) fn dead(part: PartName) -> Link {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    Link::connect(part, &url, None).unwrap()
}

pub(in crate::api) fn world() -> (World, Replica, String) {
    let world = World::new();
    let url = world.serve();
    let replica = Replica::start(links(&url), 64);
    (world, replica, url)
}

pub(in crate::api) fn person(subject: &str) -> Person {
    Person {
        issuer: "https://id.acme.example".to_owned(),
        subject: subject.to_owned(),
        tenant: "acme".to_owned(),
        groups: BTreeSet::new(),
        audience: Audience::Governance,
    }
}

pub(in crate::api) fn by<M>(subject: &str, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Caller {
        principal: Principal::Person(person(subject)),
        subject: None,
    });
    request
}

pub(in crate::api) fn request(text: &str) -> CreateRunRequest {
    CreateRunRequest {
        request_id: REQUEST_ID.to_owned(),
        operation: Some(proto::governance::v1::create_run_request::Operation::Instruction(
            Instruction { text: text.to_owned() },
        )),
        ..CreateRunRequest::default()
    }
}

pub(in crate::api) fn run() -> RunId {
    let alice = person("alice");
    RunId::derive(&alice.tenant, &alice.issuer, &alice.subject, REQUEST_ID)
}

/// Lets time pass, in leaps after which connections can show that they live. Time doesn't stand still longer than it takes
/// to leap: it would run on to the next deadline whenever all wait, for a socket too.
pub(in crate::api) async fn pass(time: Duration) {
    const LEAP: Duration = Duration::from_secs(10);
    let end = tokio::time::Instant::now() + time;
    while tokio::time::Instant::now() < end {
        tokio::time::pause();
        let _leapt = tokio::time::advance(LEAP).now_or_never();
        tokio::time::resume();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One message in short: a run's state and output, or a piece of output.
pub(in crate::api) trait Short {
    fn short(self) -> String;
}

impl Short for StreamRunResponse {
    fn short(self) -> String {
        match self.update.unwrap() {
            stream_run_response::Update::Run(run) => short_run(&run),
            stream_run_response::Update::OutputChunk(text) => format!("+{text}"),
        }
    }
}

impl Short for WatchRunResponse {
    fn short(self) -> String {
        match self.update.unwrap() {
            watch_run_response::Update::Run(run) => short_run(&run),
            watch_run_response::Update::OutputChunk(text) => format!("+{text}"),
        }
    }
}

pub(in crate::api) fn short_run(run: &Run) -> String {
    if run.output.is_empty() {
        format!("{:?}", run.state())
    } else {
        format!("{:?}: {}", run.state(), run.output)
    }
}

pub(in crate::api) async fn next<T: Short>(stream: &mut ResponseStream<T>) -> String {
    stream.next().await.unwrap().unwrap().short()
}

/// Everything that is still said; what should come at once has long come when this gives up.
pub(in crate::api) async fn rest<T: Short>(stream: ResponseStream<T>) -> Vec<String> {
    let said = stream.map(|message| message.unwrap().short()).collect();
    tokio::time::timeout(Duration::from_secs(20), said).await.unwrap()
}

pub(in crate::api) fn succeeded() -> String {
    format!("Succeeded: {}", ANSWER.concat())
}
