//! Policies: lexicons, rules and test cases, written as YAML and compiled once.

pub mod bundle;
pub mod diff;
pub mod exception;
pub mod lint;
pub mod score;
pub mod source;

use std::{fmt, path::Path};

use serde::Deserialize;

use crate::{
    classifier::Classifier,
    clause::Entities,
    command::Commands,
    model::Model,
    quality::Qualities,
    rule::{Context, Risk, RuleSpec, Rules},
    vocabulary::{Vocabulary, VocabularyError},
};
use bundle::SEAL_FILE;
use exception::Exceptions;
use source::{Place, Placed, Source};
use warrant::SealError;

/// The largest policy that is read.
pub const MAX_POLICY_BYTES: usize = 8 * 1024 * 1024;

const DEFAULT: &[(&str, &str)] = &[
    ("policy.yaml", include_str!("../policy/default/policy.yaml")),
    ("verbs.yaml", include_str!("../policy/default/verbs.yaml")),
    ("objects.yaml", include_str!("../policy/default/objects.yaml")),
    ("rules-red.yaml", include_str!("../policy/default/rules-red.yaml")),
    ("rules-amber.yaml", include_str!("../policy/default/rules-amber.yaml")),
    ("rules-green.yaml", include_str!("../policy/default/rules-green.yaml")),
    ("learned.yaml", include_str!("../policy/default/learned.yaml")),
    ("learned.model", include_str!("../policy/default/learned.model")),
];

/// A compiled policy.
#[derive(Debug)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its revision; a lower one never takes its place. 0 if it names none.
    pub revision: u64,
    /// SHA-256 over its files.
    pub digest: [u8; 32],
    pub(crate) vocabulary: Vocabulary,
    pub(crate) entities: Entities,
    pub(crate) commands: Commands,
    pub(crate) rules: Rules,
    pub(crate) qualities: Qualities,
    pub(crate) model: Option<Model>,
    pub(crate) exceptions: Exceptions,
    /// The parent: what it says is the least.
    pub(crate) floor: Option<Box<Classifier>>,
    tests: Vec<Placed<PolicyTest>>,
}

