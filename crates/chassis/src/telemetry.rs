//! Logs: one line for each event, readable or JSON, on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config::LogFormat;

/// Sets up logging for the process. Panics go to the log as errors too.
///
/// # Errors
/// When `filter` is malformed, or logging was set up before.
pub fn init(format: LogFormat, filter: &str) -> Result<(), crate::BoxError> {
    let registry = tracing_subscriber::registry().with(EnvFilter::try_new(filter)?);
    let lines = fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => registry
            .with(lines.with_ansi(std::io::stderr().is_terminal()))
            .try_init()?,
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init()?,
    }
    log_panics();
    Ok(())
}

fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        // The payload may quote a request; where it happened says enough.
        tracing::error!(place, "panic");
    }));
}
