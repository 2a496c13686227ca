//! Trains the learned layer of the built-in policy and writes its weights.
//!
//! ```sh
//! cargo run -p classifier-svc --example train             # writes policy/default/learned.model
//! cargo run -p classifier-svc --example train -- --check  # measures it on cases that it has not seen, writes nothing
//! ```
//!
//! `--check` leaves out one file of cases after the other, trains on the rest, and counts the errors on the one left out,
//! with the rules alone and with what was learned.
#![expect(clippy::print_stdout, reason = "it prints what it found")]

use std::{env, fs, path::Path};

use anyhow::{Context as _, Result, anyhow};
use classifier_svc::{
    Classifier, Policy,
    model::train::{Row, Templates, digest, train},
    policy::score::Matrix,
};

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// A file of labelled cases.
struct Cases {
    name: String,
    rows: Vec<Row>,
}

fn main() -> Result<()> {
    let cases = cases()?;
    let templates = fs::read_to_string(Path::new(FOLDER).join("training/templates.yaml"))?;
    let written = Templates::parse(&templates).and_then(|templates| templates.rows());
    let written = written.map_err(|error| anyhow!(error))?;
    if env::args().any(|argument| argument == "--check") {
        return check(&cases, &written);
    }
    let rows: Vec<Row> = cases.into_iter().flat_map(|cases| cases.rows).collect();
    let all: Vec<Row> = rows.iter().chain(&written).cloned().collect();
    let weights = train(&rows, &written, &rules_alone()?);
    let path = Path::new(FOLDER).join("policy/default/learned.model");
    fs::write(&path, weights.to_text(&digest(&all)))?;
    println!(
        "{} cases and {} written rows: {}",
        rows.len(),
        written.len(),
        digest(&all)
    );
    Ok(())
}

/// The labelled cases of the policy, file by file.
fn cases() -> Result<Vec<Cases>> {
    let mut files: Vec<_> = fs::read_dir(Path::new(FOLDER).join("policy"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .collect();
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let rows = fs::read_to_string(path)?
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()
            .with_context(|| path.display().to_string())?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Cases { name, rows })
    };
    files.iter().map(read).collect()
}

/// The built-in policy without its model.
fn rules_alone() -> Result<Classifier> {
    let folder = Path::new(FOLDER).join("policy/default");
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with("learned.") {
            files.push((name, fs::read_to_string(path)?));
        }
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    Ok(Classifier::from_policy(Policy::parse(&files)?)?)
}

fn check(cases: &[Cases], written: &[Row]) -> Result<()> {
    let rules = rules_alone()?;
    let (mut before, mut after) = (Matrix::default(), Matrix::default());
    for left_out in cases {
        let others = cases.iter().filter(|cases| cases.name != left_out.name);
        let rows: Vec<Row> = others.flat_map(|cases| cases.rows.clone()).collect();
        let weights = train(&rows, written, &rules);
        let learned = Classifier::built_in()?.with_weights(weights);
        let (mut alone, mut both) = (Matrix::default(), Matrix::default());
        for row in &left_out.rows {
            alone.add(row.label, rules.classify_text(&row.text).risk);
            both.add(row.label, learned.classify_text(&row.text).risk);
            before.add(row.label, rules.classify_text(&row.text).risk);
            after.add(row.label, learned.classify_text(&row.text).risk);
        }
        show(&left_out.name, &alone, &both);
    }
    show("all", &before, &after);
    Ok(())
}

fn show(name: &str, alone: &Matrix, both: &Matrix) {
    println!("{name}");
    for (before, after) in alone.error_rates().iter().zip(both.error_rates()) {
        println!(
            "  {:16} rules alone {}/{}   with the learned layer {}/{}",
            before.name, before.count, before.total, after.count, after.total
        );
    }
}