/// Why a policy is refused.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A file can't be read.
    #[error("read policy `{path}`: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file isn't a policy file.
    #[error("policy file `{}`: {message}", .place.file)]
    Parse {
        /// Where it goes wrong.
        place: Place,
        /// What is wrong, with line and column.
        message: String,
    },
    /// A rule or a concept is wrong.
    #[error("policy file `{}`, line {}: {problem}", .place.file, .place.line)]
    At {
        /// Where it stands.
        place: Place,
        /// What is wrong.
        problem: String,
    },
    /// The lexicons can't be compiled.
    #[error("policy lexicon: {0}")]
    Lexicon(#[from] VocabularyError),
    /// The facts are wrong.
    #[error("policy {0}")]
    Facts(String),
    /// The folder isn't the same twice.
    #[error("policy `{path}` changes while it is read")]
    Unstable {
        /// The folder.
        path: String,
    },
    /// Nobody who may has signed it.
    #[error("policy signature: {0}")]
    Signature(#[from] SealError),
    /// Signatures are asked for, and there is none.
    #[error("policy is not signed: it has no file `{SEAL_FILE}`")]
    Unsigned,
    /// It is older than what was at work before, or says something else under the same revision.
    #[error("policy has revision {found}; revision {known} was at work, so that {needed} or more is needed", needed = .known.saturating_add(1))]
    NotNewer {
        /// Its revision.
        found: u64,
        /// The revision that was at work.
        known: u64,
    },
    /// The policy is too large.
    #[error("policy is larger than {MAX_POLICY_BYTES} bytes")]
    TooLarge,
    /// Something must be said and isn't.
    #[error("policy has no {0}")]
    Missing(&'static str),
    /// The policy doesn't do what its own tests say.
    #[error("policy fails its own tests: {0}")]
    Tests(TestFailures),
}

/// The embedded tests that failed.
#[derive(Debug)]
pub struct TestFailures(Vec<TestOutcome>);

/// One embedded test case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyTest {
    /// The text.
    pub text: String,
    /// The risk it must get.
    pub risk: Risk,
    /// A rule that must be among those that matched.
    #[serde(default)]
    pub rule: Option<String>,
    /// The tenant of who asks.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The groups of who asks.
    #[serde(default)]
    pub group: Vec<String>,
    /// The agent that is to act.
    #[serde(default)]
    pub agent: Option<String>,
    /// When it is judged, RFC 3339. Without it no exception holds.
    #[serde(default)]
    pub at: Option<String>,
}

/// What came of one embedded test case.
#[derive(Clone, Debug)]
pub struct TestOutcome {
    /// Where it stands.
    pub place: Place,
    /// The case.
    pub test: PolicyTest,
    /// The risk that the text got.
    pub risk: Risk,
    /// The rules that matched.
    pub rules: Vec<String>,
}

// === impl Policy ===

impl Policy {
    /// The policy that is built in.
    pub fn built_in() -> Result<Self, PolicyError> {
        Self::compile(Source::built_in())
    }

    /// Parses and compiles a policy.
    pub fn parse(files: &[(&str, &str)]) -> Result<Self, PolicyError> {
        Self::compile(Source::parse(files))
    }

    /// Compiles what the files of a policy say; the first of what is refused is the error.
    pub fn compile((source, mut refusals): (Source, Vec<PolicyError>)) -> Result<Self, PolicyError> {
        if refusals.is_empty()
            && let Some(policy) = source.compile(&mut refusals)
        {
            return Ok(policy);
        }
        Err(refusals.into_iter().next().unwrap_or(PolicyError::Missing("rules")))
    }

    /// Puts the policy to work whatever its own tests say, and runs them.
    pub fn try_out(self) -> (Classifier, Vec<TestOutcome>) {
        let classifier = Classifier::untested(self);
        let outcomes = outcomes(&classifier);
        (classifier, outcomes)
    }

    /// Checks the policy against its own tests.
    pub(crate) fn check(classifier: &Classifier) -> Result<(), PolicyError> {
        let failures: Vec<TestOutcome> = outcomes(classifier)
            .into_iter()
            .filter(|outcome| !outcome.passed())
            .collect();
        if failures.is_empty() {
            Ok(())
        } else {
            Err(PolicyError::Tests(TestFailures(failures)))
        }
    }

    /// Its rules.
    pub fn rules(&self) -> impl Iterator<Item = &RuleSpec> {
        self.rules.iter()
    }

    /// How many rules it has.
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// How many distinct terms its lexicons have, inflections included.
    pub fn term_count(&self) -> usize {
        self.vocabulary.term_count()
    }
}

// === impl PolicyError ===

impl PolicyError {
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read {
            path: path.display().to_string(),
            source,
        }
    }

    fn at(place: Place, problem: String) -> Self {
        Self::At { place, problem }
    }
}

// === impl PolicyTest ===

impl PolicyTest {
    fn context(&self) -> Context {
        Context {
            tenant: self.tenant.clone(),
            groups: self.group.clone(),
            agent: self.agent.clone(),
            now: self.at.as_deref().and_then(chassis::time::parse_rfc3339),
            ..Context::default()
        }
    }
}

// === impl TestOutcome ===

impl TestOutcome {
    /// Whether the text got the risk and the rule that it must get.
    pub fn passed(&self) -> bool {
        let ruled = self.test.rule.as_ref().is_none_or(|rule| self.rules.contains(rule));
        ruled && self.risk == self.test.risk
    }
}

impl fmt::Display for TestOutcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let test = &self.test;
        write!(
            formatter,
            "{}: `{}` must be {}",
            self.place,
            test.text,
            test.risk.as_str()
        )?;
        if let Some(rule) = &test.rule {
            write!(formatter, " by `{rule}`")?;
        }
        write!(formatter, " and is {} by {:?}", self.risk.as_str(), self.rules)
    }
}

// === impl TestFailures ===

impl fmt::Display for TestFailures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        formatter.write_str(&failures.join("; "))
    }
}

fn outcomes(classifier: &Classifier) -> Vec<TestOutcome> {
    let tests = classifier.policy().tests.iter();
    tests
        .map(|test| {
            let assessment = classifier.assess_text(&test.value.text, &test.value.context());
            TestOutcome {
                place: test.place.clone(),
                test: test.value.clone(),
                risk: assessment.risk,
                rules: assessment.rules,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
