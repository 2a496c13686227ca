//! Follows a run to its end, over broken connections.

use std::time::Duration;

use chassis::{auth::Audience, part::PartName};
use futures_util::{Stream, StreamExt as _, stream::BoxStream};
use proto::governance::v1::{
    Run, StreamRunRequest, StreamRunResponse, WatchRunRequest, WatchRunResponse, stream_run_response,
    watch_run_response,
};
use tonic::Status;

use super::{not_submitted, report::Reporter};
use crate::{
    client::{Session, can_be_taken_up, told_to_wait},
    error::CliError,
};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often in a row a lost connection is taken up again: about five minutes.
const ATTEMPTS: u32 = 64;

/// One message of either stream.
enum Update {
    Run(Box<Run>),
    Output(String),
}

type Updates = BoxStream<'static, Result<Update, Status>>;

/// Submits and follows. A connection that breaks once the run is known is taken up again.
pub(super) async fn to_the_end(
    session: &Session,
    message: StreamRunRequest,
    reporter: &mut Reporter<'_, '_>,
) -> Result<(), CliError> {
    let request_id = message.request_id.clone();
    let request = session.stream(Audience::Governance, message)?;
    let response = session.governance()?.stream_run(request).await;
    let stream = response
        .map_err(|status| not_submitted(session, &status, &request_id))?
        .into_inner();
    let interruption = drain(updates(stream, from_stream), reporter, true).await?;
    let Some(run) = reporter.run_name() else {
        let status = interruption.unwrap_or_else(|| Status::unavailable("the stream ended without a run"));
        return Err(not_submitted(session, &status, &request_id));
    };
    check(session, interruption)?;
    take_up(session, &run, reporter).await
}

/// Watches the run until it ends. Pieces of the answer are left out: which of them were shown before isn't known, and
/// the ended run holds the whole answer.
async fn take_up(session: &Session, run: &str, reporter: &mut Reporter<'_, '_>) -> Result<(), CliError> {
    let mut failures = 0;
    let mut told = Duration::ZERO;
    while !reporter.has_ended() {
        tokio::time::sleep(pause(failures).max(told)).await;
        let changes = reporter.changes();
        let interruption = match watch(session, run).await {
            Ok(stream) => drain(stream, reporter, false).await?,
            Err(status) => Some(status),
        };
        failures = if reporter.changes() == changes { failures + 1 } else { 0 };
        let lost = interruption.is_some() && failures > ATTEMPTS;
        told = interruption.as_ref().and_then(told_to_wait).unwrap_or_default();
        if let Some(status) = interruption.filter(|status| lost || !can_be_taken_up(status)) {
            return Err(session.failed(PartName::Orchestrator, &status));
        }
    }
    Ok(())
}

async fn watch(session: &Session, run: &str) -> Result<Updates, Status> {
    // An instance that is just being started again has no endpoints yet.
    let absent = |error: CliError| Status::unavailable(error.to_string());
    let message = WatchRunRequest { name: run.to_owned() };
    let request = session.stream(Audience::Governance, message).map_err(absent)?;
    let stream = session
        .governance()
        .map_err(absent)?
        .watch_run(request)
        .await?
        .into_inner();
    Ok(updates(stream, from_watch))
}

/// Reports what the stream says; returns how it broke, if it did.
async fn drain(mut stream: Updates, reporter: &mut Reporter<'_, '_>, output: bool) -> Result<Option<Status>, CliError> {
    while let Some(update) = stream.next().await {
        match update {
            Ok(Update::Run(run)) => reporter.run((*run).into())?,
            Ok(Update::Output(text)) if output => reporter.output(&text)?,
            Ok(Update::Output(_)) => {}
            Err(status) => return Ok(Some(status)),
        }
    }
    Ok(None)
}

fn check(session: &Session, interruption: Option<Status>) -> Result<(), CliError> {
    let refusal = interruption.filter(|status| !can_be_taken_up(status));
    refusal.map_or(Ok(()), |status| Err(session.failed(PartName::Orchestrator, &status)))
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(LONGEST_PAUSE)
}

fn updates<M: 'static>(
    stream: impl Stream<Item = Result<M, Status>> + Send + 'static,
    read: fn(M) -> Option<Update>,
) -> Updates {
    // A message that says nothing this version knows is passed over.
    stream
        .filter_map(move |message| std::future::ready(message.map(read).transpose()))
        .boxed()
}

fn from_stream(message: StreamRunResponse) -> Option<Update> {
    Some(match message.update? {
        stream_run_response::Update::Run(run) => Update::Run(run),
        stream_run_response::Update::OutputChunk(text) => Update::Output(text),
    })
}

fn from_watch(message: WatchRunResponse) -> Option<Update> {
    Some(match message.update? {
        watch_run_response::Update::Run(run) => Update::Run(run),
        watch_run_response::Update::OutputChunk(text) => Update::Output(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        assert_eq!(pause(0), FIRST_PAUSE);
        assert_eq!(pause(1), 2 * FIRST_PAUSE);
        assert_eq!(pause(40), LONGEST_PAUSE);
    }
}
