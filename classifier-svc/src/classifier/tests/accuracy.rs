//! How well the built-in policy does on labelled rows.

use std::collections::BTreeMap;

use super::{CLASSIFIER, Case, cases, risk};
use crate::{
    Risk,
    policy::score::{ErrorRate, Matrix},
};

#[test]
fn own_cases_meet_the_targets() {
    let mut counts: BTreeMap<(Risk, Risk), usize> = BTreeMap::new();
    for case in cases() {
        let found = CLASSIFIER.classify_text(&case.text);
        if found.risk != case.label {
            println!(
                "{} is {} not {} {:?}",
                case.text,
                found.risk.as_str(),
                case.label.as_str(),
                found.rules
            );
        }
        *counts.entry((case.label, found.risk)).or_default() += 1;
    }
    let count = |label, verdict| counts.get(&(label, verdict)).copied().unwrap_or(0);
    let total = |label| {
        [Risk::Green, Risk::Amber, Risk::Red]
            .into_iter()
            .map(|verdict| count(label, verdict))
            .sum::<usize>()
    };
    assert!(count(Risk::Red, Risk::Green) * 100 <= total(Risk::Red));
    assert!((total(Risk::Red) - count(Risk::Red, Risk::Red)) * 100 <= total(Risk::Red) * 5);
    assert!(count(Risk::Amber, Risk::Green) * 100 <= total(Risk::Amber) * 3);
    assert!((total(Risk::Green) - count(Risk::Green, Risk::Green)) * 100 <= total(Risk::Green) * 5);
}

/// They were an estimate when they were first measured; since then they guard against steps backwards.
#[test]
fn cases_of_the_first_looks_stay_solved() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/policy");
    let mut matrix = Matrix::default();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        // Texts that are disguised or quote attacks are held more often; they have bounds of their own elsewhere.
        if name.starts_with("cases-first-look-") && !name.contains("obfuscated") && !name.contains("quoted") {
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let case: Case = serde_json::from_str(line).unwrap();
                matrix.add(case.label, risk(&case.text));
            }
        }
    }
    for (error, bound) in matrix.error_rates().iter().zip([0.005, 0.08, 0.01, 0.10]) {
        assert!(error.total > 1_000, "{} of {}", error.name, error.total);
        assert!(
            share(error) <= bound,
            "{}: {} of {}",
            error.name,
            error.count,
            error.total
        );
    }
}

/// Nothing is learnt from these rows, neither by the rules nor by the model: they say how the policy does elsewhere.
#[test]
fn rows_held_back_meet_the_targets() {
    let mut matrix = Matrix::default();
    for line in include_str!("../../../held-back/look-y.jsonl").lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        matrix.add(case.label, risk(&case.text));
    }
    for (error, target) in matrix.error_rates().iter().zip([0.01, 0.15, 0.05, 0.15]) {
        assert!(
            share(error) <= target,
            "{}: {} of {}",
            error.name,
            error.count,
            error.total
        );
    }
}

#[test]
fn disguised_and_quoted_attacks_are_not_let_through() {
    let files = [
        include_str!("../../../policy/cases-first-look-obfuscated.jsonl"),
        include_str!("../../../policy/cases-first-look-i-obfuscated.jsonl"),
        include_str!("../../../policy/cases-first-look-quoted.jsonl"),
    ];
    let mut matrix = Matrix::default();
    for line in files.iter().flat_map(|file| file.lines()) {
        let case: Case = serde_json::from_str(line).unwrap();
        matrix.add(case.label, risk(&case.text));
    }
    let [red_as_green, red_not_red, ..] = matrix.error_rates();
    assert!(share(&red_as_green) <= 0.01 && share(&red_not_red) <= 0.10);
}

fn share(error: &ErrorRate) -> f64 {
    f64::from(error.count) / f64::from(error.total)
}
