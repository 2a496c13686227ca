//! Brings granted approvals to the executor, each in a task of its own.
//!
//! Work comes from two sides: what this replica has just created and policy granted, and what [`Dispatcher::run`] is
//! handed by `AcquireApprovals`: approvals granted later, or granted elsewhere and executed by nobody. Nothing is lost
//! when a dispatch fails or this replica ends, as the approval stays GRANTED until an executor claims its warrant, and is
//! handed out again once its dispatch lease has run out. Two dispatches of one approval do no harm: one claim succeeds.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chassis::{context::CallContext, fault, link::within};
use proto::{
    approval::v1::{Approval, Dispatch},
    common::v1::ErrorReason,
    execution::v1::{ExecuteActionRequest, ExecuteActionResponse, execute_action_response},
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Status, Streaming};
use warrant::RunId;

use crate::{
    backoff::Backoff,
    clients::Clients,
    error::is_refusal,
    live::{LiveRuns, Said, Speaker},
};

mod patience;

/// Brings granted approvals to the executor.
#[derive(Clone, Debug)]
pub(crate) struct Dispatcher {
    clients: Clients,
    live: LiveRuns,
    tasks: TaskTracker,
    slots: Arc<Semaphore>,
    /// What the executor's failures to take work mean for taking more.
    restraint: Arc<Mutex<Backoff>>,
}

/// One execution to bring about.
#[derive(Debug)]
pub(crate) struct Work {
    run: RunId,
    request: ExecuteActionRequest,
}

/// What came of a dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The executor reported the outcome.
    Finished,
    /// The executor took it, then its stream broke: the approval tells the rest.
    Broken,
    /// The executor neither took nor refused it in time, and may yet: the approval tells.
    Silent,
    /// Another dispatch was first, or the approval was withdrawn meanwhile.
    Lost,
    /// Neither executor nor gateway can take work now; later.
    NotNow,
    /// The executor refuses this warrant.
    Refused,
}

/// How long work waits for a slot: shorter than its dispatch lease of 10 s, after which others are handed it.
const SLOT_PATIENCE: Duration = Duration::from_secs(8);
/// How long one call of `AcquireApprovals` waits for work.
const ACQUIRE_WAIT: Duration = Duration::from_secs(20);
/// A call that found nothing and took less than this did not wait.
const SHORT_WAIT: Duration = Duration::from_secs(1);
/// The most that is taken at once.
const ACQUIRE_MAX: usize = 16;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));

// === impl Work ===

impl Work {
    /// The execution that this approval and warrant permit; none if the approval lacks what the contract promises.
    ///
    /// What executes is the stored action, not what some caller sent.
    pub(crate) fn new(approval: &Approval, warrant_jws: String) -> Option<Self> {
        Some(Self {
            run: approval.run_id.parse().ok()?,
            request: ExecuteActionRequest {
                action: Some(approval.action.clone()?),
                verdict_jws: approval.verdict_jws.clone(),
                warrant_jws,
            },
        })
    }
}

// === impl Dispatcher ===

