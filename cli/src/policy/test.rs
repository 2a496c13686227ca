//! `countersign policy test`: the tests of a policy, and how it does on labelled cases.

use classifier_svc::{
    Risk,
    policy::{
        TestOutcome,
        score::{ErrorRate, Matrix},
    },
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{cases, policy};
use crate::{
    args::{Format, GlobalArgs, TestArgs},
    console::{Console, Palette},
    error::CliError,
    escape,
    exit::Exit,
    table::Table,
};

const RISKS: [Risk; 3] = [Risk::Green, Risk::Amber, Risk::Red];

/// A text that isn't judged as it should be.
#[derive(Debug, Serialize)]
struct Failure {
    place: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    text: String,
    expected: Risk,
    /// The rule that must be among those that matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_rule: Option<String>,
    actual: Risk,
    rules: Vec<String>,
}

/// What came of all cases.
#[derive(Debug, Default)]
struct Measured {
    failures: Vec<Failure>,
    matrix: Matrix,
    total: usize,
    border: usize,
}

pub(super) fn run(args: &TestArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let (classifier, outcomes) = policy(&args.policy)?.try_out();
    let failed: Vec<Failure> = outcomes
        .iter()
        .filter(|outcome| !outcome.passed())
        .map(Failure::from)
        .collect();
    let mut measured = Measured::default();
    for case in cases::read(&args.cases)? {
        let Some(label) = case.label else {
            return Err(CliError::new(format!("{} has no label", case.place)).hint("label it GREEN, AMBER or RED"));
        };
        if case.border {
            measured.border += 1;
            continue;
        }
        let found = classifier.classify_text(&case.text);
        measured.total += 1;
        measured.matrix.add(label, found.risk);
        if found.risk != label {
            measured.failures.push(Failure {
                place: case.place.clone(),
                id: Some(case.id()),
                text: case.text,
                expected: label,
                expected_rule: None,
                actual: found.risk,
                rules: found.rules,
            });
        }
    }
    match global.output {
        Format::Json => console.json(&json!({
            "policy": classifier.digest(),
            "tests": { "total": outcomes.len(), "failures": failed },
            "cases": measured.to_json(),
        }))?,
        Format::Text => {
            let palette = console.out_palette();
            for failure in failed.iter().chain(&measured.failures) {
                console.line(&failure.render(palette))?;
            }
            let passed = outcomes.len() - failed.len();
            console.line(&format!("tests of the policy: {passed} of {} pass", outcomes.len()))?;
            if measured.total > 0 {
                console.line(&measured.render(palette))?;
            }
        }
    }
    Ok(if failed.is_empty() { Exit::Ok } else { Exit::Failure })
}

// === impl Failure ===

impl From<&TestOutcome> for Failure {
    fn from(outcome: &TestOutcome) -> Self {
        Self {
            place: outcome.place.to_string(),
            id: None,
            text: outcome.test.text.clone(),
            expected: outcome.test.risk,
            expected_rule: outcome.test.rule.clone(),
            actual: outcome.risk,
            rules: outcome.rules.clone(),
        }
    }
}

impl Failure {
    fn render(&self, palette: Palette) -> String {
        let by = self
            .expected_rule
            .as_ref()
            .map_or_else(String::new, |rule| format!(" by {}", escape::one_line(rule)));
        let id = self
            .id
            .as_ref()
            .map_or_else(String::new, |id| format!(" {}", escape::one_line(id)));
        format!(
            "{}{id}\n  expected {}{by}\n  actual   {} by {}\n  text     {}",
            escape::one_line(&self.place),
            palette.word(self.expected.as_str()),
            palette.word(self.actual.as_str()),
            escape::one_line(&self.rules.join(", ")),
            escape::one_line(&self.text),
        )
    }
}

// === impl Measured ===

impl Measured {
    fn to_json(&self) -> Value {
        let row = |label: Risk| {
            let cells = RISKS.map(|verdict| (verdict.as_str().to_owned(), self.matrix.get(label, verdict).into()));
            Value::Object(cells.into_iter().collect())
        };
        let rows = RISKS.map(|label| (label.as_str().to_owned(), row(label)));
        json!({
            "total": self.total,
            "border": self.border,
            "failures": self.failures,
            "verdicts_by_label": Value::Object(rows.into_iter().collect()),
            "error_rates": self.matrix.error_rates(),
        })
    }

    fn render(&self, palette: Palette) -> String {
        let mut matrix = Table::new(&["LABEL", "GREEN", "AMBER", "RED"]);
        for label in RISKS {
            let cells = RISKS.map(|verdict| self.matrix.get(label, verdict).to_string());
            let [green, amber, red] = &cells;
            let word = palette.word(label.as_str());
            matrix.row(&[(label.as_str(), Some(word)), (green, None), (amber, None), (red, None)]);
        }
        let mut rates = Table::new(&["ERROR", "CASES", "RATE", "95% INTERVAL (WILSON)"]);
        for rate in self.matrix.error_rates() {
            let [cases, share, interval] = cells(&rate);
            rates.row(&[(rate.name, None), (&cases, None), (&share, None), (&interval, None)]);
        }
        let border = if self.border > 0 {
            format!("; border cases left out: {}", self.border)
        } else {
            String::new()
        };
        format!(
            "cases: {} of {} judged as labelled{border}\n\n{}\n\n{}",
            self.total - self.failures.len(),
            self.total,
            matrix.into_text(palette),
            rates.into_text(palette)
        )
    }
}

fn cells(rate: &ErrorRate) -> [String; 3] {
    if rate.total == 0 {
        return ["0/0".to_owned(), "–".to_owned(), "no such cases".to_owned()];
    }
    [
        format!("{}/{}", rate.count, rate.total),
        format!("{:.1}%", 100.0 * rate.share()),
        format!("{:.1}% to {:.1}%", 100.0 * rate.low, 100.0 * rate.high),
    ]
}
