//! Follows a run to its outcome for one caller, as [`Following`] decides.
//!
//! A follower lives in the response stream that it feeds: it does nothing unless the caller reads, and it is gone with
//! the caller. It holds up no execution.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use chassis::{context::CallContext, fault::to_status, link::within, part::PartName};
use futures_util::{Stream, stream};
use proto::{
    approval::v1::{Approval, WatchApprovalsResponse},
    governance::v1::Run,
};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use warrant::RunId;

use crate::{
    backoff::Backoff,
    clients::Clients,
    error::{OrchestratorError, is_refusal, relay},
    live::{Listener, Said},
    pipeline::following::{Effect, Event, Following, Source},
};

/// One thing that a follower tells its caller.
#[derive(Debug)]
pub(crate) enum Update {
    /// The run after a change of its state.
    Run(Box<Run>),
    /// The next piece of the agent's answer.
    Chunk(String),
}

/// How this replica ends.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    /// Its port has closed: whoever waits for a change goes to another replica.
    pub(crate) closing: CancellationToken,
    /// Its grace period is nearly over: whoever follows an execution here goes as well.
    pub(crate) parting: CancellationToken,
}

/// Follows one run.
#[derive(Debug)]
pub(crate) struct Follower {
    following: Following,
    todo: VecDeque<Effect>,
    listener: Listener,
    feed: Feed,
    ending: Ending,
}

/// The approval's changes, over interruptions.
#[derive(Debug)]
struct Feed {
    clients: Clients,
    context: CallContext,
    run: RunId,
    stream: Option<Streaming<WatchApprovalsResponse>>,
    read_due: bool,
    trouble: Backoff,
}

/// How long the watch may be silent before it is opened anew; a line can die without a word.
const WATCH_PATIENCE: Duration = Duration::from_mins(1);
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

// === impl Follower ===

impl Follower {
    /// Follows `run` from `approval` on. `listener` must have listened since before this replica dispatches the run, if
    /// it does (`dispatching`).
    pub(crate) fn new(
        clients: Clients,
        context: CallContext,
        run: RunId,
        approval: Approval,
        listener: Listener,
        dispatching: bool,
        ending: Ending,
    ) -> Self {
        let (following, effects) = Following::start(approval, dispatching);
        Self {
            following,
            todo: effects.into(),
            listener,
            feed: Feed {
                clients,
                context,
                run,
                stream: None,
                read_due: false,
                trouble: BACKOFF,
            },
            ending,
        }
    }

