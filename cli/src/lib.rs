//! The command line of Countersign, as a library: the binary only hands it the process's streams.
//!
//! A command reads and writes through a [`Console`] and ends with an [`Exit`], so that all of it runs in a test.

mod approvals;
pub mod args;
mod client;
mod console;
mod endpoints;
mod error;
mod escape;
mod exit;
mod identities;
mod paths;
mod policy;
mod run;
mod serve;
mod shell;
mod table;
mod token;
mod trace;
mod up;
mod view;

use std::ffi::OsString;

use clap::Parser as _;

use crate::args::{Cli, Command, Format};
pub use crate::{
    console::{Console, Palette, Terminals, Tone},
    error::CliError,
    exit::Exit,
};

/// Runs one command line, the program's name included.
pub fn run(arguments: impl IntoIterator<Item = OsString>, console: &mut Console<'_>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, console),
    };
    let format = cli.global.output;
    match dispatch(cli, console) {
        Ok(exit) => exit,
        Err(error) if error.nobody_reads() => error.exit(),
        Err(error) => {
            report(&error, format, console);
            error.exit()
        }
    }
}

fn dispatch(cli: Cli, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let global = cli.global;
    match cli.command {
        Command::Up(args) => up::run(&args, &global, console),
        Command::Serve(args) => serve::run(args),
        Command::Run(args) => client::block_on(run::run(&args, &global, console)),
        Command::Approvals(args) => client::block_on(approvals::run(&args, &global, console)),
        Command::Trace(args) => client::block_on(trace::run(&args, &global, console)),
        Command::Policy(args) => policy::run(&args, &global, console),
        Command::Token(args) => token::run(&args, &global, console),
    }
}

/// Shows what clap has to say: help and version are results, all else is wrong usage.
fn refuse(error: &clap::Error, console: &mut Console<'_>) -> Exit {
    let rendered = error.render();
    // There is nowhere left to say that the streams are closed.
    if error.use_stderr() {
        let text = if console.terminals.err && !console.no_color {
            rendered.ansi().to_string()
        } else {
            rendered.to_string()
        };
        let _ = console.note(text.trim_end());
        Exit::Usage
    } else {
        let text = if console.terminals.out && !console.no_color {
            rendered.ansi().to_string()
        } else {
            rendered.to_string()
        };
        let _ = console.line(text.trim_end());
        Exit::Ok
    }
}

fn report(error: &CliError, format: Format, console: &mut Console<'_>) {
    let text = match format {
        Format::Json => error.to_json().to_string(),
        Format::Text => error.render(console.err_palette()),
    };
    // There is nowhere left to say that the stream is closed.
    let _ = console.note(&text);
}
