//! Decisions. What is decided on is what was read and shown: its etag and its digest go with the decision, and the
//! digest is computed anew from the action that was shown.

use chassis::{auth::Audience, part::PartName};
use proto::{
    approval::v1::{
        Approval, DenyApprovalRequest, GrantApprovalRequest, ReconcileWarrantRequest, RevokeApprovalRequest,
    },
    common::v1::Outcome,
};
use tonic::{Response, Status};
use warrant::ActionDigest;

use super::{DECIDER, get, name_of, print_result, view};
use crate::{
    args::{DecideArgs, GlobalArgs, ReconcileArgs, ReconciledOutcome, RefuseArgs},
    client::{Session, request_id},
    console::Console,
    error::CliError,
    exit::Exit,
    view::approval::ApprovalView,
};

pub(super) async fn grant(args: &DecideArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let asks = must_ask(args, console)?;
    let session = Session::open(&args.connect, global, DECIDER)?;
    let approval = get(&session, &name_of(&args.name)?).await?;
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
        request_id: request_id(args.request_id),
        reason: args.reason.clone().unwrap_or_default(),
    };
    let request = session.call(Audience::Approval, message)?;
    let response = session.approvals()?.grant_approval(request).await;
    finish(&session, response, |response| response.approval, global, console)
}

pub(super) async fn deny(args: &RefuseArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let (session, approval) = read(args, global).await?;
    let message = DenyApprovalRequest {
        name: approval.name,
        etag: approval.etag,
        action_digest: approval.action_digest,
        request_id: request_id(args.request_id),
        reason: args.reason.clone(),
    };
    let request = session.call(Audience::Approval, message)?;
    let response = session.approvals()?.deny_approval(request).await;
    finish(&session, response, |response| response.approval, global, console)
}

pub(super) async fn revoke(
    args: &RefuseArgs,
    global: &GlobalArgs,
    console: &mut Console<'_>,
) -> Result<Exit, CliError> {
    let (session, approval) = read(args, global).await?;
    let message = RevokeApprovalRequest {
        name: approval.name,
        etag: approval.etag,
        action_digest: approval.action_digest,
        request_id: request_id(args.request_id),
        reason: args.reason.clone(),
    };
    let request = session.call(Audience::Approval, message)?;
    let response = session.approvals()?.revoke_approval(request).await;
    finish(&session, response, |response| response.approval, global, console)
}

pub(super) async fn reconcile(
    args: &ReconcileArgs,
    global: &GlobalArgs,
    console: &mut Console<'_>,
) -> Result<Exit, CliError> {
    let session = Session::open(&args.connect, global, DECIDER)?;
    let approval = get(&session, &name_of(&args.name)?).await?;
    let outcome = match args.outcome {
        ReconciledOutcome::Succeeded => Outcome::Succeeded,
        ReconciledOutcome::Failed => Outcome::Failed,
    };
    let message = ReconcileWarrantRequest {
        approval: approval.name,
        etag: approval.etag,
        outcome: outcome.into(),
        reason: args.reason.clone(),
        request_id: request_id(args.request_id),
    };
    let request = session.call(Audience::Approval, message)?;
    let response = session.warrants()?.reconcile_warrant(request).await;
    finish(&session, response, |response| response.approval, global, console)
}

async fn read(args: &RefuseArgs, global: &GlobalArgs) -> Result<(Session, ApprovalView), CliError> {
    let session = Session::open(&args.connect, global, DECIDER)?;
    let approval = get(&session, &name_of(&args.name)?).await?;
    check_digest(&approval, args.digest.as_ref())?;
    Ok((session, approval))
}

fn finish<R>(
    session: &Session,
    response: Result<Response<R>, Status>,
    approval_of: impl FnOnce(R) -> Option<Approval>,
    global: &GlobalArgs,
    console: &mut Console<'_>,
) -> Result<Exit, CliError> {
    let response = response
        .map_err(|status| session.failed(PartName::Approval, &status))?
        .into_inner();
    print_result(&view(approval_of(response))?, global, console)?;
    Ok(Exit::Ok)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{args::ConnectArgs, console::Terminals, view::approval::tests::pending};

    fn asks(yes: bool, digest: bool, terminal: bool) -> Result<bool, CliError> {
        let args = DecideArgs {
            name: "approvals/0".into(),
            digest: digest.then(|| ActionDigest::from_bytes([0; 32])),
            reason: None,
            yes,
            request_id: None,
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
