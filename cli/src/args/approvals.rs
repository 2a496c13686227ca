//! Options of `countersign approvals`.

use clap::{Args, Subcommand, ValueEnum};

use super::ConnectArgs;

/// Options of `approvals`.
#[derive(Clone, Debug, Args)]
pub struct ApprovalsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ApprovalsCommand,
}

/// The commands of `approvals`.
#[derive(Clone, Debug, Subcommand)]
pub enum ApprovalsCommand {
    /// List approvals, newest first.
    List(ListApprovalsArgs),
    /// Show one approval in full: exactly what would be executed, and why it waits.
    Show(ShowApprovalArgs),
    /// Vote for a pending approval.
    Grant(DecideArgs),
    /// Deny a pending approval, or revoke a granted one that nobody has claimed.
    Deny(RefuseArgs),
    /// Take back a granted approval that nobody has claimed.
    Revoke(RefuseArgs),
    /// Withdraw a request of your own.
    Cancel(CancelArgs),
    /// Follow approvals as they change.
    Watch(WatchArgs),
    /// Say what came of an execution whose outcome is unknown.
    Reconcile(ReconcileArgs),
}

/// Options of `approvals list`.
#[derive(Clone, Debug, Args)]
pub struct ListApprovalsArgs {
    /// Only those in this state, such as `PENDING`
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    /// Terms joined by `AND`, such as `risk = AMBER AND requester = "alice"`
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 50, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// Who, and where to.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// Options of `approvals show`.
#[derive(Clone, Debug, Args)]
pub struct ShowApprovalArgs {
    /// The approval, `approvals/{uuid}`; the uuid alone, or the run, do as well
    #[arg(value_name = "APPROVAL")]
    pub name: String,
    /// Who, and where to.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// What makes a decision the same one again.
#[derive(Clone, Debug, Default, Args)]
pub struct RepeatArgs {
    /// Decide on the approval as it was at this etag; whoever repeats a decision gives it [default: the present one]
    #[arg(long, value_name = "ETAG")]
    pub etag: Option<String>,
    /// UUID that makes repeating safe, with the same --etag [default: a new one]
    #[arg(long, value_name = "UUID")]
    pub request_id: Option<uuid::Uuid>,
}

/// Options of `approvals grant`.
#[derive(Clone, Debug, Args)]
pub struct DecideArgs {
    /// The approval, `approvals/{uuid}`; the uuid alone, or the run, do as well
    #[arg(value_name = "APPROVAL")]
    pub name: String,
    /// Decide only if the action has this digest, as `approvals show` printed it
    #[arg(long, value_name = "DIGEST")]
    pub digest: Option<warrant::ActionDigest>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Don't ask; needed without a terminal unless --digest is given
    #[arg(long, short)]
    pub yes: bool,
    /// How to repeat it.
    #[command(flatten)]
    pub repeat: RepeatArgs,
    /// Who, and where to.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// Options of `approvals deny` and `approvals revoke`.
#[derive(Clone, Debug, Args)]
pub struct RefuseArgs {
    /// The approval, `approvals/{uuid}`; the uuid alone, or the run, do as well
    #[arg(value_name = "APPROVAL")]
    pub name: String,
    /// Why, for the requester and the record
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Decide only if the action has this digest, as `approvals show` printed it
    #[arg(long, value_name = "DIGEST")]
    pub digest: Option<warrant::ActionDigest>,
    /// How to repeat it.
    #[command(flatten)]
    pub repeat: RepeatArgs,
    /// Who, and where to.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// Options of `approvals cancel`.
#[derive(Clone, Debug, Args)]
pub struct CancelArgs {
    /// The approval, `approvals/{uuid}`; the uuid alone, or the run, do as well
    #[arg(value_name = "APPROVAL")]
    pub name: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// UUID that makes repeating safe [default: a new one]
    #[arg(long, value_name = "UUID")]
    pub request_id: Option<uuid::Uuid>,
    /// Who, and where to.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// Options of `approvals watch`.
#[derive(Clone, Debug, Args)]
pub struct WatchArgs {
    /// Terms joined by `AND`, such as `state = PENDING`
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
    /// Continue after this token, as an earlier watch printed it in JSON
    #[arg(long, value_name = "TOKEN")]
    pub resume_token: Option<String>,
    /// End after this many changes
    #[arg(long, value_name = "NUMBER")]
    pub count: Option<u64>,
    /// Who, and where to.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// Options of `approvals reconcile`.
#[derive(Clone, Debug, Args)]
pub struct ReconcileArgs {
    /// The approval, `approvals/{uuid}`; the uuid alone, or the run, do as well
    #[arg(value_name = "APPROVAL")]
    pub name: String,
    /// What came of the execution
    #[arg(long, value_enum, value_name = "OUTCOME")]
    pub outcome: ReconciledOutcome,
    /// The evidence, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// How to repeat it.
    #[command(flatten)]
    pub repeat: RepeatArgs,
    /// Who, and where to.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// What a person can say of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReconciledOutcome {
    /// It took effect.
    Succeeded,
    /// It did not.
    Failed,
}
