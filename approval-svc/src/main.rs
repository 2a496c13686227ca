//! Entry point of the approval service.

use std::{env, process::ExitCode};

#[global_allocator]
static ALLOCATOR: chassis::Allocator = chassis::Allocator;

fn main() -> ExitCode {
    approval_svc::run(env::args_os()).into()
}
