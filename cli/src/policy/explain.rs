//! `countersign policy explain`: how a verdict comes about, for the person who answers for the policy.

use classifier_svc::{
    Assessment, Risk,
    assessment::{Fact, RuleMatch, Span},
    clause::Frame,
};
use serde_json::{Value, json};

use super::classifier;
use crate::{
    args::{ExplainArgs, Format, GlobalArgs},
    console::{Console, Palette, Tone},
    error::CliError,
    escape,
    exit::Exit,
    view::Fields,
};

pub(super) fn run(args: &ExplainArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let context = super::context(&args.context);
    let assessment = classifier(&args.policy)?.assess_text(&args.text, &context);
    match global.output {
        Format::Json => console.json(&to_json(&args.text, &assessment))?,
        Format::Text => console.line(&render(&args.text, &assessment, console.out_palette()))?,
    }
    Ok(Exit::Ok)
}

fn to_json(text: &str, assessment: &Assessment) -> Value {
    let clauses = assessment.facts.iter().map(|fact| quote(text, fact.span));
    let words = assessment.matches.iter().map(|found| {
        let words = quotes(text, found);
        json!({ "rule": found.rule, "words": words })
    });
    json!({
        "why": why(assessment),
        "clauses": clauses.collect::<Vec<_>>(),
        "matched_words": words.collect::<Vec<_>>(),
        "assessment": assessment,
    })
}

fn render(text: &str, assessment: &Assessment, palette: Palette) -> String {
    let mut parts = vec![format!(
        "{}  {}\n  {}\n  {}",
        palette.word(assessment.risk.as_str()),
        palette.word(assessment.disposition.as_str()),
        escape::one_line(&assessment.reason),
        escape::one_line(&why(assessment))
    )];
    if let Some(alternative) = &assessment.alternative {
        parts.push(format!("Ask for this instead\n  {}", escape::one_line(alternative)));
    }
    for (index, fact) in assessment.facts.iter().enumerate() {
        parts.push(clause(index + 1, text, fact, palette));
    }
    for found in &assessment.matches {
        parts.push(rule(text, found, palette));
    }
    let mut fields = Fields::new(palette);
    fields.add("views", &assessment.views.join(", "));
    fields.add("policy", &assessment.policy);
    parts.push(fields.into_text());
    parts.join("\n\n")
}

/// Which rule decided, and what the others have to do with it.
fn why(assessment: &Assessment) -> String {
    let deciding: Vec<&str> = assessment
        .matches
        .iter()
        .filter(|found| found.risk == assessment.risk)
        .map(|found| found.rule.as_str())
        .collect();
    let milder = assessment.matches.len() - deciding.len();
    let rules = deciding.join(", ");
    let word = assessment.risk.as_str();
    match (assessment.risk, deciding.as_slice()) {
        (Risk::Green, _) => {
            format!(
                "It is GREEN, because every instruction or question in it is covered by {rules}, and no graver rule matched."
            )
        }
        (_, [only]) if only.starts_with("hold.") => {
            format!("It is {word} by {only}: no graver rule matched, and GREEN needs all of it to be understood.")
        }
        _ if milder > 0 => format!("It is {word} by {rules}: the gravest rule decides, {milder} milder matched too."),
        _ => format!("It is {word} by {rules}: the gravest rule decides."),
    }
}

fn clause(number: usize, text: &str, fact: &Fact, palette: Palette) -> String {
    let title = palette.paint(Tone::Strong, &format!("Clause {number}"));
    let mut fields = Fields::new(palette);
    fields.add("says", frame(fact.frame));
    fields.add("verbs", &fact.verbs.join(", "));
    fields.add("objects", &fact.objects.join(", "));
    for quality in &fact.qualities {
        fields.add(&quality.kind.as_str().replace('_', " "), &quality.value);
    }
    format!("{title}  {}\n{}", quote(text, fact.span), fields.into_text())
}

fn rule(text: &str, found: &RuleMatch, palette: Palette) -> String {
    let mut fields = Fields::new(palette);
    fields.add("title", &found.title);
    fields.add("category", &found.category);
    fields.add("because", &found.reason);
    fields.add_raw("words", &quotes(text, found).join(" "));
    fields.add("view", found.view);
    fields.add("instead", found.alternative.as_deref().unwrap_or_default());
    let title = palette.paint(Tone::Strong, &format!("Rule {}", escape::one_line(&found.rule)));
    format!("{title}  {}\n{}", palette.word(found.risk.as_str()), fields.into_text())
}

/// The words of the text that made a rule match, in the order of the text.
fn quotes(text: &str, found: &RuleMatch) -> Vec<String> {
    let mut spans = found.spans.clone();
    spans.sort_unstable();
    spans.into_iter().map(|span| quote(text, span)).collect()
}

fn quote(text: &str, span: Span) -> String {
    let words = text.get(span.start..span.end).unwrap_or_default();
    format!("\"{}\"", escape::one_line(words))
}

fn frame(frame: Frame) -> &'static str {
    match frame {
        Frame::Instructed => "that something is to be done",
        Frame::Asked => "a question",
        Frame::Stated => "a statement",
        Frame::Mentioned => "something about a text",
    }
}
