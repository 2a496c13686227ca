//! `countersign approvals`: see what waits for people, and decide it.

mod decide;
mod watch;

use chassis::{auth::Audience, part::PartName};
use proto::approval::v1::{Approval, CancelApprovalRequest, GetApprovalRequest, ListApprovalsRequest, approval::State};
use serde_json::json;
use tonic::Status;

use crate::{
    args::{
        ApprovalsArgs, ApprovalsCommand, CancelArgs, ConnectArgs, Format, GlobalArgs, ListApprovalsArgs,
        ShowApprovalArgs,
    },
    client::{self, Session},
    console::Console,
    error::CliError,
    escape,
    exit::Exit,
    pages,
    shell::{directory_option, person_options, shell_word},
    view::approval::{self, ApprovalView},
};

/// Who looks at approvals and decides them, unless somebody else is named.
const DECIDER: &str = "bob";
/// Who withdraws requests, unless somebody else is named.
const REQUESTER: &str = "alice";

pub(crate) async fn run(
    args: &ApprovalsArgs,
    global: &GlobalArgs,
    console: &mut Console<'_>,
) -> Result<Exit, CliError> {
    match &args.command {
        ApprovalsCommand::List(args) => list(args, global, console).await,
        ApprovalsCommand::Show(args) => show(args, global, console).await,
        ApprovalsCommand::Grant(args) => decide::grant(args, global, console).await,
        ApprovalsCommand::Deny(args) => decide::deny(args, global, console).await,
        ApprovalsCommand::Revoke(args) => decide::revoke(args, global, console).await,
        ApprovalsCommand::Cancel(args) => cancel(args, global, console).await,
        ApprovalsCommand::Watch(args) => watch::run(args, global, console).await,
        ApprovalsCommand::Reconcile(args) => decide::reconcile(args, global, console).await,
    }
}

async fn list(args: &ListApprovalsArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let session = Session::open(&args.connect, global, DECIDER)?;
    let filter = filter_of(args)?;
    let mut unreachable: Vec<String> = Vec::new();
    let (approvals, more) = pages::collect(Some(args.limit), async |page_size, page_token| {
        let message = ListApprovalsRequest {
            page_size,
            page_token,
            filter: filter.clone(),
        };
        let request = session.call(Audience::Approval, message)?;
        let response = session.approvals()?.list_approvals(request).await;
        let page = response
            .map_err(|status| session.failed(PartName::Approval, &status))?
            .into_inner();
        unreachable.extend(page.unreachable);
        Ok((page.approvals, page.next_page_token))
    })
    .await?;
    let approvals: Vec<_> = approvals.into_iter().map(ApprovalView::from).collect();
    match global.output {
        Format::Json => {
            console.json(&json!({"approvals": approvals, "more": more, "unreachable": unreachable}))?;
        }
        Format::Text if approvals.is_empty() => console.note("nothing to show")?,
        Format::Text => {
            let palette = console.out_palette();
            console.line(&approval::table(&approvals, palette))?;
            if more {
                console.note("there may be more: see --limit and --filter")?;
            }
        }
    }
    if !unreachable.is_empty() && global.output == Format::Text {
        let names: Vec<_> = unreachable.iter().map(|name| escape::one_line(name)).collect();
        console.note(&format!("damaged, and so not shown: {}", names.join(", ")))?;
    }
    Ok(Exit::Ok)
}

fn filter_of(args: &ListApprovalsArgs) -> Result<String, CliError> {
    let mut terms: Vec<String> = args.filter.iter().cloned().collect();
    if let Some(state) = &args.state {
        let state = state.to_ascii_uppercase();
        if State::from_str_name(&format!("STATE_{state}")).is_none_or(|state| state == State::Unspecified) {
            return Err(CliError::usage(format!("approvals have no state `{state}`"))
                .hint("use a state such as PENDING, GRANTED, EXECUTING, SUCCEEDED, DENIED or OUTCOME_UNKNOWN"));
        }
        terms.push(format!("state = {state}"));
    }
    Ok(terms.join(" AND "))
}

async fn show(args: &ShowApprovalArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let session = Session::open(&args.connect, global, DECIDER)?;
    let approval = get(&session, &name_of(&args.name)?).await?;
    print(&approval, global, console)?;
    if approval.state == approval::state_word(State::Pending) && global.output == Format::Text {
        console.note(&format!(
            "to grant exactly this:\n  countersign approvals grant {} --digest {}{}{}",
            escape::one_line(&approval.name),
            escape::one_line(&approval.action_digest),
            person_options(&args.connect),
            directory_option(global)
        ))?;
    }
    Ok(Exit::Ok)
}

