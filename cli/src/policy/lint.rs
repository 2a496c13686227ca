//! `countersign policy lint`: what a policy says that can't be meant.

use chassis::clock::{Clock as _, SystemClock};
use classifier_svc::policy::lint::{Finding, Level, examine, expired};
use serde_json::json;

use super::{bundle, cases};
use crate::{
    args::{Format, GlobalArgs, LintArgs},
    console::{Console, Palette, Tone},
    error::CliError,
    escape,
    exit::Exit,
    table::Table,
};

pub(super) fn run(args: &LintArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let (source, refusals) = bundle(&args.policy)?.source();
    let cases = cases::read(&args.cases)?;
    let mut findings = examine(&source, refusals, cases.iter().map(|case| case.text.as_str()));
    findings.extend(expired(&source, SystemClock::default().now()));
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (errors, warnings, notes) = (count(Level::Error), count(Level::Warning), count(Level::Note));
    match global.output {
        Format::Json => console.json(&json!({
            "name": source.name,
            "version": source.version,
            "rules": source.rules.len(),
            "errors": errors,
            "warnings": warnings,
            "notes": notes,
            "findings": findings,
        }))?,
        Format::Text => {
            if !findings.is_empty() {
                console.line(&render(&findings, console.out_palette()))?;
            }
            console.line(&format!(
                "{} {}: errors {errors}, warnings {warnings}, notes {notes} in {} rules",
                escape::one_line(source.name.as_deref().unwrap_or("(no name)")),
                escape::one_line(source.version.as_deref().unwrap_or("(no version)")),
                source.rules.len(),
            ))?;
        }
    }
    Ok(if errors > 0 { Exit::Failure } else { Exit::Ok })
}

fn render(findings: &[Finding], palette: Palette) -> String {
    let mut table = Table::new(&["LEVEL", "KIND", "PLACE", "FINDING"]);
    for finding in findings {
        let tone = match finding.level {
            Level::Error => Tone::Bad,
            Level::Warning => Tone::Caution,
            Level::Note => Tone::Faint,
        };
        let level = finding.level.as_str();
        let place = finding
            .place
            .as_ref()
            .map_or_else(String::new, |place| escape::one_line(&place.to_string()));
        table.row(&[
            (level, Some(palette.paint(tone, level))),
            (finding.kind.as_str(), None),
            (&place, None),
            (&escape::one_line(&finding.message), None),
        ]);
    }
    table.into_text(palette)
}
