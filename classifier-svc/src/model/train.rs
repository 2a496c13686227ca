//! Training: logistic regression on labelled rows, the same result for the same rows.
//!
//! Rows are the policy's labelled cases and sentences written out from templates (`training/templates.yaml`). The order in
//! which they are visited follows from a fixed seed; nothing else is random.

use std::{collections::BTreeMap, ops::RangeInclusive};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{
    FIRST_WORDS, Head, Question, Weights,
    features::{self, BUCKETS},
};
use crate::{classifier::Classifier, clause::Break, rule::Risk};

/// How often every row is visited.
const EPOCHS: u32 = 12;
const RATE: f64 = 0.5;
/// How much weights that nothing speaks for shrink with each visit of their feature.
const DECAY: f64 = 2e-5;
const SEED: u64 = 0x5eed;
/// In the first visits the weights say too little to choose a beginning by.
const WHOLE_EPOCHS: u32 = 3;
/// The weights are the mean of those after each of this many last visits, so that the order of the rows matters less.
const MEAN_EPOCHS: u32 = 8;
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

/// A row as the model reads it.
struct Example {
    /// The buckets of each word, and whether a sentence begins with it.
    words: Vec<(Vec<usize>, bool)>,
    label: Risk,
}

/// A beginning of one of its sentences, by its words.
type Beginning = RangeInclusive<usize>;

/// Weights while they are learned.
struct Learner {
    weights: Vec<f64>,
    /// The sum of the squared slopes of each weight.
    slopes: Vec<f64>,
    bias: f64,
    bias_slopes: f64,
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
    let example = |row| Example::of(row, classifier);
    let written: Vec<Example> = written.iter().map(example).collect();
    let cases: Vec<Example> = cases.iter().map(example).collect();
    let often = std::iter::repeat_n(cases.iter(), CASE_VISITS).flatten();
    let examples: Vec<&Example> = written.iter().chain(often).collect();
    let [danger, effect] = Question::ALL.map(|question| Learner::fit(&examples, question).quantised());
    Weights::join(danger, effect)
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
    fn of(row: &Row, classifier: &Classifier) -> Self {
        let mut read = Vec::new();
        classifier.read_words(&row.text, |words| {
            read = (0..words.len())
                .map(|index| {
                    let mut buckets = Vec::new();
                    features::each(words, index, |feature| buckets.push(feature.bucket()));
                    let begins = words.get(index).is_some_and(|word| word.before == Break::Sentence);
                    (buckets, begins)
                })
                .collect();
        });
        Self {
            words: read,
            label: row.label,
        }
    }

    /// The beginning that counts, by the weights so far; at first whole sentences alone are looked at.
    fn strongest(&self, learner: &Learner, whole: bool) -> Option<(Beginning, f64)> {
        let mut strongest: Option<(Beginning, f64)> = None;
        let (mut first, mut sum, mut count) = (0, 0.0, 0);
        for (last, (buckets, begins)) in self.words.iter().enumerate() {
            if *begins {
                (first, sum, count) = (last, 0.0, 0);
            }
            sum += buckets.iter().map(|at| learner.weight(*at)).sum::<f64>();
            count += buckets.len();
            let ends = self.words.get(last + 1).is_none_or(|(_, begins)| *begins);
            if last + 1 - first < FIRST_WORDS || (whole && !ends) {
                continue;
            }
            let score = learner.bias + sum / norm(count);
            if strongest.as_ref().is_none_or(|(_, best)| score > *best) {
                strongest = Some((first..=last, score));
            }
        }
        strongest
    }
}

/// What the sum over so many features is divided by.
#[expect(clippy::cast_precision_loss, reason = "a text has few features")]
fn norm(features: usize) -> f64 {
    (features.max(1) as f64).sqrt()
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

    fn shuffle(&mut self, order: &mut [usize]) {
        for last in (1..order.len()).rev() {
            order.swap(last, self.below(last + 1));
        }
    }

    /// A number below `bound`, which is small.
    fn below(&mut self, bound: usize) -> usize {
        let number = self.next() % bound.max(1) as u64;
        usize::try_from(number).unwrap_or_default()
    }
}

