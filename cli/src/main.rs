//! Entry point of `countersign`.

use std::{env, io, process::ExitCode};

use cli::{Console, Terminals};

#[global_allocator]
static ALLOCATOR: chassis::Allocator = chassis::Allocator;

fn main() -> ExitCode {
    let mut console = Console {
        out: &mut io::stdout(),
        err: &mut io::stderr(),
        input: &mut io::stdin().lock(),
        terminals: Terminals::of_process(),
        no_color: env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
    };
    cli::run(env::args_os(), &mut console).into()
}
