//! The built-in simulated approver: grants what pends, after a while, for demonstrations and tests.
//!
//! It runs only if switched on, and its votes make warrants `simulated` (AP-9), which executors refuse unless they were
//! started to accept them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use warrant::ApprovalId;

use crate::{
    access::simulated_approver,
    approval::{
        Approval, Decision, State,
        command::{CastVote, Command, Seen},
    },
    error::ApprovalError,
    moment::Moment,
    store::{ApprovalStore, Query},
};

const REASON: &str = "granted by the simulated approver";
const PAGE: usize = 1_000;

/// Grants every pending approval once it is `after` old, until it is `over`.
pub async fn run<S: ApprovalStore>(store: Arc<S>, after: Duration, over: CancellationToken) {
    tracing::warn!("the simulated approver grants what pends; its warrants are marked as simulated");
    let _closing = over.run_until_cancelled(grant_all(&*store, after)).await;
}

async fn grant_all<S: ApprovalStore>(store: &S, after: Duration) {
    let mut news = store.subscribe();
    let mut queue = pending(store, after).await;
    loop {
        let due = queue.front().map(|(due, _)| store.now().until(*due));
        let ripe = async {
            match due {
                Some(delay) => tokio::time::sleep(delay).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = ripe => {
                if let Some((_, id)) = queue.pop_front()
                    && let Err(error) = grant(store, id).await
                {
                    tracing::debug!(approval = %id, %error, "nothing to grant");
                }
            }
            changed = news.recv() => match changed {
                Ok(changed) => queue.extend(ripening(&changed.approval, after)),
                Err(RecvError::Lagged(_)) => queue = pending(store, after).await,
                Err(RecvError::Closed) => return,
            },
        }
    }
}

async fn pending<S: ApprovalStore>(store: &S, after: Duration) -> VecDeque<(Moment, ApprovalId)> {
    let query = Query {
        state: Some(State::Pending),
        limit: PAGE,
        ..Query::default()
    };
    let newest_first = store.list(query).await.unwrap_or_default();
    newest_first
        .listed
        .iter()
        .rev()
        .filter_map(|listed| ripening(&listed.approval, after))
        .collect()
}

/// When to grant the approval, if it was created just now.
fn ripening(approval: &Approval, after: Duration) -> Option<(Moment, ApprovalId)> {
    let fresh = approval.state() == State::Pending && approval.progress.votes.is_empty();
    fresh.then(|| (approval.content.create_time.plus(after), approval.id()))
}

async fn grant<S: ApprovalStore>(store: &S, id: ApprovalId) -> Result<(), ApprovalError> {
    let approval = store.get(id).await?.approval;
    let decider = simulated_approver();
    let vote = CastVote {
        voter: decider.id,
        decision: Decision::Grant,
        seen: Seen {
            etag: approval.etag(),
            digest: approval.content.digest,
        },
        reason: REASON.to_owned(),
        simulated: decider.simulated,
    };
    store.execute(id, Command::Vote(vote), None).await?;
    Ok(())
}
