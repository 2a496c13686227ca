//! What happens in a test, as its callers see it: everything that they are told is kept, and judged at the end.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of tests: they stop at the first thing that is wrong"
)]

use std::sync::{Mutex, PoisonError};

use chassis::{fault::reason_of, semconv::event};
use proto::{
    approval::v1::{
        Approval, GetApprovalRequest, GrantApprovalRequest, ReconcileWarrantRequest, approval::State as ApprovalState,
    },
    common::v1::{ErrorReason, Instruction, Outcome},
    governance::v1::{
        CreateRunRequest, GetRunRequest, Run, StreamRunRequest, create_run_request, run::State, stream_run_request,
        stream_run_response::Update,
    },
    trace::v1::{ExportEventsRequest, ListEventsRequest, export_events_request::Format},
};
use testkit::{
    authority::Identity,
    clients::{Channels, Person},
    eventually,
    fake_gateway::FakeGateway,
    invariants::{History, Told},
};
use tonic::Status;

use crate::requests::{REFERENCE, fresh_id};

/// Policy grants it.
pub(crate) const GREEN: &str = REFERENCE[0].text;
/// People decide.
pub(crate) const AMBER: &str = REFERENCE[2].text;
/// Policy denies it.
pub(crate) const RED: &str = REFERENCE[3].text;

/// A deployment in use, whose callers remember what they were told.
#[derive(Debug)]
pub(crate) struct Scenario<'a> {
    channels: Channels,
    gateway: &'a FakeGateway,
    told: Mutex<Vec<Told>>,
}

/// A stream that was followed to its end.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) run: Run,
    pub(crate) output: String,
    pub(crate) states: Vec<State>,
}

// === impl Scenario ===

impl<'a> Scenario<'a> {
    pub(crate) fn new(channels: &Channels, gateway: &'a FakeGateway) -> Self {
        Self {
            channels: channels.clone(),
            gateway,
            told: Mutex::default(),
        }
    }

    /// Asks for things.
    pub(crate) fn alice(&self) -> Person {
        self.channels.person(Identity::alice())
    }

    /// Decides.
    pub(crate) fn bob(&self) -> Person {
        self.channels.person(Identity::bob())
    }

