//! The four parts as the orchestrator sees them, in memory, with faults to order.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use chassis::fault::{Code, status};
use futures_util::{Stream, StreamExt as _, stream};
use prost_types::Timestamp;
use proto::{
    approval::v1::{
        approval::State as ApprovalState,
        approval_service_server::{ApprovalService, ApprovalServiceServer},
        *,
    },
    classification::v1::{
        self as classification,
        classification_service_server::{ClassificationService, ClassificationServiceServer},
        *,
    },
    common::v1::{self as common, ErrorReason, Mode, Outcome, Risk},
    execution::v1::{
        execute_action_response::Event as ExecutionEvent,
        execution_service_server::{ExecutionService, ExecutionServiceServer},
        *,
    },
    trace::v1::{
        trace_service_server::{TraceService, TraceServiceServer},
        *,
    },
};
use tokio::sync::{Notify, Semaphore, broadcast, mpsc};
use tonic::{Request, Response, Status, transport::server::TcpIncoming};
use warrant::RunId;

pub(super) const ANSWER: [&str; 2] = ["An answer", " in two pieces"];
pub(super) const SAFE_ALTERNATIVE: &str = "Prepare a payment request for review.";

/// What the four parts know, and what tests let happen to them.
#[derive(Clone)]
pub(super) struct World {
    state: Arc<Mutex<State>>,
    changes: broadcast::Sender<Approval>,
    granted: Arc<Notify>,
    /// One permit lets one execution begin.
    pub(super) may_begin: Arc<Semaphore>,
    /// One permit lets one execution come to its end.
    pub(super) may_finish: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    approvals: BTreeMap<String, Approval>,
    leased: BTreeSet<String>,
    asked_for_work: usize,
    asked_to_execute: usize,
    executed: Vec<common::Action>,
    time: i64,
    faults: Faults,
    filters: Vec<String>,
    cancels: usize,
}

/// What goes wrong next.
#[derive(Default)]
pub(super) struct Faults {
    /// Answers of `CreateApproval` that are lost after the commit.
    pub(super) lost_creates: VecDeque<Status>,
    /// Answers of `CancelApproval` that are lost after the commit.
    pub(super) lost_cancels: VecDeque<Status>,
    /// Refusals of `ExecuteAction` before the claim.
    pub(super) refused_executions: VecDeque<Status>,
    /// Whether GREEN approvals come without a warrant.
    pub(super) no_warrant: bool,
    /// How many watches break right after they opened.
    pub(super) broken_watches: usize,
    /// Whether the trace can't be read.
    pub(super) trace_down: bool,
    /// Whether executions end without their Finished message.
    pub(super) cut_streams: bool,
}

type ResponseStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

// === impl World ===

impl World {
    pub(super) fn new() -> Self {
        Self {
            state: Arc::default(),
            changes: broadcast::Sender::new(64),
            granted: Arc::default(),
            may_begin: Arc::new(Semaphore::new(1000)),
            may_finish: Arc::new(Semaphore::new(1000)),
        }
    }

    /// Serves all four parts at the URL that is returned.
    pub(super) fn serve(&self) -> String {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("http://{}", incoming.local_addr().unwrap());
        let incoming = incoming.with_nodelay(Some(true));
        let server = tonic::transport::Server::builder()
            .add_service(ClassificationServiceServer::new(self.clone()))
            .add_service(ApprovalServiceServer::new(self.clone()))
            .add_service(ExecutionServiceServer::new(self.clone()))
            .add_service(TraceServiceServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(incoming));
        url
    }

    pub(super) fn faults(&self, set: impl FnOnce(&mut Faults)) {
        set(&mut self.lock().faults);
    }

    /// A person grants the pending approval of `run`.
    pub(super) fn grant(&self, run: &RunId) {
        self.change(&name_of(run), |approval| {
            approval.set_state(ApprovalState::Granted);
            approval.set_mode(Mode::People);
        });
        self.granted.notify_waiters();
    }

    /// All dispatch leases run out.
    pub(super) fn end_leases(&self) {
        self.lock().leased.clear();
        self.granted.notify_waiters();
    }

    pub(super) fn transition(&self, run: &RunId, state: ApprovalState) {
        self.change(&name_of(run), |approval| approval.set_state(state));
    }

    pub(super) fn insert(&self, approval: Approval) {
        self.lock().approvals.insert(approval.name.clone(), approval);
    }

