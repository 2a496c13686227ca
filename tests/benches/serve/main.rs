//! What classifying costs a caller over gRPC: `ClassifyAction` beside an echo behind the same layers.
//!
//! `make bench` runs it. Both services are real parts on sockets of their own, each on a thread of its own: the same
//! authentication, limits and deadlines. The echo reads the same request, signs a verdict of the same size and answers a
//! classification of the same size, and does nothing in between. 64 callers ask in turns of a second, first one service,
//! then the other, then the other way round. It prints figures and ratios and judges nothing.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measurement stops at the first surprise, prints, and reads the clock"
)]

use std::{
    env,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use chassis::{Node, NodeConfig, Part, PartName, convert::action_to_proto};
use prost::Message as _;
use proto::classification::v1::{
    self as wire,
    classification_service_client::ClassificationServiceClient,
    classification_service_server::{ClassificationService, ClassificationServiceServer},
};
use testkit::{
    authority::{Authority, Identity, PEOPLE, TENANT},
    clients::Tokens,
};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, transport::Channel};
use warrant::{Action, Operation, RunId, Signer, VERDICT_AUDIENCE, Verdict, VerdictVerifier, numeric_date};

const CALLERS: usize = 64;
const CONNECTIONS: usize = 4;
const SPAN: Duration = Duration::from_secs(1);
const ROUNDS: usize = 8;
const REQUEST: &str = "Send an email to all employees that payroll will be delayed by 2 days, and draft a note for the \
                       board that explains the reasons and what we do about them.";

/// Answers what it was given, with a verdict signed anew.
struct Echo {
    signer: Signer,
    verdict: Verdict,
    answer: wire::Classification,
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(folder.path());
    let key = authority.path("verdict.pem");
    let node = config(&authority);
    let classifier = serve(node.clone(), move |node| {
        classifier_svc::build(&classifier_svc::Config::new(NodeConfig::default(), key), node).unwrap()
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let answer = runtime.block_on(ask_once(&classifier));
    let echo = echo(&authority, answer.clone());
    let echo = serve(node, move |node| {
        let service = ClassificationServiceServer::new(echo);
        Part::builder(node).grpc(service).build().unwrap()
    });
    let echoed = runtime.block_on(ask_once(&echo));
    println!(
        "answer {} bytes, echo {} bytes; verdict {} and {} bytes",
        answer.encoded_len(),
        echoed.encoded_len(),
        answer.verdict_jws.len(),
        echoed.verdict_jws.len()
    );
    runtime.block_on(measure(&classifier, &echo));
}

async fn measure(service: &str, echo: &str) {
    let rounds = env::var("ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(ROUNDS);
    let mut ratios = Vec::new();
    for round in 0..=rounds {
        let (first, second) = if round % 2 == 0 {
            (service, echo)
        } else {
            (echo, service)
        };
        let (first, second) = (drive(first).await, drive(second).await);
        let (classifies, echoes) = if round % 2 == 0 {
            (first, second)
        } else {
            (second, first)
        };
        // The first is to warm up.
        if round > 0 {
            println!(
                "  ClassifyAction {classifies:.0}/s   echo {echoes:.0}/s   {:.2}",
                classifies / echoes
            );
            ratios.push(classifies / echoes);
        }
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "{CALLERS} callers, ClassifyAction : echo = {:.2} (median)",
        ratios[ratios.len() / 2]
    );
}

/// Calls that were answered in a second.
async fn drive(url: &str) -> f64 {
    let clients: Vec<_> = (0..CONNECTIONS).map(|_| channel(url)).collect();
    let start = Instant::now();
    let callers = (0..CALLERS).map(|caller| {
        let channel = clients[caller % CONNECTIONS].clone();
        tokio::spawn(async move {
            let mut count = 0_u32;
            while start.elapsed() < SPAN {
                ask(channel.clone()).await;
                count += 1;
            }
            count
        })
    });
    let mut calls = 0;
    for caller in callers.collect::<Vec<_>>() {
        calls += caller.await.unwrap();
    }
    f64::from(calls) / start.elapsed().as_secs_f64()
}

async fn ask_once(url: &str) -> wire::Classification {
    ask(channel(url)).await
}

async fn ask(channel: Channel) -> wire::Classification {
    let tokens = Tokens::bearer(&Identity::alice().governance_token());
    let mut client = ClassificationServiceClient::with_interceptor(channel, tokens);
    let request = wire::ClassifyActionRequest {
        action: Some(action_to_proto(&action())),
    };
    client
        .classify_action(request)
        .await
        .unwrap()
        .into_inner()
        .classification
        .unwrap()
}

fn channel(url: &str) -> Channel {
    Channel::from_shared(url.to_owned())
        .unwrap()
        .tcp_nodelay(true)
        .connect_lazy()
}

fn action() -> Action {
    Action {
        run: RunId::derive(TENANT, PEOPLE, "alice", "1"),
        tenant: TENANT.to_owned(),
        issuer: PEOPLE.to_owned(),
        requester: "alice".to_owned(),
        agent: "main".to_owned(),
        session: "bench".to_owned(),
        operation: Operation::Instruction {
            instruction: REQUEST.to_owned(),
        },
    }
}

fn config(authority: &Authority) -> NodeConfig {
    NodeConfig {
        trust_file: Some(authority.path("trust.yaml")),
        ..NodeConfig::default()
    }
}

/// Serves a part on a thread of its own until the program ends; gives its URL.
fn serve(config: NodeConfig, build: impl FnOnce(&Node) -> Part + Send + 'static) -> String {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let node = Node::open(PartName::Classifier, config).unwrap();
            let part = build(&node);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
            part.serve(listener).await.unwrap();
        });
    });
    told.recv().unwrap()
}

