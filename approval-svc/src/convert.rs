//! From the contract's requests to commands; [`reply`] goes the other way.

pub mod reply;

use chassis::{PartName, Violations, convert, filter};
use prost::Message;
use proto::{
    approval::v1::{
        CancelApprovalRequest, ClaimWarrantRequest, CompleteWarrantRequest, CreateApprovalRequest, DenyApprovalRequest,
        GrantApprovalRequest, ListApprovalsRequest, ReconcileWarrantRequest, RenewClaimRequest, RevokeApprovalRequest,
    },
    common::v1 as common,
};
use sha2::{Digest as _, Sha256};
use tonic::Status;
use warrant::{Action, ActionDigest, ApprovalId, Risk, RunId, approval_id};

use crate::{
    approval::{
        Outcome, State,
        command::{CompleteWarrant, Seen},
    },
    store::{Query, RequestKey},
};

const DOMAIN: &str = PartName::Approval.domain();
/// How long a reason, a detail or an alternative may be.
const MAX_TEXT_BYTES: usize = 4 * 1024;
/// How long a name of a process, an etag or a token may be.
const MAX_NAME_BYTES: usize = 256;
const FILTER_FIELDS: [&str; 5] = ["state", "risk", "requester", "agent", "run_id"];

/// A well-formed `CreateApproval`.
#[derive(Clone, Debug)]
pub struct NewApproval {
    /// Its id.
    pub request_id: String,
    /// The action.
    pub action: Action,
    /// The verdict, not verified yet.
    pub verdict_jws: String,
    /// The classifier's reason.
    pub reason: String,
    /// What to ask for instead.
    pub safe_alternative: String,
    /// The caller's `traceparent`.
    pub traceparent: String,
}

/// A well-formed decision of a person.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The approval.
    pub id: ApprovalId,
    /// What the person saw.
    pub seen: Seen,
    /// Why.
    pub reason: String,
}

/// A well-formed `ClaimWarrant`, its warrant not read yet.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// The warrant.
    pub warrant_jws: String,
    /// What the executor will send.
    pub digest: ActionDigest,
    /// Its id.
    pub request_id: String,
    /// Which executor process.
    pub executor: String,
}

/// Reads a `CreateApproval`.
pub fn create(request: CreateApprovalRequest) -> Result<NewApproval, Status> {
    let mut violations = Violations::new(DOMAIN);
    violations.uuid("request_id", &request.request_id);
    let action = convert::action_from_proto(&mut violations, "action", request.action);
    required(
        &mut violations,
        "verdict_jws",
        &request.verdict_jws,
        warrant::MAX_TOKEN_BYTES,
    );
    text(&mut violations, "reason", &request.reason);
    text(&mut violations, "safe_alternative", &request.safe_alternative);
    if !request.traceparent.is_empty() && !chassis::context::is_traceparent(&request.traceparent) {
        violations.add("traceparent", "must be a W3C traceparent of version 00");
    }
    let action = checked(violations, action)?;
    Ok(NewApproval {
        request_id: request.request_id,
        action,
        verdict_jws: request.verdict_jws,
        reason: request.reason,
        safe_alternative: request.safe_alternative,
        traceparent: request.traceparent,
    })
}

/// Reads a `GrantApproval`.
pub fn grant(request: GrantApprovalRequest) -> Result<Judgement, Status> {
    let GrantApprovalRequest {
        name,
        etag,
        action_digest,
        request_id,
        reason,
    } = request;
    judgement(&name, etag, &action_digest, &request_id, reason, false)
}

/// Reads a `DenyApproval`.
pub fn deny(request: DenyApprovalRequest) -> Result<Judgement, Status> {
    let DenyApprovalRequest {
        name,
        etag,
        action_digest,
        request_id,
        reason,
    } = request;
    judgement(&name, etag, &action_digest, &request_id, reason, true)
}

/// Reads a `RevokeApproval`.
pub fn revoke(request: RevokeApprovalRequest) -> Result<Judgement, Status> {
    let RevokeApprovalRequest {
        name,
        etag,
        action_digest,
        request_id,
        reason,
    } = request;
    judgement(&name, etag, &action_digest, &request_id, reason, true)
}

