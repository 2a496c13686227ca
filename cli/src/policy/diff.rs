//! `countersign policy diff`: what changes from one policy to another, and which verdicts with it.

use std::{collections::BTreeMap, path::Path};

use classifier_svc::{
    Classifier, Risk,
    policy::{
        diff::{Change, ChangedConcept, Difference, RuleLine, diff},
        source::Source,
    },
};
use serde::Serialize;
use serde_json::json;

use super::{
    cases::{self, Case},
    refused, source,
};
use crate::{
    args::{DiffArgs, Format, GlobalArgs},
    console::{Console, Palette, Tone},
    error::CliError,
    escape,
    exit::Exit,
};

/// The name by which the built-in policy is compared.
const BUILT_IN: &str = "built-in";

/// A text whose verdict changes.
#[derive(Debug, Serialize)]
struct ChangedVerdict {
    id: String,
    text: String,
    old: Risk,
    new: Risk,
    old_rules: Vec<String>,
    new_rules: Vec<String>,
}

/// Changed verdicts by the rule that decides the graver of the two.
type ByRule = BTreeMap<String, Vec<ChangedVerdict>>;

pub(super) fn run(args: &DiffArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let (old, new) = (open(&args.old)?, open(&args.new)?);
    let difference = diff(&old, &new);
    let cases = cases::read(&args.cases)?;
    let verdicts = if cases.is_empty() {
        ByRule::new()
    } else {
        changed_verdicts(&classifier(old)?, &classifier(new)?, &cases)
    };
    let changed: usize = verdicts.values().map(Vec::len).sum();
    match global.output {
        Format::Json => console.json(&json!({
            "policy": difference,
            "cases": { "total": cases.len(), "changed": changed, "by_rule": verdicts },
        }))?,
        Format::Text => {
            let palette = console.out_palette();
            console.line(&render(&difference, palette))?;
            if !cases.is_empty() {
                console.line(&render_verdicts(&verdicts, palette))?;
                console.line(&format!("{changed} of {} verdicts change", cases.len()))?;
            }
        }
    }
    Ok(Exit::Ok)
}

/// A policy that can be used; what is refused can't be compared.
pub(super) fn open(path: &Path) -> Result<Source, CliError> {
    let (source, mut refusals) = source(Some(path).filter(|path| *path != Path::new(BUILT_IN)))?;
    if refusals.is_empty() {
        source.clone().compile(&mut refusals);
    }
    match refusals.first() {
        None => Ok(source),
        Some(first) => {
            let hint = format!("see `countersign policy lint --policy-file {}`", path.display());
            Err(refused(first).hint(hint))
        }
    }
}

/// A policy at work whatever its own tests say: that is what `policy test` is for.
pub(super) fn classifier(source: Source) -> Result<Classifier, CliError> {
    let mut refusals = Vec::new();
    let policy = source.compile(&mut refusals);
    policy.map(|policy| policy.try_out().0).ok_or_else(|| {
        refusals
            .first()
            .map_or_else(|| CliError::new("can't use the policy"), refused)
    })
}

fn changed_verdicts(old: &Classifier, new: &Classifier, cases: &[Case]) -> ByRule {
    let mut by_rule = ByRule::new();
    for case in cases {
        let (was, is) = (old.classify_text(&case.text), new.classify_text(&case.text));
        if was.risk == is.risk {
            continue;
        }
        let graver = if is.risk > was.risk { &is } else { &was };
        let decider = graver.decider().to_owned();
        by_rule.entry(decider).or_default().push(ChangedVerdict {
            id: case.id(),
            text: case.text.clone(),
            old: was.risk,
            new: is.risk,
            old_rules: was.rules,
            new_rules: is.rules,
        });
    }
    by_rule
}

fn render(difference: &Difference, palette: Palette) -> String {
    if difference.is_empty() {
        return "the policies say the same".to_owned();
    }
    let (plus, minus) = (palette.paint(Tone::Good, "+"), palette.paint(Tone::Bad, "-"));
    let mut lines = Vec::new();
    let mut rules = |sign: &str, rules: &[RuleLine]| {
        for rule in rules {
            let (name, title) = (escape::one_line(&rule.rule), escape::one_line(&rule.title));
            lines.push(format!("{sign} rule {name} {}  {title}", palette.word(rule.risk)));
        }
    };
    rules(&plus, &difference.added);
    rules(&minus, &difference.removed);
    for changed in &difference.changed {
        lines.push(format!("~ rule {}", escape::one_line(&changed.rule)));
        lines.extend(changed.changes.iter().map(|change| render_change(change, palette)));
    }
    lines.extend(
        difference
            .concepts
            .iter()
            .map(|changed| render_concept(changed, palette)),
    );
    lines.extend(difference.settings.iter().map(|name| format!("~ {name}")));
    lines.join("\n")
}

fn render_change(change: &Change, palette: Palette) -> String {
    let signed = |tone, sign, text: &Option<String>| {
        let text = text.as_ref()?;
        let sign = palette.paint(tone, sign);
        Some(format!("    {sign} {}: {}", change.field, escape::one_line(text)))
    };
    let (old, new) = (
        signed(Tone::Bad, "-", &change.old),
        signed(Tone::Good, "+", &change.new),
    );
    old.into_iter().chain(new).collect::<Vec<_>>().join("\n")
}

fn render_concept(changed: &ChangedConcept, palette: Palette) -> String {
    let mut lines = vec![format!("~ concept {}", escape::one_line(&changed.concept))];
    lines.extend(changed.class.as_ref().map(|change| render_change(change, palette)));
    for (tone, sign, terms) in [(Tone::Bad, "-", &changed.removed), (Tone::Good, "+", &changed.added)] {
        if !terms.is_empty() {
            let sign = palette.paint(tone, sign);
            lines.push(format!("    {sign} {}", escape::one_line(&terms.join(", "))));
        }
    }
    lines.join("\n")
}

fn render_verdicts(verdicts: &ByRule, palette: Palette) -> String {
    let mut lines = Vec::new();
    for (rule, changed) in verdicts {
        let title = format!("{} ({})", escape::one_line(rule), changed.len());
        lines.push(format!("\n{}", palette.paint(Tone::Strong, &title)));
        lines.extend(changed.iter().map(|verdict| {
            let (old, new) = (palette.word(verdict.old.as_str()), palette.word(verdict.new.as_str()));
            let (id, text) = (escape::one_line(&verdict.id), escape::one_line(&verdict.text));
            format!("  {old} -> {new}  {id}  {text}")
        }));
    }
    lines.push(String::new());
    lines.join("\n")
}
