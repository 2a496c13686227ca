//! Entry point of the classifier service.

use std::{env, process::ExitCode};

#[global_allocator]
static ALLOCATOR: chassis::Allocator = chassis::Allocator;

fn main() -> ExitCode {
    classifier_svc::run(env::args_os()).into()
}
