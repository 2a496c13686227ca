//! `countersign trace`: read and export what was recorded.

mod export;

use chassis::{auth::Audience, part::PartName};
use proto::trace::v1::{GetTraceRequest, ListEventsRequest, ListTracesRequest};
use serde_json::json;

use crate::{
    args::{Format, GlobalArgs, ListTracesArgs, ShowTraceArgs, TraceArgs, TraceCommand},
    client::Session,
    console::Console,
    error::CliError,
    exit::Exit,
    pages,
    view::trace::{EventView, TraceView, event_table, trace_table},
};

/// Who reads, unless somebody else is named.
const READER: &str = "alice";
/// Id of the log's own trace, which is no run's.
const LOG_TRACE: &str = "00000000000000000000000000000000";

pub(crate) async fn run(args: &TraceArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    match &args.command {
        TraceCommand::List(args) => list(args, global, console).await,
        TraceCommand::Show(args) => show(args, global, console).await,
        TraceCommand::Export(args) => export::run(args, global, console).await,
    }
}

async fn list(args: &ListTracesArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let session = Session::open(&args.connect, global, READER)?;
    let (traces, more) = pages::collect(Some(args.limit), async |page_size, page_token| {
        let message = ListTracesRequest {
            page_size,
            page_token,
            filter: args.filter.clone().unwrap_or_default(),
        };
        let request = session.call(Audience::Governance, message)?;
        let response = session.traces()?.list_traces(request).await;
        let page = response
            .map_err(|status| session.failed(PartName::Trace, &status))?
            .into_inner();
        Ok((page.traces, page.next_page_token))
    })
    .await?;
    let traces: Vec<_> = traces.into_iter().map(TraceView::from).collect();
    match global.output {
        Format::Json => console.json(&json!({"traces": traces, "more": more}))?,
        Format::Text if traces.is_empty() => console.note("nothing to show")?,
        Format::Text => {
            let palette = console.out_palette();
            console.line(&trace_table(&traces, palette))?;
            if more {
                console.note("there may be more: see --limit and --filter")?;
            }
        }
    }
    Ok(Exit::Ok)
}

async fn show(args: &ShowTraceArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let session = Session::open(&args.connect, global, READER)?;
    let name = name_of(&args.run)?;
    let request = session.call(Audience::Governance, GetTraceRequest { name: name.clone() })?;
    let response = session.traces()?.get_trace(request).await;
    let response = response
        .map_err(|status| session.failed(PartName::Trace, &status))?
        .into_inner();
    let trace = response.trace.map(TraceView::from);
    let trace = trace.ok_or_else(|| CliError::new("trace-svc answered without a trace"))?;
    let events = events(&session, &name, args.content).await?;
    match global.output {
        Format::Json => console.json(&json!({"trace": trace, "events": events}))?,
        Format::Text => {
            let palette = console.out_palette();
            console.line(&trace.heading(palette))?;
            console.line(&event_table(&events, palette))?;
            for text in events.iter().filter_map(|event| event.content_text(palette)) {
                console.line(&text)?;
            }
        }
    }
    Ok(Exit::Ok)
}

async fn events(session: &Session, parent: &str, include_content: bool) -> Result<Vec<EventView>, CliError> {
    let (events, _) = pages::collect(None, async |page_size, page_token| {
        let message = ListEventsRequest {
            parent: parent.to_owned(),
            page_size,
            page_token,
            include_content,
            ..ListEventsRequest::default()
        };
        let request = session.call(Audience::Governance, message)?;
        let response = session.traces()?.list_events(request).await;
        let page = response
            .map_err(|status| session.failed(PartName::Trace, &status))?
            .into_inner();
        Ok((page.events, page.next_page_token))
    })
    .await?;
    Ok(events.into_iter().map(EventView::from).collect())
}

/// The name of a trace, of which the id alone was given, or the run, which has the same id.
fn name_of(text: &str) -> Result<String, CliError> {
    let id = text
        .strip_prefix("runs/")
        .or_else(|| text.strip_prefix("traces/"))
        .unwrap_or(text);
    if id != LOG_TRACE && id.parse::<warrant::RunId>().is_err() {
        let error = CliError::usage(format!("`{text}` is no run"));
        return Err(error.hint("give `runs/{id}` as `countersign run` prints it"));
    }
    Ok(format!("traces/{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_named_in_several_ways() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for text in [id.to_owned(), format!("runs/{id}"), format!("traces/{id}")] {
            assert_eq!(name_of(&text).unwrap(), format!("traces/{id}"));
        }
        let of_log = format!("traces/{LOG_TRACE}");
        assert_eq!(name_of(&of_log).unwrap(), of_log);
        for text in [
            "",
            "runs/",
            "approvals/4bf92f3577b34da6a3ce929d0e0e4736",
            "4BF92F3577B34DA6A3CE929D0E0E4736",
        ] {
            assert!(name_of(text).is_err(), "{text}");
        }
    }
}
