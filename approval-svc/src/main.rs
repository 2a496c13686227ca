//! Entry point of the approval service.

use std::process::ExitCode;

use approval_svc::Config;
use chassis::{Node, PartName};

#[global_allocator]
static ALLOCATOR: chassis::Allocator = chassis::Allocator;

fn main() -> ExitCode {
    chassis::run(PartName::Approval, |config: Config, node: Node| async move {
        let trace = node.connect(PartName::Trace, &config.trace_url)?;
        approval_svc::build(&config, &node, trace).await
    })
}
