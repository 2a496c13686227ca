//! The chain with the real OpenClaw Gateway at its end. Behind the gateway is the stand-in model, which tells what it
//! was asked and can be steered by directives in the text.

use std::{fs, time::Duration};

use chassis::PartName;
use proto::{
    approval::v1::ListApprovalsRequest,
    common::v1::{Instruction, Outcome, Risk},
    governance::v1::{
        CancelRunRequest, Run, StreamRunRequest, StreamRunResponse, run::State, stream_run_request::Operation,
        stream_run_response::Update,
    },
};
use serde_json::Value;
use tempfile::NamedTempFile;
use testkit::{
    authority::Identity,
    clients::Person,
    eventually,
    fleet::GatewayAddress,
    gateway::RealGateway,
    sandbox::{Sandbox, SandboxOptions},
};
use tokio::time::timeout;
use tonic::Streaming;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{
    requests::{REFERENCE, fresh_id},
    support::grant,
};

mod tools;

/// How long a run may say nothing: longer than the gateway takes for an answer, also on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the gateway's configuration for tests has: `main` without tools, `ops` with a few reading ones.
const AGENTS: [&str; 3] = ["main", "ops", "nosuch"];

/// A deployment at the real gateway.
struct Deployment {
    gateway: RealGateway,
    sandbox: Sandbox,
}

/// The stand-in model behind the gateway.
struct Model {
    url: String,
}

/// A run that was followed to its end.
#[derive(Debug)]
struct Followed {
    run: Run,
    chunks: Vec<String>,
}

// === impl Deployment ===

impl Deployment {
    async fn start() -> Self {
        let gateway = RealGateway::find();
        let address = gateway.address();
        Self::start_at(gateway, &address).await
    }

    async fn start_at(gateway: RealGateway, address: &GatewayAddress) -> Self {
        let executor = |config: &mut executor_svc::Config| {
            config.allowed_agents = AGENTS.map(chassis::AllowedAgent::any_tenant).to_vec();
        };
        let options = SandboxOptions {
            executor: Some(executor),
            ..SandboxOptions::default()
        };
        Self {
            sandbox: Sandbox::start_with(address, options).await,
            gateway,
        }
    }

    fn alice(&self) -> Person {
        self.sandbox.person(Identity::alice())
    }

    fn model(&self) -> Model {
        Model {
            url: self.gateway.model_url(),
        }
    }

    /// Grants what waits for people, once something does.
    async fn grant_next(&self) {
        let bob = self.sandbox.person(Identity::bob());
        let request = ListApprovalsRequest {
            filter: "state = PENDING".to_owned(),
            ..Default::default()
        };
        let approval = eventually("an approval is pending", async || {
            let page = bob
                .approvals()
                .list_approvals(request.clone())
                .await
                .unwrap()
                .into_inner();
            page.approvals.into_iter().next()
        })
        .await;
        grant(&bob, &approval).await.unwrap();
    }
}

// === impl Model ===

impl Model {
    /// What it was asked about this, in order.
    async fn asked(&self, about: &str) -> Vec<Value> {
        let url = format!("{}/_requests", self.url);
        let body: Value = http().get(url).send().await.unwrap().json().await.unwrap();
        let mut requests = body["requests"].as_array().unwrap().clone();
        requests.retain(|request| request["user"].as_str().unwrap().contains(about));
        requests
    }

    /// The one thing that it was asked about this.
    async fn asked_once(&self, about: &str) -> Value {
        let mut requests = self.asked(about).await;
        assert_eq!(requests.len(), 1, "{about}: {requests:?}");
        requests.remove(0)
    }
}

/// What a message in this role says, among all of a request's messages.
fn said<'a>(request: &'a Value, role: &str) -> Vec<&'a str> {
    let messages = request["roles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message.as_str().unwrap());
    messages
        .filter_map(|message| message.strip_prefix(role)?.strip_prefix(':'))
        .collect()
}

// === impl Followed ===

