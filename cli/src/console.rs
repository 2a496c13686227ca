//! Where a command reads and writes: standard streams in the program, buffers in tests.

use std::{
    fmt,
    io::{self, BufRead, IsTerminal as _, Write},
};

use serde::Serialize;

use crate::error::CliError;

/// The streams of a command, and what is at their ends.
pub struct Console<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Everything said beside the results.
    pub err: &'a mut dyn Write,
    /// Input.
    pub input: &'a mut dyn BufRead,
    /// Which of the streams are terminals.
    pub terminals: Terminals,
    /// Whether the user asked for no colours (`NO_COLOR`).
    pub no_color: bool,
}

/// Which streams are terminals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminals {
    /// Standard input.
    pub input: bool,
    /// Standard output.
    pub out: bool,
    /// Standard error.
    pub err: bool,
}

/// Colours for one stream, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    enabled: bool,
}

/// A colour that stands for a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Allowed, succeeded.
    Good,
    /// Waits, unclear.
    Caution,
    /// Blocked, denied, failed.
    Bad,
    /// Of lesser interest.
    Faint,
    /// A heading.
    Strong,
}

// === impl Console ===

impl Console<'_> {
    /// Writes one line of results.
    pub fn line(&mut self, text: &str) -> Result<(), CliError> {
        writeln!(self.out, "{text}")
            .and_then(|()| self.out.flush())
            .map_err(CliError::output)
    }

    /// Writes a piece of results as it is.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.out
            .write_all(bytes)
            .and_then(|()| self.out.flush())
            .map_err(CliError::output)
    }

    /// Writes one JSON document, or one line of JSONL.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(value).map_err(|error| CliError::output(error.into()))?;
        self.line(&text)
    }

    /// Writes one line beside the results.
    pub fn note(&mut self, text: &str) -> Result<(), CliError> {
        writeln!(self.err, "{text}")
            .and_then(|()| self.err.flush())
            .map_err(CliError::output)
    }

    /// Colours for the results.
    pub fn out_palette(&self) -> Palette {
        Palette::new(self.terminals.out && !self.no_color)
    }

    /// Colours for what is said beside the results.
    pub fn err_palette(&self) -> Palette {
        Palette::new(self.terminals.err && !self.no_color)
    }

    /// Asks a question that is answered with yes or no; only a `y` or `yes` is a yes.
    pub fn confirm(&mut self, question: &str) -> Result<bool, CliError> {
        write!(self.err, "{question} [y/N] ")
            .and_then(|()| self.err.flush())
            .map_err(CliError::output)?;
        let mut answer = String::new();
        self.input
            .read_line(&mut answer)
            .map_err(|error| CliError::io("read the answer", error))?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

impl fmt::Debug for Console<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("terminals", &self.terminals)
            .finish_non_exhaustive()
    }
}

// === impl Terminals ===

impl Terminals {
    /// What is at the ends of this process's standard streams.
    pub fn of_process() -> Self {
        Self {
            input: io::stdin().is_terminal(),
            out: io::stdout().is_terminal(),
            err: io::stderr().is_terminal(),
        }
    }
}

// === impl Palette ===

impl Palette {
    /// Colours, or none.
    pub const fn new(enabled: bool) -> Self {
        Self { enabled }
    }

    /// The text in the colour of its meaning.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        if !self.enabled {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Caution => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
            Tone::Strong => "1",
        };
        format!("\u{1B}[{code}m{text}\u{1B}[0m")
    }

    /// A word for a risk, a state or an outcome, in the colour of what it means.
    pub fn word(self, word: &str) -> String {
        let tone = match word {
            "GREEN" | "SUCCEEDED" | "GRANTED" | "ALLOW" => Tone::Good,
            "RED" | "BLOCKED" | "BLOCK" | "DENIED" | "FAILED" | "REVOKED" => Tone::Bad,
            "AMBER" | "PENDING" | "PENDING_APPROVAL" | "REQUIRE_APPROVAL" | "OUTCOME_UNKNOWN" | "UNKNOWN" => {
                Tone::Caution
            }
            "EXECUTING" => Tone::Strong,
            _ => Tone::Faint,
        };
        self.paint(tone, word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_only_when_enabled() {
        assert_eq!(Palette::new(false).word("RED"), "RED");
        assert_eq!(Palette::new(true).word("RED"), "\u{1B}[31mRED\u{1B}[0m");
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        for (answer, expected) in [
            ("y\n", true),
            ("YES\n", true),
            ("\n", false),
            ("", false),
            ("yep\n", false),
        ] {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let mut input = answer.as_bytes();
            let mut console = Console {
                out: &mut out,
                err: &mut err,
                input: &mut input,
                terminals: Terminals::default(),
                no_color: true,
            };
            assert_eq!(console.confirm("Sure?").unwrap(), expected, "{answer:?}");
            assert_eq!(err, b"Sure? [y/N] ");
        }
    }
}