    pub(super) fn asked_for_work(&self) -> usize {
        self.lock().asked_for_work
    }

    pub(super) fn asked_to_execute(&self) -> usize {
        self.lock().asked_to_execute
    }

    pub(super) fn executed(&self) -> Vec<common::Action> {
        self.lock().executed.clone()
    }

    pub(super) fn approvals(&self) -> usize {
        self.lock().approvals.len()
    }

    pub(super) fn filters(&self) -> Vec<String> {
        self.lock().filters.clone()
    }

    pub(super) fn cancels(&self) -> usize {
        self.lock().cancels
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Approval)) {
        let mut state = self.lock();
        state.time += 1;
        let time = Some(Timestamp {
            seconds: state.time,
            nanos: 0,
        });
        let approval = state.approvals.get_mut(name).unwrap();
        change(approval);
        approval.update_time = time;
        let changed = approval.clone();
        drop(state);
        // Nobody may be watching.
        let _ = self.changes.send(changed);
    }

    /// Hands out granted approvals that are not leased.
    fn acquire(&self) -> Vec<Dispatch> {
        let mut state = self.lock();
        let State { approvals, leased, .. } = &mut *state;
        let granted = approvals
            .values()
            .filter(|approval| approval.state() == ApprovalState::Granted);
        granted
            .filter(|approval| leased.insert(approval.name.clone()))
            .map(|approval| Dispatch {
                approval: Some(approval.clone()),
                warrant_jws: format!("warrant of {}", approval.name),
                lease_expire_time: None,
            })
            .collect()
    }

    async fn execute(self, action: common::Action, to: mpsc::UnboundedSender<Result<ExecuteActionResponse, Status>>) {
        let name = name_of(&action.run_id.parse().unwrap());
        // The caller may be gone; an execution goes on all the same.
        let say = |event| {
            let _ = to.send(Ok(ExecuteActionResponse { event: Some(event) }));
        };
        say(ExecutionEvent::Accepted(Accepted::default()));
        for text in ANSWER {
            let text = text.to_owned();
            say(ExecutionEvent::OutputChunk(OutputChunk { text }));
        }
        self.may_finish.acquire().await.unwrap().forget();
        self.change(&name, |approval| {
            approval.set_state(ApprovalState::Succeeded);
            approval.set_outcome(Outcome::Succeeded);
        });
        if !self.lock().faults.cut_streams {
            say(ExecutionEvent::Finished(Box::new(Finished {
                outcome: Outcome::Succeeded.into(),
                ..Finished::default()
            })));
        }
    }
}

fn name_of(run: &RunId) -> String {
    warrant::approval_id(run).name()
}

fn not_found() -> Status {
    let reason = ErrorReason::ApprovalNotFound;
    status("approval.countersign", Code::NotFound, reason, "no such approval")
}

fn text_of(action: &common::Action) -> &str {
    match &action.operation {
        Some(common::action::Operation::Instruction(instruction)) => &instruction.text,
        _ => "",
    }
}

#[tonic::async_trait]
impl ClassificationService for World {
    async fn classify_action(
        &self,
        request: Request<ClassifyActionRequest>,
    ) -> Result<Response<ClassifyActionResponse>, Status> {
        let action = request.into_inner().action.unwrap();
        let verdict = match text_of(&action).split(' ').next() {
            Some("Summarize") => "GREEN",
            Some("Transfer") => "RED",
            _ => "AMBER",
        };
        let safe_alternative = (verdict == "RED").then_some(SAFE_ALTERNATIVE);
        let classification = Classification {
            verdict_jws: verdict.to_owned(),
            reason: format!("it is {verdict}"),
            safe_alternative: safe_alternative.unwrap_or_default().to_owned(),
            ..Classification::default()
        };
        Ok(Response::new(ClassifyActionResponse {
            classification: Some(classification),
        }))
    }

    async fn batch_classify_actions(
        &self,
        _: Request<classification::BatchClassifyActionsRequest>,
    ) -> Result<Response<classification::BatchClassifyActionsResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn get_policy(
        &self,
        _: Request<classification::GetPolicyRequest>,
    ) -> Result<Response<classification::GetPolicyResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn list_policies(
        &self,
        _: Request<classification::ListPoliciesRequest>,
    ) -> Result<Response<classification::ListPoliciesResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn validate_policy(
        &self,
        _: Request<classification::ValidatePolicyRequest>,
    ) -> Result<Response<classification::ValidatePolicyResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn replay_policy(
        &self,
        _: Request<classification::ReplayPolicyRequest>,
    ) -> Result<Response<classification::ReplayPolicyResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn get_key_set(
        &self,
        _: Request<classification::GetKeySetRequest>,
    ) -> Result<Response<classification::GetKeySetResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

#[tonic::async_trait]
impl ApprovalService for World {
    type WatchApprovalsStream = ResponseStream<WatchApprovalsResponse>;

