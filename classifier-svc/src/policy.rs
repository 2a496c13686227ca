//! Policies: lexicons, rules and test cases, written as YAML and compiled once.

use std::{collections::BTreeMap, fmt, path::Path};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{
    classifier::Classifier,
    clause::Entities,
    command::{self, CommandNames, Commands},
    quality::{Qualities, QualitySpec},
    rule::{Context, Risk, RuleSpec, Rules},
    vocabulary::{VerbClass, Vocabulary, VocabularyBuilder, VocabularyError},
};

/// The largest policy that is read.
pub const MAX_POLICY_BYTES: usize = 8 * 1024 * 1024;

const DEFAULT: &[(&str, &str)] = &[
    ("policy.yaml", include_str!("../policy/default/policy.yaml")),
    ("verbs.yaml", include_str!("../policy/default/verbs.yaml")),
    ("objects.yaml", include_str!("../policy/default/objects.yaml")),
    ("rules-red.yaml", include_str!("../policy/default/rules-red.yaml")),
    ("rules-amber.yaml", include_str!("../policy/default/rules-amber.yaml")),
    ("rules-green.yaml", include_str!("../policy/default/rules-green.yaml")),
];

/// A compiled policy.
#[derive(Debug)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 over its files.
    pub digest: [u8; 32],
    pub(crate) vocabulary: Vocabulary,
    pub(crate) entities: Entities,
    pub(crate) commands: Commands,
    pub(crate) rules: Rules,
    pub(crate) qualities: Qualities,
    tests: Vec<PolicyTest>,
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
    #[error("policy file `{file}`: {message}")]
    Parse {
        /// The file.
        file: String,
        /// What is wrong, with line and column.
        message: String,
    },
    /// The lexicons can't be compiled.
    #[error("policy lexicon: {0}")]
    Lexicon(#[from] VocabularyError),
    /// A rule is wrong.
    #[error("policy {0}")]
    Rule(String),
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
pub struct TestFailures(Vec<String>);

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
}

/// One file of a policy; a policy is what all its files say together.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PolicyFile {
    name: Option<String>,
    version: Option<String>,
    internal_domains: Vec<String>,
    verbs: BTreeMap<String, VerbSpec>,
    objects: BTreeMap<String, Vec<String>>,
    commands: Option<CommandNames>,
    facts: QualitySpec,
    rules: Vec<RuleSpec>,
    tests: Vec<PolicyTest>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VerbSpec {
    class: VerbClass,
    terms: Vec<String>,
}

// === impl Policy ===

impl Policy {
    /// The policy that is built in.
    pub fn built_in() -> Result<Self, PolicyError> {
        Self::parse(DEFAULT)
    }

    /// Reads a policy file, or all `.yaml` files of a folder.
    pub fn open(path: &Path) -> Result<Self, PolicyError> {
        let failed = |source| PolicyError::Read {
            path: path.display().to_string(),
            source,
        };
        let mut paths = vec![path.to_path_buf()];
        if path.is_dir() {
            let entries = std::fs::read_dir(path)
                .map_err(failed)?
                .collect::<Result<Vec<_>, _>>()
                .map_err(failed)?;
            paths = entries
                .into_iter()
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
                .collect();
            paths.sort();
        }
        let mut files = Vec::new();
        for path in paths {
            let failed = |source| PolicyError::Read {
                path: path.display().to_string(),
                source,
            };
            if std::fs::metadata(&path).map_err(failed)?.len() > MAX_POLICY_BYTES as u64 {
                return Err(PolicyError::TooLarge);
            }
            let name = path
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            files.push((name, std::fs::read_to_string(&path).map_err(failed)?));
        }
        let borrowed: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        Self::parse(&borrowed)
    }

    /// Parses and compiles a policy and runs its tests.
    pub fn parse(files: &[(&str, &str)]) -> Result<Self, PolicyError> {
        if files.iter().map(|(_, text)| text.len()).sum::<usize>() > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLarge);
        }
        let mut whole = PolicyFile::default();
        for (file, text) in files {
            let part = serde_saphyr::from_str(text).map_err(|error| PolicyError::Parse {
                file: (*file).to_owned(),
                message: error.to_string(),
            })?;
            whole.merge(part)?;
        }
        whole.compile(digest(files))
    }

    /// Checks the policy against its own tests.
    pub(crate) fn check(classifier: &Classifier) -> Result<(), PolicyError> {
        let context = Context::default();
        let failures: Vec<String> = classifier
            .policy()
            .tests
            .iter()
            .filter_map(|test| test.failure(classifier, &context))
            .collect();
        if failures.is_empty() {
            Ok(())
        } else {
            Err(PolicyError::Tests(TestFailures(failures)))
        }
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

// === impl PolicyTest ===

impl PolicyTest {
    fn failure(&self, classifier: &Classifier, context: &Context) -> Option<String> {
        let assessment = classifier.assess_text(&self.text, context);
        let ruled = self.rule.as_ref().is_none_or(|rule| assessment.rules.contains(rule));
        (assessment.risk != self.risk || !ruled).then(|| {
            let rule = self
                .rule
                .as_ref()
                .map_or_else(String::new, |rule| format!(" by `{rule}`"));
            format!(
                "`{}` must be {}{rule} and is {} by {:?}",
                self.text,
                self.risk.as_str(),
                assessment.risk.as_str(),
                assessment.rules
            )
        })
    }
}

// === impl PolicyFile ===

impl PolicyFile {
    fn merge(&mut self, part: Self) -> Result<(), PolicyError> {
        self.name = self.name.take().or(part.name);
        self.version = self.version.take().or(part.version);
        self.commands = self.commands.take().or(part.commands);
        for (kind, values) in part.facts {
            self.facts.entry(kind).or_default().extend(values);
        }
        self.internal_domains.extend(part.internal_domains);
        self.rules.extend(part.rules);
        self.tests.extend(part.tests);
        for (name, spec) in part.verbs {
            if self.verbs.insert(name.clone(), spec).is_some() {
                return Err(VocabularyError::Duplicate(name).into());
            }
        }
        for (name, terms) in part.objects {
            if self.objects.insert(name.clone(), terms).is_some() {
                return Err(VocabularyError::Duplicate(name).into());
            }
        }
        Ok(())
    }

    fn compile(self, digest: [u8; 32]) -> Result<Policy, PolicyError> {
        let mut builder = VocabularyBuilder::new()?;
        command::define(&mut builder)?;
        for (name, verb) in &self.verbs {
            builder.verb(name, verb.class, &verb.terms)?;
        }
        for (name, terms) in &self.objects {
            builder.object(name, terms)?;
        }
        let vocabulary = builder.build()?;
        let rules = Rules::compile(self.rules, &vocabulary).map_err(PolicyError::Rule)?;
        let qualities = Qualities::compile(&self.facts, &vocabulary).map_err(PolicyError::Rule)?;
        Ok(Policy {
            name: self.name.ok_or(PolicyError::Missing("name"))?,
            version: self.version.ok_or(PolicyError::Missing("version"))?,
            digest,
            entities: Entities::new(&vocabulary, &self.internal_domains),
            commands: Commands::new(&self.commands.unwrap_or_default(), &vocabulary),
            vocabulary,
            rules,
            qualities,
            tests: self.tests,
        })
    }
}

// === impl TestFailures ===

impl fmt::Display for TestFailures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("; "))
    }
}

/// Names and contents with their lengths, so that no other cut into files gives the same digest.
fn digest(files: &[(&str, &str)]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix("countersign/policy/v1");
    for (name, text) in files {
        for part in [name.as_bytes(), text.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests;
