//! Roles: whether a word that may be a verb is one here, and how far it reaches.

mod base;
mod surroundings;

use super::{Function, Reach, Sentence, Token, VerbUse};
use crate::vocabulary::{Form, VerbClass};

/// The verbs of a sentence in order.
pub(super) fn roles(sentence: &Sentence<'_>, asked: bool) -> Vec<VerbUse> {
    let mut verbs: Vec<VerbUse> = Vec::new();
    for (index, token) in sentence.tokens() {
        if !token.is_verb() {
            continue;
        }
        let reader = Reader {
            sentence,
            index,
            token,
            verbs: &verbs,
        };
        if let Some((reach, negated)) = reader.read() {
            let reach = match reach {
                Reach::Purpose | Reach::Imply | Reach::Compose if reader.is_asked_inside(index) => Reach::Content,
                Reach::Instruct | Reach::Purpose | Reach::Imply | Reach::Compose if asked => Reach::Content,
                Reach::Instruct if token.quoted => Reach::Imply,
                reach => reach,
            };
            verbs.push(VerbUse {
                concepts: token.verbs,
                class: token.class,
                reach,
                negated,
                token: index,
            });
        }
    }
    verbs
}

/// Reads one verb from what stands around it and from the verbs before it.
struct Reader<'s> {
    sentence: &'s Sentence<'s>,
    index: usize,
    token: &'s Token,
    verbs: &'s [VerbUse],
}

// === impl Reader ===

impl Reader<'_> {
    /// How far the verb reaches and whether it is negated; `None` if it is no verb.
    fn read(&self) -> Option<(Reach, bool)> {
        match self.token.form {
            Form::Base => self.base(),
            Form::Gerund => self.gerund(),
            Form::Third => self.third(),
            Form::Past => self.past(),
        }
    }

    fn gerund(&self) -> Option<(Reach, bool)> {
        let before = self.before(self.index);
        let function = before.map_or(Function::Open, |before| self.sentence.function(before));
        if matches!(function, Function::Determiner) {
            return None;
        }
        let negated = function == Function::Negation;
        let filler = function == Function::Filler
            && before.is_some_and(|before| matches!(self.sentence.word(before), "go" | "ahead"));
        match self.head() {
            _ if filler => Some((Reach::Instruct, negated)),
            Some(VerbUse {
                reach: Reach::Content, ..
            }) => Some((Reach::Content, negated)),
            _ => Some((self.implied(), negated)),
        }
    }

    /// `which disarms the alarm`; otherwise the form is taken for a plural noun.
    fn third(&self) -> Option<(Reach, bool)> {
        let before = self.before(self.index)?;
        let relative = matches!(
            self.sentence.word(before),
            "that" | "which" | "who" | "it" | "he" | "she" | "automatically"
        );
        relative.then(|| (self.implied(), false))
    }

    /// `must be deleted`, `needs to be paid`, `have it removed`.
    fn past(&self) -> Option<(Reach, bool)> {
        let be = self
            .before(self.index)
            .filter(|before| matches!(self.sentence.word(*before), "be" | "get" | "been"))?;
        let modal = self.before(be)?;
        let negated = self.sentence.function(modal) == Function::Negation;
        let duty = matches!(
            self.sentence.word(modal),
            "must" | "should" | "to" | "shall" | "can" | "could"
        ) || negated;
        duty.then(|| (self.implied(), negated))
    }

    /// What isn't an order itself belongs to the text if one is composed, and follows from the order otherwise.
    fn implied(&self) -> Reach {
        match self.head() {
            Some(VerbUse {
                class: VerbClass::Composing,
                ..
            }) => Reach::Compose,
            _ => Reach::Imply,
        }
    }
}