impl Followed {
    fn ended(&self) -> (State, Outcome) {
        (self.run.state(), self.run.outcome())
    }
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A text that policy allows and that nobody asked for before.
fn fresh_text(rest: &str) -> (String, String) {
    let marker = format!("the note {}", fresh_id());
    (format!("Summarize {marker}. {rest}").trim_end().to_owned(), marker)
}

fn instruct(agent: &str, session: &str, text: &str) -> StreamRunRequest {
    StreamRunRequest {
        request_id: fresh_id(),
        agent: agent.to_owned(),
        session: session.to_owned(),
        operation: Some(Operation::Instruction(Instruction { text: text.to_owned() })),
    }
}

async fn follow(person: &Person, request: StreamRunRequest) -> Followed {
    let updates = person.runs().stream_run(request).await.unwrap().into_inner();
    to_the_end(updates).await
}

async fn to_the_end(mut updates: Streaming<StreamRunResponse>) -> Followed {
    let (mut last, mut chunks) = (None, Vec::new());
    loop {
        let Ok(message) = timeout(PATIENCE, updates.message()).await else {
            panic!("nothing follows {last:?}");
        };
        let Some(message) = message.unwrap() else { break };
        match message.update.unwrap() {
            Update::Run(run) => last = Some(*run),
            Update::OutputChunk(chunk) => chunks.push(chunk),
        }
    }
    Followed {
        run: last.unwrap(),
        chunks,
    }
}

async fn until_it_answers(updates: &mut Streaming<StreamRunResponse>) -> String {
    loop {
        match updates.message().await.unwrap().unwrap().update.unwrap() {
            Update::OutputChunk(chunk) => return chunk,
            Update::Run(_) => {}
        }
    }
}

#[tokio::test]
async fn five_requests() {
    let deployment = Deployment::start().await;
    let (alice, model) = (deployment.alice(), deployment.model());
    for reference in REFERENCE {
        let before = model.asked(reference.text).await.len();
        let request = instruct("main", "", reference.text);
        let followed = match reference.risk {
            Risk::Amber => tokio::join!(follow(&alice, request), deployment.grant_next()).0,
            _ => follow(&alice, request).await,
        };
        let asked = model.asked(reference.text).await.split_off(before);
        assert_eq!(followed.run.risk(), reference.risk, "{followed:?}");
        if reference.risk == Risk::Red {
            assert_eq!(followed.ended(), (State::Blocked, Outcome::Unspecified), "{followed:?}");
            assert_eq!(asked, Vec::<Value>::new(), "what is blocked never reaches the model");
            continue;
        }
        assert_eq!(followed.ended(), (State::Succeeded, Outcome::Succeeded), "{followed:?}");
        assert!(followed.run.output.starts_with("[stand-in model] "), "{followed:?}");
        assert_eq!(followed.chunks.concat(), followed.run.output);
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!(
            asked[0]["user"], reference.text,
            "the instruction reaches the model as it was asked"
        );
        let system = said(&asked[0], "system").concat();
        let verdict = format!(
            "Verdict on the user's instruction: {}",
            if reference.risk == Risk::Green {
                "GREEN"
            } else {
                "AMBER"
            }
        );
        let run = followed.run.name.trim_start_matches("runs/");
        for expected in [
            verdict.as_str(),
            &followed.run.rule_ids[0],
            run,
            "Composing is not sending.",
        ] {
            assert!(system.contains(expected), "the model is told {expected}: {system}");
        }
    }
}

#[tokio::test]
async fn an_answer_arrives_while_it_is_given() {
    let deployment = Deployment::start().await;
    let (text, marker) = fresh_text("[[drip:10:300]]");
    let request = instruct("main", "", &text);
    let mut updates = deployment
        .alice()
        .runs()
        .stream_run(request)
        .await
        .unwrap()
        .into_inner();
    let first = until_it_answers(&mut updates).await;
    assert_eq!(
        deployment.model().asked_once(&marker).await["outcome"],
        "open",
        "the model is not done yet"
    );
    let Followed { run, chunks } = to_the_end(updates).await;
    assert_eq!(
        (run.state(), run.outcome()),
        (State::Succeeded, Outcome::Succeeded),
        "{run:?}"
    );
    assert!(chunks.len() > 1, "{chunks:?}");
    assert_eq!(first + &chunks.concat(), run.output);
    assert!(
        run.output.starts_with("chunk1/10 chunk2/10 ") && run.output.contains("chunk10/10"),
        "{}",
        run.output
    );
}

#[tokio::test]
async fn a_wrong_token_fails() {
    let (gateway, token) = (RealGateway::find(), NamedTempFile::new().unwrap());
    fs::write(token.path(), "not-the-gateways-token").unwrap();
    let address = GatewayAddress {
        token_file: token.path().to_owned(),
        ..gateway.address()
    };
    let deployment = Deployment::start_at(gateway, &address).await;
    let (text, marker) = fresh_text("");
    let followed = follow(&deployment.alice(), instruct("main", "", &text)).await;
    assert_eq!(followed.ended(), (State::Failed, Outcome::Failed), "{followed:?}");
    assert!(followed.run.detail.contains("401"), "{followed:?}");
    assert_eq!(deployment.model().asked(&marker).await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_agent_that_the_gateway_does_not_know_fails() {
    let deployment = Deployment::start().await;
    let (text, marker) = fresh_text("");
    let followed = follow(&deployment.alice(), instruct("nosuch", "", &text)).await;
    assert_eq!(followed.ended(), (State::Failed, Outcome::Failed), "{followed:?}");
    assert!(followed.run.detail.contains("400"), "{followed:?}");
    assert_eq!(deployment.model().asked(&marker).await, Vec::<Value>::new());
}

#[tokio::test]
async fn cancelling_a_run_stops_the_model() {
    let deployment = Deployment::start().await;
    let (text, marker) = fresh_text("[[drip:200:200]]");
    let (alice, request) = (deployment.alice(), instruct("main", "", &text));
    let mut updates = alice.runs().stream_run(request).await.unwrap().into_inner();
    let Some(Update::Run(run)) = updates.message().await.unwrap().unwrap().update else {
        panic!("a run comes first")
    };
    until_it_answers(&mut updates).await;
    let cancel = CancelRunRequest {
        name: run.name,
        request_id: fresh_id(),
        reason: "no longer needed".to_owned(),
    };
    alice.runs().cancel_run(cancel).await.unwrap();
    let followed = to_the_end(updates).await;
    assert_eq!(followed.ended(), (State::Cancelled, Outcome::Cancelled), "{followed:?}");
    let outcome = eventually("the model's request ends", async || {
        let outcome = deployment.model().asked_once(&marker).await["outcome"]
            .as_str()
            .unwrap()
            .to_owned();
        (outcome != "open").then_some(outcome)
    })
    .await;
    assert_eq!(outcome, "client_gone", "the model was interrupted");
}

#[tokio::test]
async fn a_session_continues_for_whoever_began_it() {
    let deployment = Deployment::start().await;
    let (alice, mallory) = (
        deployment.alice(),
        deployment.sandbox.person(Identity::named("mallory")),
    );
    let ((first, began), (second, continued), (third, elsewhere)) = (fresh_text(""), fresh_text(""), fresh_text(""));
    for (person, text) in [(&alice, &first), (&alice, &second), (&mallory, &third)] {
        let followed = follow(person, instruct("main", "shared name", text)).await;
        assert_eq!(followed.ended(), (State::Succeeded, Outcome::Succeeded), "{followed:?}");
    }
    let model = deployment.model();
    let hers = said(&model.asked_once(&continued).await, "user").concat();
    assert!(
        hers.contains(&began),
        "her first request is part of the conversation: {hers}"
    );
    let theirs = said(&model.asked_once(&elsewhere).await, "user").concat();
    assert!(
        !theirs.contains(&began) && !theirs.contains(&continued),
        "nothing of hers is: {theirs}"
    );
}

#[tokio::test]
async fn the_gateways_health_has_a_name() {
    let deployment = Deployment::start().await;
    let mut health = HealthClient::new(deployment.sandbox.channels().to(PartName::Executor));
    let request = HealthCheckRequest {
        service: executor_svc::GATEWAY_HEALTH.to_owned(),
    };
    eventually("the gateway is seen", async || {
        let answer = health.check(request.clone()).await.ok()?.into_inner();
        (answer.status() == ServingStatus::Serving).then_some(())
    })
    .await;
}
