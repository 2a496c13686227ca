//! The learned layer: a small linear model over words and pieces of words.
//!
//! Rules say what a text asks for; this layer says how much it reads like requests that were labelled RED (danger), and
//! like those that were not GREEN (effect). It may only raise what the rules say, by one step: what they hold is blocked,
//! what they let through goes to a person.
//!
//! It reads a text sentence by sentence and each sentence from its beginning, and the strongest beginning counts. So
//! nothing that is added to a text can make it look more harmless.

pub mod features;
pub mod train;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use features::{BUCKETS, Feature, Word};

use crate::{
    clause::{Break, Clause, Token},
    rule::Risk,
};

/// First line of a model file.
const HEADER: &str = "countersign-model 2";
/// A sentence is judged from this word on: fewer say nothing.
const FIRST_WORDS: usize = 3;
/// How many words an explanation names.
const MAX_WORDS: usize = 3;
const QUESTIONS: usize = 2;

/// What a policy says of its model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// The file with the weights, in the policy's folder.
    pub file: String,
    /// What the rules hold is blocked if it reads like a blocked request with at least this probability.
    pub block_danger_at: f64,
    /// What the rules allow is held if it reads like a blocked request with at least this probability.
    pub hold_danger_at: f64,
    /// What the rules allow is held if it reads like a request with an effect with at least this probability.
    pub hold_effect_at: f64,
    /// What to ask for instead of what is blocked.
    pub alternative: String,
    /// What to ask for instead of what is blocked and would be held as one of these categories otherwise.
    #[serde(default)]
    pub alternatives: BTreeMap<String, String>,
}

/// A model at work.
#[derive(Debug)]
pub struct Model {
    /// What the policy says of it.
    pub spec: ModelSpec,
    /// SHA-256 over the rows that it was trained on, `sha256:<hex>`.
    pub training: String,
    weights: Weights,
}

/// What the layer judges of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Does it read like what is blocked?
    Danger,
    /// Does it read like what has an effect, and so is blocked or goes to a person?
    Effect,
}

/// How much each feature speaks for each question.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    heads: [Head; QUESTIONS],
    /// Side by side, so that one look finds both.
    buckets: Vec<[i8; QUESTIONS]>,
}

/// What makes the small numbers of one question a score.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Head {
    bias: f64,
    scale: f64,
}

/// The strongest beginning of a sentence so far.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Peak {
    score: f64,
    /// Its words.
    first: usize,
    last: usize,
}

/// What a model raises, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Raise {
    /// What the risk becomes.
    pub risk: Risk,
    /// What it reads like.
    pub question: Question,
    /// How likely the model finds that, from 0 to 1.
    pub probability: f64,
    /// The tokens that speak most for it, the strongest first.
    pub tokens: Vec<usize>,
}

// === impl ModelSpec ===

impl ModelSpec {
    /// What is wrong with it, if anything.
    pub fn fault(&self) -> Option<&'static str> {
        let probability = |value: f64| (0.5..=1.0).contains(&value);
        let thresholds = [self.block_danger_at, self.hold_danger_at, self.hold_effect_at];
        if !thresholds.into_iter().all(probability) {
            return Some("has a probability that is not between 0.5 and 1");
        }
        let mut alternatives = self.alternatives.values().chain([&self.alternative]);
        alternatives
            .any(|alternative| alternative.trim().is_empty())
            .then_some("can block and offers no alternative")
    }

    /// What to ask for instead of something of these categories, the gravest first.
    pub fn alternative<'c>(&self, mut categories: impl Iterator<Item = &'c str>) -> &str {
        let known = categories.find_map(|category| self.alternatives.get(category));
        known.unwrap_or(&self.alternative)
    }
}

// === impl Model ===

impl Model {
    /// Reads a model file; the error says what is wrong with it.
    pub fn parse(spec: ModelSpec, text: &str) -> Result<Self, String> {
        if let Some(fault) = spec.fault() {
            return Err(format!("model {fault}"));
        }
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return Err(format!("model file `{}` does not begin with `{HEADER}`", spec.file));
        }
        let malformed = |what: &str| format!("model file `{}`: {what}", spec.file);
        let training = lines
            .next()
            .and_then(|line| line.strip_prefix("training "))
            .ok_or_else(|| malformed("second line is not `training <digest>`"))?
            .to_owned();
        let [danger, effect] = Question::ALL.map(|question| {
            let line = lines.next().and_then(|line| line.strip_prefix(question.as_str()))?;
            Head::parse(line.strip_prefix(' ')?)
        });
        let weights = danger.zip(effect).map(|(danger, effect)| Weights::join(danger, effect));
        let weights =
            weights.ok_or_else(|| malformed("no lines `danger` and `effect` with `<bias> <scale> <base64>`"))?;
        Ok(Self {
            spec,
            training,
            weights,
        })
    }

    pub(crate) fn set_weights(&mut self, weights: Weights) {
        self.weights = weights;
    }

    /// What becomes of a text that the rules call `risk`, if more: one step.
    pub fn raise(&self, risk: Risk, text: &str, tokens: &[Token], clauses: &[Clause]) -> Option<Raise> {
        let spec = &self.spec;
        let (raised, needed): (_, &[_]) = match risk {
            Risk::Green => (
                Risk::Amber,
                &[
                    (Question::Danger, spec.hold_danger_at),
                    (Question::Effect, spec.hold_effect_at),
                ],
            ),
            Risk::Amber => (Risk::Red, &[(Question::Danger, spec.block_danger_at)]),
            Risk::Red => return None,
        };
        let words = features::words(text, tokens, clauses);
        let peaks = self.weights.peaks(&words);
        needed.iter().find_map(|(question, needed)| {
            let peak = peaks.get(question.index()).copied().flatten()?;
            let probability = logistic(peak.score);
            (probability >= *needed).then(|| Raise {
                risk: raised,
                question: *question,
                probability,
                tokens: self.weights.strongest(&words, peak, *question),
            })
        })
    }
}