    async fn create_approval(
        &self,
        request: Request<CreateApprovalRequest>,
    ) -> Result<Response<CreateApprovalResponse>, Status> {
        let request = request.into_inner();
        let wire = request.action.clone();
        let mut violations = chassis::Violations::new("approval.countersign");
        let action = chassis::convert::action_from_proto(&mut violations, "action", wire).unwrap();
        let (name, digest) = (name_of(&action.run), action.digest().to_string());
        let (risk, state) = match request.verdict_jws.as_str() {
            "GREEN" => (Risk::Green, ApprovalState::Granted),
            "RED" => (Risk::Red, ApprovalState::Denied),
            _ => (Risk::Amber, ApprovalState::Pending),
        };
        let mut world = self.lock();
        let new = Approval {
            name: name.clone(),
            run_id: action.run.to_string(),
            action: request.action,
            action_digest: digest.clone(),
            state: state.into(),
            risk: risk.into(),
            reason: request.reason,
            safe_alternative: request.safe_alternative,
            verdict_jws: request.verdict_jws,
            ..Approval::default()
        };
        let approval = world.approvals.entry(name.clone()).or_insert(new).clone();
        if approval.action_digest != digest {
            let reason = ErrorReason::RequestIdReused;
            return Err(status(
                "approval.countersign",
                Code::AlreadyExists,
                reason,
                "other body",
            ));
        }
        world.leased.insert(name.clone());
        if let Some(lost) = world.faults.lost_creates.pop_front() {
            return Err(lost);
        }
        let granted = approval.state() == ApprovalState::Granted && !world.faults.no_warrant;
        Ok(Response::new(CreateApprovalResponse {
            approval: Some(approval),
            warrant_jws: if granted {
                format!("warrant of {name}")
            } else {
                String::new()
            },
            dispatch_lease_expire_time: None,
        }))
    }

    async fn get_approval(
        &self,
        request: Request<GetApprovalRequest>,
    ) -> Result<Response<GetApprovalResponse>, Status> {
        let found = self.lock().approvals.get(&request.get_ref().name).cloned();
        let approval = Some(found.ok_or_else(not_found)?);
        Ok(Response::new(GetApprovalResponse { approval }))
    }

    async fn list_approvals(
        &self,
        request: Request<ListApprovalsRequest>,
    ) -> Result<Response<ListApprovalsResponse>, Status> {
        let mut state = self.lock();
        state.filters.push(request.into_inner().filter);
        Ok(Response::new(ListApprovalsResponse {
            approvals: state.approvals.values().cloned().collect(),
            next_page_token: "next".to_owned(),
            unreachable: Vec::new(),
        }))
    }

    async fn grant_approval(
        &self,
        _: Request<GrantApprovalRequest>,
    ) -> Result<Response<GrantApprovalResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn deny_approval(&self, _: Request<DenyApprovalRequest>) -> Result<Response<DenyApprovalResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn cancel_approval(
        &self,
        request: Request<CancelApprovalRequest>,
    ) -> Result<Response<CancelApprovalResponse>, Status> {
        let request = request.into_inner();
        self.lock().cancels += 1;
        self.change(&request.name, |approval| {
            approval.set_state(ApprovalState::Cancelled);
            approval.close_reason = request.reason;
        });
        let mut world = self.lock();
        if let Some(lost) = world.faults.lost_cancels.pop_front() {
            return Err(lost);
        }
        let approval = world.approvals.get(&request.name).cloned();
        Ok(Response::new(CancelApprovalResponse { approval }))
    }

