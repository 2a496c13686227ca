//! People, actions and commands for the tests of this crate.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chassis::ManualClock;
use warrant::{Action, Mode, Operation, Risk, RunId, approval_id};

use crate::{
    approval::{
        Approval, Content, Decision, Outcome, PersonId,
        command::{
            CancelApproval, CastVote, ClaimWarrant, Command, CompleteWarrant, ReconcileWarrant, RenewClaim,
            RevokeGrant, Seen,
        },
    },
    moment::Moment,
    resolve::Rule,
    store::{ApprovalStore, Draft, RequestKey},
};

pub(crate) const ISSUER: &str = "https://id.acme.example";

pub(crate) fn person(subject: &str) -> PersonId {
    PersonId {
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
    }
}

pub(crate) fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(start()))
}

pub(crate) fn uuid(number: u32) -> String {
    uuid::Uuid::from_u128(u128::from(number) + 1).to_string()
}

pub(crate) fn action(number: u32, text: &str) -> Action {
    let run = RunId::derive("acme", ISSUER, "alice", &uuid(number));
    Action {
        run,
        tenant: "acme".into(),
        issuer: ISSUER.into(),
        requester: "alice".into(),
        agent: "main".into(),
        session: run.to_string(),
        operation: Operation::Instruction {
            instruction: text.into(),
        },
    }
}

pub(crate) fn content(number: u32, risk: Risk) -> Content {
    let action = action(number, "Summarise my unread mail");
    Content {
        id: approval_id(&action.run),
        digest: action.digest(),
        rule: Rule {
            risk,
            quorum: 1,
            requester: person("alice"),
            pending_expire: Moment::MAX,
        },
        rule_ids: vec!["r1".into(), "r2".into()],
        reason: "because".into(),
        safe_alternative: String::new(),
        policy_digest: "sha256:9a".into(),
        verdict_jws: "header.claims.signature".into(),
        traceparent: String::new(),
        create_time: Moment::from(start()),
        action,
    }
}

pub(crate) fn draft(number: u32, risk: Risk) -> Draft {
    Draft {
        content: content(number, risk),
    }
}

pub(crate) fn seen(approval: &Approval) -> Seen {
    Seen {
        etag: approval.etag(),
        digest: approval.content.digest,
    }
}

pub(crate) fn vote(approval: &Approval, voter: &str, decision: Decision) -> Command {
    Command::Vote(CastVote {
        voter: person(voter),
        decision,
        seen: seen(approval),
        reason: "I looked at it".into(),
        simulated: false,
    })
}

pub(crate) fn revoke(approval: &Approval, by: &str) -> Command {
    let reason = "second thoughts".into();
    Command::Revoke(RevokeGrant {
        by: person(by),
        seen: seen(approval),
        reason,
    })
}

pub(crate) fn cancel(by: &str) -> Command {
    Command::Cancel(CancelApproval {
        by: person(by),
        reason: "no longer needed".into(),
    })
}

pub(crate) fn claim(approval: &Approval, number: u32) -> Command {
    let expire = approval.progress.update_time.plus(Duration::from_mins(2));
    Command::Claim(ClaimWarrant {
        jti: approval.progress.jti.clone(),
        revision: 1,
        mode: approval.progress.mode.unwrap_or(Mode::Policy),
        digest: approval.content.digest,
        expire,
        request_id: uuid(number),
        executor: "executor-1".into(),
    })
}

pub(crate) fn token(approval: &Approval) -> String {
    approval.progress.claim.as_ref().unwrap().fencing_token.clone()
}

pub(crate) fn renew(approval: &Approval) -> Command {
    Command::Renew(RenewClaim {
        fencing_token: token(approval),
    })
}

pub(crate) fn complete(approval: &Approval, outcome: Outcome) -> Command {
    Command::Complete(CompleteWarrant {
        fencing_token: token(approval),
        outcome,
        detail: "as reported".into(),
        receipt_index: Some(7),
    })
}

pub(crate) fn reconcile(approval: &Approval, by: &str, succeeded: bool) -> Command {
    let reason = "the mailbox shows it".into();
    Command::Reconcile(ReconcileWarrant {
        by: person(by),
        etag: approval.etag(),
        succeeded,
        reason,
    })
}

pub(crate) fn request(number: u32, body: u8) -> RequestKey {
    RequestKey {
        principal: "somebody".into(),
        request_id: uuid(number),
        body: [body; 32],
    }
}

/// Gives every outbox row that has none its receipt.
pub(crate) async fn record_all(store: &impl ApprovalStore) -> usize {
    let mut count = 0;
    loop {
        let after = store.receipts().relayed();
        let waiting = store.outbox_after(after, 256);
        let Ok(rows) = tokio::time::timeout(Duration::from_millis(20), waiting).await else {
            return count;
        };
        let rows = rows.unwrap();
        count += rows.len();
        let last = rows.last().unwrap().position;
        store.receipts().record(rows.iter().map(|row| row.position), last);
    }
}
