//! Clauses: who is told to do what.
//!
//! A text is cut into clauses at its instructions. For every verb it is decided how far it reaches:
//! from a plain instruction, over a purpose or a wish, to something only written about, asked about or quoted.

mod entity;
mod question;
mod role;
mod token;
mod words;

use serde::{Deserialize, Serialize};

use crate::{
    concept::{ConceptId, ConceptSet},
    vocabulary::{VerbClass, Vocabulary},
};

pub use entity::Entities;
pub use token::{Break, Token, tokenise};
pub(crate) use words::FUNCTION_WORDS;
pub use words::Function;

/// How directly the text asks for what a verb names. The order matters: later is further from an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// `delete the file`
    Instruct,
    /// What something is looked up for: `find his number to text him`.
    Purpose,
    /// A purpose, a wish, a consequence, a quoted order: `… in order to delete the file`.
    Imply,
    /// The purpose of something composed: `draft a mail to delete the file`.
    Compose,
    /// Asked about: `how do I delete the file`.
    Content,
    /// Spoken about as an example: `the docs list 'delete the file' as a bad pattern`.
    Mention,
}

/// One verb of a clause.
#[derive(Clone, Copy, Debug)]
pub struct VerbUse {
    /// What it stands for.
    pub concepts: ConceptSet,
    /// Its class.
    pub class: VerbClass,
    /// How directly it is asked for.
    pub reach: Reach,
    /// Whether it is told not to be done.
    pub negated: bool,
    /// Its token.
    pub token: usize,
}

/// One clause.
#[derive(Clone, Debug)]
pub struct Clause {
    /// First token.
    pub first: usize,
    /// One past the last token.
    pub last: usize,
    /// How directly the clause as a whole speaks.
    pub frame: Frame,
    /// Its verbs.
    pub verbs: Vec<VerbUse>,
    /// Everything else that its words stand for.
    pub objects: ConceptSet,
    /// Whether it starts with a word that looks like an instruction and isn't known.
    pub unknown: Option<usize>,
}

/// What kind of sentence a clause belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Frame {
    /// Something is told to be done.
    Instructed,
    /// Something is asked.
    Asked,
    /// Something is said.
    Stated,
    /// A text is spoken about.
    Mentioned,
}

/// Cuts the tokens of a view into clauses.
pub fn clauses(text: &str, tokens: &[Token], vocabulary: &Vocabulary) -> Vec<Clause> {
    let mention = vocabulary.concept("mention").unwrap_or_default();
    let mut clauses = Vec::with_capacity(8);
    let mut first = 0;
    while first < tokens.len() {
        let length = tokens
            .iter()
            .skip(first + 1)
            .take_while(|token| token.before != Break::Sentence)
            .count()
            + 1;
        Sentence {
            text,
            tokens,
            first,
            last: first + length,
            mention,
        }
        .cut(&mut clauses);
        first += length;
    }
    clauses
}

struct Sentence<'t> {
    text: &'t str,
    tokens: &'t [Token],
    first: usize,
    last: usize,
    mention: ConceptId,
}

// === impl Sentence ===