fn judgement(
    name: &str,
    etag: String,
    action_digest: &str,
    request_id: &str,
    reason: String,
    with_reason: bool,
) -> Result<Judgement, Status> {
    let mut violations = Violations::new(DOMAIN);
    let id = approval_name(&mut violations, "name", name);
    required(&mut violations, "etag", &etag, MAX_NAME_BYTES);
    let digest = digest(&mut violations, action_digest);
    violations.uuid("request_id", request_id);
    if with_reason {
        violations.required("reason", reason.trim());
    }
    text(&mut violations, "reason", &reason);
    let (id, digest) = checked(violations, id.zip(digest))?;
    Ok(Judgement {
        id,
        seen: Seen { etag, digest },
        reason,
    })
}

/// Reads a `CancelApproval`: the approval and the reason.
pub fn cancel(request: CancelApprovalRequest) -> Result<(ApprovalId, String), Status> {
    let mut violations = Violations::new(DOMAIN);
    let id = approval_name(&mut violations, "name", &request.name);
    violations.uuid("request_id", &request.request_id);
    text(&mut violations, "reason", &request.reason);
    Ok((checked(violations, id)?, request.reason))
}

/// Reads a `ClaimWarrant`.
pub fn claim(request: ClaimWarrantRequest) -> Result<ClaimRequest, Status> {
    let mut violations = Violations::new(DOMAIN);
    violations.uuid("request_id", &request.request_id);
    violations.required("warrant_jws", &request.warrant_jws);
    let digest = digest(&mut violations, &request.action_digest);
    required(
        &mut violations,
        "executor_instance",
        &request.executor_instance,
        MAX_NAME_BYTES,
    );
    shown(&mut violations, "executor_instance", &request.executor_instance);
    let digest = checked(violations, digest)?;
    Ok(ClaimRequest {
        warrant_jws: request.warrant_jws,
        digest,
        request_id: request.request_id,
        executor: request.executor_instance,
    })
}

/// Reads a `RenewClaim`: the approval and the fencing token.
pub fn renew(request: RenewClaimRequest) -> Result<(ApprovalId, String), Status> {
    let mut violations = Violations::new(DOMAIN);
    let id = approval_name(&mut violations, "approval", &request.approval);
    required(&mut violations, "fencing_token", &request.fencing_token, MAX_NAME_BYTES);
    Ok((checked(violations, id)?, request.fencing_token))
}

/// Reads a `CompleteWarrant`.
pub fn complete(request: CompleteWarrantRequest) -> Result<(ApprovalId, CompleteWarrant), Status> {
    let mut violations = Violations::new(DOMAIN);
    let id = approval_name(&mut violations, "approval", &request.approval);
    required(&mut violations, "fencing_token", &request.fencing_token, MAX_NAME_BYTES);
    violations.uuid("request_id", &request.request_id);
    text(&mut violations, "detail", &request.detail);
    let outcome = outcome_from_wire(request.outcome());
    if outcome.is_none() {
        violations.add("outcome", "is required");
    }
    let (id, outcome) = checked(violations, id.zip(outcome))?;
    let complete = CompleteWarrant {
        fencing_token: request.fencing_token,
        outcome,
        detail: request.detail,
        receipt_index: (request.receipt_index > 0).then_some(request.receipt_index),
    };
    Ok((id, complete))
}

/// Reads a `ReconcileWarrant`: the approval, and whether it succeeded.
pub fn reconcile(request: &ReconcileWarrantRequest) -> Result<(ApprovalId, bool), Status> {
    let mut violations = Violations::new(DOMAIN);
    let id = approval_name(&mut violations, "approval", &request.approval);
    required(&mut violations, "etag", &request.etag, MAX_NAME_BYTES);
    violations.required("reason", request.reason.trim());
    text(&mut violations, "reason", &request.reason);
    violations.uuid("request_id", &request.request_id);
    let succeeded = match request.outcome() {
        common::Outcome::Succeeded => Some(true),
        common::Outcome::Failed => Some(false),
        _ => {
            violations.add("outcome", "must be OUTCOME_SUCCEEDED or OUTCOME_FAILED");
            None
        }
    };
    checked(violations, id.zip(succeeded))
}

/// Reads the resource name of a `GetApproval`.
pub fn get(name: &str) -> Result<ApprovalId, Status> {
    let mut violations = Violations::new(DOMAIN);
    let id = approval_name(&mut violations, "name", name);
    checked(violations, id)
}

