//! Training: logistic regression on labelled rows, the same result for the same rows.
//!
//! Rows are the policy's labelled cases and sentences written out from templates (`training/templates.yaml`). The order in
//! which they are visited follows from a fixed seed; nothing else is random.

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{
    Weights,
    features::{self, BUCKETS},
};
use crate::{classifier::Classifier, rule::Risk};

/// How often every row is visited.
const EPOCHS: usize = 12;
const RATE: f64 = 0.5;
/// How much weights that nothing speaks for shrink with each visit of their feature.
const DECAY: f64 = 2e-5;
const SEED: u64 = 0x5eed;
/// Every this many words of a row make a beginning.
const BEGINNING: usize = 4;
/// A case counts as much as this many rows from templates: people wrote it as it is.
const CASE_VISITS: usize = 4;

/// A labelled row.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Row {
    /// The request.
    pub text: String,
    /// What it is.
    pub label: Risk,
}

/// Templates and what may stand in their gaps.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Templates {
    /// How often each template is written out.
    rows: usize,
    /// The fillers of each gap.
    slots: BTreeMap<String, Vec<String>>,
    /// The sentences of each label, with their gaps.
    #[serde(rename = "templates")]
    sentences: BTreeMap<Risk, Vec<String>>,
}

/// A row, or a beginning of it, as buckets with their counts.
struct Example {
    buckets: Vec<(usize, f64)>,
    label: Risk,
    whole: bool,
}

/// A sequence of numbers that follows from its seed (`SplitMix64`).
struct Sequence(u64);

/// The digest of training rows, `sha256:<hex>`.
pub fn digest(rows: &[Row]) -> String {
    let mut hash = Sha256::new_with_prefix("countersign/training/v1");
    for row in rows {
        hash.update((row.text.len() as u64).to_be_bytes());
        hash.update(&row.text);
        hash.update(row.label.as_str());
    }
    format!("sha256:{}", hex::encode(hash.finalize()))
}

/// Trains on cases and on rows from templates. The classifier reads the texts into words; its rules play no part.
pub fn train(cases: &[Row], written: &[Row], classifier: &Classifier) -> Weights {
    let mut examples: Vec<Example> = written.iter().flat_map(|row| Example::of(row, classifier)).collect();
    for row in cases {
        examples.extend((0..CASE_VISITS).flat_map(|_| Example::of(row, classifier)));
    }
    fit(&examples)
}

// === impl Templates ===

impl Templates {
    /// Reads templates; the error says what is wrong with them.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    /// Writes all templates out; the error names a gap that nothing fills.
    pub fn rows(&self) -> Result<Vec<Row>, String> {
        let mut sequence = Sequence(SEED);
        let mut rows = Vec::new();
        for (label, templates) in &self.sentences {
            for template in templates {
                let times = if template.contains('{') { self.rows } else { 1 };
                for _ in 0..times {
                    let text = self.fill(template, &mut sequence)?;
                    rows.push(Row { text, label: *label });
                }
            }
        }
        rows.sort_by(|a, b| a.text.cmp(&b.text));
        rows.dedup();
        Ok(rows)
    }

    fn fill(&self, template: &str, sequence: &mut Sequence) -> Result<String, String> {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("a gap is not closed")?;
            let fillers = self.slots.get(name).filter(|fillers| !fillers.is_empty());
            let fillers = fillers.ok_or_else(|| format!("nothing fills the gap `{name}`"))?;
            text.push_str(before);
            text.push_str(fillers.get(sequence.below(fillers.len())).map_or("", String::as_str));
            rest = after;
        }
        text.push_str(rest);
        Ok(text)
    }
}

// === impl Example ===

