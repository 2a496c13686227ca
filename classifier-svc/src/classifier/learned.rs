//! What the learned layer raises, as one more match of the explanation.

use super::reading::Reading;
use crate::{
    assessment::RuleMatch,
    model::{Model, Question, Raise},
    rule::Risk,
};

/// The name under which it stands in a verdict, as a rule would.
const BLOCK: &str = "learned.block";
const HOLD: &str = "learned.hold";

/// What the model raises in the last view, in which most is undone, as a match. What is left to undo in the views before it
/// reads like nothing.
pub(super) fn raise(model: &Model, risk: Risk, readings: &[Reading<'_>], matches: &[RuleMatch]) -> Option<RuleMatch> {
    let reading = readings.last()?;
    let raise = model.raise(risk, &reading.view.text, &reading.tokens, &reading.clauses)?;
    let held = matches.iter().filter(|found| found.risk == risk);
    let alternative = model.spec.alternative(held.map(|found| found.category.as_str()));
    Some(explain(&raise, reading, alternative))
}

fn explain(raise: &Raise, reading: &Reading<'_>, alternative: &str) -> RuleMatch {
    let tokens = || raise.tokens.iter().filter_map(|index| reading.tokens.get(*index));
    let words: Vec<String> = tokens()
        .filter_map(|token| reading.view.text.get(token.start..token.end))
        .map(|word| format!("`{word}`"))
        .collect();
    let blocks = raise.risk == Risk::Red;
    let alike = match raise.question {
        Question::Danger => "requests that are blocked",
        Question::Effect => "requests that a person has to approve",
    };
    RuleMatch {
        rule: if blocks { BLOCK } else { HOLD }.to_owned(),
        title: "Reads like graver requests".to_owned(),
        category: "learned layer".to_owned(),
        risk: raise.risk,
        reason: format!("it reads like {alike}, above all by {}", words.join(", ")),
        alternative: blocks.then(|| alternative.to_owned()),
        exception: None,
        view: reading.view.name,
        spans: tokens().map(|token| reading.span(token.start, token.end)).collect(),
    }
}
