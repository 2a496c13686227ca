//! The compiled lexicons: one automaton that finds every term of every concept in one pass.

mod inflect;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use serde::{Deserialize, Serialize};

use crate::concept::{ConceptId, ConceptSet, MAX_CONCEPTS};

pub use inflect::Form;

/// Concepts that the engine itself recognises, so that rules can name them without a lexicon.
pub const BUILT_IN: [&str; 8] = [
    "entity.amount",
    "entity.email",
    "entity.external-email",
    "entity.url",
    "entity.file",
    "entity.account-number",
    "entity.handle",
    "mention",
];

/// What kind of doing a verb is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VerbClass {
    /// It has an effect outside the conversation: `send`, `delete`, `run`.
    Acting,
    /// It makes a text for its reader: `draft`, `summarise`.
    Composing,
    /// It looks at something: `list`, `find`, `check`.
    Reading,
    /// It says nothing by itself and hands over to the verb that follows: `help`, `use`.
    Light,
}

/// One way to read a term.
#[derive(Clone, Copy, Debug)]
pub struct Meaning {
    /// The concept it stands for.
    pub concept: ConceptId,
    /// Its class, if it is a verb.
    pub verb: Option<VerbClass>,
    /// The form in which it is written.
    pub form: Form,
}

/// One occurrence of a term in a text.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'v> {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Whether the term has several words.
    pub phrase: bool,
    /// What it can mean.
    pub meanings: &'v [Meaning],
}

/// All terms of one policy, ready to be searched for.
#[derive(Debug)]
pub struct Vocabulary {
    names: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, ConceptId>,
    classes: Vec<Option<VerbClass>>,
    automaton: AhoCorasick,
    terms: Vec<Term>,
    words: HashSet<Box<str>>,
}

/// Collects concepts and their terms; [`VocabularyBuilder::build`] compiles them.
#[derive(Debug, Default)]
pub struct VocabularyBuilder {
    names: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, ConceptId>,
    classes: Vec<Option<VerbClass>>,
    terms: BTreeMap<String, Vec<Meaning>>,
}

/// Why a set of lexicons can't be compiled.
#[derive(Debug, thiserror::Error)]
pub enum VocabularyError {
    /// The same concept is defined twice.
    #[error("concept `{0}` is defined twice")]
    Duplicate(String),
    /// There are too many concepts.
    #[error("more than {MAX_CONCEPTS} concepts are defined")]
    TooMany,
    /// A term is empty or isn't lower-case ASCII.
    #[error("term `{term}` of concept `{concept}` must be lower-case ASCII text")]
    BadTerm {
        /// The concept.
        concept: String,
        /// The term.
        term: String,
    },
    /// The automaton can't be built.
    #[error("build automaton: {0}")]
    Automaton(#[from] aho_corasick::BuildError),
}

#[derive(Debug)]
struct Term {
    meanings: Vec<Meaning>,
    phrase: bool,
}

// === impl VocabularyBuilder ===

impl VocabularyBuilder {
    /// A builder that knows the built-in concepts.
    pub fn new() -> Result<Self, VocabularyError> {
        let mut builder = Self::default();
        for name in BUILT_IN {
            builder.define(name, None)?;
        }
        Ok(builder)
    }

    /// Defines a concept; the terms follow.
    pub fn define(&mut self, name: &str, class: Option<VerbClass>) -> Result<ConceptId, VocabularyError> {
        let id = ConceptId::try_from(self.names.len()).map_err(|_| VocabularyError::TooMany)?;
        let name: Arc<str> = name.into();
        if self.by_name.insert(Arc::clone(&name), id).is_some() {
            return Err(VocabularyError::Duplicate(name.to_string()));
        }
        self.names.push(name);
        self.classes.push(class);
        Ok(id)
    }

    /// Defines a verb with all inflections of its terms.
    pub fn verb(&mut self, name: &str, class: VerbClass, terms: &[String]) -> Result<(), VocabularyError> {
        let concept = self.define(name, Some(class))?;
        for term in terms {
            check_term(name, term)?;
            for (text, form) in inflect::verb_forms(term) {
                self.add(
                    text,
                    Meaning {
                        concept,
                        verb: Some(class),
                        form,
                    },
                );
            }
        }
        Ok(())
    }

