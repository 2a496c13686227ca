//! What stands around a verb: the word before, the verb that governs it, and whether an object follows.

use super::Reader;
use crate::{
    clause::{Break, Function, Reach, Token},
    vocabulary::Form,
};

// === impl Reader ===

impl Reader<'_> {
    /// The token before `at`, over adverbs; `None` at the start of a sentence or after punctuation.
    pub(super) fn before(&self, at: usize) -> Option<usize> {
        let mut at = at;
        loop {
            let here = self.sentence.tokens.get(at)?;
            if here.before != Break::None || at == self.sentence.first {
                return None;
            }
            at -= 1;
            if self.sentence.function(at) != Function::Adverb || here.before != Break::None {
                return Some(at);
            }
            if at == self.sentence.first {
                return None;
            }
        }
    }

    /// The next token, if no punctuation stands between.
    pub(super) fn next(&self) -> Option<&Token> {
        self.sentence
            .tokens
            .get(self.index + 1)
            .filter(|next| self.index + 1 < self.sentence.last && next.before == Break::None)
    }

    /// The reach of the verb that governs this one, as in `help me send`.
    pub(super) fn inherited(&self) -> Reach {
        self.verbs.last().map_or(Reach::Instruct, |verb| verb.reach)
    }

    pub(super) fn is_negated(&self, at: usize) -> bool {
        self.before(at).is_some_and(|before| {
            before + 2 >= at
                && self.sentence.function(before) == Function::Negation
                && self.sentence.word(at) != "forget"
                && !self.is_inverted(before, at)
        })
    }

    /// `why don't you send it`, `can't you send it?`: it is asked for.
    fn is_inverted(&self, negation: usize, at: usize) -> bool {
        let asked = self.sentence.tokens.get(negation).is_some_and(|token| token.asked);
        self.sentence.function(at) == Function::You && (asked || self.follows(negation, &["why"]))
    }

    /// Whether one of these words stands before `at`, and begins what is said.
    pub(super) fn follows(&self, at: usize, words: &[&str]) -> bool {
        let word = self.before(at);
        word.is_some_and(|word| words.contains(&self.sentence.word(word)) && self.begins(word))
    }

    /// Whether what is said begins at `at`.
    pub(super) fn begins(&self, at: usize) -> bool {
        self.before(at).is_none_or(|before| {
            matches!(
                self.sentence.function(before),
                Function::And | Function::Then | Function::Polite
            )
        })
    }

    /// Whether `you` stands before `at`.
    pub(super) fn is_addressed(&self, at: usize) -> bool {
        self.before(at)
            .is_some_and(|before| self.sentence.function(before) == Function::You)
    }

    /// Whether a question word stands between the governing verb and `at`: `tell me how much I need to pay`.
    pub(super) fn is_asked_inside(&self, at: usize) -> bool {
        let from = self.verbs.last().map_or(self.sentence.first, |verb| verb.token);
        (from..at).any(|index| self.sentence.function(index) == Function::Question)
    }

    /// At the start, or after punctuation: a verb if it takes an object or stands first.
    pub(super) fn leads(&self) -> bool {
        let mut start = self.index;
        while start > self.sentence.first
            && self
                .sentence
                .tokens
                .get(start)
                .is_some_and(|token| token.before == Break::None)
            && self.sentence.function(start - 1) == Function::Adverb
        {
            start -= 1;
        }
        let strong = start == self.sentence.first
            || self
                .sentence
                .tokens
                .get(start)
                .is_some_and(|token| token.before >= Break::Colon);
        if self.is_noun_here() {
            return false;
        }
        strong || self.takes_object() || self.continues()
    }

    /// `review, approve and send …`: a verb follows the conjunction.
    pub(super) fn continues(&self) -> bool {
        let Some(next) = self
            .sentence
            .tokens
            .get(self.index + 1)
            .filter(|_| self.index + 1 < self.sentence.last)
        else {
            return true;
        };
        if matches!(next.function, Function::And | Function::Then) {
            return self.sentence.tokens.get(self.index + 2).is_some_and(Token::is_verb);
        }
        next.before == Break::Comma && next.is_verb() && next.form == Form::Base
    }

    pub(super) fn ends(&self) -> bool {
        self.next().is_none()
    }

    /// What follows makes it a noun: `report of …`, `transfer is …`.
    pub(super) fn is_noun_here(&self) -> bool {
        let Some(next) = self.next() else { return false };
        self.sentence.word(self.index + 1) == "of"
            || (matches!(next.function, Function::Copula | Function::Modal)
                && self.sentence.word(self.index + 1) != "be")
    }

    /// Whether an article and nothing but plain words stand before: `the tyre pressure …`.
    pub(super) fn is_inside_noun(&self, before: usize) -> bool {
        (self.sentence.first..=before)
            .rev()
            .take(4)
            .find(|at| self.sentence.function(*at) != Function::Open)
            .is_some_and(|at| self.sentence.function(at) == Function::Determiner)
    }

    /// Something that can be an object follows.
    pub(super) fn takes_object(&self) -> bool {
        let quoted = self
            .sentence
            .tokens
            .get(self.index + 1)
            .is_some_and(|next| next.quoted != self.token.quoted && self.index + 1 < self.sentence.last);
        quoted
            || self.next().is_some_and(|next| {
                matches!(
                    next.function,
                    Function::Determiner
                        | Function::Pronoun
                        | Function::Beneficiary
                        | Function::Open
                        | Function::To
                        | Function::Adverb
                        | Function::Question
                        | Function::Preposition
                        | Function::Subordinator
                )
            })
    }

    /// An object of its own follows: `to text him`, not `a hotel to book for two`.
    pub(super) fn has_object(&self) -> bool {
        self.next().is_some_and(|next| {
            matches!(
                next.function,
                Function::Determiner | Function::Pronoun | Function::Beneficiary | Function::Open
            )
        })
    }

    /// What follows can only be an object, not the rest of a compound noun.
    pub(super) fn has_marked_object(&self) -> bool {
        self.next().is_some_and(|next| {
            matches!(
                next.function,
                Function::Determiner | Function::Pronoun | Function::Beneficiary | Function::To
            ) || self
                .sentence
                .word(self.index + 1)
                .starts_with(|first: char| first.is_ascii_digit())
        })
    }
}
