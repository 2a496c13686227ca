//! Tells the course of a run: the answer on standard output, all else beside it.

use serde_json::json;

use crate::{
    args::{Format, GlobalArgs},
    console::{Console, Tone},
    error::CliError,
    escape,
    exit::Exit,
    shell::directory_option,
    view::{run::RunView, seconds},
};

/// Tells what happens to one run.
pub(super) struct Reporter<'c, 'io> {
    console: &'c mut Console<'io>,
    format: Format,
    /// The part of an `approvals` command line that leads to this deployment.
    approver: String,
    request_id: String,
    run: Option<RunView>,
    shown: String,
    line_is_open: bool,
    changes: u64,
}

// === impl Reporter ===

impl<'c, 'io> Reporter<'c, 'io> {
    pub(super) fn new(
        console: &'c mut Console<'io>,
        global: &GlobalArgs,
        local_name: Option<&str>,
        request_id: &str,
    ) -> Self {
        // Nobody decides on their own request.
        let decider = local_name.map(|name| if name == "bob" { " --as dave" } else { " --as bob" });
        let approver = format!("{}{}", decider.unwrap_or_default(), directory_option(global));
        Self {
            console,
            format: global.output,
            approver,
            request_id: request_id.to_owned(),
            run: None,
            shown: String::new(),
            line_is_open: false,
            changes: 0,
        }
    }

    /// The run's name, once it is known.
    pub(super) fn run_name(&self) -> Option<String> {
        self.run.as_ref().map(|run| run.name.clone())
    }

    /// Whether the run has come to its end.
    pub(super) fn has_ended(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.exit != Exit::Pending)
    }

    /// How often the run was seen to change.
    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    /// The answer to a submission that is not followed.
    pub(super) fn accepted(&mut self, run: RunView) -> Result<(), CliError> {
        match self.format {
            Format::Json => self.console.json(&run)?,
            Format::Text => self.tell(&run)?,
        }
        self.run = Some(run);
        Ok(())
    }

    /// The run, after a change.
    pub(super) fn run(&mut self, run: RunView) -> Result<(), CliError> {
        let same = self.run.as_ref().is_some_and(|known| {
            known.state == run.state && known.update_time == run.update_time && known.output == run.output
        });
        if !same || run.exit != Exit::Pending {
            self.changes += 1;
        }
        match self.format {
            Format::Json if !same => self.console.json(&json!({"type": "run", "run": run}))?,
            Format::Text if !same => self.tell(&run)?,
            Format::Json | Format::Text => {}
        }
        self.run = Some(run);
        Ok(())
    }

    /// The next piece of the answer.
    pub(super) fn output(&mut self, text: &str) -> Result<(), CliError> {
        self.changes += 1;
        self.shown.push_str(text);
        match self.format {
            Format::Json => self.console.json(&json!({"type": "output", "text": text})),
            Format::Text => self.print(text),
        }
    }

    /// What the run came to.
    pub(super) fn finish(self) -> Result<Exit, CliError> {
        self.run
            .map(|run| run.exit)
            .ok_or_else(|| CliError::new("the orchestrator answered without a run"))
    }

    fn tell(&mut self, run: &RunView) -> Result<(), CliError> {
        if self.run.is_none() {
            self.tell_verdict(run)?;
        }
        let changed = self.run.as_ref().is_none_or(|known| known.state != run.state);
        match run.state.as_str() {
            "PENDING_APPROVAL" if changed => self.tell_how_to_decide(run),
            _ if run.exit != Exit::Pending => self.tell_outcome(run, changed),
            _ if changed => self.tell_state(run),
            _ => Ok(()),
        }
    }

    fn tell_verdict(&mut self, run: &RunView) -> Result<(), CliError> {
        let palette = self.console.err_palette();
        let name = palette.paint(Tone::Strong, &escape::one_line(&run.name));
        let again = palette.paint(
            Tone::Faint,
            &format!("(to follow it again: --request-id {})", self.request_id),
        );
        self.console.note(&format!("{name} {again}"))?;
        let rules = if run.rule_ids.is_empty() {
            String::new()
        } else {
            format!(" [{}]", run.rule_ids.join(", "))
        };
        let line = format!(
            "{} {}{}",
            palette.word(&run.risk),
            escape::one_line(&run.reason),
            escape::one_line(&rules)
        );
        self.console.note(&line)
    }

    fn tell_how_to_decide(&mut self, run: &RunView) -> Result<(), CliError> {
        let state = self.console.err_palette().word(&run.state);
        let until = seconds(run.expire_time.as_deref());
        let (approval, approver) = (escape::one_line(&run.approval), self.approver.clone());
        self.console
            .note(&format!("{state} a person has to decide until {until}:"))?;
        self.console
            .note(&format!("  countersign approvals show {approval}{approver}"))?;
        self.console
            .note(&format!("  countersign approvals grant {approval}{approver}"))?;
        self.console.note(&format!(
            "  countersign approvals deny {approval} --reason \"…\"{approver}"
        ))
    }

    fn tell_state(&mut self, run: &RunView) -> Result<(), CliError> {
        let state = self.console.err_palette().word(&run.state);
        let deciders = match run.deciders.as_slice() {
            [] => String::new(),
            deciders => format!(" by {}", escape::one_line(&deciders.join(", "))),
        };
        let authority = if run.mode.is_empty() {
            String::new()
        } else {
            format!(" (authority: {})", run.mode)
        };
        self.console.note(&format!("{state}{deciders}{authority}"))
    }

    /// The answer may come with a later message than the outcome.
    fn tell_outcome(&mut self, run: &RunView, changed: bool) -> Result<(), CliError> {
        self.print_rest(&run.output)?;
        if !changed {
            return Ok(());
        }
        let palette = self.console.err_palette();
        let said = run.detail.is_empty() || run.detail == run.reason;
        let detail = if said {
            String::new()
        } else {
            format!(" {}", escape::one_line(&run.detail))
        };
        self.console.note(&format!("{}{detail}", palette.word(&run.state)))?;
        if !run.safe_alternative.is_empty() {
            self.console
                .note(&format!("instead: {}", escape::one_line(&run.safe_alternative)))?;
        }
        Ok(())
    }

    /// Prints what of the whole answer has not been shown, and ends the last line.
    fn print_rest(&mut self, answer: &str) -> Result<(), CliError> {
        match answer.strip_prefix(self.shown.as_str()) {
            Some(rest) => {
                let rest = rest.to_owned();
                self.shown.push_str(&rest);
                self.print(&rest)?;
            }
            // What was shown is not how the answer begins: show the answer whole.
            None if !answer.is_empty() => {
                self.end_line()?;
                answer.clone_into(&mut self.shown);
                self.print(answer)?;
            }
            None => {}
        }
        self.end_line()
    }

    fn end_line(&mut self) -> Result<(), CliError> {
        if self.line_is_open {
            self.line_is_open = false;
            return self.console.line("");
        }
        Ok(())
    }

    /// An answer can't drive the terminal it is shown on; to a file or pipe it goes byte for byte.
    fn print(&mut self, text: &str) -> Result<(), CliError> {
        if !text.is_empty() {
            self.line_is_open = !text.ends_with('\n');
        }
        if self.console.terminals.out {
            return self.console.bytes(escape::for_terminal(text).as_bytes());
        }
        self.console.bytes(text.as_bytes())
    }
}

#[cfg(test)]
mod tests;
