//! The service on a node of its own, and everybody who calls it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, UNIX_EPOCH},
};

use approval_svc::Config;
use chassis::{
    Link, ManualClock, Node, Part, PartName, PartService, SystemIds, convert::action_to_proto, fault::reason_of,
};
use proto::{
    approval::v1::{
        AcquireApprovalsRequest, Approval, ClaimWarrantRequest, CompleteWarrantRequest, CreateApprovalRequest,
        CreateApprovalResponse, Dispatch, GetApprovalRequest, GrantApprovalRequest,
        approval_service_client::ApprovalServiceClient, warrant_service_client::WarrantServiceClient,
    },
    common::v1::{ErrorReason, Outcome},
    trace::v1::trace_service_server::TraceServiceServer,
};
use tempfile::TempDir;
use tonic::{Code, Request, Status};
use warrant::{
    Action, Disposition, Operation, Risk, RunId, Signer, VERDICT_AUDIENCE, Verdict, Warrant, WarrantVerifier,
    reason_digest,
};

use crate::{
    authority::{self, NOW, PEOPLE, key, token},
    trace::FakeTrace,
};

const REASON: &str = "it sends mail";
const SAFE_ALTERNATIVE: &str = "draft it instead";

/// The deployment of one test.
pub(crate) struct Setting {
    folder: TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) trace: Arc<FakeTrace>,
    pub(crate) node: Node,
    part: Part,
    orchestrator: Node,
    executor: Node,
    pub(crate) simulated: Node,
}

impl Setting {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        authority::found(folder.path());
        let clock = Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(NOW)));
        let node = |part| {
            let config = authority::config(folder.path(), part);
            Node::with_clock(part, config, clock.clone(), Arc::new(SystemIds)).unwrap()
        };
        let trace = Arc::new(FakeTrace::default());
        let trace_part = Part::builder(&node(PartName::Trace))
            .grpc(TraceServiceServer::from_arc(trace.clone()))
            .build()
            .unwrap();
        let approval_node = node(PartName::Approval);
        let path = |name: &str| folder.path().join(name);
        let mut config = Config::new(
            authority::config(folder.path(), PartName::Approval),
            path("data"),
            path("warrant.pem"),
            path("classifier.jwks.json"),
        );
        configure(&mut config);
        let link = approval_node.local(&trace_part);
        let part = approval_svc::build(&config, &approval_node, link).await.unwrap();
        part.start();
        let (orchestrator, executor) = (node(PartName::Orchestrator), node(PartName::Executor));
        let simulated = node(PartName::SimulatedApprover);
        Self {
            clock,
            trace,
            node: approval_node,
            part,
            orchestrator,
            executor,
            simulated,
            folder,
        }
    }

    /// Changes the database behind the store's back.
    pub(crate) fn damage(&self, sql: &str) {
        let database = self.folder.path().join("data/approvals.sqlite");
        let database = rusqlite::Connection::open(database).unwrap();
        assert_eq!(database.execute(sql, []).unwrap(), 1);
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn trace_is_away(&self, away: bool) {
        self.trace.away.store(away, Ordering::SeqCst);
    }

    pub(crate) fn orchestrator(&self) -> ApprovalServiceClient<Link> {
        ApprovalServiceClient::new(self.orchestrator.local(&self.part))
    }

    pub(crate) fn executor(&self) -> WarrantServiceClient<Link> {
        WarrantServiceClient::new(self.executor.local(&self.part))
    }

    pub(crate) fn of_service(&self, node: &Node) -> ApprovalServiceClient<Link> {
        ApprovalServiceClient::new(node.local(&self.part))
    }

    /// For people, who bring their token with each request.
    pub(crate) fn people(&self) -> ApprovalServiceClient<PartService> {
        ApprovalServiceClient::new(self.part.service())
    }

    pub(crate) fn reconcilers(&self) -> WarrantServiceClient<PartService> {
        WarrantServiceClient::new(self.part.service())
    }

    /// Creates what `alice` asks for.
    pub(crate) async fn create(&self, number: u128, risk: Risk) -> CreateApprovalResponse {
        self.try_create(creation(number, risk, NOW)).await.unwrap()
    }

    pub(crate) async fn try_create(&self, request: CreateApprovalRequest) -> Result<CreateApprovalResponse, Status> {
        let request = for_person(request, &alice());
        Ok(self.orchestrator().create_approval(request).await?.into_inner())
    }

    pub(crate) async fn get(&self, approval: &Approval) -> Approval {
        let name = approval.name.clone();
        let request = as_person(GetApprovalRequest { name }, &bob());
        let response = self.people().get_approval(request).await.unwrap();
        response.into_inner().approval.unwrap()
    }

    pub(crate) async fn grant(&self, approval: &Approval, token: &str) -> Result<Approval, Status> {
        let request = as_person(grant_of(approval, 77), token);
        let response = self.people().grant_approval(request).await?;
        Ok(response.into_inner().approval.unwrap())
    }

    pub(crate) async fn acquire(&self, wait: Duration) -> Vec<Dispatch> {
        let wait_duration = Some(chassis::time::duration_to_proto(wait));
        let request = AcquireApprovalsRequest {
            max_approvals: 0,
            wait_duration,
        };
        self.orchestrator()
            .acquire_approvals(request)
            .await
            .unwrap()
            .into_inner()
            .dispatches
    }

    /// Claims; returns the fencing token.
    pub(crate) async fn claim(&self, approval: &Approval, warrant: &str) -> Result<String, Status> {
        let request = ClaimWarrantRequest {
            request_id: uuid(500),
            warrant_jws: warrant.to_owned(),
            action_digest: approval.action_digest.clone(),
            executor_instance: "executor-1".into(),
        };
        Ok(self
            .executor()
            .claim_warrant(request)
            .await?
            .into_inner()
            .claim
            .unwrap()
            .fencing_token)
    }

    pub(crate) async fn complete(
        &self,
        approval: &Approval,
        fencing_token: &str,
        outcome: Outcome,
    ) -> Result<Approval, Status> {
        let request = CompleteWarrantRequest {
            approval: approval.name.clone(),
            fencing_token: fencing_token.to_owned(),
            outcome: outcome.into(),
            detail: "as reported".into(),
            receipt_index: 9,
            request_id: uuid(600 + u128::from(approval.attempt)),
        };
        Ok(self
            .executor()
            .complete_warrant(request)
            .await?
            .into_inner()
            .approval
            .unwrap())
    }

    /// Reads a warrant as an executor does.
    pub(crate) fn read(&self, warrant: &str) -> Warrant {
        let keys = warrant::KeySet::from(key("warrant").public().clone());
        let verifier = WarrantVerifier::new("approval-svc", "executor-svc", keys);
        verifier.verify(warrant, chassis::Clock::now(&*self.clock)).unwrap()
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        self.node.closing().cancel();
    }
}