impl Example {
    /// The row, and some beginnings of it: the model judges by the strongest beginning.
    fn of(row: &Row, classifier: &Classifier) -> Vec<Self> {
        let mut examples = Vec::new();
        classifier.read_words(&row.text, |words| {
            let beginnings = (BEGINNING..words.len()).step_by(BEGINNING);
            let example = |length| Self {
                buckets: buckets(words.get(..length).unwrap_or_default()),
                label: row.label,
                whole: length == words.len(),
            };
            examples.extend(beginnings.chain([words.len()]).map(example));
        });
        examples
    }
}

/// The buckets of some words, with how often each occurs, as the model weighs it.
fn buckets(words: &[features::Word<'_>]) -> Vec<(usize, f64)> {
    let mut counts = BTreeMap::new();
    let mut total = 0_u32;
    for index in 0..words.len() {
        features::each(words, index, |feature| {
            *counts.entry(feature.bucket()).or_insert(0.0) += 1.0;
            total += 1;
        });
    }
    let norm = f64::from(total.max(1)).sqrt();
    counts
        .into_iter()
        .map(|(bucket, count)| (bucket, count / norm))
        .collect()
}

// === impl Sequence ===

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is small.
    fn below(&mut self, bound: usize) -> usize {
        let number = self.next() % bound.max(1) as u64;
        usize::try_from(number).unwrap_or_default()
    }
}

/// Logistic regression by gradient descent with a rate of its own for each weight (`AdaGrad`). Both answers weigh the same,
/// however many rows there are of each.
fn fit(examples: &[Example]) -> Weights {
    let is_red = |example: &Example| example.label == Risk::Red;
    // A beginning of a dangerous request may be harmless; none of a harmless one is dangerous.
    let examples: Vec<&Example> = examples.iter().filter(|one| one.whole || !is_red(one)).collect();
    let count = |wanted: bool| examples.iter().filter(|one| is_red(one) == wanted).count().max(1);
    #[expect(clippy::cast_precision_loss, reason = "a count of rows is small")]
    let balance = |wanted: bool| examples.len() as f64 / (2 * count(wanted)) as f64;
    let (against, for_it) = (balance(false), balance(true));
    let mut weights = vec![0.0_f64; BUCKETS];
    let mut seen = vec![1e-8_f64; BUCKETS];
    let (mut bias, mut bias_seen) = (0.0, 1e-8);
    let mut order: Vec<usize> = (0..examples.len()).collect();
    let mut sequence = Sequence(SEED);
    for _ in 0..EPOCHS {
        for last in (1..order.len()).rev() {
            order.swap(last, sequence.below(last + 1));
        }
        for example in order.iter().filter_map(|index| examples.get(*index)) {
            let value = |bucket: usize| weights.get(bucket).copied().unwrap_or_default();
            let score: f64 = bias
                + example
                    .buckets
                    .iter()
                    .map(|(at, count)| value(*at) * count)
                    .sum::<f64>();
            let wanted = is_red(example);
            let (target, balance) = if wanted { (1.0, for_it) } else { (0.0, against) };
            let error = (super::logistic(score) - target) * balance;
            for (at, count) in &example.buckets {
                if let (Some(weight), Some(seen)) = (weights.get_mut(*at), seen.get_mut(*at)) {
                    let slope = error * count + DECAY * *weight;
                    *seen += slope * slope;
                    *weight -= RATE * slope / seen.sqrt();
                }
            }
            bias_seen += error * error;
            bias -= RATE * error / bias_seen.sqrt();
        }
    }
    quantised(bias, &weights)
}

/// Weights as small numbers with one scale.
fn quantised(bias: f64, weights: &[f64]) -> Weights {
    let largest = weights
        .iter()
        .fold(0.0_f64, |largest, weight| largest.max(weight.abs()));
    let scale = if largest > 0.0 {
        largest / f64::from(i8::MAX)
    } else {
        1.0
    };
    #[expect(clippy::cast_possible_truncation, reason = "no quotient is larger than 127")]
    let small = |weight: &f64| (weight / scale).round() as i8;
    Weights {
        bias,
        scale,
        buckets: weights.iter().map(small).collect(),
    }
}
