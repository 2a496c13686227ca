//! Decisions. What is decided on is what was read and shown: its etag and its digest go with the decision, and the
//! digest is computed anew from the action that was shown.

use chassis::auth::Audience;
use proto::{
    approval::v1::{DenyApprovalRequest, GrantApprovalRequest, ReconcileWarrantRequest, RevokeApprovalRequest},
    common::v1::Outcome,
};
use warrant::ActionDigest;

use super::{DECIDER, again, finish, get, name_of};
use crate::{
    args::{ConnectArgs, DecideArgs, GlobalArgs, ReconcileArgs, ReconciledOutcome, RefuseArgs, RepeatArgs},
    client::{Session, request_id},
    console::Console,
    error::CliError,
    escape,
    exit::Exit,
    view::approval::ApprovalView,
};

/// What a decision is made of.
struct Draft {
    session: Session,
    /// As it was read, at the etag that is decided on.
    approval: ApprovalView,
    request_id: String,
    /// The command line that repeats it.
    again: String,
}

pub(super) async fn grant(args: &DecideArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let asks = must_ask(args, console)?;
    let reason = args.reason.clone().unwrap_or_default();
    let options = [("--reason", &*reason)];
    let draft = Draft::read("grant --yes", &options, &args.name, &args.repeat, &args.connect, global).await?;
    let approval = draft.approval;
    check_digest(&approval, args.digest.as_ref())?;
    if asks {
        let text = approval.to_text(console.err_palette());
        console.note(&text)?;
        if !console.confirm("Grant exactly this?")? {
            return Err(CliError::new("nothing was decided"));
        }
    }
    let message = GrantApprovalRequest {
        name: approval.name,
        etag: approval.etag,
        action_digest: approval.action_digest,
        request_id: draft.request_id,
        reason,
    };
    let (session, again) = (draft.session, draft.again);
    let request = session.call(Audience::Approval, message)?;
    let response = session.approvals()?.grant_approval(request).await;
    let result = response.map(|response| response.into_inner().approval);
    finish(&session, result, &again, global, console)
}

pub(super) async fn deny(args: &RefuseArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let draft = Draft::refuse("deny", args, global).await?;
    let message = DenyApprovalRequest {
        name: draft.approval.name,
        etag: draft.approval.etag,
        action_digest: draft.approval.action_digest,
        request_id: draft.request_id,
        reason: args.reason.clone(),
    };
    let (session, again) = (draft.session, draft.again);
    let request = session.call(Audience::Approval, message)?;
    let response = session.approvals()?.deny_approval(request).await;
    let result = response.map(|response| response.into_inner().approval);
    finish(&session, result, &again, global, console)
}

pub(super) async fn revoke(
    args: &RefuseArgs,
    global: &GlobalArgs,
    console: &mut Console<'_>,
) -> Result<Exit, CliError> {
    let draft = Draft::refuse("revoke", args, global).await?;
    let message = RevokeApprovalRequest {
        name: draft.approval.name,
        etag: draft.approval.etag,
        action_digest: draft.approval.action_digest,
        request_id: draft.request_id,
        reason: args.reason.clone(),
    };
    let (session, again) = (draft.session, draft.again);
    let request = session.call(Audience::Approval, message)?;
    let response = session.approvals()?.revoke_approval(request).await;
    let result = response.map(|response| response.into_inner().approval);
    finish(&session, result, &again, global, console)
}

pub(super) async fn reconcile(
    args: &ReconcileArgs,
    global: &GlobalArgs,
    console: &mut Console<'_>,
) -> Result<Exit, CliError> {
    let (outcome, word) = match args.outcome {
        ReconciledOutcome::Succeeded => (Outcome::Succeeded, "succeeded"),
        ReconciledOutcome::Failed => (Outcome::Failed, "failed"),
    };
    let options = [("--outcome", word), ("--reason", &args.reason)];
    let draft = Draft::read("reconcile", &options, &args.name, &args.repeat, &args.connect, global).await?;
    let message = ReconcileWarrantRequest {
        approval: draft.approval.name,
        etag: draft.approval.etag,
        outcome: outcome.into(),
        reason: args.reason.clone(),
        request_id: draft.request_id,
    };
    let (session, again) = (draft.session, draft.again);
    let request = session.call(Audience::Approval, message)?;
    let response = session.warrants()?.reconcile_warrant(request).await;
    let result = response.map(|response| response.into_inner().approval);
    finish(&session, result, &again, global, console)
}

