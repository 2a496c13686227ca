//! The front door: `GovernanceService`.

use std::pin::Pin;

use chassis::{
    AllowedAgents,
    auth::{Caller, Person},
    context::CallContext,
    fault::{Code, status, to_status},
    filter, page,
    part::PartName,
    violations::Violations,
};
use futures_util::{Stream, StreamExt as _};
use proto::{
    approval::v1::{Approval, CancelApprovalRequest, CreateApprovalRequest, ListApprovalsRequest},
    classification::v1::Classification,
    common::v1::{Action, ErrorReason},
    governance::v1::{
        CancelRunRequest, CancelRunResponse, CreateRunRequest, CreateRunResponse, GetRunRequest, GetRunResponse,
        ListRunsRequest, ListRunsResponse, StreamRunRequest, StreamRunResponse, WatchRunRequest, WatchRunResponse,
        governance_service_server::GovernanceService, run, stream_run_response, watch_run_response,
    },
};
use tonic::{Request, Response, Status};
use warrant::{DEFAULT_LIMITS, Limits, RunId};

use crate::{
    clients::Clients,
    config::Config,
    convert::{self, NewRun, Rules, run_of, state_of},
    dispatch::{Dispatcher, Work},
    error::{DOMAIN, OrchestratorError, relay},
    follow::{self, Ending, Follower, Update},
    live::LiveRuns,
    pipeline::{
        following::with_answer,
        submission::{Effect, Event, Submission},
    },
};

/// The front door.
#[derive(Debug)]
pub(crate) struct GovernanceApi {
    rules: Rules,
    agents: AllowedAgents,
    clients: Clients,
    live: LiveRuns,
    dispatcher: Dispatcher,
    ending: Ending,
}

/// A run whose approval is committed.
struct Committed {
    run: RunId,
    approval: Approval,
    work: Option<Work>,
}

type ResponseStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

const REASON_MAX_BYTES: usize = 4096;
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 1000;
const FILTER_FIELDS: [&str; 3] = ["state", "risk", "agent"];

// === impl GovernanceApi ===

impl GovernanceApi {
    pub(crate) fn new(
        config: &Config,
        clients: Clients,
        live: LiveRuns,
        dispatcher: Dispatcher,
        ending: Ending,
    ) -> Self {
        let text_bytes = usize::try_from(config.instruction_max_bytes);
        let limits = Limits {
            text_bytes: text_bytes.unwrap_or(DEFAULT_LIMITS.text_bytes),
            ..DEFAULT_LIMITS
        };
        Self {
            rules: Rules {
                default_agent: config.default_agent.clone(),
                limits,
            },
            agents: config.allowed_agents.iter().cloned().collect(),
            clients,
            live,
            dispatcher,
            ending,
        }
    }

    /// Takes a request to its committed approval.
    async fn submit(
        &self,
        context: &CallContext,
        person: &Person,
        request: CreateRunRequest,
    ) -> Result<Committed, Status> {
        let NewRun { request_id, action } = NewRun::check(request, person, &self.rules)?;
        self.check_agent(&action).map_err(|error| to_status(&error))?;
        let run = action.run;
        let message = chassis::convert::action_to_proto(&action);
        let (mut submission, mut effect) = Submission::start(action.digest().to_string());
        loop {
            let event = match effect {
                Effect::Classify => {
                    let answer = self.clients.classify(context, message.clone()).await;
                    Event::Classified(answer)
                }
                Effect::Create(classification) => {
                    let request = create_request(&request_id, &message, *classification, context);
                    Event::Created(self.clients.create_approval(context, request).await)
                }
                Effect::ReadBack => Event::ReadBack(self.clients.find_approval(context, &run).await),
                Effect::Refuse(refusal) => return Err(refusal.into()),
                Effect::Commit { approval, warrant_jws } => {
                    let approval = convert::own(*approval, person)?;
                    let work = warrant_jws.and_then(|warrant| Work::new(&approval, warrant));
                    tracing::info!(%run, state = ?state_of(&approval), "run committed");
                    return Ok(Committed { run, approval, work });
                }
            };
            (submission, effect) = submission.step(event);
        }
    }

