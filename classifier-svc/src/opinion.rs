//! The second opinion: an OpenAI-compatible model that is asked about what the rules would let through.
//!
//! It may only raise a risk. If it can't be had (no answer in time, too many questions at once, an answer that is none), the
//! request is held for a person. What the rules block is not shown to it.

mod breaker;
mod client;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use chassis::{BoxError, Clock};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use tokio::sync::{Semaphore, watch};
use warrant::Operation;

use crate::{
    assessment::{Assessment, RuleMatch},
    rule::Risk,
};
use breaker::Breaker;
use client::Client;

/// The health name of the model.
pub const OPINION_HEALTH: &str = "second-opinion";

const RAISED: &str = "second-opinion.raised";
const HELD: &str = "hold.second-opinion";
const CATEGORY: &str = "second opinion";
/// What to ask for instead of what the model alone would block.
const ALTERNATIVE: &str = "Ask for a draft or a plan of it that a person can check before anything is done.";
/// What is kept back of the caller's time, to sign and answer in.
const PARTING_TIME: Duration = Duration::from_millis(100);
/// A reason is cut here; it is shown to people, not acted on.
const MAX_REASON_CHARS: usize = 300;

/// Whom to ask, about what, and how long.
#[derive(Debug, Clone, Args)]
pub struct OpinionConfig {
    /// OpenAI-compatible server whose model gives a second opinion; `/v1/chat/completions` is asked
    #[arg(
        long,
        env = "COUNTERSIGN_CLASSIFIER_SECOND_OPINION_URL",
        value_name = "URL",
        requires = "second_opinion_model",
        help_heading = "Second opinion"
    )]
    pub second_opinion_url: Option<String>,

    /// Name of the model
    #[arg(
        long,
        env = "COUNTERSIGN_CLASSIFIER_SECOND_OPINION_MODEL",
        value_name = "NAME",
        help_heading = "Second opinion"
    )]
    pub second_opinion_model: Option<String>,

    /// File with the server's bearer key
    #[arg(
        long,
        env = "COUNTERSIGN_CLASSIFIER_SECOND_OPINION_KEY_FILE",
        value_name = "FILE",
        help_heading = "Second opinion"
    )]
    pub second_opinion_key_file: Option<PathBuf>,

    /// What it is asked about
    #[arg(
        long,
        env = "COUNTERSIGN_CLASSIFIER_SECOND_OPINION_ON",
        value_enum,
        default_value_t = AskedAbout::Green,
        help_heading = "Second opinion"
    )]
    pub second_opinion_on: AskedAbout,

    /// How long an answer may take; then the request is held
    #[arg(
        long,
        env = "COUNTERSIGN_CLASSIFIER_SECOND_OPINION_TIMEOUT",
        value_name = "DURATION",
        default_value = "2s",
        value_parser = humantime::parse_duration,
        help_heading = "Second opinion"
    )]
    pub second_opinion_timeout: Duration,

    /// How many questions may be under way at once; what comes on top is held
    #[arg(
        long,
        env = "COUNTERSIGN_CLASSIFIER_SECOND_OPINION_CONCURRENCY",
        value_name = "NUMBER",
        default_value_t = 16,
        help_heading = "Second opinion"
    )]
    pub second_opinion_concurrency: u16,
}

/// Which of the rules' verdicts are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AskedAbout {
    /// What the rules let through.
    Green,
    /// That, and what they hold.
    GreenAndAmber,
}

/// What the model says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Said {
    /// How dangerous it finds the request.
    pub risk: Risk,
    /// Why.
    pub reason: String,
}

/// Why there is no opinion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOpinion {
    /// No answer in time.
    #[error("it did not answer in time")]
    Timeout,
    /// It can't be reached, or broke off.
    #[error("it can't be reached")]
    Unreachable,
    /// It answered with an error.
    #[error("it answered with status {0}")]
    Status(u16),
    /// Its answer is not of the form that was asked for.
    #[error("its answer is not of the form that was asked for")]
    Malformed,
    /// Too many questions are under way.
    #[error("too many questions are under way")]
    Busy,
    /// It failed so often that it isn't asked for a while.
    #[error("it failed too often and is left alone for a while")]
    Open,
}

/// Asks for second opinions.
#[derive(Debug)]
pub struct SecondOpinion {
    client: Client,
    about: AskedAbout,
    timeout: Duration,
    places: Semaphore,
    breaker: Breaker,
}

// === impl NoOpinion ===

impl NoOpinion {
    /// Whether the request may have brought it about: one that is too long for the model, or that talks it into prose.
    fn is_by_request(self) -> bool {
        matches!(self, Self::Malformed | Self::Status(400 | 413 | 422))
    }
}

