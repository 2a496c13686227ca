//! Sources: what the files of a policy say together, each part with its place, before anything is compiled.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
};

use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;
use sha2::{Digest, Sha256};

use super::{
    MAX_POLICY_BYTES, Policy, PolicyError, PolicyTest,
    bundle::Bundle,
    exception::{ExceptionSpec, Exceptions},
};
use crate::{
    classifier::Classifier,
    clause::Entities,
    command::{self, CommandNames, Commands},
    model::{Model, ModelSpec},
    quality::{Qualities, QualitySpec},
    rule::{RuleSpec, Rules},
    vocabulary::{VerbClass, Vocabulary, VocabularyBuilder, VocabularyError},
};

/// Where the built-in policy names its model; a policy that adds to it may name another.
const BUILT_IN_MODEL: &str = "learned.yaml";
/// How the name of a model file ends.
const MODEL_ENDING: &str = ".model";

/// A policy as it is written.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Its name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The policy that it adds to and can't lower.
    pub parent: Option<Placed<Parent>>,
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
    /// Its exceptions.
    pub exceptions: Vec<Placed<ExceptionSpec>>,
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

/// A policy that others may add to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parent {
    /// The policy that is built in.
    BuiltIn,
}

/// One file of a policy.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PolicyFile {
    name: Option<String>,
    version: Option<String>,
    revision: Option<u64>,
    parent: Option<Spanned<Parent>>,
    internal_domains: Vec<String>,
    verbs: BTreeMap<String, Spanned<VerbSpec>>,
    objects: BTreeMap<String, Spanned<Vec<String>>>,
    commands: Option<CommandNames>,
    facts: QualitySpec,
    rules: Vec<Spanned<RuleSpec>>,
    tests: Vec<Spanned<PolicyTest>>,
    exceptions: Vec<Spanned<ExceptionSpec>>,
    model: Option<Spanned<ModelSpec>>,
}

// === impl PolicyFile ===

impl PolicyFile {
    /// What another file has said of the whole policy: which of the two counts, no order of files may decide.
    fn said_again(&self, said: &mut BTreeSet<&'static str>, file: &str) -> Vec<PolicyError> {
        let says = [
            ("name", self.name.is_some()),
            ("version", self.version.is_some()),
            ("revision", self.revision.is_some()),
        ];
        let again = says.into_iter().filter(|(what, says)| *says && !said.insert(what));
        let refused = |(what, _): (&str, bool)| {
            let place = Place {
                file: file.to_owned(),
                line: 1,
            };
            PolicyError::at(place, format!("says the policy's {what} a second time"))
        };
        again.map(refused).collect()
    }
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
        let (own, refusals) = Self::parse_upon(Self::default(), files);
        if own.parent.is_none() || !refusals.is_empty() {
            return (own, refusals);
        }
        let (parent, mut refusals) = Self::built_in();
        let (whole, more) = Self::parse_upon(parent, files);
        refusals.extend(more);
        (whole, refusals)
    }

    fn parse_upon(mut whole: Self, files: &[(&str, &str)]) -> (Self, Vec<PolicyError>) {
        if files.iter().map(|(_, text)| text.len()).sum::<usize>() > MAX_POLICY_BYTES {
            return (whole, vec![PolicyError::TooLarge]);
        }
        let (mut refusals, mut said) = (Vec::new(), BTreeSet::new());
        for (file, text) in files {
            if file.ends_with(MODEL_ENDING) {
                whole.models.insert((*file).to_owned(), (*text).to_owned());
                continue;
            }
            match serde_saphyr::from_str::<PolicyFile>(text) {
                Ok(part) => {
                    refusals.extend(part.said_again(&mut said, file));
                    whole.merge(file, part, &mut refusals);
                }
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
        let floor = self.parent.as_ref().map(|_| Classifier::built_in());
        let floor = floor
            .transpose()
            .map_err(|error| refusals.push(error))
            .unwrap_or_default()
            .map(Box::new);
        let mut exceptions = Exceptions::default();
        for exception in self.exceptions {
            let parents = floor.as_ref().map(|floor| &floor.policy().rules);
            if parents.is_some_and(|rules| rules.find(&exception.value.lowers).is_some()) {
                let (id, rule) = (&exception.value.id, &exception.value.lowers);
                let problem = format!("exception `{id}` lowers `{rule}`, which is a rule of the parent");
                refusals.push(PolicyError::at(exception.place, problem));
            } else if let Err(problem) = exceptions.add(exception.value, &rules) {
                refusals.push(PolicyError::at(exception.place, problem));
            }
        }
        let qualities = Qualities::compile(&self.facts, &vocabulary)
            .map_err(|problem| refusals.push(PolicyError::Facts(problem)))
            .unwrap_or_default();
        if let Some(problem) = self.commands.as_ref().and_then(CommandNames::fault) {
            refusals.push(PolicyError::Facts(problem));
        }
        for (missing, what) in [(self.name.is_none(), "name"), (self.version.is_none(), "version")] {
            if missing {
                refusals.push(PolicyError::Missing(what));
            }
        }
        let model = self.model.as_ref().and_then(|spec| {
            let compiled = compile_model(&spec.value, &self.models, &rules);
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
            exceptions,
            floor,
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
        // What a policy says of itself comes after what its parent says of itself.
        self.name = part.name.or(self.name.take());
        self.version = part.version.or(self.version.take());
        self.revision = part.revision.or(self.revision.take());
        self.parent = part
            .parent
            .map(|parent| Placed::new(file, parent))
            .or(self.parent.take());
        if let Some(commands) = part.commands {
            self.commands.get_or_insert_default().extend(commands);
        }
        for (kind, values) in part.facts {
            self.facts.entry(kind).or_default().extend(values);
        }
        self.internal_domains.extend(part.internal_domains);
        if let Some(model) = part.model {
            let model = Placed::new(file, model);
            let place = model.place.clone();
            let parents = self
                .model
                .as_ref()
                .is_some_and(|known| known.place.file == BUILT_IN_MODEL);
            if self.model.replace(model).is_some() && !parents {
                refusals.push(PolicyError::at(place, "names a second model".to_owned()));
            }
        }
        self.rules
            .extend(part.rules.into_iter().map(|rule| Placed::new(file, rule)));
        self.tests
            .extend(part.tests.into_iter().map(|test| Placed::new(file, test)));
        self.exceptions.extend(
            part.exceptions
                .into_iter()
                .map(|exception| Placed::new(file, exception)),
        );
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

fn compile_model(spec: &ModelSpec, files: &BTreeMap<String, String>, rules: &Rules) -> Result<Model, String> {
    let is_known = |category: &str| rules.iter().any(|rule| rule.category == category);
    if let Some(category) = spec.alternatives.keys().find(|category| !is_known(category)) {
        return Err(format!(
            "offers an alternative for category `{category}`, which no rule has"
        ));
    }
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
