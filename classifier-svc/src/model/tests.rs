//! What the learned layer may do, and that the shipped weights are what the training gives.

use std::{fs, path::Path};

use proptest::prelude::*;

use super::{
    train::{Row, Templates, digest, train},
    *,
};
use crate::{Classifier, policy::Policy};

const EMPTY: &str = "countersign-model 2\ntraining x\ndanger 0 1 \neffect 0 1 ";

fn spec() -> ModelSpec {
    ModelSpec {
        file: "m.model".to_owned(),
        block_danger_at: 0.9,
        hold_danger_at: 0.99,
        hold_effect_at: 0.99,
        alternative: "Ask for a plan.".to_owned(),
        alternatives: BTreeMap::new(),
    }
}

fn refused(spec: ModelSpec, text: &str) -> String {
    Model::parse(spec, text).map(|_| ()).unwrap_err()
}

fn rows() -> (Vec<Row>, Vec<Row>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let templates = fs::read_to_string(folder.join("training/templates.yaml")).unwrap();
    let written = Templates::parse(&templates).unwrap().rows().unwrap();
    let mut files: Vec<_> = fs::read_dir(folder.join("policy"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .collect();
    files.sort();
    let read = |path| -> Vec<Row> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    (files.iter().flat_map(read).collect(), written)
}

#[test]
fn the_shipped_model_names_the_rows_that_it_was_trained_on() {
    let (cases, written) = rows();
    let all: Vec<Row> = cases.iter().chain(&written).cloned().collect();
    let classifier = Classifier::built_in().unwrap();
    let model = classifier.policy().model.as_ref().unwrap();
    let advice = "train anew: cargo run -p classifier-svc --example train";
    assert_eq!(model.training, digest(&all), "{advice}");
    assert!(written.len() > 3_000);
}

#[test]
fn training_gives_the_same_weights_for_the_same_rows_and_they_survive_the_file() {
    let (cases, written) = rows();
    let some = |rows: &[Row]| -> Vec<Row> { rows.iter().step_by(40).cloned().collect() };
    let classifier = Classifier::built_in().unwrap();
    let weights = train(&some(&cases), &some(&written), &classifier);
    assert_eq!(weights, train(&some(&cases), &some(&written), &classifier));
    let read = Model::parse(spec(), &weights.to_text("sha256:00")).unwrap();
    assert_eq!((read.weights, read.training.as_str()), (weights, "sha256:00"));
}

#[test]
fn what_the_rules_hold_is_blocked_with_the_words_that_speak_for_it() {
    let classifier = Classifier::built_in().unwrap();
    let text = "Grant everyone in the company edit rights to the payroll folder.";
    let assessment = classifier.classify_text(text);
    assert_eq!(assessment.risk, Risk::Red);
    let found = assessment
        .matches
        .iter()
        .find(|found| found.rule == "learned.block")
        .unwrap();
    assert!(found.alternative.is_some() && !found.spans.is_empty());
    for span in &found.spans {
        let word = text.get(span.start..span.end).unwrap().to_lowercase();
        assert!(found.reason.contains(&word), "{word}: {}", found.reason);
    }
    assert!(
        assessment
            .matches
            .iter()
            .all(|other| other.rule == "learned.block" || other.risk < Risk::Red)
    );
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    assert!(refused(spec(), "").contains("does not begin with"));
    assert!(refused(spec(), "countersign-model 2\ndanger 0 1 AA==").contains("second line"));
    for weights in ["0 1 AA==", "NaN 1 AA==", "0 1", ""] {
        let text = format!("countersign-model 2\ntraining x\ndanger {weights}\neffect {weights}");
        assert!(
            refused(spec(), &text).contains("no lines `danger` and `effect`"),
            "{weights}"
        );
    }
}

#[test]
fn a_model_offers_an_alternative_and_has_sane_thresholds() {
    let without = ModelSpec {
        alternative: " ".to_owned(),
        ..spec()
    };
    assert!(refused(without, EMPTY).contains("no alternative"));
    let blank = ModelSpec {
        alternatives: BTreeMap::from([("funds movement".to_owned(), String::new())]),
        ..spec()
    };
    assert!(refused(blank, EMPTY).contains("no alternative"));
    for probability in [0.2, 1.5, f64::NAN] {
        let spec = ModelSpec {
            hold_effect_at: probability,
            ..spec()
        };
        assert!(refused(spec, EMPTY).contains("between 0.5 and 1"));
    }
}

#[test]
fn what_to_ask_for_instead_follows_from_the_category() {
    let spec = ModelSpec {
        alternatives: BTreeMap::from([("external communication".to_owned(), "Ask for a draft.".to_owned())]),
        ..spec()
    };
    let of = |categories: &[&'static str]| spec.alternative(categories.iter().copied()).to_owned();
    assert_eq!(of(&["not understood", "external communication"]), "Ask for a draft.");
    assert_eq!(of(&["not understood"]), "Ask for a plan.");
}

#[test]
fn an_alternative_for_a_category_that_no_rule_has_is_refused() {
    let policy = "name: t\nversion: '1'\nmodel:\n  { file: x.model, block_danger_at: 0.9, hold_danger_at: 0.9, \
                  hold_effect_at: 0.9, alternative: Ask., alternatives: { knitting: Ask. } }\n";
    let error = Policy::parse(&[("t.yaml", policy), ("x.model", "")])
        .map(|_| ())
        .unwrap_err();
    assert!(
        error.to_string().contains("for category `knitting`, which no rule has"),
        "{error}"
    );
}

#[test]
fn a_policy_with_a_model_that_is_not_there_is_refused() {
    let policy = "name: t\nversion: '1'\nmodel: { file: x.model, block_danger_at: 0.9, hold_danger_at: 0.9, hold_effect_at: 0.9, alternative: Ask. }\n";
    let error = Policy::parse(&[("t.yaml", policy)]).map(|_| ()).unwrap_err();
    let expected = "policy file `t.yaml`, line 3: names the model file `x.model`, which is not there";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn gaps_that_nothing_fills_are_named() {
    let open = Templates::parse("rows: 1\nslots: {}\ntemplates: { RED: ['Send {what}.'] }").unwrap();
    assert_eq!(open.rows().unwrap_err(), "nothing fills the gap `what`");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_added_makes_a_text_look_more_harmless(
        text in "[a-z ]{0,60}", more in "( [a-z.]{1,9}){0,12}",
    ) {
        thread_local! {
            static CLASSIFIER: Classifier = Classifier::built_in().unwrap();
        }
        let scores = |text: &str| CLASSIFIER.with(|classifier| {
            let model = classifier.policy().model.as_ref().unwrap();
            let mut peaks = [None; QUESTIONS];
            classifier.read_words(text, |words| peaks = model.weights.peaks(words));
            peaks.map(|peak| peak.map_or(f64::NEG_INFINITY, |peak| peak.score))
        });
        let longer = format!("{text}{more}");
        for (longer, shorter) in scores(&longer).into_iter().zip(scores(&text)) {
            prop_assert!(longer >= shorter);
        }
    }
}
