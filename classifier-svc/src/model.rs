//! The learned layer: a small linear model over words and pieces of words.
//!
//! Rules say what a text asks for; this layer says how much it reads like requests that were labelled RED. It may only
//! raise what the rules say, by one step: what they hold is blocked, what they let through goes to a person.
//!
//! It reads a text sentence by sentence and each sentence from its beginning, and the strongest beginning counts. So
//! nothing that is added to a text can make it look more harmless.

pub mod features;
pub mod train;

#[cfg(test)]
mod tests;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use features::{BUCKETS, Feature, Word};

use crate::{
    clause::{Break, Token},
    rule::Risk,
};

/// First line of a model file.
const HEADER: &str = "countersign-model 1";
/// A sentence is judged from this word on: fewer say nothing.
const FIRST_WORDS: usize = 3;
/// How many words an explanation names.
const MAX_WORDS: usize = 3;

/// What a policy says of its model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// The file with the weights, in the policy's folder.
    pub file: String,
    /// What is held by the rules is blocked if it reads like a blocked request with at least this probability.
    pub block_at: f64,
    /// What is allowed by the rules is held if it reads like a blocked request with at least this probability.
    pub hold_at: f64,
    /// What to ask for instead of what is blocked.
    pub alternative: String,
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

/// How much each feature speaks for RED.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    bias: f64,
    scale: f64,
    buckets: Vec<i8>,
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
    /// How likely the model finds it that the text is RED, from 0 to 1.
    pub probability: f64,
    /// The tokens that speak most for it, the strongest first.
    pub tokens: Vec<usize>,
}

// === impl ModelSpec ===

impl ModelSpec {
    /// What is wrong with it, if anything.
    pub fn fault(&self) -> Option<&'static str> {
        let probability = |value: f64| (0.5..=1.0).contains(&value);
        if !probability(self.block_at) || !probability(self.hold_at) {
            return Some("has a probability that is not between 0.5 and 1");
        }
        self.alternative
            .trim()
            .is_empty()
            .then_some("can block and offers no alternative")
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
        let weights = lines.next().and_then(|line| line.strip_prefix("weights "));
        let weights = weights
            .and_then(Weights::parse)
            .ok_or_else(|| malformed("third line is not `weights <bias> <scale> <base64>`"))?;
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
    pub fn raise(&self, risk: Risk, text: &str, tokens: &[Token]) -> Option<Raise> {
        let (raised, needed) = match risk {
            Risk::Green => (Risk::Amber, self.spec.hold_at),
            Risk::Amber => (Risk::Red, self.spec.block_at),
            Risk::Red => return None,
        };
        let words = features::words(text, tokens);
        let peak = self.weights.peak(&words)?;
        let probability = logistic(peak.score);
        (probability >= needed).then(|| Raise {
            risk: raised,
            probability,
            tokens: self.weights.strongest(&words, peak),
        })
    }
}

// === impl Weights ===

impl Weights {
    /// The model file with these weights.
    pub fn to_text(&self, training: &str) -> String {
        let bytes: Vec<u8> = self.buckets.iter().flat_map(|weight| weight.to_ne_bytes()).collect();
        let Self { bias, scale, .. } = self;
        let encoded = STANDARD.encode(bytes);
        format!("{HEADER}\ntraining {training}\nweights {bias} {scale} {encoded}\n")
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        let bias = fields.next()?.parse().ok().filter(|bias: &f64| bias.is_finite())?;
        let scale = fields.next()?.parse().ok().filter(|scale: &f64| scale.is_finite())?;
        let bytes = STANDARD.decode(fields.next()?).ok()?;
        let whole = bytes.len() == BUCKETS && fields.next().is_none();
        whole.then(|| Self {
            bias,
            scale,
            buckets: bytes.into_iter().map(|byte| i8::from_ne_bytes([byte])).collect(),
        })
    }

    fn weight(&self, feature: Feature) -> f64 {
        self.buckets
            .get(feature.bucket())
            .map_or(0.0, |weight| f64::from(*weight) * self.scale)
    }

    /// The strongest beginning; none of a text that has too few words in every sentence.
    fn peak(&self, words: &[Word<'_>]) -> Option<Peak> {
        let mut peak: Option<Peak> = None;
        let (mut first, mut sum, mut count) = (0, 0.0, 0_u32);
        for (last, word) in words.iter().enumerate() {
            if word.before == Break::Sentence {
                (first, sum, count) = (last, 0.0, 0);
            }
            features::each(words, last, |feature| {
                sum += self.weight(feature);
                count += 1;
            });
            let score = self.bias + sum / f64::from(count.max(1)).sqrt();
            if last + 1 - first >= FIRST_WORDS && peak.is_none_or(|peak| score > peak.score) {
                peak = Some(Peak { score, first, last });
            }
        }
        peak
    }

    /// The tokens of a beginning that speak most for RED.
    fn strongest(&self, words: &[Word<'_>], peak: Peak) -> Vec<usize> {
        let mut shares: Vec<(f64, usize)> = (peak.first..=peak.last)
            .filter_map(|index| {
                let word = words.get(index)?;
                let mut share = 0.0;
                features::each(words, index, |feature| share += self.weight(feature));
                (share > 0.0).then_some((share, word.token))
            })
            .collect();
        shares.sort_by(|a, b| b.0.total_cmp(&a.0));
        shares.into_iter().take(MAX_WORDS).map(|(_, token)| token).collect()
    }
}

fn logistic(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}
