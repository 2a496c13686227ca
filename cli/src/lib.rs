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
mod pages;
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

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, parser::ValueSource};

use crate::args::{Cli, Command, Format};
pub use crate::{
    console::{Console, Palette, Terminals, Tone},
    error::CliError,
    exit::Exit,
};

/// Runs one command line, the program's name included.
pub fn run(arguments: impl IntoIterator<Item = OsString>, console: &mut Console<'_>) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match parse(&arguments) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && asks_for_json(&arguments) => {
            let error = CliError::usage(error.to_string().trim_start_matches("error: ").trim_end());
            report(&error, Format::Json, console);
            return error.exit();
        }
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

fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    let matches = command.try_get_matches_from_mut(arguments)?;
    if matches.subcommand_name() == Some("serve") && names_global_option(&matches) {
        let message = "options of a part come after its name: `countersign serve PART [OPTIONS]`";
        return Err(command.error(clap::error::ErrorKind::ArgumentConflict, message));
    }
    Cli::from_arg_matches(&matches)
}

/// Whether an option of every command was typed. A part reads options of its own.
fn names_global_option(matches: &ArgMatches) -> bool {
    let typed = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
    typed("output") || typed("data_dir")
}

/// Whether a command line that can't be read asks for errors as JSON.
fn asks_for_json(arguments: &[OsString]) -> bool {
    let mut words = arguments.iter().skip(1).take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if word == "--output" {
            return words.next().is_some_and(|form| form == "json");
        }
        if let Some(form) = word.to_str().and_then(|word| word.strip_prefix("--output=")) {
            return form == "json";
        }
    }
    std::env::var_os("COUNTERSIGN_OUTPUT").is_some_and(|form| form == "json")
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
