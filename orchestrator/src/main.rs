//! Entry point of the orchestrator.

use std::process::ExitCode;

use chassis::PartName;
use orchestrator::{Config, Links};

#[global_allocator]
static ALLOCATOR: chassis::Allocator = chassis::Allocator;

fn main() -> ExitCode {
    chassis::run::<Config, _, _>(PartName::Orchestrator, |config: Config, node| async move {
        let links = Links::connect(&config, &node)?;
        orchestrator::build(&config, &node, links)
    })
}
