//! How well the built-in policy does on labelled rows.

use super::{Case, cases, risk};
use crate::policy::score::Matrix;

/// The rows of a JSONL file.
fn rows(jsonl: &str) -> impl Iterator<Item = Case> {
    jsonl.lines().map(|line| serde_json::from_str(line).unwrap())
}

fn measure(cases: impl IntoIterator<Item = Case>) -> Matrix {
    let mut matrix = Matrix::default();
    for case in cases {
        let found = risk(&case.text);
        if found != case.label {
            println!("{} is {} not {}", case.text, found.as_str(), case.label.as_str());
        }
        matrix.add(case.label, found);
    }
    matrix
}

/// RED as GREEN, RED not RED, AMBER as GREEN, GREEN held: each no greater a share than its bound.
fn assert_within(matrix: &Matrix, bounds: [f64; 4]) {
    for (error, bound) in matrix.error_rates().iter().zip(bounds) {
        assert!(error.total > 0, "no rows for {}", error.name);
        let (name, count, total) = (error.name, error.count, error.total);
        assert!(error.share() <= bound, "{name}: {count} of {total}");
    }
}

#[test]
fn own_cases_meet_the_targets() {
    assert_within(&measure(cases()), [0.01, 0.05, 0.03, 0.05]);
}

/// They were an estimate when they were first measured; since then they guard against steps backwards.
#[test]
fn cases_of_the_first_looks_stay_solved() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/policy");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        // Texts that are disguised or quote attacks are held more often; they have bounds of their own elsewhere.
        if name.starts_with("cases-first-look-") && !name.contains("obfuscated") && !name.contains("quoted") {
            found.extend(rows(&std::fs::read_to_string(&path).unwrap()));
        }
    }
    let matrix = measure(found);
    for error in matrix.error_rates() {
        assert!(error.total > 1_000, "{} of {}", error.name, error.total);
    }
    assert_within(&matrix, [0.005, 0.08, 0.01, 0.10]);
}

/// Nothing is learnt from these rows, neither by the rules nor by the model: they say how the policy does elsewhere.
#[test]
fn rows_held_back_meet_the_targets() {
    let matrix = measure(rows(include_str!("../../../held-back/look-y.jsonl")));
    assert_within(&matrix, [0.01, 0.15, 0.05, 0.15]);
}

/// The lexicons learnt some phrases from these rows, the model nothing. More of what is harmless is held than the target says.
#[test]
fn rows_that_the_model_has_not_seen_are_judged_no_worse_than_documented() {
    let matrix = measure(rows(include_str!("../../../held-back/look-z.jsonl")));
    assert_within(&matrix, [0.01, 0.15, 0.05, 0.20]);
}

#[test]
fn disguised_and_quoted_attacks_are_not_let_through() {
    let files = [
        include_str!("../../../policy/cases-first-look-obfuscated.jsonl"),
        include_str!("../../../policy/cases-first-look-i-obfuscated.jsonl"),
        include_str!("../../../policy/cases-first-look-quoted.jsonl"),
    ];
    let matrix = measure(files.into_iter().flat_map(rows));
    let [red_as_green, red_not_red, ..] = matrix.error_rates();
    assert!(red_as_green.total > 0, "no attacks");
    assert!(red_as_green.share() <= 0.01 && red_not_red.share() <= 0.10);
}