    /// The executor has the last word; asked early, a refusal costs nobody a decision.
    fn check_agent(&self, action: &warrant::Action) -> Result<(), OrchestratorError> {
        if self.agents.is_empty() || self.agents.allow(&action.tenant, &action.agent) {
            return Ok(());
        }
        let (tenant, agent) = (action.tenant.clone(), action.agent.clone());
        Err(OrchestratorError::AgentNotAllowed { tenant, agent })
    }

    /// The approval of the caller's own run.
    async fn own_approval(&self, context: &CallContext, person: &Person, run: RunId) -> Result<Approval, Status> {
        let found = self.clients.find_approval(context, &run).await;
        let found = found.map_err(|status| relay(PartName::Approval, status))?;
        let approval = found.ok_or_else(|| not_found(run))?;
        convert::own(approval, person)
    }

    fn follower(
        &self,
        context: CallContext,
        committed: Committed,
    ) -> impl Stream<Item = Result<Update, Status>> + Send + use<> {
        let Committed { run, approval, work } = committed;
        // Listening starts before the dispatch, so that nothing said is missed.
        let listener = self.live.listen(run);
        let dispatching = work.is_some();
        if let Some(work) = work {
            self.dispatcher.dispatch(&context, work);
        }
        let (clients, ending) = (self.clients.clone(), self.ending.clone());
        Follower::new(clients, context, run, approval, listener, dispatching, ending).into_stream()
    }
}

#[tonic::async_trait]
impl GovernanceService for GovernanceApi {
    type StreamRunStream = ResponseStream<StreamRunResponse>;
    type WatchRunStream = ResponseStream<WatchRunResponse>;

    async fn create_run(&self, request: Request<CreateRunRequest>) -> Result<Response<CreateRunResponse>, Status> {
        let (context, person) = asker(&request)?;
        let committed = self.submit(&context, &person, request.into_inner()).await?;
        let run = run_of(&committed.approval);
        if let Some(work) = committed.work {
            self.dispatcher.dispatch(&context, work);
        }
        Ok(Response::new(CreateRunResponse { run: Some(run) }))
    }

    async fn stream_run(&self, request: Request<StreamRunRequest>) -> Result<Response<Self::StreamRunStream>, Status> {
        let (context, person) = asker(&request)?;
        let request = convert::create_request(request.into_inner());
        let committed = self.submit(&context, &person, request).await?;
        let updates = self.follower(context, committed).map(|update| {
            let update = match update? {
                Update::Run(run) => stream_run_response::Update::Run(run),
                Update::Chunk(text) => stream_run_response::Update::OutputChunk(text),
            };
            Ok(StreamRunResponse { update: Some(update) })
        });
        Ok(Response::new(Box::pin(updates)))
    }

    async fn get_run(&self, request: Request<GetRunRequest>) -> Result<Response<GetRunResponse>, Status> {
        let (context, person) = asker(&request)?;
        let run = named(&request.get_ref().name)?;
        let approval = self.own_approval(&context, &person, run).await?;
        let mut found = run_of(&approval);
        if found.state() == run::State::Succeeded {
            let answer = follow::answer(&self.clients, &context, &run).await;
            found = with_answer(found, answer);
        }
        Ok(Response::new(GetRunResponse { run: Some(found) }))
    }

    async fn list_runs(&self, request: Request<ListRunsRequest>) -> Result<Response<ListRunsResponse>, Status> {
        let (context, person) = asker(&request)?;
        let message = list_request(&person, request.into_inner())?;
        let listed = self.clients.list_approvals(&context, message).await;
        let listed = listed.map_err(|status| relay(PartName::Approval, status))?;
        // Subjects are unique with their issuer only, and the filter knows subjects alone.
        let own = listed
            .approvals
            .iter()
            .filter(|approval| convert::is_own(approval, &person));
        Ok(Response::new(ListRunsResponse {
            runs: own.map(run_of).collect(),
            next_page_token: listed.next_page_token,
        }))
    }