impl Dispatcher {
    /// At most `concurrency` executions are followed at once.
    pub(crate) fn new(clients: Clients, live: LiveRuns, tasks: TaskTracker, concurrency: u32) -> Self {
        let slots = usize::try_from(concurrency).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            clients,
            live,
            tasks,
            slots: Arc::new(Semaphore::new(slots)),
            restraint: Arc::new(Mutex::new(BACKOFF)),
        }
    }

    /// Executes `work` in a task of its own, which no caller's disconnect or deadline touches.
    pub(crate) fn dispatch(&self, context: &CallContext, work: Work) {
        let context = context.detached();
        // Listeners find the speaker from here on, whenever the task gets to run.
        let speaker = self.live.speak(work.run);
        let dispatcher = self.clone();
        // It has kilobytes, and on its way into the runtime it is moved around.
        let bringing = Box::pin(async move { dispatcher.bring(&context, work, &speaker).await });
        self.tasks.spawn(bringing);
    }

    /// Takes granted approvals that nobody has claimed, and dispatches them, until `shutdown`. Runs that this replica still
    /// creates until it is `closing` are dispatched all the same; what has not begun by then is left to others.
    pub(crate) async fn run(self, shutdown: CancellationToken, closing: CancellationToken) {
        // Dropping the long poll loses nothing: what it may have leased is handed out again.
        shutdown.run_until_cancelled(self.take_work()).await;
        closing.cancelled().await;
        self.slots.close();
    }

    async fn take_work(&self) {
        let mut trouble = BACKOFF;
        loop {
            tokio::time::sleep(trouble.delay().max(self.restraint().delay())).await;
            let Some(free) = self.free_slots().await else {
                return;
            };
            let asked = Instant::now();
            match self.clients.acquire_approvals(free, ACQUIRE_WAIT).await {
                // It did not wait though there was nothing: asking again at once would spin.
                Ok(response) if response.dispatches.is_empty() && asked.elapsed() < SHORT_WAIT => {
                    trouble.failed();
                }
                Ok(response) => {
                    trouble.succeeded();
                    self.dispatch_all(response.dispatches);
                }
                Err(status) => {
                    trouble.failed();
                    let (code, message) = (status.code(), status.message());
                    tracing::warn!(?code, error = message, "granted approvals could not be asked for");
                }
            }
        }
    }

    fn dispatch_all(&self, dispatches: Vec<Dispatch>) {
        for dispatch in dispatches {
            let work = dispatch
                .approval
                .and_then(|approval| Work::new(&approval, dispatch.warrant_jws));
            if let Some(work) = work {
                self.dispatch(&CallContext::background(), work);
            } else {
                tracing::error!("approval-svc handed out an approval without its action");
            }
        }
    }

    /// Waits until there is a free slot; how much may be taken. None only if the slots are gone.
    async fn free_slots(&self) -> Option<i32> {
        drop(self.slots.acquire().await.ok()?);
        let free = self.slots.available_permits().clamp(1, ACQUIRE_MAX);
        i32::try_from(free).ok()
    }

    async fn bring(&self, context: &CallContext, work: Work, speaker: &Speaker) {
        let run = work.run;
        let Ok(Ok(_slot)) = timeout(SLOT_PATIENCE, self.slots.acquire()).await else {
            tracing::info!(%run, "no slot to execute it in; the approval will be handed out again");
            return;
        };
        let end = match self.execute(context, work, speaker).await {
            Ok(end) => end,
            Err(status) => {
                let end = End::of_refusal(&status);
                let (code, message) = (status.code(), status.message());
                match end {
                    End::Lost => tracing::debug!(%run, error = message, "another dispatch was first"),
                    End::Silent => tracing::warn!(%run, "executor has neither taken nor refused the run"),
                    _ => tracing::warn!(%run, ?code, error = message, "executor did not take the run"),
                }
                end
            }
        };
        tracing::debug!(%run, ?end, "dispatch ended");
        self.learn(end);
    }

    /// Executes; an error is what came in place of an acceptance.
    async fn execute(&self, context: &CallContext, work: Work, speaker: &Speaker) -> Result<End, Status> {
        let opening = async {
            let mut stream = self.clients.execute(context, work.request).await?;
            let first = stream.message().await?;
            Ok((first, stream))
        };
        let (first, mut stream) = within(patience::ACCEPT, opening).await?;
        let mut message = first;
        while let Some(response) = message {
            if tell(speaker, response) {
                return Ok(End::Finished);
            }
            message = match next(&mut stream).await {
                Ok(message) => message,
                Err(status) => {
                    let (run, code, message) = (work.run, status.code(), status.message());
                    tracing::warn!(%run, ?code, error = message, "the execution's stream broke");
                    return Ok(End::Broken);
                }
            };
        }
        Ok(End::Broken)
    }

    fn learn(&self, end: End) {
        let mut restraint = self.restraint.lock().unwrap_or_else(PoisonError::into_inner);
        match end {
            End::NotNow => restraint.failed(),
            End::Finished | End::Broken => restraint.succeeded(),
            End::Silent | End::Lost | End::Refused => {}
        }
    }

    fn restraint(&self) -> Backoff {
        *self.restraint.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn next(stream: &mut Streaming<ExecuteActionResponse>) -> Result<Option<ExecuteActionResponse>, Status> {
    within(patience::SILENCE, stream.message()).await
}

/// Passes on what the executor says; whether it was the last.
fn tell(speaker: &Speaker, response: ExecuteActionResponse) -> bool {
    use execute_action_response::Event;
    match response.event {
        Some(Event::Accepted(accepted)) => speaker.say(Said::Accepted(accepted)),
        Some(Event::OutputChunk(chunk)) => speaker.say(Said::Chunk(chunk.text.into())),
        Some(Event::Finished(finished)) => {
            speaker.say(Said::Finished(finished.outcome()));
            if let Some(approval) = finished.approval {
                speaker.say(Said::Approval(approval.into()));
            }
            return true;
        }
        None => {}
    }
    false
}

// === impl End ===

impl End {
    /// What it means that the executor didn't accept.
    fn of_refusal(status: &Status) -> Self {
        match fault::reason_of(status) {
            Some(
                ErrorReason::WarrantSpent
                | ErrorReason::WrongState
                | ErrorReason::ClaimLost
                | ErrorReason::ApprovalExpired,
            ) => Self::Lost,
            None if status.code() == tonic::Code::DeadlineExceeded => Self::Silent,
            _ if is_refusal(status) => Self::Refused,
            _ => Self::NotNow,
        }
    }
}

#[cfg(test)]
mod tests {
    use chassis::fault::{Code as FaultCode, status};

    use super::*;
    use crate::clients::Links;

    /// A dispatcher whose parts are not there, and its slots.
    fn dispatcher(concurrency: u32) -> (Dispatcher, Arc<Semaphore>) {
        use chassis::{Link, PartName};
        let link = |part| Link::connect(part, "http://127.0.0.1:1", None).unwrap();
        let clients = Clients::new(Links {
            classifier: link(PartName::Classifier),
            approval: link(PartName::Approval),
            executor: link(PartName::Executor),
            trace: link(PartName::Trace),
        });
        let dispatcher = Dispatcher::new(clients, LiveRuns::default(), TaskTracker::new(), concurrency);
        let slots = Arc::clone(&dispatcher.slots);
        (dispatcher, slots)
    }

    #[tokio::test]
    async fn only_an_executor_that_takes_no_work_slows_dispatching() {
        let (dispatcher, _) = dispatcher(1);
        let delay_after = |end| {
            dispatcher.learn(end);
            dispatcher.restraint().delay()
        };
        assert_eq!(delay_after(End::Lost), Duration::ZERO);
        let first = delay_after(End::NotNow);
        assert!(first > Duration::ZERO);
        let second = delay_after(End::NotNow);
        assert!(second > first);
        for end in [End::Refused, End::Lost, End::Silent] {
            assert_eq!(delay_after(end), second, "{end:?}");
        }
        assert_eq!(delay_after(End::Finished), Duration::ZERO);
    }

    #[tokio::test]
    async fn work_that_waits_begins_until_the_port_closes_and_not_after() {
        let (dispatcher, slots) = dispatcher(1);
        let (shutdown, closing) = (CancellationToken::new(), CancellationToken::new());
        let running = tokio::spawn(dispatcher.run(shutdown.clone(), closing.clone()));
        shutdown.cancel();
        tokio::task::yield_now().await;
        drop(slots.acquire().await.unwrap());
        closing.cancel();
        running.await.unwrap();
        assert!(slots.acquire().await.is_err());
    }

    #[test]
    fn refusals_are_told_apart() {
        let of = |code, reason| End::of_refusal(&status("execution.countersign", code, reason, "no"));
        let cases = [
            (FaultCode::FailedPrecondition, ErrorReason::WarrantSpent, End::Lost),
            (FaultCode::FailedPrecondition, ErrorReason::WrongState, End::Lost),
            (FaultCode::FailedPrecondition, ErrorReason::ApprovalExpired, End::Lost),
            (FaultCode::Unavailable, ErrorReason::GatewayUnavailable, End::NotNow),
            (FaultCode::Unavailable, ErrorReason::PartUnavailable, End::NotNow),
            (FaultCode::Unavailable, ErrorReason::ReceiptPending, End::NotNow),
            (FaultCode::ResourceExhausted, ErrorReason::Overloaded, End::NotNow),
            (FaultCode::PermissionDenied, ErrorReason::WarrantRejected, End::Refused),
            (FaultCode::PermissionDenied, ErrorReason::SimulatedWarrant, End::Refused),
            (FaultCode::Internal, ErrorReason::Internal, End::NotNow),
        ];
        for (code, reason, end) in cases {
            assert_eq!(of(code, reason), end, "{reason:?}");
        }
        assert_eq!(End::of_refusal(&Status::unavailable("connect")), End::NotNow);
        assert_eq!(End::of_refusal(&Status::unknown("cut")), End::NotNow);
        let silence = Status::deadline_exceeded("no answer in time");
        assert_eq!(End::of_refusal(&silence), End::Silent);
    }
}