    async fn revoke_approval(
        &self,
        _: Request<RevokeApprovalRequest>,
    ) -> Result<Response<RevokeApprovalResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn watch_approvals(
        &self,
        request: Request<WatchApprovalsRequest>,
    ) -> Result<Response<Self::WatchApprovalsStream>, Status> {
        let filter = request.into_inner().filter;
        let faults = &mut self.lock().faults;
        if faults.broken_watches > 0 {
            faults.broken_watches -= 1;
            let cut = stream::iter([Err(Status::unavailable("cut"))]);
            return Ok(Response::new(Box::pin(cut)));
        }
        let changes = stream::unfold(self.changes.subscribe(), |mut changes| async {
            Some((changes.recv().await.ok()?, changes))
        });
        let watched = changes.filter_map(move |approval| {
            let wanted = filter == format!("run_id = \"{}\"", approval.run_id);
            let response = WatchApprovalsResponse {
                resume_token: "token".to_owned(),
                approval: Some(approval),
            };
            std::future::ready(wanted.then_some(Ok(response)))
        });
        Ok(Response::new(Box::pin(watched)))
    }

    async fn acquire_approvals(
        &self,
        request: Request<AcquireApprovalsRequest>,
    ) -> Result<Response<AcquireApprovalsResponse>, Status> {
        self.lock().asked_for_work += 1;
        let wait = request.into_inner().wait_duration.unwrap();
        let wait = Duration::try_from(wait).unwrap();
        let found = async {
            loop {
                let granted = self.granted.notified();
                let dispatches = self.acquire();
                if !dispatches.is_empty() {
                    return dispatches;
                }
                granted.await;
            }
        };
        let dispatches = tokio::time::timeout(wait, found).await.unwrap_or_default();
        Ok(Response::new(AcquireApprovalsResponse { dispatches }))
    }
}

#[tonic::async_trait]
impl ExecutionService for World {
    type ExecuteActionStream = ResponseStream<ExecuteActionResponse>;

    async fn execute_action(
        &self,
        request: Request<ExecuteActionRequest>,
    ) -> Result<Response<Self::ExecuteActionStream>, Status> {
        let request = request.into_inner();
        let action = request.action.unwrap();
        let name = name_of(&action.run_id.parse().unwrap());
        assert_eq!(request.warrant_jws, format!("warrant of {name}"));
        self.lock().asked_to_execute += 1;
        if let Some(refusal) = self.lock().faults.refused_executions.pop_front() {
            return Err(refusal);
        }
        self.may_begin.acquire().await.unwrap().forget();
        let mut claimed = false;
        self.change(&name, |approval| {
            claimed = approval.state() == ApprovalState::Granted;
            if claimed {
                approval.set_state(ApprovalState::Executing);
            }
        });
        if !claimed {
            let reason = ErrorReason::WarrantSpent;
            return Err(status(
                "execution.countersign",
                Code::FailedPrecondition,
                reason,
                "spent",
            ));
        }
        self.lock().executed.push(action.clone());
        let (to, from) = mpsc::unbounded_channel();
        tokio::spawn(self.clone().execute(action, to));
        let responses = stream::unfold(from, |mut from| async { Some((from.recv().await?, from)) });
        Ok(Response::new(Box::pin(responses)))
    }
}

#[tonic::async_trait]
impl TraceService for World {
    type ExportEventsStream = ResponseStream<ExportEventsResponse>;

    async fn create_event(&self, _: Request<CreateEventRequest>) -> Result<Response<CreateEventResponse>, Status> {
        panic!("the orchestrator writes no events")
    }

    async fn batch_create_events(
        &self,
        _: Request<BatchCreateEventsRequest>,
    ) -> Result<Response<BatchCreateEventsResponse>, Status> {
        panic!("the orchestrator writes no events")
    }

    async fn get_trace(&self, _: Request<GetTraceRequest>) -> Result<Response<GetTraceResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn list_traces(&self, _: Request<ListTracesRequest>) -> Result<Response<ListTracesResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn list_events(&self, request: Request<ListEventsRequest>) -> Result<Response<ListEventsResponse>, Status> {
        if self.lock().faults.trace_down {
            return Err(Status::unavailable("down"));
        }
        assert_eq!(request.get_ref().filter, "type = \"execution.finished\"");
        assert!(request.get_ref().include_content);
        let event = Event {
            content: Some(Content {
                media_type: "text/plain; charset=utf-8".to_owned(),
                data: ANSWER.concat().into_bytes(),
            }),
            ..Event::default()
        };
        Ok(Response::new(ListEventsResponse {
            events: vec![event],
            next_page_token: String::new(),
        }))
    }

    async fn export_events(
        &self,
        _: Request<ExportEventsRequest>,
    ) -> Result<Response<Self::ExportEventsStream>, Status> {
        Err(Status::unimplemented("not here"))
    }
}
