//! Roles: whether a word that may be a verb is one here, and how far it reaches.

mod base;
mod surroundings;

use super::{Break, Function, Reach, Sentence, Token, VerbUse};
use crate::vocabulary::{Form, VerbClass};

/// How many words before a verb may say that a text is about it.
const MAX_TOPIC: usize = 4;
/// How many words may stand between what is ensured and what ensures it.
const MAX_ENSURED: usize = 12;
/// How many words may stand between a verb and what it is about.
const MAX_STRAIGHT: usize = 64;

/// The verbs of a sentence in order.
pub(super) fn roles(sentence: &Sentence<'_>, asked: bool) -> Vec<VerbUse> {
    let mut verbs: Vec<VerbUse> = Vec::new();
    // Noted on the way, so that a long sentence isn't looked through again for each of its verbs.
    let (mut head, mut shared, mut asks_only) = (None, false, true);
    for (index, token) in sentence.tokens() {
        if !token.is_verb() {
            shared |= shares(token.function);
            continue;
        }
        let reader = Reader {
            sentence,
            index,
            token,
            verbs: &verbs,
            head,
            alone: asks_only && !shared,
        };
        shared |= shares(token.function);
        if let Some((reach, negated)) = reader.read() {
            let reach = match reach {
                Reach::Purpose | Reach::Imply | Reach::Compose if reader.is_asked_inside(index) => Reach::Content,
                Reach::Instruct if asked && reader.tells_besides() => Reach::Instruct,
                Reach::Instruct | Reach::Purpose | Reach::Imply | Reach::Compose if asked => Reach::Content,
                Reach::Instruct if token.quoted => Reach::Imply,
                reach => reach,
            };
            let verb = VerbUse {
                concepts: token.verbs,
                class: token.class,
                reach,
                negated,
                token: index,
            };
            asks_only &= reach == Reach::Content;
            if matches!(reach, Reach::Instruct | Reach::Content) {
                head = Some(verb);
            }
            verbs.push(verb);
        }
    }
    verbs
}

/// Whether a word may share its subject with a verb further on.
const fn shares(function: Function) -> bool {
    matches!(function, Function::Modal | Function::Auxiliary | Function::To)
}

