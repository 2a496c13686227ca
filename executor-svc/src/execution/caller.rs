//! The way back to the caller, which never holds up an execution.
//!
//! Output is kept whole for the record anyway. While the caller reads too slowly, pieces stay there and are joined: it
//! gets fewer and longer pieces, none is lost. A caller that has gone gets nothing more and changes nothing; one that
//! does not read within [`PARTING_WAIT`] of the end misses the end, and finds it in the approval and the trace.

use std::time::Duration;

use proto::execution::v1::{Accepted, ExecuteActionResponse, Finished, OutputChunk, execute_action_response::Event};
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    time::timeout,
};
use tonic::Status;

use crate::gateway::Progress;

const BUFFERED_MESSAGES: usize = 32;
const PARTING_WAIT: Duration = Duration::from_secs(5);

/// What the caller gets to read.
pub(crate) type Messages = Receiver<Result<ExecuteActionResponse, Status>>;

/// Whoever asked for the execution, and what came of it so far.
#[derive(Debug)]
pub(crate) struct Caller {
    messages: Sender<Result<ExecuteActionResponse, Status>>,
    delivered: usize,
    output: String,
    run_id: String,
}

// === impl Caller ===

impl Caller {
    /// A caller, and the messages for it.
    pub(crate) fn new() -> (Self, Messages) {
        let (messages, receiver) = mpsc::channel(BUFFERED_MESSAGES);
        (
            Self {
                messages,
                delivered: 0,
                output: String::new(),
                run_id: String::new(),
            },
            receiver,
        )
    }

    /// All output so far.
    pub(crate) fn output_text(&self) -> &str {
        &self.output
    }

    /// The gateway's own id of the run, or nothing.
    pub(crate) fn gateway_run_id(&self) -> &str {
        &self.run_id
    }

    /// Tells that nothing was sent, and why. Only as the first message, for which there is always room.
    pub(crate) fn refuse(self, status: Status) {
        if self.messages.try_send(Err(status)).is_err() {
            tracing::debug!("the caller has gone");
        }
    }

    /// Tells that the request goes out now.
    pub(crate) fn accept(&self, accepted: Accepted) {
        if self.messages.try_send(Ok(message(Event::Accepted(accepted)))).is_err() {
            tracing::debug!("the caller has gone");
        }
    }

    /// Tells the end, after the rest of the output.
    pub(crate) async fn finish(mut self, finished: Finished) {
        let parting = async {
            let rest = self.undelivered();
            if let Some(rest) = rest {
                self.messages.send(Ok(rest)).await?;
            }
            let end = Event::Finished(Box::new(finished));
            self.messages.send(Ok(message(end))).await
        };
        if !timeout(PARTING_WAIT, parting).await.is_ok_and(|sent| sent.is_ok()) {
            tracing::debug!("the caller did not wait for the end");
        }
    }

    fn undelivered(&mut self) -> Option<ExecuteActionResponse> {
        let text = self
            .output
            .get(self.delivered..)
            .filter(|text| !text.is_empty())?
            .to_owned();
        self.delivered = self.output.len();
        Some(message(Event::OutputChunk(OutputChunk { text })))
    }
}

impl Progress for Caller {
    fn run_id(&mut self, id: &str) {
        id.clone_into(&mut self.run_id);
    }

    fn output(&mut self, text: &str) {
        self.output.push_str(text);
        // Checked first, so that the output stays here when there is no room.
        if self.messages.capacity() > 0
            && let Some(piece) = self.undelivered()
        {
            self.messages.try_send(Ok(piece)).ok();
        }
    }
}

const fn message(event: Event) -> ExecuteActionResponse {
    ExecuteActionResponse { event: Some(event) }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut messages: Messages) -> (Vec<String>, Option<Finished>) {
        let (mut pieces, mut finished) = (Vec::new(), None);
        while let Some(message) = messages.recv().await {
            match message.unwrap().event {
                Some(Event::OutputChunk(chunk)) => pieces.push(chunk.text),
                Some(Event::Finished(end)) => finished = Some(*end),
                _ => {}
            }
        }
        (pieces, finished)
    }

    #[tokio::test]
    async fn a_slow_caller_gets_fewer_and_longer_pieces_and_loses_none() {
        let (mut caller, messages) = Caller::new();
        let words: Vec<String> = (0..100).map(|number| format!("{number} é ")).collect();
        for word in &words {
            caller.output(word);
        }
        let (finish, (pieces, finished)) = tokio::join!(caller.finish(Finished::default()), read(messages));
        let () = finish;
        assert_eq!(pieces.concat(), words.concat());
        assert_eq!(pieces.len(), BUFFERED_MESSAGES + 1);
        assert!(finished.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_has_gone_or_sleeps_holds_nothing_up() {
        let (mut caller, messages) = Caller::new();
        drop(messages);
        caller.output("to nobody");
        assert_eq!(caller.output_text(), "to nobody");
        caller.finish(Finished::default()).await;

        let (mut caller, _asleep) = Caller::new();
        for _ in 0..100 {
            caller.output("x");
        }
        caller.finish(Finished::default()).await;
    }
}
