//! `countersign policy replay`: what a policy would have said of the requests that were made.

use std::collections::BTreeMap;

use classifier_svc::{Assessment, Classifier, Context, Risk, tool::ToolCall};
use serde::Serialize;
use serde_json::json;

use super::{
    cases,
    diff::{classifier, open},
    recorded::{self, Asked, Skipped},
};
use crate::{
    args::{Format, GlobalArgs, ReplayArgs},
    console::{Console, Palette, Tone},
    error::CliError,
    escape,
    exit::Exit,
};

/// A request whose verdict changes.
#[derive(Debug, Serialize)]
struct ChangedVerdict {
    id: String,
    text: String,
    old: Risk,
    new: Risk,
    new_rules: Vec<String>,
}

/// What came of a replay.
#[derive(Debug, Default, Serialize)]
struct Replay {
    judged: usize,
    changed: usize,
    skipped: Skipped,
    by_rule: BTreeMap<String, Vec<ChangedVerdict>>,
}

pub(super) fn run(args: &ReplayArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let candidate = classifier(open(&args.candidate)?)?;
    let mut replay = Replay::default();
    let (requests, skipped) = recorded::read(&args.traces, args.blobs.as_deref())?;
    replay.skipped = skipped;
    for request in requests {
        let now = judge(&candidate, &request.asked);
        replay.note(request.id, request.asked, (request.risk, &request.decider), &now);
    }
    let cases = cases::read(&args.cases)?;
    if !cases.is_empty() {
        let live = classifier(open(&args.against)?)?;
        for case in cases {
            let (id, asked) = (case.id(), Asked::Instruction(case.text));
            let (was, now) = (judge(&live, &asked), judge(&candidate, &asked));
            replay.note(id, asked, (was.risk, was.decider()), &now);
        }
    }
    match global.output {
        Format::Json => console.json(&json!(replay))?,
        Format::Text => console.line(&replay.render(console.out_palette()))?,
    }
    let fails = args.fail_on_change && replay.changed > 0;
    Ok(if fails { Exit::Failure } else { Exit::Ok })
}

fn judge(classifier: &Classifier, asked: &Asked) -> Assessment {
    match asked {
        Asked::Instruction(text) => classifier.assess_text(text, &Context::default()),
        Asked::ToolCall { tool, arguments } => {
            classifier.assess_tool(&ToolCall::parse(tool, arguments), &Context::default())
        }
    }
}

// === impl Replay ===

impl Replay {
    fn note(&mut self, id: String, asked: Asked, (old, decider): (Risk, &str), now: &Assessment) {
        self.judged += 1;
        if old == now.risk {
            return;
        }
        self.changed += 1;
        let rule = if now.risk > old { now.decider() } else { decider };
        self.by_rule.entry(rule.to_owned()).or_default().push(ChangedVerdict {
            id,
            text: asked.into_text(),
            old,
            new: now.risk,
            new_rules: now.rules.clone(),
        });
    }

    fn render(&self, palette: Palette) -> String {
        let mut lines = Vec::new();
        for (rule, changed) in &self.by_rule {
            let title = format!("{} ({})", escape::one_line(rule), changed.len());
            lines.push(palette.paint(Tone::Strong, &title));
            lines.extend(changed.iter().map(|verdict| {
                let (old, new) = (palette.word(verdict.old.as_str()), palette.word(verdict.new.as_str()));
                let (id, text) = (escape::one_line(&verdict.id), escape::one_line(&verdict.text));
                format!("  {old} -> {new}  {id}  {text}")
            }));
            lines.push(String::new());
        }
        lines.push(format!("{} of {} verdicts change", self.changed, self.judged));
        let Skipped { redacted, in_blobs } = self.skipped;
        if redacted + in_blobs > 0 {
            lines.push(format!(
                "not judged: {redacted} with redacted text, {in_blobs} whose text is in a blob (--blobs FOLDER)"
            ));
        }
        lines.join("\n")
    }
}
