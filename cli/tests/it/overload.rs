//! A run that is followed over a restart, after which many come back at once.

use std::{sync::Mutex, time::Duration};

use cli::Exit;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use proto::governance::v1::{
    CancelRunRequest, CancelRunResponse, CreateRunRequest, CreateRunResponse, GetRunRequest, GetRunResponse,
    ListRunsRequest, ListRunsResponse, Run, StreamRunRequest, StreamRunResponse, WatchRunRequest, WatchRunResponse,
    governance_service_server::{GovernanceService, GovernanceServiceServer},
    run::State,
    stream_run_response, watch_run_response,
};
use tokio::{net::TcpListener, time::Instant};
use tonic::{
    Code, Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::instance::run;

const BUSY_FOR: Duration = Duration::from_secs(1);

/// An orchestrator that breaks off, is overloaded when it is asked again, and knows how the run ended once it no longer is.
#[derive(Default)]
struct Restarted {
    overloaded: Mutex<Option<Instant>>,
}

fn run_in(state: State) -> Box<Run> {
    Box::new(Run {
        name: "runs/4bf92f3577b34da6a3ce929d0e0e4736".into(),
        state: state.into(),
        ..Run::default()
    })
}

fn overloaded() -> Status {
    let mut details = ErrorDetails::with_error_info("OVERLOADED", "governance.countersign", []);
    details.set_retry_info(Some(BUSY_FOR));
    Status::with_error_details(Code::ResourceExhausted, "too many streams at once", details)
}

#[tonic::async_trait]
impl GovernanceService for Restarted {
    type StreamRunStream = BoxStream<'static, Result<StreamRunResponse, Status>>;
    type WatchRunStream = BoxStream<'static, Result<WatchRunResponse, Status>>;

    async fn stream_run(&self, _: Request<StreamRunRequest>) -> Result<Response<Self::StreamRunStream>, Status> {
        let update = Some(stream_run_response::Update::Run(run_in(State::Executing)));
        let begun = [Ok(StreamRunResponse { update }), Err(Status::unavailable("restarting"))];
        Ok(Response::new(stream::iter(begun).boxed()))
    }

    async fn watch_run(&self, _: Request<WatchRunRequest>) -> Result<Response<Self::WatchRunStream>, Status> {
        let before = self.overloaded.lock().unwrap().replace(Instant::now());
        let Some(since) = before else {
            return Err(overloaded());
        };
        if since.elapsed() < BUSY_FOR {
            return Err(Status::permission_denied("it was told when to ask again"));
        }
        let update = Some(watch_run_response::Update::Run(run_in(State::Succeeded)));
        Ok(Response::new(stream::iter([Ok(WatchRunResponse { update })]).boxed()))
    }

    async fn create_run(&self, _: Request<CreateRunRequest>) -> Result<Response<CreateRunResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_run(&self, _: Request<GetRunRequest>) -> Result<Response<GetRunResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_runs(&self, _: Request<ListRunsRequest>) -> Result<Response<ListRunsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn cancel_run(&self, _: Request<CancelRunRequest>) -> Result<Response<CancelRunResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tokio::test]
async fn an_overloaded_orchestrator_is_asked_again_when_it_says() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = GovernanceServiceServer::new(Restarted::default());
    tokio::spawn(
        Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpIncoming::from(listener)),
    );
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "anybody's").unwrap();
    let person = ["--token-file", token.to_str().unwrap(), "--endpoint-orchestrator", &url];
    let said = run(&[&["run", "Say hello."], &person[..]].concat()).await;
    assert!(said.exit == Exit::Ok && said.err.contains("SUCCEEDED"), "{said:?}");
}