// === impl Learner ===

impl Learner {
    fn new() -> Self {
        Self {
            weights: vec![0.0; BUCKETS],
            slopes: vec![1e-8; BUCKETS],
            bias: 0.0,
            bias_slopes: 1e-8,
        }
    }

    /// Logistic regression by gradient descent with a rate of its own for each weight (`AdaGrad`), on the beginning of each
    /// row that counts when the model judges. Both answers weigh the same, however many rows there are of each.
    fn fit(examples: &[&Example], question: Question) -> Self {
        let count = |wanted: bool| {
            let answered = examples.iter().filter(|one| question.holds_for(one.label) == wanted);
            answered.count().max(1)
        };
        #[expect(clippy::cast_precision_loss, reason = "a count of rows is small")]
        let balance = |wanted: bool| examples.len() as f64 / (2 * count(wanted)) as f64;
        let (against, for_it) = (balance(false), balance(true));
        let (mut learner, mut mean) = (Self::new(), Self::new());
        let mut order: Vec<usize> = (0..examples.len()).collect();
        let mut sequence = Sequence(SEED);
        for epoch in 0..EPOCHS {
            sequence.shuffle(&mut order);
            for example in order.iter().filter_map(|index| examples.get(*index)) {
                let wanted = question.holds_for(example.label);
                let balance = if wanted { for_it } else { against };
                learner.visit(example, wanted, balance, epoch < WHOLE_EPOCHS);
            }
            if epoch + MEAN_EPOCHS >= EPOCHS {
                mean.add_share_of(&learner);
            }
        }
        mean
    }

    fn visit(&mut self, example: &Example, wanted: bool, balance: f64, whole: bool) {
        if let Some((beginning, score)) = example.strongest(self, whole) {
            let target = if wanted { 1.0 } else { 0.0 };
            let error = (super::logistic(score) - target) * balance;
            self.step(example.words.get(beginning).unwrap_or_default(), error);
        }
    }

    /// Adds one of the [`MEAN_EPOCHS`] shares of a mean.
    fn add_share_of(&mut self, other: &Self) {
        let share = 1.0 / f64::from(MEAN_EPOCHS);
        let weights = self.weights.iter_mut().zip(&other.weights);
        weights.for_each(|(mean, weight)| *mean += weight * share);
        self.bias += other.bias * share;
    }

    fn weight(&self, bucket: usize) -> f64 {
        self.weights.get(bucket).copied().unwrap_or_default()
    }

    /// Moves the weights of some words against the error.
    fn step(&mut self, words: &[(Vec<usize>, bool)], error: f64) {
        let features = || words.iter().flat_map(|(buckets, _)| buckets.iter().copied());
        let norm = norm(features().count());
        let mut counts = BTreeMap::new();
        features().for_each(|at| *counts.entry(at).or_insert(0.0) += 1.0 / norm);
        for (at, count) in counts {
            if let (Some(weight), Some(slopes)) = (self.weights.get_mut(at), self.slopes.get_mut(at)) {
                let slope = error * count + DECAY * *weight;
                *slopes += slope * slope;
                *weight -= RATE * slope / slopes.sqrt();
            }
        }
        self.bias_slopes += error * error;
        self.bias -= RATE * error / self.bias_slopes.sqrt();
    }

    /// Its weights as small numbers with one scale.
    fn quantised(self) -> (Head, Vec<i8>) {
        let largest = self.weights.iter().map(|weight| weight.abs()).fold(0.0, f64::max);
        let scale = if largest > 0.0 {
            largest / f64::from(i8::MAX)
        } else {
            1.0
        };
        #[expect(clippy::cast_possible_truncation, reason = "no quotient is larger than 127")]
        let small = |weight: &f64| (weight / scale).round() as i8;
        let numbers = self.weights.iter().map(small).collect();
        (Head { bias: self.bias, scale }, numbers)
    }
}