// === impl OpinionConfig ===

impl Default for OpinionConfig {
    fn default() -> Self {
        Self {
            second_opinion_url: None,
            second_opinion_model: None,
            second_opinion_key_file: None,
            second_opinion_on: AskedAbout::Green,
            second_opinion_timeout: Duration::from_secs(2),
            second_opinion_concurrency: 16,
        }
    }
}

// === impl AskedAbout ===

impl AskedAbout {
    fn covers(self, risk: Risk) -> bool {
        match risk {
            Risk::Green => true,
            Risk::Amber => self == Self::GreenAndAmber,
            Risk::Red => false,
        }
    }
}

// === impl SecondOpinion ===

impl SecondOpinion {
    /// As configured; none without a URL. Nothing is asked yet.
    pub fn open(config: &OpinionConfig, clock: Arc<dyn Clock>) -> Result<Option<Self>, BoxError> {
        let Some(url) = &config.second_opinion_url else {
            return Ok(None);
        };
        let key = config.second_opinion_key_file.as_deref();
        let key = key.map(chassis::secret::read).transpose()?;
        let model = config.second_opinion_model.clone().unwrap_or_default();
        Ok(Some(Self {
            client: Client::new(url, model, key.as_ref())?,
            about: config.second_opinion_on,
            timeout: config.second_opinion_timeout,
            places: Semaphore::new(usize::from(config.second_opinion_concurrency)),
            breaker: Breaker::new(clock),
        }))
    }

    /// Whether the model is asked at present.
    pub fn healthy(&self) -> watch::Receiver<bool> {
        self.breaker.closed()
    }

    /// The assessment, raised by what the model says if it is asked and says more. The caller waits for `remaining` at most;
    /// the answer comes before that, or not at all.
    pub async fn consider(
        &self,
        assessment: Assessment,
        operation: &Operation,
        remaining: Option<Duration>,
    ) -> Assessment {
        if !self.about.covers(assessment.risk) {
            return assessment;
        }
        let patience = remaining.map_or(self.timeout, |remaining| {
            self.timeout.min(remaining.saturating_sub(PARTING_TIME))
        });
        let answer = self.ask(operation, patience).await;
        if let Err(why) = &answer {
            tracing::debug!(%why, "no second opinion; the request is held");
        }
        merge(assessment, answer)
    }

    async fn ask(&self, operation: &Operation, patience: Duration) -> Result<Said, NoOpinion> {
        let _place = self.places.try_acquire().map_err(|_| NoOpinion::Busy)?;
        let attempt = self.breaker.attempt().ok_or(NoOpinion::Open)?;
        if let Ok(answer) = tokio::time::timeout(patience, self.client.ask(operation)).await {
            match answer {
                Ok(_) => attempt.ended(true),
                Err(why) if !why.is_by_request() => attempt.ended(false),
                // Or whoever asks so again and again had everybody's requests held.
                Err(_) => {}
            }
            return answer;
        }
        // A caller in a hurry says nothing of the model.
        if patience == self.timeout {
            attempt.ended(false);
        }
        Err(NoOpinion::Timeout)
    }
}

/// What follows from the rules' assessment and the model's answer: never less than the rules say, and never GREEN without
/// an answer.
pub fn merge(assessment: Assessment, answer: Result<Said, NoOpinion>) -> Assessment {
    match answer {
        Ok(said) if said.risk > assessment.risk => assessment.raised(RuleMatch {
            rule: RAISED.to_owned(),
            title: "Raised by a second opinion".to_owned(),
            category: CATEGORY.to_owned(),
            risk: said.risk,
            reason: format!("a second model finds: {}", plain(&said.reason)),
            alternative: (said.risk == Risk::Red).then(|| ALTERNATIVE.to_owned()),
            exception: None,
            view: "raw",
            spans: Vec::new(),
        }),
        Ok(_) => assessment,
        Err(why) => assessment.raised(RuleMatch {
            rule: HELD.to_owned(),
            title: "No second opinion".to_owned(),
            category: CATEGORY.to_owned(),
            risk: Risk::Amber,
            reason: format!("the second opinion could not be had: {why}"),
            alternative: None,
            exception: None,
            view: "raw",
            spans: Vec::new(),
        }),
    }
}

/// A reason as it may be shown: short, on one line, nothing hidden in it.
fn plain(reason: &str) -> String {
    let shown = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = shown
        .chars()
        .filter(|c| !c.is_control() && !crate::normalise::is_invisible(*c))
        .take(MAX_REASON_CHARS)
        .collect();
    shown.trim_end_matches('.').to_owned()
}
