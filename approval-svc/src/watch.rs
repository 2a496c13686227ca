//! Following approvals as they change (AP-10): from memory as they commit, from the change log after a gap.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use chassis::{
    PartName, Person,
    fault::{Code, status},
    page,
};
use futures_util::{Stream, stream};
use proto::{approval::v1::WatchApprovalsResponse, common::v1::ErrorReason};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{
    access,
    convert::reply,
    store::{ApprovalStore, Changed, Query},
};

const DOMAIN: &str = PartName::Approval.domain();
const SCOPE: &str = "WatchApprovals";
/// How often a watcher hears something, at least.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How many changes are read from the log at once.
const PAGE: usize = 256;

/// One watcher.
#[derive(Debug)]
pub struct Watch<S> {
    store: Arc<S>,
    person: Person,
    query: Query,
    live: broadcast::Receiver<Arc<Changed>>,
    /// Everything up to here has been looked at.
    position: u64,
    read: VecDeque<Arc<Changed>>,
    behind: bool,
    greeted: bool,
    /// When the watcher heard something last.
    heard: Instant,
    closing: CancellationToken,
}

// === impl Watch ===

impl<S: ApprovalStore> Watch<S> {
    /// Continues after `resume_token`; without one, starts with what is committed from now on.
    pub fn open(
        store: Arc<S>,
        person: Person,
        query: Query,
        resume_token: &str,
        closing: CancellationToken,
    ) -> Result<Self, Status> {
        let live = store.subscribe();
        let last = store.last_change();
        let resumed = page::decode(DOMAIN, SCOPE, resume_token).map_err(|_| foreign_token())?;
        let position = match &resumed {
            None => last,
            Some(text) => text
                .parse()
                .ok()
                .filter(|position| *position <= last)
                .ok_or_else(foreign_token)?,
        };
        let behind = position < last;
        let read = VecDeque::new();
        Ok(Self {
            store,
            person,
            query,
            live,
            position,
            read,
            behind,
            greeted: false,
            heard: Instant::now(),
            closing,
        })
    }

    /// The messages, until the watcher leaves or the service closes.
    pub fn into_stream(self) -> impl Stream<Item = Result<WatchApprovalsResponse, Status>> + Send {
        stream::unfold(Some(self), |watch| async move {
            let mut watch = watch?;
            match watch.next().await {
                Ok(message) => {
                    watch.heard = Instant::now();
                    Some((Ok(message), Some(watch)))
                }
                Err(status) => Some((Err(status), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<WatchApprovalsResponse, Status> {
        if !std::mem::replace(&mut self.greeted, true) {
            return Ok(self.message(None));
        }
        loop {
            while let Some(changed) = self.read.pop_front() {
                if changed.position <= self.position {
                    continue;
                }
                self.position = changed.position;
                let approval = &changed.approval;
                if access::sees(&self.person, &approval.content) && self.query.finds(approval) {
                    return Ok(self.message(Some(&changed)));
                }
            }
            if self.behind {
                // A long way to catch up is no reason to keep the watcher, or the end of the service, waiting.
                if self.closing.is_cancelled() {
                    return Err(closing());
                }
                if self.heard.elapsed() >= HEARTBEAT {
                    return Ok(self.message(None));
                }
                let page = self.store.changes_after(self.position, PAGE).await?;
                self.behind = page.len() == PAGE;
                self.read.extend(page);
                continue;
            }
            tokio::select! {
                () = self.closing.cancelled() => return Err(closing()),
                // Not after so long without a change: changes that this watcher doesn't see may come all the time.
                () = tokio::time::sleep_until(self.heard + HEARTBEAT) => return Ok(self.message(None)),
                changed = self.live.recv() => match changed {
                    Ok(changed) => self.read.push_back(changed),
                    Err(RecvError::Lagged(_)) => self.behind = true,
                    Err(RecvError::Closed) => return Err(closing()),
                },
            }
        }
    }

    fn message(&self, changed: Option<&Changed>) -> WatchApprovalsResponse {
        WatchApprovalsResponse {
            approval: changed.map(|changed| reply::approval(&changed.approval)),
            resume_token: page::encode(SCOPE, &self.position.to_string()),
        }
    }
}

fn foreign_token() -> Status {
    let message = "`resume_token` is not one of this service's";
    status(DOMAIN, Code::InvalidArgument, ErrorReason::InvalidPageToken, message)
}

fn closing() -> Status {
    let message = "the service is closing; continue with the last resume token";
    status(DOMAIN, Code::Unavailable, ErrorReason::ShuttingDown, message)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, task::Poll};

    use chassis::{SystemIds, auth::Audience};
    use futures_util::StreamExt as _;
    use warrant::Risk;

    use super::*;
    use crate::{approval::Terms, fixture, store::sqlite::SqliteStore};

    async fn open(folder: &std::path::Path) -> Arc<SqliteStore> {
        let opening = SqliteStore::open(folder, Terms::default(), fixture::clock(), Arc::new(SystemIds));
        Arc::new(opening.await.unwrap())
    }

    /// Somebody who sees none of the changes.
    fn stranger() -> Person {
        Person {
            issuer: fixture::ISSUER.to_owned(),
            subject: "mallory".to_owned(),
            tenant: "elsewhere".to_owned(),
            groups: BTreeSet::new(),
            audience: Audience::Governance,
        }
    }

    #[tokio::test]
    async fn a_watcher_who_catches_up_is_not_kept_waiting_and_keeps_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        let start = page::encode(SCOPE, &store.last_change().to_string());
        store.create(fixture::draft(1, Risk::Green)).await.unwrap();
        let closing = CancellationToken::new();
        let watch = Watch::open(store, stranger(), Query::default(), &start, closing.clone());
        let mut watch = watch.unwrap();
        watch.next().await.unwrap();
        assert!(watch.behind);
        tokio::time::pause();
        tokio::time::advance(HEARTBEAT).await;
        let message = watch.next().await.unwrap();
        assert!(watch.behind && message.approval.is_none());
        closing.cancel();
        let status = watch.next().await.unwrap_err();
        assert_eq!(chassis::fault::reason_of(&status), Some(ErrorReason::ShuttingDown));
    }

    #[tokio::test]
    async fn a_watcher_hears_something_while_others_approvals_change() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        let watch = Watch::open(
            store.clone(),
            stranger(),
            Query::default(),
            "",
            CancellationToken::new(),
        );
        let mut heard = std::pin::pin!(watch.unwrap().into_stream());
        tokio::time::pause();
        heard.next().await.unwrap().unwrap();
        store.create(fixture::draft(1, Risk::Green)).await.unwrap();
        tokio::time::advance(HEARTBEAT / 2).await;
        assert!(
            futures_util::poll!(heard.next()).is_pending(),
            "it doesn't see the change"
        );
        // Timers go off at the next whole millisecond.
        tokio::time::advance(HEARTBEAT / 2 + Duration::from_millis(1)).await;
        let heartbeat = futures_util::poll!(heard.next());
        assert!(matches!(heartbeat, Poll::Ready(Some(Ok(message))) if message.approval.is_none()));
    }
}
