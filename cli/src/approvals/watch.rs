//! Follows approvals as they change, over broken connections.

use std::time::Duration;

use chassis::{auth::Audience, part::PartName};
use futures_util::StreamExt as _;
use proto::approval::v1::{WatchApprovalsRequest, WatchApprovalsResponse};
use serde_json::json;
use tonic::Status;

use super::DECIDER;
use crate::{
    args::{Format, GlobalArgs, WatchArgs},
    client::{Session, can_be_taken_up, told_to_wait},
    console::Console,
    error::CliError,
    escape,
    exit::Exit,
    view::{approval::ApprovalView, seconds},
};

const PAUSE: Duration = Duration::from_secs(1);
/// How often in a row a lost connection is taken up again.
const ATTEMPTS: u32 = 300;

struct Watch<'a, 'c, 'io> {
    args: &'a WatchArgs,
    format: Format,
    console: &'c mut Console<'io>,
    resume_token: String,
    shown: u64,
    failures: u32,
}

pub(super) async fn run(args: &WatchArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let session = Session::open(&args.connect, global, DECIDER)?;
    let resume_token = args.resume_token.clone().unwrap_or_default();
    let mut watch = Watch {
        args,
        format: global.output,
        console,
        resume_token,
        shown: 0,
        failures: 0,
    };
    while !watch.is_done() {
        let lost = watch.follow(&session).await?;
        if watch.is_done() {
            break;
        }
        let told = lost.as_ref().and_then(told_to_wait).unwrap_or_default();
        // Without a token, what changes while the connection is down would be missed unsaid.
        let broken = lost
            .filter(|status| !can_be_taken_up(status) || watch.resume_token.is_empty() || watch.failures >= ATTEMPTS);
        if let Some(status) = broken {
            return Err(session.failed(PartName::Approval, &status));
        }
        watch.failures += 1;
        tokio::time::sleep(PAUSE.max(told)).await;
    }
    Ok(Exit::Ok)
}

// === impl Watch ===

impl Watch<'_, '_, '_> {
    fn is_done(&self) -> bool {
        self.args.count.is_some_and(|count| self.shown >= count)
    }

    /// Shows changes until there are enough, or the stream ends; returns how it broke, if it did.
    async fn follow(&mut self, session: &Session) -> Result<Option<Status>, CliError> {
        let message = WatchApprovalsRequest {
            resume_token: self.resume_token.clone(),
            filter: self.args.filter.clone().unwrap_or_default(),
        };
        let request = session.stream(Audience::Approval, message)?;
        let mut stream = match session.approvals()?.watch_approvals(request).await {
            Ok(response) => response.into_inner(),
            Err(status) => return Ok(Some(status)),
        };
        while !self.is_done() {
            match stream.next().await {
                Some(Ok(message)) => self.show(message)?,
                Some(Err(status)) => return Ok(Some(status)),
                None => break,
            }
        }
        Ok(None)
    }

    fn show(&mut self, message: WatchApprovalsResponse) -> Result<(), CliError> {
        self.failures = 0;
        if !message.resume_token.is_empty() {
            self.resume_token.clone_from(&message.resume_token);
        }
        let Some(approval) = message.approval.map(ApprovalView::from) else {
            return Ok(());
        };
        self.shown += 1;
        match self.format {
            Format::Json => self
                .console
                .json(&json!({"approval": approval, "resume_token": message.resume_token})),
            Format::Text => {
                let palette = self.console.out_palette();
                self.console.line(&format!(
                    "{}  {}  {}  {}  {}  {}",
                    seconds(approval.update_time.as_deref()),
                    escape::one_line(&approval.name),
                    palette.word(&approval.state),
                    palette.word(&approval.risk),
                    escape::excerpt(&approval.action.requester, 20),
                    approval.action.excerpt(60),
                ))
            }
        }
    }
}
