//! From the domain to the contract's messages.

use chassis::{convert, time};
use proto::{approval::v1 as wire, common::v1 as common};

use crate::{
    approval::{Approval, Claim, Decision, Outcome, State, Vote},
    moment::Moment,
};

/// An approval on the wire.
pub fn approval(approval: &Approval) -> wire::Approval {
    let (content, progress) = (&approval.content, &approval.progress);
    wire::Approval {
        name: content.id.name(),
        run_id: content.action.run.to_string(),
        action: Some(convert::action_to_proto(&content.action)),
        action_digest: content.digest.to_string(),
        state: state(progress.state).into(),
        etag: approval.etag(),
        revision: progress.revision,
        risk: convert::risk_to_proto(content.rule.risk).into(),
        rule_ids: content.rule_ids.clone(),
        reason: content.reason.clone(),
        safe_alternative: content.safe_alternative.clone(),
        policy_digest: content.policy_digest.clone(),
        verdict_jws: content.verdict_jws.clone(),
        votes: progress.votes.iter().map(vote).collect(),
        mode: progress
            .mode
            .map_or(common::Mode::Unspecified, convert::mode_to_proto)
            .into(),
        create_time: timestamp(content.create_time),
        update_time: timestamp(progress.update_time),
        expire_time: approval.expire_time().and_then(timestamp),
        decide_time: progress.decide_time.and_then(timestamp),
        attempt: progress.attempt,
        outcome: outcome(progress.outcome).into(),
        outcome_detail: progress.outcome_detail.clone(),
        cancel_requested: progress.cancel_requested,
        close_reason: progress.close_reason.clone(),
    }
}

/// A claim on the wire.
pub fn claim_of(approval: &Approval, claim: &Claim, now: Moment) -> wire::Claim {
    wire::Claim {
        approval: approval.id().name(),
        fencing_token: claim.fencing_token.clone(),
        lease_duration: Some(time::duration_to_proto(now.until(claim.lease_expire))),
        lease_expire_time: timestamp(claim.lease_expire),
        server_time: timestamp(now),
        cancel_requested: approval.progress.cancel_requested,
    }
}

/// A moment on the wire.
pub fn timestamp(moment: Moment) -> Option<prost_types::Timestamp> {
    Some(time::to_proto(moment.into()))
}

fn vote(vote: &Vote) -> wire::Vote {
    let decision = match vote.decision {
        Decision::Grant => wire::vote::Decision::Grant,
        Decision::Deny => wire::vote::Decision::Deny,
    };
    wire::Vote {
        issuer: vote.voter.issuer.clone(),
        subject: vote.voter.subject.clone(),
        decision: decision.into(),
        reason: vote.reason.clone(),
        create_time: timestamp(vote.time),
        revision: vote.revision,
        simulated: vote.simulated,
    }
}

fn state(state: State) -> wire::approval::State {
    match state {
        State::Pending => wire::approval::State::Pending,
        State::Granted => wire::approval::State::Granted,
        State::Executing => wire::approval::State::Executing,
        State::Succeeded => wire::approval::State::Succeeded,
        State::Failed => wire::approval::State::Failed,
        State::Denied => wire::approval::State::Denied,
        State::Expired => wire::approval::State::Expired,
        State::Cancelled => wire::approval::State::Cancelled,
        State::Revoked => wire::approval::State::Revoked,
        State::OutcomeUnknown => wire::approval::State::OutcomeUnknown,
    }
}

fn outcome(outcome: Option<Outcome>) -> common::Outcome {
    match outcome {
        None => common::Outcome::Unspecified,
        Some(Outcome::Succeeded) => common::Outcome::Succeeded,
        Some(Outcome::Failed) => common::Outcome::Failed,
        Some(Outcome::Cancelled) => common::Outcome::Cancelled,
        Some(Outcome::NotStarted) => common::Outcome::NotStarted,
        Some(Outcome::Unknown) => common::Outcome::Unknown,
    }
}