async fn cancel(args: &CancelArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let session = Session::open(&args.connect, global, REQUESTER)?;
    let message = CancelApprovalRequest {
        name: name_of(&args.name)?,
        request_id: client::request_id(args.request_id),
        reason: args.reason.clone().unwrap_or_default(),
    };
    let options = [("--request-id", &*message.request_id), ("--reason", &message.reason)];
    let again = again("cancel", &message.name, &options, &args.connect, global);
    let request = session.call(Audience::Governance, message)?;
    let response = session.approvals()?.cancel_approval(request).await;
    let result = response.map(|response| response.into_inner().approval);
    finish(&session, result, &again, global, console)
}

/// The command line that sends the same once more.
fn again(command: &str, name: &str, options: &[(&str, &str)], connect: &ConnectArgs, global: &GlobalArgs) -> String {
    let given = options.iter().filter(|(_, value)| !value.is_empty());
    let options: Vec<_> = given
        .map(|(option, value)| format!(" {option} {}", shell_word(value)))
        .collect();
    let (options, person, directory) = (options.concat(), person_options(connect), directory_option(global));
    let name = escape::one_line(name);
    format!("countersign approvals {command} {name}{options}{person}{directory}")
}

/// Shows what was made of the approval; `again` repeats it.
fn finish(
    session: &Session,
    result: Result<Option<Approval>, Status>,
    again: &str,
    global: &GlobalArgs,
    console: &mut Console<'_>,
) -> Result<Exit, CliError> {
    let approval = result.map_err(|status| {
        let error = session.failed(PartName::Approval, &status);
        if client::may_have_happened(&status) {
            return error.hint(format!(
                "it may stand all the same; repeated like this, it never counts twice:\n    {again}"
            ));
        }
        error
    })?;
    print_result(&view(approval)?, global, console)?;
    Ok(Exit::Ok)
}

/// Reads one approval.
async fn get(session: &Session, name: &str) -> Result<ApprovalView, CliError> {
    let message = GetApprovalRequest { name: name.to_owned() };
    let request = session.call(Audience::Approval, message)?;
    let response = session.approvals()?.get_approval(request).await;
    view(
        response
            .map_err(|status| session.failed(PartName::Approval, &status))?
            .into_inner()
            .approval,
    )
}

fn view(approval: Option<Approval>) -> Result<ApprovalView, CliError> {
    approval
        .map(ApprovalView::from)
        .ok_or_else(|| CliError::new("approval-svc answered without an approval"))
}

fn print(approval: &ApprovalView, global: &GlobalArgs, console: &mut Console<'_>) -> Result<(), CliError> {
    match global.output {
        Format::Json => console.json(approval),
        Format::Text => {
            let palette = console.out_palette();
            console.line(&approval.to_text(palette))
        }
    }
}

/// What a decision made of the approval, which was shown before.
fn print_result(approval: &ApprovalView, global: &GlobalArgs, console: &mut Console<'_>) -> Result<(), CliError> {
    match global.output {
        Format::Json => console.json(approval),
        Format::Text => {
            let palette = console.out_palette();
            console.line(&approval.to_line(palette))
        }
    }
}

/// The name of an approval, of which the uuid alone was given, or the run that it decides.
fn name_of(text: &str) -> Result<String, CliError> {
    let run = text.strip_prefix("runs/").unwrap_or(text);
    if let Ok(run) = run.parse::<warrant::RunId>() {
        return Ok(format!("approvals/{}", warrant::approval_id(&run)));
    }
    let id = text.strip_prefix("approvals/").unwrap_or(text);
    let id: uuid::Uuid = id.parse().map_err(|_| {
        CliError::usage(format!("`{text}` is no approval"))
            .hint("give `approvals/{uuid}` as `approvals list` shows it, or the run")
    })?;
    Ok(format!("approvals/{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_named_in_several_ways() {
        let run = warrant::RunId::derive("acme", "i", "alice", "1");
        let name = format!("approvals/{}", warrant::approval_id(&run));
        let id = warrant::approval_id(&run).to_string();
        for text in [
            name.clone(),
            id.clone(),
            id.to_uppercase(),
            run.to_string(),
            format!("runs/{run}"),
        ] {
            assert_eq!(name_of(&text).unwrap(), name, "{text}");
        }
        for text in ["", "approvals/", "runs/1", "approvals/../x", "4bf9"] {
            assert_eq!(name_of(text).unwrap_err().exit(), Exit::Usage, "{text}");
        }
    }

    #[test]
    fn a_state_becomes_a_term_of_the_filter() {
        let args = |state: &str, filter: Option<&str>| ListApprovalsArgs {
            state: Some(state.to_owned()),
            filter: filter.map(ToOwned::to_owned),
            limit: 50,
            connect: crate::args::ConnectArgs::default(),
        };
        assert_eq!(filter_of(&args("pending", None)).unwrap(), "state = PENDING");
        assert_eq!(
            filter_of(&args("DENIED", Some("risk = AMBER"))).unwrap(),
            "risk = AMBER AND state = DENIED"
        );
        assert!(filter_of(&args("OPEN", None)).is_err());
        assert!(filter_of(&args("unspecified", None)).is_err());
    }
}