impl Sentence<'_> {
    fn cut(&self, clauses: &mut Vec<Clause>) {
        let asked = self.is_question();
        let roles = role::roles(self, asked);
        let mentioned = self.is_mention(&roles);
        let begin = clauses.len();
        clauses.push(Clause::new(self.first, asked));
        let mut verbs = roles.iter().copied().peekable();
        for (index, token) in self.tokens() {
            if let Some(mut verb) = verbs.next_if(|verb| verb.token == index) {
                verb.reach = if mentioned && (token.quoted || verb.reach > Reach::Instruct) {
                    Reach::Mention
                } else {
                    verb.reach
                };
                self.add_verb(clauses, begin, verb);
            }
            if let Some(clause) = clauses.last_mut() {
                clause.last = index + 1;
                if !(mentioned && token.quoted) {
                    clause.objects.extend(token.objects);
                }
                if clause.unknown.is_none() && !asked && self.is_unknown_instruction(index) {
                    clause.unknown = Some(index);
                }
            }
        }
        if !mentioned
            && !asked
            && self.is_foreign()
            && let Some(clause) = clauses.get_mut(begin)
        {
            clause.unknown = clause.unknown.or(Some(self.first));
        }
        if mentioned {
            clauses
                .iter_mut()
                .skip(begin)
                .for_each(|clause| clause.frame = Frame::Mentioned);
        }
    }

    /// An instruction begins a clause, unless the clause so far is an instruction without an object: `review and update`.
    fn add_verb(&self, clauses: &mut Vec<Clause>, begin: usize, verb: VerbUse) {
        let count = clauses.len();
        let Some(clause) = clauses.last_mut() else { return };
        let instructs = verb.reach == Reach::Instruct && !verb.negated;
        if instructs && clause.frame == Frame::Instructed && !self.is_bare(clause, verb.token) {
            let mut next = Clause::new(verb.token, false);
            next.frame = Frame::Instructed;
            next.verbs.push(verb);
            clauses.push(next);
            return;
        }
        if instructs && (clause.frame == Frame::Stated || count == begin + 1) && clause.frame != Frame::Asked {
            clause.frame = Frame::Instructed;
        }
        clause.verbs.push(verb);
    }

    /// Whether nothing but function words stands between the clause's last verb and `until`.
    fn is_bare(&self, clause: &Clause, until: usize) -> bool {
        let Some(last) = clause.verbs.last().filter(|verb| verb.reach == Reach::Instruct) else {
            return false;
        };
        self.tokens.iter().take(until).skip(last.token + 1).all(|token| {
            !token.quoted
                && (matches!(
                    token.function,
                    Function::And | Function::To | Function::Adverb | Function::Then
                ) || token.fixed)
        })
    }

    fn tokens(&self) -> impl Iterator<Item = (usize, &Token)> {
        self.tokens.iter().enumerate().take(self.last).skip(self.first)
    }

    fn function(&self, index: usize) -> Function {
        self.tokens.get(index).map_or(Function::Open, |token| token.function)
    }

    fn word(&self, index: usize) -> &str {
        self.tokens
            .get(index)
            .and_then(|token| self.text.get(token.start..token.end))
            .unwrap_or_default()
    }

    /// A sentence that speaks about a text: it says so outside the quotation marks and tells nothing to be done.
    fn is_mention(&self, roles: &[VerbUse]) -> bool {
        let says = self
            .tokens()
            .any(|(_, token)| !token.quoted && token.objects.contains(self.mention));
        says && !roles.iter().any(|verb| {
            verb.reach == Reach::Instruct
                && verb.class != VerbClass::Light
                && !verb.negated
                && self.tokens.get(verb.token).is_some_and(|token| !token.quoted)
        })
    }

    /// A sentence of which hardly a word is known: another language, or gibberish.
    fn is_foreign(&self) -> bool {
        let is_word = |index: usize| {
            self.word(index).len() > 2
                && self
                    .word(index)
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte >= 0x80)
        };
        let plain = || {
            self.tokens()
                .filter(|(index, token)| !token.fixed && !token.quoted && is_word(*index))
        };
        let strange = plain().filter(|(_, token)| token.is_unknown()).count();
        strange >= 4 && strange * 5 >= plain().count() * 4
    }

    /// A word nobody knows, where an instruction would stand, before a word that starts a noun.
    fn is_unknown_instruction(&self, index: usize) -> bool {
        let Some(token) = self.tokens.get(index) else {
            return false;
        };
        let plain = token.is_unknown() && !token.fixed && !token.quoted;
        let letters = self.word(index).len() > 2 && self.word(index).bytes().all(|byte| byte.is_ascii_alphabetic());
        let leads = index == self.first
            || index.checked_sub(1).is_some_and(|before| {
                matches!(self.function(before), Function::Polite | Function::Then)
                    || (self.function(before) == Function::And && before > self.first)
            });
        let object = self
            .tokens
            .get(index + 1)
            .filter(|next| next.before == Break::None)
            .is_some_and(|next| {
                matches!(next.function, Function::Determiner | Function::Pronoun)
                    || (matches!(next.function, Function::Beneficiary) && index == self.first)
            });
        plain && letters && leads && object && index + 1 < self.last
    }
}

// === impl Clause ===

impl Clause {
    fn new(first: usize, asked: bool) -> Self {
        let frame = if asked { Frame::Asked } else { Frame::Stated };
        Self {
            first,
            last: first,
            frame,
            verbs: Vec::new(),
            objects: ConceptSet::EMPTY,
            unknown: None,
        }
    }

    /// A clause that is one command line.
    pub fn of_command(concepts: ConceptSet) -> Self {
        let verb = VerbUse {
            concepts,
            class: VerbClass::Acting,
            reach: Reach::Instruct,
            negated: false,
            token: 0,
        };
        Self {
            frame: Frame::Instructed,
            verbs: vec![verb],
            ..Self::new(0, false)
        }
    }

    /// How directly the clause speaks when no verb is looked at.
    pub fn reach(&self) -> Reach {
        match self.frame {
            Frame::Instructed => Reach::Instruct,
            Frame::Stated => Reach::Imply,
            Frame::Asked => Reach::Content,
            Frame::Mentioned => Reach::Mention,
        }
    }
}

#[cfg(test)]
mod tests;
