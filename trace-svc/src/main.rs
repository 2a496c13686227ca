//! Entry point of the trace service.

use std::{env, process::ExitCode};

#[global_allocator]
static ALLOCATOR: chassis::Allocator = chassis::Allocator;

fn main() -> ExitCode {
    trace_svc::run(env::args_os()).into()
}