// === impl Question ===

impl Question {
    /// All of them, in the order of the model file.
    pub const ALL: [Self; QUESTIONS] = [Self::Danger, Self::Effect];

    /// Its name in the model file.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Danger => "danger",
            Self::Effect => "effect",
        }
    }

    const fn index(self) -> usize {
        self as usize
    }

    /// Whether the answer is yes for a text with this label.
    fn holds_for(self, label: Risk) -> bool {
        match self {
            Self::Danger => label == Risk::Red,
            Self::Effect => label > Risk::Green,
        }
    }
}

// === impl Head ===

impl Head {
    /// One line of the file: the head and its small numbers.
    fn parse(line: &str) -> Option<(Self, Vec<i8>)> {
        let mut fields = line.split(' ');
        let bias = fields.next()?.parse().ok().filter(|bias: &f64| bias.is_finite())?;
        let scale = fields.next()?.parse().ok().filter(|scale: &f64| scale.is_finite())?;
        let bytes = STANDARD.decode(fields.next()?).ok()?;
        let whole = bytes.len() == BUCKETS && fields.next().is_none();
        let numbers = bytes.into_iter().map(|byte| i8::from_ne_bytes([byte])).collect();
        whole.then_some((Self { bias, scale }, numbers))
    }
}

// === impl Weights ===

impl Weights {
    fn join(danger: (Head, Vec<i8>), effect: (Head, Vec<i8>)) -> Self {
        let pairs = danger.1.into_iter().zip(effect.1);
        Self {
            heads: [danger.0, effect.0],
            buckets: pairs.map(|(danger, effect)| [danger, effect]).collect(),
        }
    }

    /// The model file with these weights.
    pub fn to_text(&self, training: &str) -> String {
        let mut text = format!("{HEADER}\ntraining {training}\n");
        for (question, (at, Head { bias, scale })) in Question::ALL.iter().zip(self.heads.iter().enumerate()) {
            let numbers = self.buckets.iter().filter_map(|bucket| bucket.get(at));
            let bytes: Vec<u8> = numbers.flat_map(|number| number.to_ne_bytes()).collect();
            let encoded = STANDARD.encode(bytes);
            text.extend([question.as_str(), &format!(" {bias} {scale} {encoded}\n")]);
        }
        text
    }

    fn weight(&self, feature: Feature) -> [i32; QUESTIONS] {
        let numbers = self.buckets.get(feature.bucket()).copied().unwrap_or_default();
        numbers.map(i32::from)
    }

    /// For each question the strongest beginning; none of a text that has too few words in every sentence.
    fn peaks(&self, words: &[Word<'_>]) -> [Option<Peak>; QUESTIONS] {
        let mut peaks = [None; QUESTIONS];
        let (mut first, mut sums, mut count) = (0, [0; QUESTIONS], 0_u32);
        for (last, word) in words.iter().enumerate() {
            if word.before == Break::Sentence {
                (first, sums, count) = (last, [0; QUESTIONS], 0);
            }
            features::each(words, last, |feature| {
                let weights = self.weight(feature);
                sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
                count += 1;
            });
            if last + 1 - first < FIRST_WORDS {
                continue;
            }
            let norm = f64::from(count.max(1)).sqrt();
            for ((peak, head), sum) in peaks.iter_mut().zip(&self.heads).zip(sums) {
                let score = head.bias + head.scale * f64::from(sum) / norm;
                if peak.is_none_or(|peak: Peak| score > peak.score) {
                    *peak = Some(Peak { score, first, last });
                }
            }
        }
        peaks
    }

    /// The tokens of a beginning that speak most for a question.
    fn strongest(&self, words: &[Word<'_>], peak: Peak, question: Question) -> Vec<usize> {
        let mut shares: Vec<(i32, usize)> = (peak.first..=peak.last)
            .filter_map(|index| {
                let word = words.get(index)?;
                let mut share = 0;
                features::each(words, index, |feature| {
                    share += self.weight(feature).get(question.index()).copied().unwrap_or_default();
                });
                (share > 0).then_some((share, word.token))
            })
            .collect();
        shares.sort_by_key(|(share, _)| std::cmp::Reverse(*share));
        shares.into_iter().take(MAX_WORDS).map(|(_, token)| token).collect()
    }
}

fn logistic(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}
