//! A deployment in which the test takes the orchestrator's place, and what it is to be refused with.

use std::{
    fmt::Debug,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use chassis::{
    PartName,
    clock::{Clock, ManualClock},
    convert::action_to_proto,
    fault::reason_of,
};
use proto::{
    approval::v1::{
        AcquireApprovalsRequest, Approval, CreateApprovalRequest, CreateApprovalResponse, Dispatch, GetApprovalRequest,
        GrantApprovalRequest,
    },
    classification::v1::{Classification, ClassifyActionRequest},
    common::v1::{self as common, ErrorReason},
    execution::v1::{ExecuteActionRequest, Finished, execute_action_response::Event},
};
use testkit::{
    authority::{Identity, now},
    clients::{Person, Service},
    eventually,
    gateway::FakeGatewayAndToken,
    sandbox::{Sandbox, SandboxOptions},
};
use tonic::{Code, Status};
use tonic_types::{ErrorDetail, StatusExt as _};
use warrant::{Action, Operation, RunId};

use crate::requests::fresh_id;

/// Always GREEN.
pub(crate) const GREEN: &str = "Summarize our AI governance policy for internal use.";
/// Always AMBER.
pub(crate) const AMBER: &str = "Send an email to all employees that payroll will be delayed by 2 days.";
/// Always RED.
pub(crate) const RED: &str = "Transfer funds from treasury to vendor account immediately.";

/// A deployment without an orchestrator: the test does what one could do that is not to be trusted.
pub(crate) struct Deployment {
    pub(crate) gateway: FakeGatewayAndToken,
    pub(crate) sandbox: Sandbox,
}

/// What somebody asks for, under its request id.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) request_id: String,
    pub(crate) action: Action,
}

// === impl Deployment ===

impl Deployment {
    pub(crate) async fn start() -> Self {
        Self::start_with(SandboxOptions::default()).await
    }

    pub(crate) async fn start_with(options: SandboxOptions) -> Self {
        let gateway = FakeGatewayAndToken::start().await;
        let options = SandboxOptions {
            without_orchestrator: true,
            ..options
        };
        let sandbox = Sandbox::start_with(&gateway.address(), options).await;
        Self { gateway, sandbox }
    }

    /// A deployment whose time moves only when told to.
    pub(crate) async fn start_with_clock() -> (Self, Arc<ManualClock>) {
        let clock = still_clock();
        let shared = Arc::clone(&clock) as Arc<dyn Clock>;
        let options = SandboxOptions {
            clock: Some(shared),
            ..SandboxOptions::default()
        };
        (Self::start_with(options).await, clock)
    }

    pub(crate) fn alice(&self) -> Person {
        self.sandbox.person(Identity::alice())
    }

    pub(crate) fn bob(&self) -> Person {
        self.sandbox.person(Identity::bob())
    }

    /// The orchestrator's credential, with this person's token along.
    pub(crate) fn orchestrator_for(&self, identity: &Identity) -> Service {
        self.sandbox.service(PartName::Orchestrator).acting_for(identity)
    }

    /// The classifier's signed verdict.
    pub(crate) async fn classify(&self, identity: &Identity, action: &Action) -> Classification {
        let request = ClassifyActionRequest {
            action: Some(action_to_proto(action)),
        };
        let answer = self
            .orchestrator_for(identity)
            .classifier()
            .classify_action(request)
            .await;
        answer.unwrap().into_inner().classification.unwrap()
    }

    /// Asks for an approval of what was classified so.
    pub(crate) async fn create(
        &self,
        identity: &Identity,
        asked: &Asked,
        classified: Classification,
    ) -> Result<CreateApprovalResponse, Status> {
        let request = create_request(asked, classified);
        let created = self
            .orchestrator_for(identity)
            .approvals()
            .create_approval(request)
            .await;
        created.map(tonic::Response::into_inner)
    }

    /// Classifies and asks for an approval.
    pub(crate) async fn submit(&self, identity: &Identity, text: &str) -> CreateApprovalResponse {
        let asked = Asked::by(identity, text);
        let classified = self.classify(identity, &asked.action).await;
        self.create(identity, &asked, classified).await.unwrap()
    }

    /// All that an executor needs for a request that policy has granted.
    pub(crate) async fn permitted(&self, identity: &Identity) -> ExecuteActionRequest {
        let created = self.submit(identity, GREEN).await;
        execution(&created.approval.unwrap(), created.warrant_jws)
    }

    /// An approval that waits for people.
    pub(crate) async fn pending(&self, identity: &Identity) -> Approval {
        let created = self.submit(identity, AMBER).await;
        assert_eq!(created.warrant_jws, "", "what waits for people has no warrant");
        created.approval.unwrap()
    }

    /// What an approval that people have granted is dispatched with.
    pub(crate) async fn granted_by_people(&self, identity: &Identity) -> Dispatch {
        let pending = self.pending(identity).await;
        grant(&self.bob(), &pending).await.unwrap();
        self.acquire().await
    }

    /// Takes the next approval for dispatch.
    pub(crate) async fn acquire(&self) -> Dispatch {
        eventually("an approval is handed out", async || self.acquire_all().await.pop()).await
    }

