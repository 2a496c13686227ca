//! Entry point of the trace service.

use std::process::ExitCode;

use chassis::{Node, PartName};
use trace_svc::Config;

#[global_allocator]
static ALLOCATOR: chassis::Allocator = chassis::Allocator;

fn main() -> ExitCode {
    chassis::run(PartName::Trace, |config: Config, node: Node| async move {
        trace_svc::build(&config, &node)
    })
}