pub(crate) fn alice() -> String {
    token("alice", "acme", &[], "governance")
}

pub(crate) fn bob() -> String {
    token("bob", "acme", &["approvers"], "approval")
}

pub(crate) fn uuid(number: u128) -> String {
    uuid::Uuid::from_u128(number + 1).to_string()
}

pub(crate) fn action(number: u128, text: &str) -> Action {
    let run = RunId::derive("acme", PEOPLE, "alice", &uuid(number));
    Action {
        run,
        tenant: "acme".into(),
        issuer: PEOPLE.into(),
        requester: "alice".into(),
        agent: "main".into(),
        session: run.to_string(),
        operation: Operation::Instruction {
            instruction: text.into(),
        },
    }
}

pub(crate) fn verdict(action: &Action, risk: Risk, now: u64) -> Verdict {
    Verdict {
        iss: "classifier-svc".into(),
        aud: VERDICT_AUDIENCE.into(),
        act_digest: action.digest(),
        run: action.run,
        tenant: action.tenant.clone(),
        issuer: action.issuer.clone(),
        requester: action.requester.clone(),
        ctx: "none".into(),
        risk,
        disposition: match risk {
            Risk::Green => Disposition::Allow,
            Risk::Amber => Disposition::RequireApproval,
            Risk::Red => Disposition::Block,
        },
        rules: vec!["mail.send".into()],
        reason_digest: reason_digest(REASON, SAFE_ALTERNATIVE),
        policy: "sha256:9a".into(),
        policy_version: "1".into(),
        iat: now,
        exp: now + 60,
    }
}

pub(crate) fn signed(verdict: &Verdict) -> String {
    Signer::new("classifier-svc", key("classifier")).sign(verdict).unwrap()
}

pub(crate) fn creation(number: u128, risk: Risk, now: u64) -> CreateApprovalRequest {
    creation_of(number, "Send the newsletter", risk, now)
}

pub(crate) fn creation_of(number: u128, text: &str, risk: Risk, now: u64) -> CreateApprovalRequest {
    let action = action(number, text);
    CreateApprovalRequest {
        request_id: uuid(number),
        verdict_jws: signed(&verdict(&action, risk, now)),
        action: Some(action_to_proto(&action)),
        reason: REASON.into(),
        safe_alternative: SAFE_ALTERNATIVE.into(),
        traceparent: String::new(),
    }
}

pub(crate) fn grant_of(approval: &Approval, number: u128) -> GrantApprovalRequest {
    GrantApprovalRequest {
        name: approval.name.clone(),
        etag: approval.etag.clone(),
        action_digest: approval.action_digest.clone(),
        request_id: uuid(number),
        reason: "fine".into(),
    }
}

/// A request that a person sends.
pub(crate) fn as_person<M>(message: M, token: &str) -> Request<M> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// A request that a part sends for a person.
pub(crate) fn for_person<M>(message: M, token: &str) -> Request<M> {
    let mut request = Request::new(message);
    let header = chassis::auth::SUBJECT_HEADER;
    request.metadata_mut().insert(header, token.parse().unwrap());
    request
}

#[track_caller]
pub(crate) fn assert_refused<T: std::fmt::Debug>(result: Result<T, Status>, code: Code, reason: ErrorReason) -> Status {
    let status = result.expect_err("refused");
    assert_eq!((status.code(), reason_of(&status)), (code, Some(reason)), "{status:?}");
    status
}
