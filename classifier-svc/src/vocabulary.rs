//! The compiled lexicons: one index that finds every term of every concept in one pass.

mod index;
mod inflect;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    clause::Function,
    concept::{ConceptId, ConceptSet, MAX_CONCEPTS},
    normalise::View,
};

use index::Index;

pub(crate) use index::step;

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
    /// What it means if a certain word follows soon: `turn … off`.
    pub splits: &'v [Split],
}

/// A term whose last word may stand a few words after its beginning.
#[derive(Debug)]
pub struct Split {
    /// The last word.
    pub tail: Box<str>,
    /// What both stand for.
    pub meaning: Meaning,
}

/// All terms of one policy, ready to be searched for.
#[derive(Debug)]
pub struct Vocabulary {
    names: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, ConceptId>,
    classes: Vec<Option<VerbClass>>,
    index: Index,
    terms: Vec<Term>,
}

/// Collects concepts and their terms; [`VocabularyBuilder::build`] compiles them.
#[derive(Debug, Default)]
pub struct VocabularyBuilder {
    names: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, ConceptId>,
    classes: Vec<Option<VerbClass>>,
    terms: BTreeMap<String, Term>,
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
}

#[derive(Debug, Default)]
struct Term {
    meanings: Vec<Meaning>,
    splits: Vec<Split>,
    phrase: bool,
}

/// What stands in a term for up to a few words.
const GAP: &str = " * ";

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
            let verb = Some(class);
            for (text, form) in inflect::verb_forms(term) {
                self.add(text, Meaning { concept, verb, form });
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
            let (verb, form) = (None, Form::Base);
            for text in inflect::noun_forms(term).into_iter().flat_map(joinings) {
                self.add(text, Meaning { concept, verb, form });
            }
        }
        Ok(())
    }

    /// Compiles the lexicons.
    pub fn build(self) -> Result<Vocabulary, VocabularyError> {
        let index = Index::new(self.terms.keys().map(String::as_str));
        let terms = self
            .terms
            .into_iter()
            .map(|(text, term)| Term {
                phrase: text.contains(' '),
                ..term
            })
            .collect();
        Ok(Vocabulary {
            names: self.names,
            by_name: self.by_name,
            classes: self.classes,
            index,
            terms,
        })
    }

    fn add(&mut self, text: String, meaning: Meaning) {
        if let Some((head, tail)) = text.split_once(GAP) {
            let tail = tail.into();
            let term = self.terms.entry(head.to_owned()).or_default();
            return term.splits.push(Split { tail, meaning });
        }
        let meanings = &mut self.terms.entry(text).or_default().meanings;
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

    /// Whether a single word carries grammar or occurs in any lexicon.
    pub fn knows(&self, word: &str) -> bool {
        self.index.knows(word)
    }

    /// What a single word does in a sentence.
    pub fn function(&self, word: &str) -> Function {
        self.index.function(word)
    }

    /// The set of the named concepts; the first unknown name is the error.
    pub fn set<'n>(&self, names: &'n [String]) -> Result<ConceptSet, &'n str> {
        let mut set = ConceptSet::EMPTY;
        for name in names {
            set.insert(self.concept(name).ok_or(name.as_str())?);
        }
        Ok(set)
    }

    /// The number of a word, by its text and its hash.
    #[inline]
    pub(crate) fn number(&self, text: &str, hash: u64) -> Option<u32> {
        self.index.number(text, hash)
    }

    /// What a numbered word does in a sentence.
    #[inline]
    pub(crate) fn function_of(&self, number: u32) -> Function {
        self.index.function_of(number)
    }

    /// Every occurrence of every term that stands between word borders, in the order in which they begin.
    #[inline]
    pub fn scan<'v>(&'v self, view: &View, mut found: impl FnMut(Hit<'v>)) {
        let bytes = view.text.as_bytes();
        let mut at = 0;
        for word in &view.words {
            let start = word.start as usize;
            self.scan_signs(bytes, at, start, &mut found);
            if let Some(number) = word.number {
                self.index.terms_at(number.get() - 1, bytes, start, |term, end| {
                    self.hit(term, start, end, &mut found);
                });
            }
            at = word.end as usize;
        }
        self.scan_signs(bytes, at, bytes.len(), &mut found);
    }

    /// Terms that begin with a sign, in what lies between two words.
    #[inline]
    fn scan_signs<'v>(&'v self, bytes: &[u8], from: usize, to: usize, found: &mut impl FnMut(Hit<'v>)) {
        for at in from..to {
            self.index.signs_at(bytes, at, |term, end| {
                self.hit(term, at, end, found);
            });
        }
    }

    #[inline]
    fn hit<'v>(&'v self, term: u32, start: usize, end: usize, found: &mut impl FnMut(Hit<'v>)) {
        if let Some(term) = self.terms.get(term as usize) {
            found(Hit {
                start,
                end,
                phrase: term.phrase,
                meanings: &term.meanings,
                splits: &term.splits,
            });
        }
    }
}

/// Whether a byte of a folded text belongs to a word.
#[inline]
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// `client list` is also written `client-list`, `client_list` and `clientlist`, above all in names of files.
fn joinings(term: String) -> Vec<String> {
    let joined = ["-", "_", ""].map(|joint| term.replace(' ', joint));
    let plain = term.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' ');
    if !plain || !(1..=2).contains(&term.matches(' ').count()) {
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
