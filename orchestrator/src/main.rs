//! Entry point of the orchestrator.

use std::{env, process::ExitCode};

#[global_allocator]
static ALLOCATOR: chassis::Allocator = chassis::Allocator;

fn main() -> ExitCode {
    orchestrator::run(env::args_os()).into()
}
