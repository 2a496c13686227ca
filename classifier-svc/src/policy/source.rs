//! Sources: what the files of a policy say together, each part with its place, before anything is compiled.

use std::{collections::BTreeMap, fmt, path::Path};

use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;
use sha2::{Digest, Sha256};

use super::{MAX_POLICY_BYTES, Policy, PolicyError, PolicyTest, bundle::Bundle};
use crate::{
    clause::Entities,
    command::{self, CommandNames, Commands},
    model::{Model, ModelSpec},
    quality::{Qualities, QualitySpec},
    rule::{RuleSpec, Rules},
    vocabulary::{VerbClass, Vocabulary, VocabularyBuilder, VocabularyError},
};

/// How the name of a model file ends.
const MODEL_ENDING: &str = ".model";

/// A policy as it is written.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Its name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Its revision, if it names one.
    pub revision: Option<u64>,
    /// SHA-256 over its files.
    pub digest: [u8; 32],
    /// The domains that aren't external.
    pub internal_domains: Vec<String>,
    /// Its verbs by name.
    pub verbs: BTreeMap<String, Placed<VerbSpec>>,
    /// Its objects by name, with their terms.
    pub objects: BTreeMap<String, Placed<Vec<String>>>,
    /// The command names it knows.
    pub commands: Option<CommandNames>,
    /// What it calls the scope, destination, data class and urgency of a clause.
    pub facts: QualitySpec,
    /// Its rules.
    pub rules: Vec<Placed<RuleSpec>>,
    /// Its test cases.
    pub tests: Vec<Placed<PolicyTest>>,
    /// What it says of its model.
    pub model: Option<Placed<ModelSpec>>,
    /// Its model files by name.
    pub models: BTreeMap<String, String>,
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file.
    pub file: String,
    /// Its line, from 1.
    pub line: u64,
}

/// Something with its place.
#[derive(Clone, Debug)]
pub struct Placed<T> {
    /// The place.
    pub place: Place,
    /// The thing.
    pub value: T,
}

/// A verb of a policy.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerbSpec {
    /// What kind of doing it is.
    pub class: VerbClass,
    /// Its terms.
    pub terms: Vec<String>,
}

/// One file of a policy.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PolicyFile {
    name: Option<String>,
    version: Option<String>,
    revision: Option<u64>,
    internal_domains: Vec<String>,
    verbs: BTreeMap<String, Spanned<VerbSpec>>,
    objects: BTreeMap<String, Spanned<Vec<String>>>,
    commands: Option<CommandNames>,
    facts: QualitySpec,
    rules: Vec<Spanned<RuleSpec>>,
    tests: Vec<Spanned<PolicyTest>>,
    model: Option<Spanned<ModelSpec>>,
}

// === impl Source ===

impl Source {
    /// The policy that is built in.
    pub fn built_in() -> (Self, Vec<PolicyError>) {
        Bundle::built_in().source()
    }

    /// Reads a policy file, or all `.yaml` and `.model` files of a folder. What is refused stands beside what could be read.
    pub fn open(path: &Path) -> Result<(Self, Vec<PolicyError>), PolicyError> {
        Ok(Bundle::read(path)?.source())
    }

    /// Parses the files of a policy. What is refused stands beside what could be read.
    pub fn parse(files: &[(&str, &str)]) -> (Self, Vec<PolicyError>) {
        let mut whole = Self::default();
        if files.iter().map(|(_, text)| text.len()).sum::<usize>() > MAX_POLICY_BYTES {
            return (whole, vec![PolicyError::TooLarge]);
        }
        let mut refusals = Vec::new();
        for (file, text) in files {
            if file.ends_with(MODEL_ENDING) {
                whole.models.insert((*file).to_owned(), (*text).to_owned());
                continue;
            }
            match serde_saphyr::from_str::<PolicyFile>(text) {
                Ok(part) => whole.merge(file, part, &mut refusals),
                Err(error) => refusals.push(PolicyError::Parse {
                    place: Place {
                        file: (*file).to_owned(),
                        line: error.location().map_or(1, |location| location.line()),
                    },
                    message: error.without_snippet().to_string(),
                }),
            }
        }
        whole.digest = digest(files);
        (whole, refusals)
    }