/// Whether to ask the person at the terminal; without one, the command line itself must say that it is meant.
fn must_ask(args: &DecideArgs, console: &Console<'_>) -> Result<bool, CliError> {
    if args.yes {
        return Ok(false);
    }
    if console.terminals.input {
        return Ok(true);
    }
    if args.digest.is_some() {
        return Ok(false);
    }
    Err(CliError::usage("nobody is there to confirm the grant")
        .hint("give --digest as `approvals show` prints it, or --yes"))
}

fn check_digest(approval: &ApprovalView, insisted: Option<&ActionDigest>) -> Result<(), CliError> {
    if !approval.digest_holds() {
        return Err(
            CliError::new("the digest that approval-svc names is not that of the action it shows")
                .hint("don't decide; have the service looked at"),
        );
    }
    match insisted {
        Some(digest) if digest.to_string() != approval.action_digest => Err(CliError::new(format!(
            "the action has another digest: {}",
            approval.action_digest
        ))
        .hint("look at it again with `countersign approvals show`")),
        _ => Ok(()),
    }
}

// === impl Draft ===

impl Draft {
    /// A decision on the approval as it is now, unless it repeats an earlier one.
    async fn read(
        command: &str,
        options: &[(&str, &str)],
        name: &str,
        repeat: &RepeatArgs,
        connect: &ConnectArgs,
        global: &GlobalArgs,
    ) -> Result<Self, CliError> {
        let session = Session::open(connect, global, DECIDER)?;
        let mut approval = get(&session, &name_of(name)?).await?;
        if let Some(etag) = &repeat.etag {
            approval.etag.clone_from(etag);
        }
        let request_id = request_id(repeat.request_id);
        let etag = escape::one_line(&approval.etag);
        let options = [&[("--etag", &*etag), ("--request-id", &request_id)], options].concat();
        let again = again(command, &approval.name, &options, connect, global);
        Ok(Self {
            session,
            approval,
            request_id,
            again,
        })
    }

    async fn refuse(command: &str, args: &RefuseArgs, global: &GlobalArgs) -> Result<Self, CliError> {
        let options = [("--reason", &*args.reason)];
        let draft = Self::read(command, &options, &args.name, &args.repeat, &args.connect, global).await?;
        check_digest(&draft.approval, args.digest.as_ref())?;
        Ok(draft)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{console::Terminals, view::approval::tests::pending};

    fn asks(yes: bool, digest: bool, terminal: bool) -> Result<bool, CliError> {
        let args = DecideArgs {
            name: "approvals/0".into(),
            digest: digest.then(|| ActionDigest::from_bytes([0; 32])),
            reason: None,
            yes,
            repeat: RepeatArgs::default(),
            connect: ConnectArgs::default(),
        };
        let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), std::io::empty());
        let terminals = Terminals {
            input: terminal,
            ..Terminals::default()
        };
        must_ask(
            &args,
            &Console {
                out: &mut out,
                err: &mut err,
                input: &mut input,
                terminals,
                no_color: true,
            },
        )
    }

    #[test]
    fn a_grant_is_meant_or_it_is_asked_for() {
        assert!(asks(false, false, true).unwrap());
        assert!(asks(false, true, true).unwrap());
        assert!(!asks(true, false, true).unwrap());
        assert!(!asks(true, false, false).unwrap());
        assert!(!asks(false, true, false).unwrap());
        assert_eq!(asks(false, false, false).unwrap_err().exit(), Exit::Usage);
    }

    #[test]
    fn nobody_decides_on_another_action_than_the_one_shown() {
        let approval = ApprovalView::from(pending("Send it"));
        let digest = approval.action.digest().unwrap();
        assert!(check_digest(&approval, None).is_ok());
        assert!(check_digest(&approval, Some(&digest)).is_ok());
        assert!(check_digest(&approval, Some(&ActionDigest::from_bytes([0; 32]))).is_err());
        let mut altered = approval;
        altered.action.instruction = Some("Send something else".into());
        assert!(check_digest(&altered, None).is_err());
    }
}