    /// Takes whatever there is for dispatch now.
    pub(crate) async fn acquire_all(&self) -> Vec<Dispatch> {
        let service = self.sandbox.service(PartName::Orchestrator);
        let answer = service
            .approvals()
            .acquire_approvals(AcquireApprovalsRequest::default())
            .await;
        answer.unwrap().into_inner().dispatches
    }

    /// Has it executed; how it ended, or why it was refused.
    pub(crate) async fn execute(&self, request: ExecuteActionRequest) -> Result<Finished, Status> {
        let mut executor = self.sandbox.service(PartName::Orchestrator).executor();
        let mut events = executor.execute_action(request).await?.into_inner();
        while let Some(message) = events.message().await? {
            if let Some(Event::Finished(finished)) = message.event {
                return Ok(*finished);
            }
        }
        Err(Status::internal("the stream ended without an outcome"))
    }

    /// The approval as it is now.
    pub(crate) async fn approval(&self, name: &str) -> Approval {
        let request = GetApprovalRequest { name: name.to_owned() };
        self.bob()
            .approvals()
            .get_approval(request)
            .await
            .unwrap()
            .into_inner()
            .approval
            .unwrap()
    }

    /// How many executions the gateway was asked for.
    pub(crate) fn effects(&self) -> usize {
        self.gateway.gateway.requests().len()
    }

    /// The execution is refused for exactly this reason, and nothing reaches the gateway.
    pub(crate) async fn refuses(&self, what: &str, request: ExecuteActionRequest, code: Code, reason: ErrorReason) {
        let before = self.effects();
        let refusal = self.execute(request).await;
        assert_refused(what, refusal, code, reason);
        assert_eq!(self.effects(), before, "{what}: something reached the gateway");
    }
}

// === impl Asked ===

impl Asked {
    /// An instruction of this person, as the orchestrator would put it.
    pub(crate) fn by(identity: &Identity, text: &str) -> Self {
        let request_id = fresh_id();
        let Identity {
            issuer,
            subject,
            tenant,
            ..
        } = identity;
        let run = RunId::derive(tenant, issuer, subject, &request_id);
        let action = Action {
            run,
            tenant: tenant.clone(),
            issuer: (*issuer).to_owned(),
            requester: subject.clone(),
            agent: "main".to_owned(),
            session: run.to_string(),
            operation: Operation::Instruction {
                instruction: text.to_owned(),
            },
        };
        Self { request_id, action }
    }
}

/// A clock that stands a little ahead of the machine's, so that tokens made by the test from now on are valid.
pub(crate) fn still_clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(now() + 30)))
}

pub(crate) fn create_request(asked: &Asked, classified: Classification) -> CreateApprovalRequest {
    CreateApprovalRequest {
        request_id: asked.request_id.clone(),
        action: Some(action_to_proto(&asked.action)),
        verdict_jws: classified.verdict_jws,
        reason: classified.reason,
        safe_alternative: classified.safe_alternative,
        traceparent: String::new(),
    }
}

/// What a classifier would have answered that says nothing but this verdict.
pub(crate) fn nothing_but(verdict_jws: String) -> Classification {
    Classification {
        verdict_jws,
        ..Classification::default()
    }
}

/// What an orchestrator sends to have an approval executed.
pub(crate) fn execution(approval: &Approval, warrant_jws: String) -> ExecuteActionRequest {
    ExecuteActionRequest {
        action: approval.action.clone(),
        verdict_jws: approval.verdict_jws.clone(),
        warrant_jws,
    }
}

/// The decision to grant exactly what is seen here.
pub(crate) fn grant_of(approval: &Approval) -> GrantApprovalRequest {
    GrantApprovalRequest {
        name: approval.name.clone(),
        etag: approval.etag.clone(),
        action_digest: approval.action_digest.clone(),
        request_id: fresh_id(),
        reason: "agreed".to_owned(),
    }
}

/// Grants what is seen here.
pub(crate) async fn grant(decider: &Person, approval: &Approval) -> Result<Approval, Status> {
    let granted = decider.approvals().grant_approval(grant_of(approval)).await?;
    Ok(granted.into_inner().approval.unwrap())
}

/// The instruction of an action on the wire.
pub(crate) fn instruction(text: &str) -> common::action::Operation {
    common::action::Operation::Instruction(common::Instruction { text: text.to_owned() })
}

/// It was refused with this code and this reason, and says so exactly once.
pub(crate) fn assert_refused<T: Debug>(
    what: &str,
    result: Result<T, Status>,
    code: Code,
    reason: ErrorReason,
) -> Status {
    let status = match result {
        Ok(answer) => panic!("{what}: was not refused: {answer:?}"),
        Err(status) => status,
    };
    assert_eq!(
        (status.code(), reason_of(&status)),
        (code, Some(reason)),
        "{what}: {status:?}"
    );
    let details = status.get_error_details_vec();
    let reasons = details
        .iter()
        .filter(|detail| matches!(detail, ErrorDetail::ErrorInfo(_)))
        .count();
    assert_eq!(reasons, 1, "{what}: {details:?}");
    status
}
