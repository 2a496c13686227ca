//! `countersign up`: all five parts in one process.
//!
//! Each part is what its own binary runs, all layers included, and keeps its own port for users; the parts call each
//! other without a socket in between.

mod keys;
mod listeners;
mod lock;
mod parts;
mod summary;

use std::{io, time::Duration};

use chassis::{
    fault::with_causes,
    ids::{Ids as _, SystemIds},
};
use tokio_util::sync::CancellationToken;

use crate::{
    args::{Format, GlobalArgs, UpArgs},
    console::Console,
    endpoints::Endpoints,
    error::CliError,
    exit::Exit,
    paths::DataDir,
};
pub(crate) use keys::SERVICES_ISSUER;
use listeners::Listeners;
use lock::Lock;
use parts::Deployment;
use summary::Summary;

/// How long threads may take to end once all parts have.
const THREADS_END: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &UpArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    chassis::telemetry::init(args.log_format, &args.log)
        .map_err(|error| CliError::usage(format!("can't log by `{}`: {error}", args.log)))?;
    let runtime =
        chassis::run::runtime(args.worker_threads).map_err(|error| CliError::io("start the runtime", error))?;
    let ended = runtime.block_on(Box::pin(up(args, global, console)));
    runtime.shutdown_timeout(THREADS_END);
    ended
}

async fn up(args: &UpArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let data = DataDir::of(global)?;
    data.create()?;
    let _lock = Lock::take(&data)?;
    forget_endpoints(&data)?;
    keys::ensure(&data)?;
    let shutdown = CancellationToken::new();
    chassis::run::shut_down_on_signal(shutdown.clone()).map_err(|error| CliError::io("wait for signals", error))?;
    let listeners = Listeners::bind(args).await?;
    let endpoints = listeners.endpoints()?;
    let mut deployment = Deployment::default();
    let started = shutdown
        .run_until_cancelled(Box::pin(deployment.start(args, &data, listeners)))
        .await;
    let served = match started {
        Some(Ok(())) => serve(args, global, &data, &endpoints, &deployment, &shutdown, console).await,
        Some(Err(error)) => Err(CliError::new(format!("can't start: {}", with_causes(error.as_ref())))),
        None => Ok(()),
    };
    let drained = deployment.drain().await;
    let forgotten = forget_endpoints(&data);
    // What a part itself says comes first: it may be why the others could not start.
    drained.and(served).and(forgotten).map(|()| Exit::Ok)
}

/// Says where the parts are, and waits for the end: a signal, or a part that stops by itself.
async fn serve(
    args: &UpArgs,
    global: &GlobalArgs,
    data: &DataDir,
    endpoints: &Endpoints,
    deployment: &Deployment,
    shutdown: &CancellationToken,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    endpoints.store(data)?;
    let summary = Summary {
        args,
        global,
        data,
        endpoints,
        request_id: SystemIds.uuid().to_string(),
    };
    match global.output {
        Format::Json => console.json(&summary.to_json())?,
        Format::Text => {
            let text = summary.to_text(console.out_palette());
            console.line(&text)?;
        }
    }
    let ending = tokio::select! {
        () = shutdown.cancelled() => "stopping: what is being executed may finish; again to stop at once",
        () = deployment.any_ended() => "a part stopped; stopping the others",
    };
    // Whoever read along may have gone first, as `tee` does on Ctrl-C.
    let _ = console.note(ending);
    Ok(())
}

fn forget_endpoints(data: &DataDir) -> Result<(), CliError> {
    match std::fs::remove_file(data.endpoints()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(CliError::io(format!("remove `{}`", data.endpoints().display()), error))
        }
        _ => Ok(()),
    }
}
