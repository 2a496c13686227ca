//! The executor's API over gRPC.

use std::{pin::Pin, sync::Arc};

use chassis::{CallContext, fault::to_status};
use futures_util::{Stream, StreamExt as _, stream};
use proto::execution::v1::{ExecuteActionRequest, ExecuteActionResponse, execution_service_server::ExecutionService};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::{
    convert::ExecuteAction,
    error::ExecutionError,
    execution::{Executor, caller::Messages},
    gateway::health::GatewayHealth,
    permit::Gatekeeper,
};

/// `ExecutionService`.
#[derive(Debug)]
pub(crate) struct ExecutionApi {
    pub(crate) gatekeeper: Gatekeeper,
    pub(crate) health: Arc<GatewayHealth>,
    pub(crate) executor: Arc<Executor>,
}

type Responses = Pin<Box<dyn Stream<Item = Result<ExecuteActionResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ExecutionService for ExecutionApi {
    type ExecuteActionStream = Responses;

    async fn execute_action(
        &self,
        request: Request<ExecuteActionRequest>,
    ) -> Result<Response<Self::ExecuteActionStream>, Status> {
        let context = CallContext::of(&request);
        let command = ExecuteAction::try_from(request.into_inner())?;
        let permit = self.gatekeeper.admit(command).map_err(|error| to_status(&error))?;
        if !self.health.is_ready().await {
            return Err(to_status(&ExecutionError::GatewayUnavailable));
        }
        respond(self.executor.begin(permit, &context)).await
    }
}

/// The stream, once its first message is there; a refusal is the call's own status instead.
async fn respond(mut messages: Messages) -> Result<Response<Responses>, Status> {
    let first = messages
        .recv()
        .await
        .ok_or_else(|| Status::internal("the execution gave no sign"))??;
    let rest = ReceiverStream::new(messages);
    let all = stream::iter([Ok(first)]).chain(rest);
    Ok(Response::new(all.boxed()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use chassis::{Clock, convert::action_to_proto, fault::reason_of};
    use proto::common::v1::ErrorReason;
    use tonic::Code;
    use tonic_types::StatusExt as _;

    use super::*;
    use crate::{
        Config,
        fixtures::{
            self,
            world::{Plan, Scene},
        },
    };

    fn api(scene: &Scene) -> ExecutionApi {
        let keys = tempfile::tempdir().unwrap();
        let (warrants, verdicts) = (keys.path().join("warrant.json"), keys.path().join("verdict.json"));
        fs::write(&warrants, fixtures::approver().key_set().to_json()).unwrap();
        fs::write(&verdicts, fixtures::classifier().key_set().to_json()).unwrap();
        let clock: Arc<dyn Clock> = Arc::clone(&scene.world) as _;
        let gatekeeper = Gatekeeper::open(&Config::new("token".into(), warrants, verdicts), &clock).unwrap();
        let health = Arc::new(GatewayHealth::new(Arc::clone(&scene.world) as _, clock));
        ExecutionApi {
            gatekeeper,
            health,
            executor: Arc::clone(&scene.executor),
        }
    }

    fn request() -> ExecuteActionRequest {
        let action = fixtures::action();
        let verdict_jws = fixtures::classifier().sign(&fixtures::verdict(&action)).unwrap();
        let warrant_jws = fixtures::approver()
            .sign(&fixtures::warrant(&action, &verdict_jws))
            .unwrap();
        ExecuteActionRequest {
            action: Some(action_to_proto(&action)),
            verdict_jws,
            warrant_jws,
        }
    }

    async fn execute(scene: &Scene, request: ExecuteActionRequest) -> Result<usize, Status> {
        let stream = api(scene).execute_action(Request::new(request)).await?.into_inner();
        Ok(stream
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?
            .len())
    }

    #[tokio::test(start_paused = true)]
    async fn an_execution_is_streamed_from_its_acceptance_to_its_end() {
        assert_eq!(execute(&Scene::succeeding(), request()).await.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_claimed_while_the_gateway_is_down() {
        let scene = Scene::succeeding();
        scene.plan(|state| state.not_ready = true);
        let status = execute(&scene, request()).await.unwrap_err();
        assert_eq!(
            (status.code(), reason_of(&status)),
            (Code::Unavailable, Some(ErrorReason::GatewayUnavailable))
        );
        assert!(scene.world.journal().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_claimed_under_a_warrant_that_does_not_hold() {
        let scene = Scene::succeeding();
        let mut altered = request();
        altered.action.as_mut().unwrap().session = "another".into();
        let status = execute(&scene, altered).await.unwrap_err();
        assert_eq!(
            (status.code(), reason_of(&status)),
            (Code::PermissionDenied, Some(ErrorReason::WarrantRejected))
        );
        assert!(scene.world.journal().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn every_missing_field_is_named() {
        let status = execute(&Scene::succeeding(), ExecuteActionRequest::default())
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let violations = status.get_details_bad_request().unwrap().field_violations;
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["action", "verdict_jws", "warrant_jws"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_after_the_claim_is_the_calls_own_status() {
        let scene = Scene::succeeding();
        scene.plan(|state| state.claims.push_back(Plan::Refuse(ErrorReason::WarrantSpent)));
        let status = execute(&scene, request()).await.unwrap_err();
        assert_eq!(reason_of(&status), Some(ErrorReason::WarrantSpent));
    }

    #[tokio::test(start_paused = true)]
    async fn the_gateway_is_asked_for_its_health_once_a_second_at_most() {
        let scene = Scene::succeeding();
        let health = GatewayHealth::new(Arc::clone(&scene.world) as _, Arc::clone(&scene.world) as _);
        let published = health.subscribe();
        assert!(!*published.borrow() && health.is_ready().await && *published.borrow());
        scene.plan(|state| state.not_ready = true);
        assert!(health.is_ready().await, "the last answer is believed for a second");
        scene.world.advance(std::time::Duration::from_secs(1));
        assert!(!health.is_ready().await && !*published.borrow());
    }
}