/// Reads a `ListApprovals`: its filter and page size. The page token is read by whoever knows the caller.
pub fn list(request: &ListApprovalsRequest) -> Result<Query, Status> {
    let mut violations = Violations::new(DOMAIN);
    let limit = chassis::page::size(&mut violations, request.page_size, 50, 1_000);
    let query = filter(&mut violations, &request.filter);
    violations.check()?;
    Ok(Query { limit, ..query })
}

/// Reads the filter of a `WatchApprovals`.
pub fn watch(text: &str) -> Result<Query, Status> {
    let mut violations = Violations::new(DOMAIN);
    let query = filter(&mut violations, text);
    violations.check()?;
    Ok(query)
}

fn filter(violations: &mut Violations, text: &str) -> Query {
    const FIELD: &str = "filter";
    let mut query = Query::default();
    for term in filter::parse(violations, FIELD, text, &FILTER_FIELDS) {
        let value = term.value;
        match term.field.as_str() {
            "state" => query.state = known(violations, FIELD, State::from_name(&value), &value),
            "risk" => query.risk = known(violations, FIELD, value.parse::<Risk>().ok(), &value),
            "run_id" => {
                let run = known(violations, FIELD, value.parse::<RunId>().ok(), &value);
                query.id = run.map(|run| approval_id(&run));
            }
            "requester" => query.requester_subject = Some(value),
            "agent" => query.agent = Some(value),
            _ => {}
        }
    }
    query
}

fn known<T>(violations: &mut Violations, field: &str, read: Option<T>, value: &str) -> Option<T> {
    if read.is_none() {
        violations.add(field, format!("has an unknown value `{value}`"));
    }
    read
}

fn approval_name(violations: &mut Violations, field: &str, name: &str) -> Option<ApprovalId> {
    let id = ApprovalId::from_name(name).ok();
    if id.is_none() {
        violations.add(field, "must be `approvals/{uuid}`");
    }
    id
}

fn digest(violations: &mut Violations, text: &str) -> Option<ActionDigest> {
    let digest = text.parse().ok();
    if digest.is_none() {
        violations.add("action_digest", "must be `sha256:` and 64 lowercase hexadecimal digits");
    }
    digest
}

fn required(violations: &mut Violations, field: &str, value: &str, max: usize) {
    violations.required(field, value);
    violations.max_bytes(field, value, max);
}

/// Free text that people will read.
fn text(violations: &mut Violations, field: &str, value: &str) {
    violations.max_bytes(field, value, MAX_TEXT_BYTES);
    shown(violations, field, value);
}

fn shown(violations: &mut Violations, field: &str, value: &str) {
    if let Some(fault) = warrant::free_text_fault(value) {
        violations.add(field, fault);
    }
}

/// The value, which is there whenever there are no violations.
fn checked<T>(violations: Violations, value: Option<T>) -> Result<T, Status> {
    violations.check()?;
    value.ok_or_else(|| Status::internal("a field was neither read nor refused"))
}

/// The key under which a request is remembered: the same id with another body is another request.
///
/// The id is brought into lower case, in the request as well: however it is spelled, it is one (RFC 9562, section 4).
pub fn request_key<R: Message>(
    principal: String,
    rpc: &str,
    request: &mut R,
    id: impl FnOnce(&mut R) -> &mut String,
) -> RequestKey {
    let id = id(request);
    id.make_ascii_lowercase();
    let request_id = id.clone();
    let mut hasher = Sha256::new();
    hasher.update(rpc);
    hasher.update([0]);
    hasher.update(request.encode_to_vec());
    RequestKey {
        principal,
        request_id,
        body: hasher.finalize().into(),
    }
}

fn outcome_from_wire(outcome: common::Outcome) -> Option<Outcome> {
    match outcome {
        common::Outcome::Unspecified => None,
        common::Outcome::Succeeded => Some(Outcome::Succeeded),
        common::Outcome::Failed => Some(Outcome::Failed),
        common::Outcome::Cancelled => Some(Outcome::Cancelled),
        common::Outcome::NotStarted => Some(Outcome::NotStarted),
        common::Outcome::Unknown => Some(Outcome::Unknown),
    }
}
