//! Assessments: what the classifier says of a request, and why.

use std::{cmp::Reverse, sync::Arc};

use serde::{Serialize, Serializer};

use crate::{clause::Frame, quality::Quality, rule::Risk};

/// What follows from a risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Disposition {
    /// It is executed.
    Allow,
    /// A person decides.
    RequireApproval,
    /// It isn't executed.
    Block,
}

/// What the classifier says of one request.
#[derive(Clone, Debug, Serialize)]
pub struct Assessment {
    /// How dangerous it is.
    pub risk: Risk,
    /// What follows.
    pub disposition: Disposition,
    /// The rules that matched, the gravest first.
    pub rules: Vec<String>,
    /// Why, in one sentence.
    pub reason: String,
    /// What to ask for instead, if it is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternative: Option<String>,
    /// How sure the classifier is, from 0 to 1.
    pub confidence: f64,
    /// Each rule with what made it match.
    pub matches: Vec<RuleMatch>,
    /// The views under which the text was read.
    pub views: Vec<&'static str>,
    /// What the text asks for, clause by clause.
    pub facts: Vec<Fact>,
    /// The digest of the policy, `sha256:<hex>`.
    pub policy: String,
}

/// One rule that matched.
#[derive(Clone, Debug, Serialize)]
pub struct RuleMatch {
    /// Its name.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// What kind of risk it is about.
    pub category: String,
    /// Its risk.
    pub risk: Risk,
    /// Why.
    pub reason: String,
    /// What to ask for instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternative: Option<String>,
    /// The exception that lowered its risk, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<Lowered>,
    /// The view in which it matched.
    pub view: &'static str,
    /// Where in the raw text.
    pub spans: Vec<Span>,
}

/// What an exception did to a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lowered {
    /// The exception.
    pub exception: String,
    /// The rule's own risk.
    pub from: Risk,
}

/// Bytes of the raw text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// What one clause asks for.
#[derive(Clone, Debug, Serialize)]
pub struct Fact {
    /// What kind of sentence it is.
    pub frame: Frame,
    /// What is to be done.
    #[serde(serialize_with = "texts")]
    pub verbs: Vec<Arc<str>>,
    /// To what.
    #[serde(serialize_with = "texts")]
    pub objects: Vec<Arc<str>>,
    /// Its scope, destination, data class, urgency and amounts.
    pub qualities: Vec<Quality>,
    /// Where in the raw text.
    pub span: Span,
}

// === impl Assessment ===

impl Assessment {
    /// An assessment by these rules, under the policy with this digest.
    pub fn new(risk: Risk, matches: Vec<RuleMatch>, policy: &str) -> Self {
        let empty = Self {
            risk,
            disposition: risk.into(),
            rules: Vec::new(),
            reason: String::new(),
            alternative: None,
            confidence: 0.0,
            matches,
            views: Vec::new(),
            facts: Vec::new(),
            policy: policy.to_owned(),
        };
        empty.settled()
    }

    /// The same, with the views under which the text was read and what it asks for.
    #[must_use]
    pub fn reading(self, views: Vec<&'static str>, facts: Vec<Fact>) -> Self {
        Self { views, facts, ..self }
    }

    /// The same with one more match; its risk is never lower than before.
    #[must_use]
    pub fn raised(mut self, found: RuleMatch) -> Self {
        self.risk = self.risk.max(found.risk);
        self.matches.push(found);
        self.settled()
    }

    /// Draws from risk and matches what follows from them.
    fn settled(mut self) -> Self {
        // What an exception has lowered comes first: the reason is signed, and names it.
        self.matches.sort_by_key(|found| {
            let lowered = found.exception.is_some();
            (Reverse(found.risk), Reverse(lowered), found.rule.clone())
        });
        let gravest = self.matches.iter().find(|found| found.risk == self.risk);
        let why = gravest.map_or("no rule of the policy says what it is", |found| found.reason.as_str());
        let said = match self.risk {
            Risk::Green => "Allowed",
            Risk::Amber => "Needs a person's approval",
            Risk::Red => "Blocked",
        };
        self.reason = format!("{said}, because {why}.");
        self.alternative = gravest
            .filter(|_| self.risk == Risk::Red)
            .and_then(|found| found.alternative.clone());
        self.disposition = self.risk.into();
        self.rules = self.matches.iter().map(|found| found.rule.clone()).collect();
        self.confidence = confidence(self.risk, &self.matches);
        self
    }

    /// The rule that decides: the first of the gravest.
    pub fn decider(&self) -> &str {
        let decides = self.matches.iter().find(|found| found.risk == self.risk);
        decides.map_or("", |found| found.rule.as_str())
    }
}

// === impl Disposition ===

impl Disposition {
    /// The name as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::RequireApproval => "REQUIRE_APPROVAL",
            Self::Block => "BLOCK",
        }
    }
}

impl From<Risk> for Disposition {
    fn from(risk: Risk) -> Self {
        match risk {
            Risk::Green => Self::Allow,
            Risk::Amber => Self::RequireApproval,
            Risk::Red => Self::Block,
        }
    }
}

/// More matching rules make it surer; a hold says that it isn't sure at all.
fn confidence(risk: Risk, matches: &[RuleMatch]) -> f64 {
    let agreeing = matches
        .iter()
        .filter(|found| found.risk == risk && !found.rule.starts_with("hold."))
        .count();
    match (agreeing, risk) {
        (0, _) => 0.3,
        (1, Risk::Green) => 0.85,
        (1, _) => 0.8,
        (2, _) => 0.9,
        _ => 0.95,
    }
}

fn texts<S: Serializer>(texts: &[Arc<str>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(texts.iter().map(AsRef::<str>::as_ref))
}
