//! The trace service: an append-only, tamper-evident log of everything that Countersign decides and does.
//!
//! - an event and who may write it: [`event`]; the exact bytes of a line: [`mod@line`]; secrets: [`redact`]
//! - the log and what it promises: [`log`]; the log in files: [`log::file`]
//! - reading it: [`api`], [`export`]
//!
//! Each trace is a hash chain, so a change within it shows. That the end of the log was cut off, or that all of it was
//! rewritten, does not show from the files alone: that takes checkpoints that others hold.

pub mod api;
pub mod config;
pub mod convert;
pub mod error;
pub mod event;
pub mod export;
pub mod line;
pub mod log;
pub mod prepare;
pub mod redact;
#[cfg(test)]
mod testing;

use std::{ffi::OsString, sync::Arc};

use chassis::{BoxError, Exit, Node, Part, PartName};
use proto::trace::v1::trace_service_server::TraceServiceServer;

use crate::{api::TraceApi, log::file::FileLog};

pub use crate::config::Config;

/// The service as a process: from its command line, the program's name first, to its end.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    chassis::run(PartName::Trace, arguments, |config: Config, node: Node| async move {
        build(&config, &node)
    })
}

/// Opens the log and puts the service together.
///
/// When the log fails for good, the service is no longer ready, and the node ends with a failure.
pub fn build(config: &Config, node: &Node) -> Result<Part, BoxError> {
    let log = FileLog::open(config.log_options(), node.clock(), node.ids())?;
    part(Arc::new(log), node)
}

fn part(log: Arc<FileLog>, node: &Node) -> Result<Part, BoxError> {
    let mut failed = log.failed();
    let ending = node.clone();
    Part::builder(node)
        .grpc(TraceServiceServer::new(TraceApi::new(Arc::clone(&log))))
        .ready_when(move || std::future::ready(log.is_open()))
        .background("log-health", move |over| async move {
            let ended = over.run_until_cancelled(failed.wait_for(|failed| *failed)).await;
            if matches!(ended, Some(Ok(_))) {
                ending.fail("the log has failed");
            }
        })
        .build()
}
