//! Approvals between their domain form and their rows.

use rusqlite::{Row, types::FromSql};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;
use warrant::{Action, ActionDigest, ApprovalId, Operation, RunId};

use crate::{
    approval::{Approval, Content, Progress},
    moment::Moment,
    resolve::Rule,
    store::{StoreError, Stored},
};

/// The columns that [`stored`] reads, in its order.
pub(super) const COLUMNS: &str = "(SELECT content FROM contents WHERE contents.position = approvals.position),
    progress, decision_position, position, last_change";
/// The columns that repeat what the content and the progress say, as [`current`] reads them after [`COLUMNS`].
pub(super) const REPEATED: &str = "id, state, due_time, dispatch_time";

/// A row of `approvals`.
#[derive(Clone, Debug)]
pub(super) struct ApprovalRow {
    /// The approval.
    pub(super) stored: Stored,
    /// Its position in listings.
    pub(super) position: u64,
    /// Position of its latest entry in the change log.
    pub(super) last_change: u64,
}

/// What never changes, as it is stored.
#[derive(Serialize, Deserialize)]
struct ContentRecord {
    run: RunId,
    tenant: String,
    issuer: String,
    requester: String,
    agent: String,
    session: String,
    #[serde(flatten)]
    operation: OperationRecord,
    digest: ActionDigest,
    rule: Rule,
    rule_ids: Vec<String>,
    reason: String,
    safe_alternative: String,
    policy_digest: String,
    verdict_jws: String,
    traceparent: String,
    create_time: Moment,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum OperationRecord {
    Instruction { instruction: String },
    ToolCall { tool: String, arguments_json: String },
}

/// Reads a row that was selected with [`COLUMNS`].
pub(super) fn stored(row: &Row<'_>) -> Result<ApprovalRow, StoreError> {
    let content = decode_content(text(row, 0)?)?;
    let progress = decode_progress(text(row, 1)?)?;
    Ok(ApprovalRow {
        stored: Stored {
            approval: Approval {
                content: content.into(),
                progress,
            },
            decision_position: unsigned(column(row, 2)?)?,
        },
        position: unsigned(column(row, 3)?)?,
        last_change: unsigned(column(row, 4)?)?,
    })
}

/// Reads a row that was selected with [`COLUMNS`] and the approval's id.
pub(super) fn identified(row: &Row<'_>) -> Result<ApprovalRow, StoreError> {
    let found = stored(row)?;
    if column::<[u8; 16]>(row, 5)? != *id_bytes(&found.stored.approval.id()) {
        return Err(unreadable("its content is another approval's"));
    }
    Ok(found)
}

/// Where a row stands that was selected with [`COLUMNS`] and the approval's id, and whose it is, whatever else it says.
pub(super) fn place(row: &Row<'_>) -> Result<(ApprovalId, u64), StoreError> {
    let uuid = Uuid::from_bytes(column(row, 5)?).to_string();
    let id = uuid.parse().map_err(|error| unreadable(&error))?;
    Ok((id, unsigned(column(row, 3)?)?))
}

/// Reads a row that was selected with [`COLUMNS`] and [`REPEATED`].
pub(super) fn current(row: &Row<'_>) -> Result<ApprovalRow, StoreError> {
    let found = identified(row)?;
    let approval = &found.stored.approval;
    let (due, dispatch) = (approval.due(), approval.progress.dispatch_time);
    let agrees = text(row, 6)? == approval.state().as_str()
        && column::<Option<i64>>(row, 7)? == due.map(Moment::nanos)
        && column::<i64>(row, 8)? == dispatch.nanos();
    if !agrees {
        return Err(unreadable("its columns say otherwise than its content and progress"));
    }
    Ok(found)
}

fn text<'a>(row: &'a Row<'_>, index: usize) -> Result<&'a str, StoreError> {
    row.get_ref(index)?.as_str().map_err(|error| unreadable(&error))
}

fn column<T: FromSql>(row: &Row<'_>, index: usize) -> Result<T, StoreError> {
    row.get(index).map_err(|error| unreadable(&error))
}

fn unreadable(error: &(impl ToString + ?Sized)) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

/// A position from its column.
pub(super) fn unsigned(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("negative position {value}")))
}

/// A position for its column.
pub(super) fn signed(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

/// The bytes of an approval's id.
pub(super) fn id_bytes(id: &ApprovalId) -> &[u8; 16] {
    Uuid::as_bytes(id.as_uuid())
}

/// A run from its column.
pub(super) fn run(bytes: [u8; 16]) -> Result<RunId, StoreError> {
    RunId::from_bytes(bytes).map_err(|error| unreadable(&error))
}

pub(super) fn encode_progress(progress: &Progress) -> Result<String, StoreError> {
    encode(progress)
}

pub(super) fn decode_progress(text: &str) -> Result<Progress, StoreError> {
    decode(text)
}

pub(super) fn encode_content(content: &Content) -> Result<String, StoreError> {
    let action = content.action.clone();
    encode(&ContentRecord {
        run: action.run,
        tenant: action.tenant,
        issuer: action.issuer,
        requester: action.requester,
        agent: action.agent,
        session: action.session,
        operation: match action.operation {
            Operation::Instruction { instruction } => OperationRecord::Instruction { instruction },
            Operation::ToolCall { tool, arguments_json } => OperationRecord::ToolCall { tool, arguments_json },
        },
        digest: content.digest,
        rule: content.rule.clone(),
        rule_ids: content.rule_ids.clone(),
        reason: content.reason.clone(),
        safe_alternative: content.safe_alternative.clone(),
        policy_digest: content.policy_digest.clone(),
        verdict_jws: content.verdict_jws.clone(),
        traceparent: content.traceparent.clone(),
        create_time: content.create_time,
    })
}

pub(super) fn decode_content(text: &str) -> Result<Content, StoreError> {
    let record: ContentRecord = decode(text)?;
    let action = Action {
        run: record.run,
        tenant: record.tenant,
        issuer: record.issuer,
        requester: record.requester,
        agent: record.agent,
        session: record.session,
        operation: match record.operation {
            OperationRecord::Instruction { instruction } => Operation::Instruction { instruction },
            OperationRecord::ToolCall { tool, arguments_json } => Operation::ToolCall { tool, arguments_json },
        },
    };
    if action.digest() != record.digest {
        return Err(StoreError::Corrupt(format!(
            "the action of run {} was altered",
            record.run
        )));
    }
    Ok(Content {
        id: warrant::approval_id(&action.run),
        action,
        digest: record.digest,
        rule: record.rule,
        rule_ids: record.rule_ids,
        reason: record.reason,
        safe_alternative: record.safe_alternative,
        policy_digest: record.policy_digest,
        verdict_jws: record.verdict_jws,
        traceparent: record.traceparent,
        create_time: record.create_time,
    })
}

fn encode(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| unreadable(&error))
}

fn decode<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| unreadable(&error))
}