    async fn watch_run(&self, request: Request<WatchRunRequest>) -> Result<Response<Self::WatchRunStream>, Status> {
        let (context, person) = asker(&request)?;
        let run = named(&request.get_ref().name)?;
        let approval = self.own_approval(&context, &person, run).await?;
        let committed = Committed {
            run,
            approval,
            work: None,
        };
        let updates = self.follower(context, committed).map(|update| {
            let update = match update? {
                Update::Run(run) => watch_run_response::Update::Run(run),
                Update::Chunk(text) => watch_run_response::Update::OutputChunk(text),
            };
            Ok(WatchRunResponse { update: Some(update) })
        });
        Ok(Response::new(Box::pin(updates)))
    }

    async fn cancel_run(&self, request: Request<CancelRunRequest>) -> Result<Response<CancelRunResponse>, Status> {
        let (context, person) = asker(&request)?;
        let (run, message) = cancel_request(request.into_inner())?;
        self.own_approval(&context, &person, run).await?;
        let cancelled = self.clients.cancel_approval(&context, message).await;
        let cancelled = cancelled.map_err(|status| {
            OrchestratorError::if_unanswered(PartName::Approval, &status)
                .map_or_else(|| relay(PartName::Approval, status), |error| to_status(&error))
        })?;
        let approval = cancelled.ok_or_else(|| {
            to_status(&OrchestratorError::BrokenAnswer {
                part: PartName::Approval,
                field: "approval",
            })
        })?;
        Ok(Response::new(CancelRunResponse {
            run: Some(run_of(&approval)),
        }))
    }
}

/// Who asks, as their credential says, and what goes along with the calls made for them.
fn asker<T>(request: &Request<T>) -> Result<(CallContext, Person), Status> {
    let person = Caller::of(request)?.direct_person().cloned();
    let person = person.ok_or_else(|| {
        let message = "only people and platforms submit and read runs";
        status(DOMAIN, Code::PermissionDenied, ErrorReason::NotPermitted, message)
    })?;
    Ok((CallContext::of(request), person))
}

fn named(name: &str) -> Result<RunId, Status> {
    let mut violations = Violations::new(DOMAIN);
    let run = convert::run_id(&mut violations, "name", name);
    violations.check()?;
    run.ok_or_else(|| to_status(&OrchestratorError::RunNotFound { run: name.to_owned() }))
}

fn not_found(run: RunId) -> Status {
    to_status(&OrchestratorError::RunNotFound { run: run.to_string() })
}

fn create_request(
    request_id: &str,
    action: &Action,
    classification: Classification,
    context: &CallContext,
) -> CreateApprovalRequest {
    CreateApprovalRequest {
        request_id: request_id.to_owned(),
        action: Some(action.clone()),
        verdict_jws: classification.verdict_jws,
        reason: classification.reason,
        safe_alternative: classification.safe_alternative,
        traceparent: context.traceparent().unwrap_or_default().to_owned(),
    }
}

fn list_request(person: &Person, request: ListRunsRequest) -> Result<ListApprovalsRequest, Status> {
    let mut violations = Violations::new(DOMAIN);
    let size = page::size(&mut violations, request.page_size, PAGE_DEFAULT, PAGE_MAX);
    let terms = filter::parse(&mut violations, "filter", &request.filter, &FILTER_FIELDS);
    violations.check()?;
    let own = format!("requester = {}", quoted(&person.subject));
    let asked = terms
        .iter()
        .map(|term| format!("{} = {}", term.field, quoted(&term.value)));
    let filter = std::iter::once(own).chain(asked).collect::<Vec<_>>();
    Ok(ListApprovalsRequest {
        page_size: i32::try_from(size).unwrap_or(i32::MAX),
        page_token: request.page_token,
        filter: filter.join(" AND "),
    })
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

fn cancel_request(request: CancelRunRequest) -> Result<(RunId, CancelApprovalRequest), Status> {
    let mut violations = Violations::new(DOMAIN);
    let run = convert::run_id(&mut violations, "name", &request.name);
    violations.uuid("request_id", &request.request_id);
    violations.max_bytes("reason", &request.reason, REASON_MAX_BYTES);
    violations.check()?;
    let run = run.ok_or_else(|| {
        to_status(&OrchestratorError::RunNotFound {
            run: request.name.clone(),
        })
    })?;
    let message = CancelApprovalRequest {
        name: warrant::approval_id(&run).name(),
        request_id: request.request_id,
        reason: request.reason,
    };
    Ok((run, message))
}

#[cfg(test)]
mod tests;