    /// Everything that happens, up to the run in the state in which following ends.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Update, Status>> + Send {
        // The stream hands it from update to update.
        stream::unfold(Some(Box::new(self)), |follower| async {
            let mut follower = follower?;
            match follower.next().await {
                Ok(Some(update)) => Some((Ok(update), Some(follower))),
                Ok(None) => None,
                Err(status) => Some((Err(status), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<Option<Update>, Status> {
        loop {
            while let Some(effect) = self.todo.pop_front() {
                if let Some(update) = self.perform(effect).await? {
                    return Ok(Some(update));
                }
            }
            let event = match self.following.source() {
                Source::Nothing => return Ok(None),
                Source::Live => self.live().await?,
                Source::Approval => self.news().await?,
            };
            self.todo.extend(self.following.step(event));
        }
    }

    async fn perform(&mut self, effect: Effect) -> Result<Option<Update>, Status> {
        match effect {
            Effect::Announce(run) => Ok(Some(Update::Run(run))),
            Effect::Forward(text) => Ok(Some(Update::Chunk(text.as_ref().to_owned()))),
            Effect::Reread => {
                // If it can't be read now, the feed does so when it can.
                self.feed.read_due = true;
                if let Ok(approval) = self.feed.read().await {
                    let event = Event::Seen(Box::new(approval));
                    self.todo.extend(self.following.step(event));
                }
                Ok(None)
            }
            Effect::ReadAnswer => {
                let answer = answer(&self.feed.clients, &self.feed.context, &self.feed.run).await;
                self.todo.extend(self.following.step(Event::Answer(answer)));
                Ok(None)
            }
        }
    }

    /// What is said next. A run that ends soon is followed to its end, also while this replica drains.
    async fn live(&mut self) -> Result<Event, Status> {
        tokio::select! {
            biased;
            said = self.listener.hear() => Ok(heard(said)),
            () = self.ending.parting.cancelled() => Err(to_status(&OrchestratorError::ShuttingDown)),
        }
    }

    async fn news(&mut self) -> Result<Event, Status> {
        tokio::select! {
            biased;
            said = self.listener.hear() => Ok(heard(said)),
            () = self.ending.closing.cancelled() => Err(to_status(&OrchestratorError::ShuttingDown)),
            approval = self.feed.next() => Ok(Event::Seen(Box::new(approval?))),
        }
    }
}

/// The agent's complete answer from the trace, or in a sentence why it can't be had now.
pub(crate) async fn answer(clients: &Clients, context: &CallContext, run: &RunId) -> Result<String, String> {
    match clients.read_answer(context, run).await {
        Ok(Some(bytes)) => {
            let text = String::from_utf8(bytes);
            text.map_err(|_| "the answer is not text; the trace has its bytes".to_owned())
        }
        Ok(None) => Err("the trace has no record of the answer".to_owned()),
        Err(status) => {
            let status = relay(PartName::Trace, status);
            Err(format!("the answer can't be read now: {}", status.message()))
        }
    }
}

fn heard(said: Said) -> Event {
    match said {
        Said::Accepted(accepted) => Event::Accepted(accepted),
        Said::Chunk(text) => Event::Chunk(text),
        Said::Lagged => Event::Lagged,
        Said::Finished(outcome) => Event::Finished(outcome),
        Said::Approval(approval) => Event::Seen(Box::new(Arc::unwrap_or_clone(approval))),
        Said::Closed => Event::Closed,
    }
}

// === impl Feed ===

impl Feed {
    /// The approval when it has changed, or may have. Goes on when approval-svc is back; ends with an error only if it
    /// refuses. Nothing is lost when the future is dropped.
    async fn next(&mut self) -> Result<Approval, Status> {
        loop {
            match self.try_next().await {
                Ok(Some(approval)) => {
                    self.trouble.succeeded();
                    return Ok(approval);
                }
                Ok(None) => self.trouble.succeeded(),
                Err(status) if is_refusal(&status) => {
                    return Err(relay(PartName::Approval, status));
                }
                Err(_) if self.context.remaining() == Some(Duration::ZERO) => {
                    return Err(to_status(&OrchestratorError::DeadlinePassed));
                }
                Err(status) => {
                    tracing::debug!(run = %self.run, error = status.message(), "watch interrupted");
                    self.stream = None;
                    self.read_due = true;
                    self.trouble.failed();
                    tokio::time::sleep(self.trouble.delay()).await;
                }
            }
        }
    }

    async fn try_next(&mut self) -> Result<Option<Approval>, Status> {
        if self.stream.is_none() {
            let opened = self.clients.watch_approval(&self.context, &self.run);
            self.stream = Some(opened.await?);
            // Read only after the watch is open, so that no change falls between the two. For the same reason no
            // resume token is needed: what was missed shows in what is read.
            self.read_due = true;
        }
        if self.read_due {
            return self.read().await.map(Some);
        }
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        let message = within(WATCH_PATIENCE, stream.message()).await?;
        let message = message.ok_or_else(|| Status::unavailable("the watch ended"))?;
        Ok(message.approval)
    }

    async fn read(&mut self) -> Result<Approval, Status> {
        let found = self.clients.find_approval(&self.context, &self.run).await?;
        self.read_due = false;
        found.ok_or_else(|| {
            to_status(&OrchestratorError::RunNotFound {
                run: self.run.to_string(),
            })
        })
    }
}
