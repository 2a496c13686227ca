//! Exports: what trace-svc sends, byte for byte.

use chassis::{auth::Audience, part::PartName};
use futures_util::StreamExt as _;
use proto::trace::v1::{ExportEventsRequest, export_events_request::Format as WireFormat};
use serde_json::json;

use super::{READER, name_of};
use crate::{
    args::{ExportArgs, ExportFormat, Format, GlobalArgs},
    client::Session,
    console::Console,
    error::CliError,
    exit::Exit,
    paths::OutFile,
};

pub(super) async fn run(args: &ExportArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let session = Session::open(&args.connect, global, READER)?;
    let mut out = args.out.as_deref().map(OutFile::open).transpose()?;
    let request = session.stream(Audience::Governance, message(args)?)?;
    let response = session.traces()?.export_events(request).await;
    let mut stream = response
        .map_err(|status| session.failed(PartName::Trace, &status))?
        .into_inner();
    let mut bytes = 0;
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|status| session.failed(PartName::Trace, &status))?;
        bytes += piece.data.len();
        match &mut out {
            Some(out) => out.write(&piece.data)?,
            None => console.bytes(&piece.data)?,
        }
    }
    if let Some(out) = out {
        out.commit()?;
    }
    if let Some(path) = &args.out {
        let path = path.display().to_string();
        match global.output {
            Format::Json => console.json(&json!({"file": path, "bytes": bytes}))?,
            Format::Text => console.note(&format!("{bytes} bytes in {path}"))?,
        }
    }
    Ok(Exit::Ok)
}

fn message(args: &ExportArgs) -> Result<ExportEventsRequest, CliError> {
    let format = match args.format {
        ExportFormat::Jsonl => WireFormat::Jsonl,
        ExportFormat::Csv => WireFormat::Csv,
    };
    let parent = args.run.as_deref().map_or_else(|| Ok("traces/-".to_owned()), name_of)?;
    Ok(ExportEventsRequest {
        parent,
        format: format.into(),
        filter: args.filter.clone().unwrap_or_default(),
    })
}
