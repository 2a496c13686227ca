//! What the trace service is configured with.

use std::path::PathBuf;

use clap::Parser;

use chassis::{HasNodeConfig, NodeConfig};

use crate::log::file::FileLogOptions;

/// Records events durably, in order, for ever, and gives them back.
#[derive(Debug, Clone, Parser)]
#[command(name = "trace-svc", version, about)]
pub struct Config {
    /// What every part has.
    #[command(flatten)]
    pub node: NodeConfig,

    /// Folder of the log; made if it isn't there. One process at a time can have it
    #[arg(
        long,
        env = "COUNTERSIGN_TRACE_DATA_DIR",
        value_name = "FOLDER",
        help_heading = "Log"
    )]
    pub data_dir: PathBuf,

    /// Name of the log, as in receipts
    #[arg(
        long,
        env = "COUNTERSIGN_TRACE_LOG_NAME",
        default_value = DEFAULT_NAME,
        value_name = "NAME",
        help_heading = "Log"
    )]
    pub log_name: String,

    /// Length at which a segment file is followed by another
    #[arg(
        long,
        env = "COUNTERSIGN_TRACE_SEGMENT_BYTES",
        default_value_t = DEFAULT_SEGMENT_BYTES,
        value_parser = clap::value_parser!(u32).range(64 * 1024..=1024 * 1024 * 1024),
        value_name = "BYTES",
        help_heading = "Log"
    )]
    pub segment_bytes: u32,

    /// Requests that may wait to be written; more are refused with `OVERLOADED`
    #[arg(
        long,
        env = "COUNTERSIGN_TRACE_QUEUE_REQUESTS",
        default_value_t = DEFAULT_QUEUE_REQUESTS,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "N",
        help_heading = "Log"
    )]
    pub queue_requests: u32,

    /// Bytes that may wait to be written; more are refused with `OVERLOADED`
    #[arg(
        long,
        env = "COUNTERSIGN_TRACE_QUEUE_BYTES",
        default_value_t = DEFAULT_QUEUE_BYTES,
        value_parser = clap::value_parser!(u32).range(32 * 1024 * 1024..),
        value_name = "BYTES",
        help_heading = "Log"
    )]
    pub queue_bytes: u32,
}

const DEFAULT_NAME: &str = "main";
const DEFAULT_SEGMENT_BYTES: u32 = 64 * 1024 * 1024;
const DEFAULT_QUEUE_REQUESTS: u32 = 4096;
const DEFAULT_QUEUE_BYTES: u32 = 64 * 1024 * 1024;

// === impl Config ===

impl Config {
    /// The defaults, for a log in `data_dir`.
    pub fn new(node: NodeConfig, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            node,
            data_dir: data_dir.into(),
            log_name: DEFAULT_NAME.to_owned(),
            segment_bytes: DEFAULT_SEGMENT_BYTES,
            queue_requests: DEFAULT_QUEUE_REQUESTS,
            queue_bytes: DEFAULT_QUEUE_BYTES,
        }
    }

    /// How the log is kept.
    pub fn log_options(&self) -> FileLogOptions {
        FileLogOptions {
            data_dir: self.data_dir.clone(),
            name: self.log_name.clone(),
            segment_bytes: self.segment_bytes,
            queue_requests: usize::try_from(self.queue_requests).unwrap_or(usize::MAX),
            queue_bytes: usize::try_from(self.queue_bytes).unwrap_or(usize::MAX),
        }
    }
}

impl HasNodeConfig for Config {
    fn node(&self) -> &NodeConfig {
        &self.node
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Config::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_the_same_in_code_and_on_the_command_line() {
        let parsed = Config::parse_from(["trace-svc", "--data-dir", "x"]);
        let built = Config::new(parsed.node.clone(), "x");
        assert_eq!(format!("{parsed:?}"), format!("{built:?}"));
    }
}
