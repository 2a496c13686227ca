//! GREEN flows through the service.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use proto::{
    approval::v1::{ClaimWarrantRequest, CompleteWarrantRequest, CreateApprovalRequest},
    common::v1::Outcome,
};
use tempfile::TempDir;
use warrant::Risk;

use crate::{
    authority::NOW,
    fixture::{Setting, alice, creation, for_person},
    measure::{Figures, pages},
};

/// How much time a step takes by the service's clock: so little that no verdict or lease runs out.
const TICK: Duration = Duration::from_micros(1);

/// The service, and the numbers that its requests have had.
pub(crate) struct Flows {
    setting: Arc<Setting>,
    token: Arc<str>,
    folder: TempDir,
    made: AtomicU64,
}

// === impl Flows ===

impl Flows {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_owned();
        let setting = Setting::with(move |config| config.data_dir = data).await;
        Self {
            setting: Arc::new(setting),
            token: alice().into(),
            folder,
            made: AtomicU64::new(0),
        }
    }

    pub(crate) async fn pages_a_flow(&self, count: usize) -> f64 {
        let before = pages(&self.database());
        let figures = self.drive(1, count).await;
        (pages(&self.database()) - before) / figures.count()
    }

    /// The verdicts are signed before the clock starts: that is the classifier's work.
    pub(crate) async fn drive(&self, callers: usize, count: usize) -> Figures {
        let first = self.made.fetch_add(count as u64, Ordering::Relaxed);
        let request = |number| creation(u128::from(number), Risk::Green, NOW);
        let requests: Arc<[CreateApprovalRequest]> = (first..first + count as u64).map(request).collect();
        let (setting, token) = (self.setting.clone(), self.token.clone());
        Figures::of(callers, count, move |number| {
            let (setting, token, request) = (setting.clone(), token.clone(), requests[number].clone());
            async move { flow(&setting, request, &token).await }
        })
        .await
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("approvals.sqlite")
    }
}

/// The clock ticks between the steps, as a real one does: each transaction is of a time of its own.
async fn flow(setting: &Setting, create: CreateApprovalRequest, token: &str) {
    let request_id = create.request_id.clone();
    let created = setting
        .orchestrator()
        .create_approval(for_person(create, token))
        .await
        .unwrap()
        .into_inner();
    let approval = created.approval.unwrap();
    let claim = ClaimWarrantRequest {
        request_id: request_id.clone(),
        warrant_jws: created.warrant_jws,
        action_digest: approval.action_digest,
        executor_instance: "executor-1".into(),
    };
    setting.clock.advance(TICK);
    let claimed = setting.executor().claim_warrant(claim).await.unwrap().into_inner();
    let complete = CompleteWarrantRequest {
        approval: approval.name,
        fencing_token: claimed.claim.unwrap().fencing_token,
        outcome: Outcome::Succeeded.into(),
        detail: String::new(),
        receipt_index: 9,
        request_id,
    };
    setting.clock.advance(TICK);
    setting.executor().complete_warrant(complete).await.unwrap();
}
