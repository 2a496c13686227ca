//! Parts to call, a classifier whose handlers say who called and an executor that never ends; and those who call them.

use std::sync::Arc;

use chassis::{BoxError, CallContext, Caller, Link, Node, NodeConfig, Part, PartName, fault::reason_of};
use futures_util::stream::{self, Pending};
use proto::classification::v1::{
    self as wire, ClassifyActionRequest, ClassifyActionResponse, GetKeySetRequest, GetKeySetResponse,
    classification_service_server::{ClassificationService, ClassificationServiceServer},
};
use proto::common::v1::{Action, ErrorReason, KeySet};
use proto::execution::v1::{
    ExecuteActionRequest, ExecuteActionResponse,
    execution_service_server::{ExecutionService, ExecutionServiceServer},
};
use tonic::{Code, Request, Response, Status};

use crate::authority::{Authority, person, token};

/// Answers `GetKeySet` with who called, as its issuer; panics or hangs in `ClassifyAction` when told to.
#[derive(Default)]
struct Probe;

#[tonic::async_trait]
impl ClassificationService for Probe {
    async fn classify_action(
        &self,
        request: Request<ClassifyActionRequest>,
    ) -> Result<Response<ClassifyActionResponse>, Status> {
        match request.into_inner().action.unwrap_or_default().agent.as_str() {
            "panic" => panic!("told to"),
            "hang" => std::future::pending().await,
            _ => Ok(Response::new(ClassifyActionResponse::default())),
        }
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

    async fn get_key_set(&self, request: Request<GetKeySetRequest>) -> Result<Response<GetKeySetResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        let context = CallContext::of(&request);
        let issuer = format!("{caller:?} {context:?}");
        let key_set = KeySet {
            issuer,
            jwks_json: String::new(),
        };
        Ok(Response::new(GetKeySetResponse { key_set: Some(key_set) }))
    }
}

/// Begins whatever it is told, and says nothing of it.
struct Silent;

#[tonic::async_trait]
impl ExecutionService for Silent {
    type ExecuteActionStream = Pending<Result<ExecuteActionResponse, Status>>;

    async fn execute_action(
        &self,
        _: Request<ExecuteActionRequest>,
    ) -> Result<Response<Self::ExecuteActionStream>, Status> {
        Ok(Response::new(stream::pending()))
    }
}

pub(crate) fn executor(node: &Node) -> Result<Part, BoxError> {
    Part::builder(node).grpc(ExecutionServiceServer::new(Silent)).build()
}

/// The classifier's contract on a node of its own.
pub(crate) fn classifier(authority: &Authority) -> (Node, Part) {
    let node = Node::open(PartName::Classifier, authority.config("trace-svc")).unwrap();
    let part = part(&node).unwrap();
    (node, part)
}

pub(crate) fn part(node: &Node) -> Result<Part, BoxError> {
    Part::builder(node)
        .grpc(ClassificationServiceServer::from_arc(Arc::new(Probe)))
        .build()
}

/// Alice's request to classify an action of that agent.
pub(crate) fn ask(agent: &str) -> Request<ClassifyActionRequest> {
    ask_as("alice", agent)
}

pub(crate) fn ask_as(subject: &str, agent: &str) -> Request<ClassifyActionRequest> {
    let action = Action {
        agent: agent.to_owned(),
        ..Action::default()
    };
    let mut request = Request::new(ClassifyActionRequest { action: Some(action) });
    let bearer = token(&person(subject, &[], "countersign/governance"), "people");
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {bearer}").parse().unwrap());
    request
}

/// A link that brings no credential of its own.
pub(crate) fn stranger(part: &Part) -> Link {
    Node::open(PartName::Orchestrator, NodeConfig::default())
        .unwrap()
        .local(part)
}

#[track_caller]
pub(crate) fn assert_error(status: &Status, code: Code, reason: ErrorReason) {
    assert_eq!((status.code(), reason_of(status)), (code, Some(reason)), "{status:?}");
}