    /// Defines an object with the plurals of its terms. A built-in concept may be given terms.
    pub fn object(&mut self, name: &str, terms: &[String]) -> Result<(), VocabularyError> {
        let known = BUILT_IN
            .contains(&name)
            .then(|| self.by_name.get(name).copied())
            .flatten();
        let concept = match known {
            Some(concept) => concept,
            None => self.define(name, None)?,
        };
        for term in terms {
            check_term(name, term)?;
            for text in inflect::noun_forms(term).into_iter().flat_map(joinings) {
                self.add(
                    text,
                    Meaning {
                        concept,
                        verb: None,
                        form: Form::Base,
                    },
                );
            }
        }
        Ok(())
    }

    /// Compiles the lexicons.
    pub fn build(self) -> Result<Vocabulary, VocabularyError> {
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(self.terms.keys())?;
        let words = self
            .terms
            .keys()
            .flat_map(|term| term.split([' ', '-']))
            .map(Box::from)
            .collect();
        let terms = self
            .terms
            .into_iter()
            .map(|(text, meanings)| Term {
                meanings,
                phrase: text.contains(' '),
            })
            .collect();
        Ok(Vocabulary {
            names: self.names,
            by_name: self.by_name,
            classes: self.classes,
            automaton,
            terms,
            words,
        })
    }

    fn add(&mut self, term: String, meaning: Meaning) {
        let meanings = self.terms.entry(term).or_default();
        if !meanings
            .iter()
            .any(|known| known.concept == meaning.concept && known.verb == meaning.verb)
        {
            meanings.push(meaning);
        }
    }
}

// === impl Vocabulary ===

impl Vocabulary {
    /// The number of a concept.
    pub fn concept(&self, name: &str) -> Option<ConceptId> {
        self.by_name.get(name).copied()
    }

    /// The name of a concept.
    pub fn name(&self, id: ConceptId) -> Arc<str> {
        self.names.get(usize::from(id)).map_or_else(|| "?".into(), Arc::clone)
    }

    /// The class of a concept, if it is a verb.
    pub fn class(&self, id: ConceptId) -> Option<VerbClass> {
        self.classes.get(usize::from(id)).copied().flatten()
    }

    /// How many distinct terms are looked for.
    pub fn term_count(&self) -> usize {
        self.terms.len()
    }

    /// Whether a single word occurs in any lexicon.
    pub fn knows(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    /// The set of the named concepts; the first unknown name is the error.
    pub fn set<'n>(&self, names: &'n [String]) -> Result<ConceptSet, &'n str> {
        let mut set = ConceptSet::EMPTY;
        for name in names {
            set.insert(self.concept(name).ok_or(name.as_str())?);
        }
        Ok(set)
    }

    /// Every occurrence of every term that stands between word borders, in one pass.
    pub fn hits<'v>(&'v self, text: &'v str) -> impl Iterator<Item = Hit<'v>> {
        let bytes = text.as_bytes();
        self.automaton.find_overlapping_iter(text).filter_map(move |found| {
            let open = found
                .start()
                .checked_sub(1)
                .and_then(|before| bytes.get(before))
                .is_none_or(|byte| !is_word(*byte));
            let close = bytes.get(found.end()).is_none_or(|byte| !is_word(*byte));
            let term = self.terms.get(found.pattern().as_usize()).filter(|_| open && close)?;
            Some(Hit {
                start: found.start(),
                end: found.end(),
                phrase: term.phrase,
                meanings: &term.meanings,
            })
        })
    }
}

/// Whether a byte of a folded text belongs to a word.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// `client list` is also written `client-list`, `client_list` and `clientlist`, above all in names of files.
fn joinings(term: String) -> Vec<String> {
    let joined = ["-", "_", ""].map(|joint| term.replace(' ', joint));
    let plain = term.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' ');
    if !plain || term.matches(' ').count() != 1 {
        return vec![term];
    }
    std::iter::once(term).chain(joined).collect()
}

fn check_term(concept: &str, term: &str) -> Result<(), VocabularyError> {
    let good = !term.trim().is_empty()
        && term.trim() == term
        && term.is_ascii()
        && !term.bytes().any(|byte| byte.is_ascii_uppercase());
    if good {
        Ok(())
    } else {
        Err(VocabularyError::BadTerm {
            concept: concept.to_owned(),
            term: term.to_owned(),
        })
    }
}