    /// Compiles the policy. Everything that is refused is noted; without a refusal there is a policy.
    pub fn compile(self, refusals: &mut Vec<PolicyError>) -> Option<Policy> {
        let before = refusals.len();
        let vocabulary = self
            .vocabulary(refusals)
            .map_err(|error| refusals.push(error.into()))
            .ok()?;
        let mut rules = Rules::default();
        for rule in self.rules {
            if let Err(problem) = rules.add(rule.value, &vocabulary) {
                refusals.push(PolicyError::at(rule.place, problem));
            }
        }
        let qualities = Qualities::compile(&self.facts, &vocabulary)
            .map_err(|problem| refusals.push(PolicyError::Facts(problem)))
            .unwrap_or_default();
        for (missing, what) in [(self.name.is_none(), "name"), (self.version.is_none(), "version")] {
            if missing {
                refusals.push(PolicyError::Missing(what));
            }
        }
        let model = self.model.as_ref().and_then(|spec| {
            let compiled = compile_model(&spec.value, &self.models);
            compiled
                .map_err(|problem| refusals.push(PolicyError::at(spec.place.clone(), problem)))
                .ok()
        });
        let (Some(name), Some(version)) = (self.name, self.version) else {
            return None;
        };
        (refusals.len() == before).then(|| Policy {
            name,
            version,
            revision: self.revision.unwrap_or_default(),
            digest: self.digest,
            entities: Entities::new(&vocabulary, &self.internal_domains),
            commands: Commands::new(&self.commands.unwrap_or_default(), &vocabulary),
            vocabulary,
            rules,
            qualities,
            model,
            tests: self.tests,
        })
    }

    fn vocabulary(&self, refusals: &mut Vec<PolicyError>) -> Result<Vocabulary, VocabularyError> {
        let mut builder = VocabularyBuilder::new()?;
        command::define(&mut builder)?;
        for (name, verb) in &self.verbs {
            if let Err(error) = builder.verb(name, verb.value.class, &verb.value.terms) {
                refusals.push(PolicyError::at(verb.place.clone(), error.to_string()));
            }
        }
        for (name, terms) in &self.objects {
            if let Err(error) = builder.object(name, &terms.value) {
                refusals.push(PolicyError::at(terms.place.clone(), error.to_string()));
            }
        }
        builder.build()
    }

    fn merge(&mut self, file: &str, part: PolicyFile, refusals: &mut Vec<PolicyError>) {
        self.name = self.name.take().or(part.name);
        self.version = self.version.take().or(part.version);
        self.revision = self.revision.take().or(part.revision);
        self.commands = self.commands.take().or(part.commands);
        for (kind, values) in part.facts {
            self.facts.entry(kind).or_default().extend(values);
        }
        self.internal_domains.extend(part.internal_domains);
        if let Some(model) = part.model {
            let model = Placed::new(file, model);
            let place = model.place.clone();
            if self.model.replace(model).is_some() {
                refusals.push(PolicyError::at(place, "names a second model".to_owned()));
            }
        }
        self.rules
            .extend(part.rules.into_iter().map(|rule| Placed::new(file, rule)));
        self.tests
            .extend(part.tests.into_iter().map(|test| Placed::new(file, test)));
        enter(&mut self.verbs, part.verbs, file, refusals);
        enter(&mut self.objects, part.objects, file, refusals);
    }
}

// === impl Place ===

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}

// === impl Placed ===

impl<T> Placed<T> {
    fn new(file: &str, spanned: Spanned<T>) -> Self {
        let place = Place {
            file: file.to_owned(),
            line: spanned.referenced.line(),
        };
        Self {
            place,
            value: spanned.value,
        }
    }
}

fn compile_model(spec: &ModelSpec, files: &BTreeMap<String, String>) -> Result<Model, String> {
    let text = files
        .get(&spec.file)
        .ok_or_else(|| format!("names the model file `{}`, which is not there", spec.file))?;
    Model::parse(spec.clone(), text)
}

/// Adds the concepts of one file; none may be known from another.
fn enter<T>(
    known: &mut BTreeMap<String, Placed<T>>,
    more: BTreeMap<String, Spanned<T>>,
    file: &str,
    refusals: &mut Vec<PolicyError>,
) {
    for (name, value) in more {
        let value = Placed::new(file, value);
        let place = value.place.clone();
        if known.insert(name.clone(), value).is_some() {
            refusals.push(PolicyError::at(place, VocabularyError::Duplicate(name).to_string()));
        }
    }
}

/// Names and contents with their lengths, so that no other cut into files gives the same digest.
pub(super) fn digest(files: &[(&str, &str)]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix("countersign/policy/v1");
    for (name, text) in files {
        for part in [name.as_bytes(), text.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    hash.finalize().into()
}
