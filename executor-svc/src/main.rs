//! Entry point of the executor.

use std::process::ExitCode;

use chassis::{Node, PartName};
use executor_svc::Config;

#[global_allocator]
static ALLOCATOR: chassis::Allocator = chassis::Allocator;

fn main() -> ExitCode {
    chassis::run(PartName::Executor, |config: Config, node: Node| async move {
        let approval = node.connect(PartName::Approval, &config.approval_url)?;
        let trace = node.connect(PartName::Trace, &config.trace_url)?;
        executor_svc::build(&config, &node, approval, trace)
    })
}