    pub(crate) fn note(&self, told: Told) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }

    fn noted(&self) -> Vec<Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note_run(&self, run: &Run) {
        self.note(Told::Run {
            run: run_id(run).to_owned(),
            state: run.state(),
        });
    }

    /// Asks once.
    pub(crate) async fn ask(&self, request_id: &str, text: &str) -> Result<Run, Status> {
        let operation = create_run_request::Operation::Instruction(Instruction { text: text.to_owned() });
        let request = CreateRunRequest {
            request_id: request_id.to_owned(),
            agent: "main".to_owned(),
            session: String::new(),
            operation: Some(operation),
        };
        let run = self.alice().runs().create_run(request).await?.into_inner().run.unwrap();
        self.note_run(&run);
        Ok(run)
    }

    /// Asks, with one request id, until the run is there: what a caller does who got no answer.
    pub(crate) async fn submit(&self, text: &str) -> Run {
        let request_id = fresh_id();
        eventually("a run is created", async || self.ask(&request_id, text).await.ok()).await
    }

    /// Asks and follows to the end.
    pub(crate) async fn follow(&self, text: &str) -> Followed {
        let operation = stream_run_request::Operation::Instruction(Instruction { text: text.to_owned() });
        let request = StreamRunRequest {
            request_id: fresh_id(),
            agent: "main".to_owned(),
            session: String::new(),
            operation: Some(operation),
        };
        let mut updates = self.alice().runs().stream_run(request).await.unwrap().into_inner();
        let (mut runs, mut output) = (Vec::new(), String::new());
        while let Some(message) = updates.message().await.unwrap() {
            match message.update.unwrap() {
                Update::Run(run) => {
                    self.note_run(&run);
                    runs.push(*run);
                }
                Update::OutputChunk(chunk) => output.push_str(&chunk),
            }
        }
        let states = runs.iter().map(Run::state).collect();
        Followed {
            run: runs.pop().unwrap(),
            output,
            states,
        }
    }

    /// The run as it is now, if it can be asked.
    pub(crate) async fn look(&self, run: &Run) -> Option<Run> {
        let request = GetRunRequest { name: run.name.clone() };
        let run = self.alice().runs().get_run(request).await.ok()?.into_inner().run?;
        self.note_run(&run);
        Some(run)
    }

    /// Waits until the run is in this state.
    pub(crate) async fn reaches(&self, run: &Run, state: State) -> Run {
        let what = format!("{} reaches {state:?}", run.name);
        eventually(&what, async || self.look(run).await.filter(|run| run.state() == state)).await
    }

    /// Waits until the run is over, or nobody knows.
    pub(crate) async fn ends(&self, run: &Run) -> Run {
        let what = format!("{} ends", run.name);
        eventually(&what, async || self.look(run).await.filter(|run| is_over(run.state()))).await
    }

    /// Grants what is pending, as whoever decides; asks until there is an answer.
    pub(crate) async fn grant(&self, run: &Run) {
        let request_id = fresh_id();
        eventually("the grant is acknowledged", async || {
            self.try_grant(run, &request_id).await
        })
        .await;
        for event in [event::APPROVAL_VOTED, event::APPROVAL_GRANTED] {
            let by = format!("{}#bob", testkit::authority::PEOPLE);
            self.note(Told::Decided {
                run: run_id(run).to_owned(),
                event,
                by,
            });
        }
    }

    async fn try_grant(&self, run: &Run, request_id: &str) -> Option<()> {
        let approval = self.approval(run).await?;
        let grant = GrantApprovalRequest {
            name: approval.name,
            etag: approval.etag,
            action_digest: approval.action_digest,
            request_id: request_id.to_owned(),
            reason: "agreed".to_owned(),
        };
        match self.bob().approvals().grant_approval(grant).await {
            Ok(_) => Some(()),
            // Taken before, and the answer was lost.
            Err(_) if approval.state != i32::from(ApprovalState::Pending) => Some(()),
            Err(_) => None,
        }
    }

    /// The approval as who decides sees it, if approval-svc can be asked.
    pub(crate) async fn approval(&self, run: &Run) -> Option<Approval> {
        let request = GetApprovalRequest {
            name: run.approval.clone(),
        };
        self.bob()
            .approvals()
            .get_approval(request)
            .await
            .ok()?
            .into_inner()
            .approval
    }

    /// A person who looked at the gateway says what happened.
    pub(crate) async fn reconcile(&self, run: &Run, outcome: Outcome) -> Result<(), Status> {
        self.reconcile_as(&self.bob(), run, outcome).await
    }

    pub(crate) async fn reconcile_as(&self, person: &Person, run: &Run, outcome: Outcome) -> Result<(), Status> {
        let request = ReconcileWarrantRequest {
            approval: run.approval.clone(),
            etag: self.approval(run).await.unwrap().etag,
            outcome: outcome.into(),
            reason: "looked at the agent's session".to_owned(),
            request_id: fresh_id(),
        };
        person.warrants().reconcile_warrant(request).await.map(drop)
    }

    /// The types of the run's events; none while trace-svc can't be asked.
    pub(crate) async fn events(&self, run: &Run) -> Option<Vec<String>> {
        let request = ListEventsRequest {
            parent: run.trace.clone(),
            ..Default::default()
        };
        match self.alice().traces().list_events(request).await {
            Ok(answer) => Some(
                answer
                    .into_inner()
                    .events
                    .into_iter()
                    .map(|event| event.r#type)
                    .collect(),
            ),
            Err(status) if reason_of(&status) == Some(ErrorReason::TraceNotFound) => Some(Vec::new()),
            Err(_) => None,
        }
    }

    /// Waits until an event of this type is recorded; all types so far.
    pub(crate) async fn recorded(&self, run: &Run, kind: &str) -> Vec<String> {
        let what = format!("{kind} of {} is recorded", run.name);
        eventually(&what, async || {
            self.events(run).await.filter(|types| types.iter().any(|it| it == kind))
        })
        .await
    }

    /// Waits until the log knows of everything that callers were told, and judges.
    pub(crate) async fn judge(&self) -> History {
        let runs: Vec<Run> = self.runs_told();
        for run in &runs {
            let now = eventually("a run can be read", async || self.look(run).await).await;
            match now.state() {
                State::OutcomeUnknown => self.recorded(&now, event::EXECUTION_UNKNOWN).await,
                state if is_over(state) => self.recorded(&now, event::TRACE_CLOSED).await,
                State::PendingApproval => self.recorded(&now, event::APPROVAL_REQUESTED).await,
                _ => self.recorded(&now, event::APPROVAL_GRANTED).await,
            };
        }
        let log = eventually("the log is exported", async || self.export().await.ok()).await;
        let history = History {
            told: self.noted(),
            log,
            requests: self.gateway.requests(),
        };
        history.check();
        history
    }

    fn runs_told(&self) -> Vec<Run> {
        let mut ids: Vec<String> = self
            .noted()
            .into_iter()
            .filter_map(|told| {
                if let Told::Run { run, .. } = told {
                    Some(run)
                } else {
                    None
                }
            })
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let named = |id: String| Run {
            name: format!("runs/{id}"),
            trace: format!("traces/{id}"),
            ..Run::default()
        };
        ids.into_iter().map(named).collect()
    }

    async fn export(&self) -> Result<Vec<u8>, Status> {
        let request = ExportEventsRequest {
            parent: "traces/-".to_owned(),
            format: Format::Jsonl.into(),
            ..Default::default()
        };
        let auditor = self.channels.person(Identity::carol());
        let mut chunks = auditor.traces().export_events(request).await?.into_inner();
        let mut log = Vec::new();
        while let Some(chunk) = chunks.message().await? {
            log.extend(chunk.data);
        }
        Ok(log)
    }
}

/// The id of a run, which is that of its trace.
pub(crate) fn run_id(run: &Run) -> &str {
    run.name
        .strip_prefix("runs/")
        .unwrap_or_else(|| panic!("{} names no run", run.name))
}

/// Whether nothing more happens by itself.
pub(crate) const fn is_over(state: State) -> bool {
    !matches!(
        state,
        State::Unspecified | State::PendingApproval | State::Granted | State::Executing
    )
}
