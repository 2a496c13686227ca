//! From `main` to the end of a part's process.

use std::{ffi::OsString, future::Future, io::Write as _, process::ExitCode};

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches, parser::ValueSource};
use futures_util::future::LocalBoxFuture;
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{
    BoxError,
    config::{HasNodeConfig, NodeConfig},
    fault::with_causes,
    node::Node,
    part::PartName,
    server::Part,
    telemetry,
};

/// Puts a part together on its node.
type Build<'a> = Box<dyn FnOnce(Node) -> LocalBoxFuture<'a, Result<Part, BoxError>> + 'a>;

/// How a part's process ended; the number is its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// An orderly end.
    Ok = 0,
    /// The process could not do its work.
    Failure = 1,
    /// The command line or environment is wrong (`EX_USAGE` of sysexits.h).
    Usage = 64,
}

/// A second signal asked for an end at once (128 + SIGINT, as shells report it).
const INTERRUPTED: i32 = 130;

// === impl Exit ===

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Runs a part: reads its configuration from `arguments`, the program's name first, and the environment, builds it,
/// serves until SIGTERM or SIGINT, drains.
pub fn run<C, F, Fut>(part: PartName, arguments: impl IntoIterator<Item = OsString>, build: F) -> Exit
where
    C: CommandFactory + FromArgMatches + HasNodeConfig,
    F: FnOnce(C, Node) -> Fut,
    Fut: Future<Output = Result<Part, BoxError>>,
{
    match parse::<C>(arguments) {
        Ok((config, matches)) if config.node().print_config => print_config(&C::command(), &matches),
        Ok((config, _)) => {
            let node_config = config.node().clone();
            let ended = start(part, node_config, Box::new(|node| Box::pin(build(config, node))));
            ended.map_or_else(|error| fail(error.as_ref()), |()| Exit::Ok)
        }
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            error.print().map_or(Exit::Failure, |()| exit)
        }
    }
}

/// A runtime with `worker_threads` threads; with one, everything runs on the calling thread.
pub fn runtime(worker_threads: usize) -> std::io::Result<Runtime> {
    let mut builder = if worker_threads > 1 {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(worker_threads);
        builder
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    builder.enable_all().build()
}

/// Cancels `shutdown` on the first SIGTERM or SIGINT; ends the process at once on the second.
pub fn shut_down_on_signal(shutdown: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if first {
                shutdown.cancel();
            } else {
                exit_now();
            }
        }
    });
    Ok(())
}

#[expect(clippy::exit, reason = "a second signal means: now")]
fn exit_now() {
    std::process::exit(INTERRUPTED);
}

fn parse<C: CommandFactory + FromArgMatches>(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<(C, ArgMatches), clap::Error> {
    let matches = C::command().try_get_matches_from(arguments)?;
    Ok((C::from_arg_matches(&matches)?, matches))
}

/// Not generic, so that it is compiled once for all parts.
fn start(part: PartName, config: NodeConfig, build: Build<'_>) -> Result<(), BoxError> {
    telemetry::init(config.log_format, &config.log)?;
    runtime(config.worker_threads)?.block_on(async {
        let listener = bind(part, &config).await?;
        let node = Node::open(part, config)?;
        let shutdown = node.shutdown();
        let ready = build(node).await?;
        // Until here a signal ends the process as it ends any: reading a long log back can't be interrupted otherwise.
        shut_down_on_signal(shutdown)?;
        tracing::info!(%part, address = %listener.local_addr()?, "listening");
        Ok(ready.serve(listener).await?)
    })
}

async fn bind(part: PartName, config: &NodeConfig) -> Result<TcpListener, BoxError> {
    let address = config.listen_address(part);
    TcpListener::bind(address)
        .await
        .map_err(|error| format!("listen on {address}: {error}").into())
}

fn fail(error: &(dyn std::error::Error + 'static)) -> Exit {
    let text = with_causes(error);
    tracing::error!(error = text, "stopped");
    let _ = writeln!(std::io::stderr(), "error: {text}");
    Exit::Failure
}

/// Writes every option with its value and where the value comes from. User information in URLs is left out.
fn print_config(command: &Command, matches: &ArgMatches) -> Exit {
    let mut out = std::io::stdout().lock();
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        let (Some(long), Ok(Some(source))) = (
            argument.get_long(),
            matches.try_contains_id(id).map(|_| matches.value_source(id)),
        ) else {
            continue;
        };
        let values: Vec<String> = matches
            .get_raw(id)
            .map(|values| values.map(|value| redact(&value.to_string_lossy())).collect())
            .unwrap_or_default();
        let from = match source {
            ValueSource::DefaultValue => "default",
            ValueSource::EnvVariable => "environment",
            _ => "argument",
        };
        if writeln!(out, "{long} = {}  # {from}", values.join(",")).is_err() {
            return Exit::Failure;
        }
    }
    Exit::Ok
}

fn redact(value: &str) -> String {
    match value
        .split_once("://")
        .and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?.1)))
    {
        Some((scheme, host)) => format!("{scheme}://…@{host}"),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_information_in_urls_is_not_printed() {
        assert_eq!(redact("https://user:secret@gateway:1/x"), "https://…@gateway:1/x");
        assert_eq!(redact("http://127.0.0.1:7100"), "http://127.0.0.1:7100");
    }
}