fn echo(authority: &Authority, answer: wire::Classification) -> Echo {
    let signer = authority.verdict_signer();
    let verifier = VerdictVerifier::new(signer.issuer(), VERDICT_AUDIENCE, signer.key_set());
    let verdict = verifier
        .verify_ignoring_expiry(&answer.verdict_jws, std::time::SystemTime::now())
        .unwrap();
    Echo {
        signer,
        verdict,
        answer,
    }
}

#[tonic::async_trait]
impl ClassificationService for Echo {
    async fn classify_action(
        &self,
        request: Request<wire::ClassifyActionRequest>,
    ) -> Result<Response<wire::ClassifyActionResponse>, Status> {
        request.into_inner().action.unwrap();
        let issued = numeric_date(std::time::SystemTime::now());
        let verdict = Verdict {
            iat: issued,
            exp: issued + 60,
            ..self.verdict.clone()
        };
        let classification = wire::Classification {
            verdict_jws: self.signer.sign(&verdict).unwrap(),
            ..self.answer.clone()
        };
        Ok(Response::new(wire::ClassifyActionResponse {
            classification: Some(classification),
        }))
    }

    async fn batch_classify_actions(
        &self,
        _: Request<wire::BatchClassifyActionsRequest>,
    ) -> Result<Response<wire::BatchClassifyActionsResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn get_policy(
        &self,
        _: Request<wire::GetPolicyRequest>,
    ) -> Result<Response<wire::GetPolicyResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn list_policies(
        &self,
        _: Request<wire::ListPoliciesRequest>,
    ) -> Result<Response<wire::ListPoliciesResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn validate_policy(
        &self,
        _: Request<wire::ValidatePolicyRequest>,
    ) -> Result<Response<wire::ValidatePolicyResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn replay_policy(
        &self,
        _: Request<wire::ReplayPolicyRequest>,
    ) -> Result<Response<wire::ReplayPolicyResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn get_key_set(
        &self,
        _: Request<wire::GetKeySetRequest>,
    ) -> Result<Response<wire::GetKeySetResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }
}