/// Reads one verb from what stands around it and from the verbs before it.
struct Reader<'s> {
    sentence: &'s Sentence<'s>,
    index: usize,
    token: &'s Token,
    verbs: &'s [VerbUse],
    /// The verb at the head of the current clause.
    head: Option<VerbUse>,
    /// Whether all that stands before only asks, and nothing there shares its subject with the verb.
    alone: bool,
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
        if matches!(function, Function::Determiner) || self.is_adjective() {
            return None;
        }
        if before.is_some_and(|before| self.is_suggested(before)) {
            return Some((Reach::Instruct, false));
        }
        if before.is_some_and(|before| self.goes_with_head(before)) {
            return Some((Reach::Purpose, false));
        }
        if let Some(reach) = self.as_topic() {
            return Some((reach, false));
        }
        let negated = function == Function::Negation;
        let filler = function == Function::Filler
            && before.is_some_and(|before| matches!(self.sentence.word(before), "go" | "ahead"));
        match self.head {
            _ if filler => Some((Reach::Instruct, negated)),
            Some(VerbUse {
                reach: Reach::Content, ..
            }) => Some((Reach::Content, negated)),
            _ => Some((self.implied(), negated)),
        }
    }

    /// `summarize it by sending it to Bob`, `… after sending it`: what is done along with what is told, and not with anything
    /// told about.
    fn goes_with_head(&self, before: usize) -> bool {
        let told = self.head.filter(|head| head.reach == Reach::Instruct && !head.negated);
        let alone = told.is_some_and(|head| self.verbs.last().is_some_and(|last| last.token == head.token));
        alone && matches!(self.sentence.word(before), "by" | "while" | "after") && self.has_marked_object()
    }

    /// `how about sending it`, `would you mind sending it`, `try sending it`
    fn is_suggested(&self, before: usize) -> bool {
        match self.sentence.word(before) {
            "about" => self.follows(before, &["how", "what"]),
            "mind" => self.is_addressed(before),
            "try" => true,
            _ => false,
        }
    }

    /// `it was confusing`, `the most damaging points`, `my average spending`.
    fn is_adjective(&self) -> bool {
        let Some(before) = self.before(self.index) else {
            return false;
        };
        matches!(self.sentence.word(before), "most" | "more" | "less" | "least")
            || (matches!(self.sentence.function(before), Function::Copula | Function::Pronoun) && !self.has_object())
            || (self.is_inside_noun(before) && !self.has_marked_object())
    }

    /// `read about hacking`, `the inquiry into phone tapping`: what a text is about.
    fn as_topic(&self) -> Option<Reach> {
        let words = (self.sentence.first..self.index).rev().take(MAX_TOPIC);
        let about = words
            .take_while(|at| {
                matches!(
                    self.sentence.function(*at),
                    Function::Open | Function::Preposition | Function::Determiner | Function::And
                )
            })
            .find(|at| self.sentence.function(*at) == Function::Preposition)?;
        let topic = match self.sentence.word(about) {
            "about" | "on" | "into" | "regarding" | "concerning" | "against" => true,
            "of" => !self.before(about).is_some_and(|noun| {
                matches!(
                    self.sentence.word(noun),
                    "ways" | "way" | "means" | "method" | "methods"
                )
            }),
            _ => false,
        };
        if !topic {
            return None;
        }
        let head = self.head?;
        if about > head.token + MAX_STRAIGHT {
            return None;
        }
        let straight = (head.token + 1..=about).all(|at| {
            let token = self.sentence.tokens.get(at);
            let joins = matches!(
                self.sentence.function(at),
                Function::And | Function::Then | Function::Filler | Function::To
            );
            !joins && token.is_some_and(|token| token.before == Break::None && !self.verbs_at(at))
        });
        if !straight {
            return None;
        }
        match head.class {
            VerbClass::Reading => Some(Reach::Mention),
            VerbClass::Composing => Some(Reach::Content),
            VerbClass::Acting | VerbClass::Light => None,
        }
    }

    /// Whether a word is an acting verb, and not one in a name.
    fn verbs_at(&self, at: usize) -> bool {
        let named = at.checked_sub(1).is_some_and(|before| {
            matches!(
                self.sentence.function(before),
                Function::Determiner | Function::Open | Function::Preposition
            )
        });
        let token = self.sentence.tokens.get(at);
        !named && token.is_some_and(Token::is_acting)
    }

    /// `what is it called, and order two`: in a question that has no verb which it could share its subject with.
    fn tells_besides(&self) -> bool {
        let joined = self
            .before(self.index)
            .map_or(self.index > self.sentence.first, |before| {
                matches!(
                    self.sentence.function(before),
                    Function::And | Function::Then | Function::Polite
                )
            });
        joined && self.alone && self.takes_object()
    }

    /// `which disarms the alarm`, not `which bills from June`; otherwise the form is taken for a plural noun.
    fn third(&self) -> Option<(Reach, bool)> {
        let before = self.before(self.index)?;
        let relative = match self.sentence.word(before) {
            "which" => {
                let next = self.next().map(|next| next.function);
                !matches!(next, Some(Function::Preposition | Function::Copula))
            }
            "that" | "who" | "it" | "he" | "she" | "automatically" => true,
            _ => false,
        };
        relative.then(|| (self.implied(), false))
    }

    /// `must be deleted`, `needs to be paid`, `have it removed`.
    fn past(&self) -> Option<(Reach, bool)> {
        if self.is_had() {
            return Some((Reach::Instruct, false));
        }
        if self.is_ensured() || self.is_due() {
            return Some((Reach::Purpose, false));
        }
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

    /// `have it sent`, `and get them deleted`
    fn is_had(&self) -> bool {
        let object = self.before(self.index);
        let object = object.filter(|object| self.sentence.function(*object) == Function::Pronoun);
        let cause = object.and_then(|object| self.before(object));
        cause
            .filter(|cause| matches!(self.sentence.word(*cause), "have" | "get"))
            .is_some_and(|cause| {
                self.before(cause).is_none_or(|before| {
                    matches!(
                        self.sentence.function(before),
                        Function::And | Function::Then | Function::Polite | Function::You
                    )
                })
            })
    }

    /// `ensure that all files get deleted`, `make sure it is sent`
    fn is_ensured(&self) -> bool {
        let be = self
            .before(self.index)
            .filter(|be| matches!(self.sentence.word(*be), "be" | "get" | "gets" | "is" | "are"));
        let ensures = |at: usize| match self.sentence.word(at) {
            "ensure" => self.begins(at),
            "sure" => {
                let make = self.before(at);
                make.is_some_and(|make| matches!(self.sentence.word(make), "make" | "be") && self.begins(make))
            }
            _ => false,
        };
        be.is_some_and(|be| (self.sentence.first..be).rev().take(MAX_ENSURED).any(ensures))
    }

    /// `it must be sent`, `they have to be deleted`: what was spoken of before is to be acted on.
    fn is_due(&self) -> bool {
        let be = self.before(self.index).filter(|be| self.sentence.word(*be) == "be");
        let duty = be.and_then(|be| self.before(be)).and_then(|duty| {
            let has_to = self.sentence.word(duty) == "to";
            let duty = if has_to { self.before(duty)? } else { duty };
            let duties: &[&str] = if has_to {
                &["has", "have", "need", "needs"]
            } else {
                &["must", "should", "shall"]
            };
            duties.contains(&self.sentence.word(duty)).then_some(duty)
        });
        let things = ["it", "they", "this", "these", "those", "everything"];
        self.token.class == VerbClass::Acting && duty.is_some_and(|duty| self.follows(duty, &things))
    }

    /// What isn't an order itself belongs to the text if one is composed, and follows from the order otherwise.
    fn implied(&self) -> Reach {
        match self.head {
            Some(VerbUse {
                class: VerbClass::Composing,
                ..
            }) => Reach::Compose,
            _ => Reach::Imply,
        }
    }
}
