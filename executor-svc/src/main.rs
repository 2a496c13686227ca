//! Entry point of the executor.

use std::{env, process::ExitCode};

#[global_allocator]
static ALLOCATOR: chassis::Allocator = chassis::Allocator;

fn main() -> ExitCode {
    executor_svc::run(env::args_os()).into()
}
