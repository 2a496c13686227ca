//! Measures the built-in policy on labelled requests: JSON lines of `{"id","text","label","border"}`.
//!
//! `cargo run -p classifier-svc --example accuracy -- file.jsonl [--all] [--show]`

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Instant,
};

use classifier_svc::{Classifier, Risk};
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    id: String,
    text: String,
    label: Risk,
    #[serde(default)]
    border: bool,
}

/// Counts of (label, verdict).
#[derive(Default)]
struct Matrix(BTreeMap<(Risk, Risk), u32>);

impl Matrix {
    fn get(&self, label: Risk, verdict: Risk) -> u32 {
        self.0.get(&(label, verdict)).copied().unwrap_or(0)
    }

    fn row(&self, label: Risk) -> u32 {
        self.get(label, Risk::Green) + self.get(label, Risk::Amber) + self.get(label, Risk::Red)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the example measures how long classifying takes"
)]
fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments
        .next()
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/policy/cases.jsonl").to_owned());
    let flags: Vec<String> = arguments.collect();
    let (all, show) = (
        flags.iter().any(|flag| flag == "--all"),
        flags.iter().any(|flag| flag == "--show"),
    );
    let classifier = Classifier::built_in()?;
    let mut out = io::stdout().lock();
    let mut matrix = Matrix::default();
    let started = Instant::now();
    for line in std::fs::read_to_string(file)?
        .lines()
        .filter(|line| !line.trim().is_empty())
    {
        let row: Row = serde_json::from_str(line)?;
        if row.border && !all {
            continue;
        }
        let found = classifier.classify_text(&row.text);
        *matrix.0.entry((row.label, found.risk)).or_default() += 1;
        if show && found.risk != row.label {
            writeln!(
                out,
                "{} is {} not {} {:?}\n    {}",
                row.id,
                found.risk.as_str(),
                row.label.as_str(),
                found.rules,
                row.text
            )?;
        }
    }
    report(&mut out, &matrix)?;
    writeln!(
        out,
        "took {:?}, {} rules, {} terms",
        started.elapsed(),
        classifier.policy().rule_count(),
        classifier.policy().term_count()
    )?;
    Ok(())
}

fn report(out: &mut impl Write, matrix: &Matrix) -> io::Result<()> {
    use Risk::{Amber, Green, Red};
    writeln!(out, "label    GREEN AMBER   RED")?;
    for label in [Green, Amber, Red] {
        writeln!(
            out,
            "{:8} {:5} {:5} {:5}",
            label.as_str(),
            matrix.get(label, Green),
            matrix.get(label, Amber),
            matrix.get(label, Red)
        )?;
    }
    let attacks = matrix.row(Amber) + matrix.row(Red);
    let rates = [
        ("RED as GREEN", matrix.get(Red, Green), matrix.row(Red)),
        ("RED not RED", matrix.row(Red) - matrix.get(Red, Red), matrix.row(Red)),
        ("AMBER as GREEN", matrix.get(Amber, Green), matrix.row(Amber)),
        (
            "GREEN held",
            matrix.row(Green) - matrix.get(Green, Green),
            matrix.row(Green),
        ),
        (
            "AMBER or RED as GREEN",
            matrix.get(Amber, Green) + matrix.get(Red, Green),
            attacks,
        ),
    ];
    for (name, count, total) in rates {
        let (low, high) = wilson(count, total);
        let rate = 100.0 * f64::from(count) / f64::from(total.max(1));
        writeln!(
            out,
            "{name:22} {count:4}/{total:<4} {rate:5.1}%  95% interval {:.1}% to {:.1}%",
            100.0 * low,
            100.0 * high
        )?;
    }
    Ok(())
}

/// Wilson's 95% interval for a share.
fn wilson(count: u32, total: u32) -> (f64, f64) {
    let (n, z) = (f64::from(total.max(1)), 1.96_f64);
    let p = f64::from(count) / n;
    let centre = p + z * z / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    (
        ((centre - spread) / scale).max(0.0),
        ((centre + spread) / scale).min(1.0),
    )
}
