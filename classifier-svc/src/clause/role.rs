//! Roles: whether a word that may be a verb is one here, and how far it reaches.

use super::{Break, Function, Reach, Sentence, Token, VerbUse};
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

    fn base(&self) -> Option<(Reach, bool)> {
        if self.token.command {
            let reach = if self.is_asked_inside(self.index) {
                Reach::Content
            } else {
                Reach::Instruct
            };
            return Some((reach, false));
        }
        let Some(before) = self.before(self.index) else {
            return self.leads().then_some((Reach::Instruct, false));
        };
        let function = self.sentence.function(before);
        match function {
            Function::And | Function::Then => self.coordinated(before),
            Function::Polite | Function::You | Function::Filler => Some((Reach::Instruct, self.is_negated(before))),
            Function::Beneficiary => Some((self.inherited(), self.is_negated(before))),
            Function::Negation => Some((Reach::Instruct, true)),
            Function::To => self.infinitive(before),
            Function::Modal => Some((self.after_modal(before), false)),
            Function::Duty => Some((Reach::Imply, self.is_negated(before))),
            Function::Subject | Function::Question | Function::Wish | Function::Subordinator | Function::Auxiliary => {
                Some((Reach::Content, false))
            }
            Function::Determiner | Function::Preposition | Function::Copula | Function::Pronoun => None,
            Function::Adverb | Function::Open => self.after_word(before),
        }
    }

    /// After `and`, `then` or `but`: an instruction, unless it shares the role of the verb right before.
    fn coordinated(&self, and: usize) -> Option<(Reach, bool)> {
        let neighbour = self
            .verbs
            .last()
            .filter(|verb| (verb.token + 1..and).all(|between| self.sentence.function(between) == Function::Adverb));
        if let Some(verb) = neighbour {
            return (self.leads() || !self.ends()).then_some((verb.reach, verb.negated));
        }
        self.leads().then_some((Reach::Instruct, false))
    }

    /// After `to`: what governs the infinitive decides.
    fn infinitive(&self, to: usize) -> Option<(Reach, bool)> {
        if self.is_noun_here() {
            return None;
        }
        let Some(mut governor) = self.before(to) else {
            return Some((Reach::Instruct, false));
        };
        let addressed = self.sentence.function(governor) == Function::You;
        while matches!(
            self.sentence.function(governor),
            Function::You | Function::Beneficiary | Function::Adverb | Function::Pronoun
        ) {
            let Some(earlier) = self.before(governor) else { break };
            governor = earlier;
        }
        let negated = self.sentence.function(governor) == Function::Negation;
        let reach = match self.sentence.function(governor) {
            Function::Duty
                if self
                    .before(governor)
                    .is_some_and(|who| self.sentence.function(who) == Function::Subject) =>
            {
                self.wished()
            }
            Function::Duty | Function::Filler | Function::Copula if self.is_asked_inside(governor) => Reach::Content,
            Function::Duty | Function::Filler | Function::Copula => Reach::Instruct,
            Function::Wish if addressed => Reach::Instruct,
            Function::Wish => self.wished(),
            Function::Preposition if self.sentence.word(governor) == "like" => {
                if addressed {
                    Reach::Instruct
                } else {
                    self.wished()
                }
            }
            Function::Question => Reach::Content,
            _ => self.purpose(),
        };
        Some((reach, negated))
    }

    /// `I need to know …` asks for it; what `I want to send …` means, others decide.
    fn wished(&self) -> Reach {
        match self.token.class {
            VerbClass::Reading | VerbClass::Composing => Reach::Instruct,
            VerbClass::Acting | VerbClass::Light => Reach::Imply,
        }
    }

    /// Whether a question word stands between the governing verb and `at`: `tell me how much I need to pay`.
    fn is_asked_inside(&self, at: usize) -> bool {
        let from = self.verbs.last().map_or(self.sentence.first, |verb| verb.token);
        (from..at).any(|index| self.sentence.function(index) == Function::Question)
    }

    /// An infinitive that says what for: part of the text if one is composed, the real thing after `use … to`.
    fn purpose(&self) -> Reach {
        match self.head() {
            Some(VerbUse {
                class: VerbClass::Composing,
                ..
            }) => Reach::Compose,
            Some(VerbUse {
                class: VerbClass::Light,
                reach: Reach::Instruct,
                ..
            }) => Reach::Instruct,
            Some(VerbUse {
                reach: Reach::Content, ..
            }) => Reach::Content,
            Some(VerbUse {
                class: VerbClass::Reading,
                reach: Reach::Instruct,
                negated: false,
                ..
            }) if self.has_object() => Reach::Purpose,
            _ => Reach::Imply,
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
            Some(VerbUse {
                class: VerbClass::Composing,
                ..
            }) => Some((Reach::Compose, negated)),
            _ => Some((Reach::Imply, negated)),
        }
    }

    /// `which disarms the alarm`; otherwise the form is taken for a plural noun.
    fn third(&self) -> Option<(Reach, bool)> {
        let before = self.before(self.index)?;
        let relative = matches!(
            self.sentence.word(before),
            "that" | "which" | "who" | "it" | "he" | "she" | "automatically"
        );
        relative.then(|| match self.head() {
            Some(VerbUse {
                class: VerbClass::Composing,
                ..
            }) => (Reach::Compose, false),
            _ => (Reach::Imply, false),
        })
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
        duty.then(|| match self.head() {
            Some(VerbUse {
                class: VerbClass::Composing,
                ..
            }) => (Reach::Compose, negated),
            _ => (Reach::Imply, negated),
        })
    }

    /// After a word that is no function word: mostly a compound noun, sometimes a verb with an unknown subject.
    fn after_word(&self, before: usize) -> Option<(Reach, bool)> {
        let verb = self
            .sentence
            .tokens
            .get(before)
            .is_some_and(|token| token.is_verb() && token.class == VerbClass::Light);
        if verb && self.takes_object() {
            return Some((self.inherited(), false));
        }
        let noun = !self.token.objects.is_empty() || self.is_noun_here();
        let helped = (self.sentence.first..before)
            .rev()
            .take_while(|at| {
                matches!(
                    self.sentence.function(*at),
                    Function::Open | Function::Determiner | Function::Filler
                )
            })
            .take(4)
            .any(|at| self.sentence.word(at) == "help");
        if helped && self.takes_object() && !self.is_noun_here() {
            return Some((self.inherited(), false));
        }
        let verb = if self.is_inside_noun(before) {
            self.has_marked_object()
        } else {
            self.takes_object()
        };
        (verb && !noun).then_some((Reach::Imply, false))
    }

    /// Whether an article and nothing but plain words stand before: `the tyre pressure …`.
    fn is_inside_noun(&self, before: usize) -> bool {
        (self.sentence.first..=before)
            .rev()
            .take(4)
            .find(|at| self.sentence.function(*at) != Function::Open)
            .is_some_and(|at| self.sentence.function(at) == Function::Determiner)
    }

    /// What follows can only be an object, not the rest of a compound noun.
    fn has_marked_object(&self) -> bool {
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

    fn after_modal(&self, modal: usize) -> Reach {
        match self.before(modal).map(|before| self.sentence.function(before)) {
            Some(Function::You) => Reach::Instruct,
            _ => Reach::Imply,
        }
    }

    /// The reach of the verb that governs this one, as in `help me send`.
    fn inherited(&self) -> Reach {
        self.verbs.last().map_or(Reach::Instruct, |verb| verb.reach)
    }

    /// The verb at the head of the current clause.
    fn head(&self) -> Option<VerbUse> {
        self.verbs
            .iter()
            .rev()
            .find(|verb| matches!(verb.reach, Reach::Instruct | Reach::Content))
            .copied()
    }

    fn is_negated(&self, at: usize) -> bool {
        self.before(at).is_some_and(|before| {
            before + 2 >= at
                && self.sentence.function(before) == Function::Negation
                && self.sentence.word(at) != "forget"
        })
    }

    /// The token before `at`, over adverbs; `None` at the start of a sentence or after punctuation.
    fn before(&self, at: usize) -> Option<usize> {
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

    /// At the start, or after punctuation: a verb if it takes an object or stands first.
    fn leads(&self) -> bool {
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

    /// What follows makes it a noun: `report of …`, `transfer is …`.
    fn is_noun_here(&self) -> bool {
        let Some(next) = self.next() else { return false };
        matches!(self.sentence.word(self.index + 1), "of")
            || (matches!(next.function, Function::Copula | Function::Modal)
                && self.sentence.word(self.index + 1) != "be")
    }

    fn ends(&self) -> bool {
        self.next().is_none()
    }

    /// Something that can be an object follows.
    fn takes_object(&self) -> bool {
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
                ) || matches!(next.function, Function::Preposition | Function::Subordinator)
            })
    }

    /// An object of its own follows: `to text him`, not `a hotel to book for two`.
    fn has_object(&self) -> bool {
        self.next().is_some_and(|next| {
            matches!(
                next.function,
                Function::Determiner | Function::Pronoun | Function::Beneficiary | Function::Open
            )
        })
    }

    /// `review, approve and send …`: a verb follows the conjunction.
    fn continues(&self) -> bool {
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

    /// The next token, if no punctuation stands between.
    fn next(&self) -> Option<&Token> {
        self.sentence
            .tokens
            .get(self.index + 1)
            .filter(|next| self.index + 1 < self.sentence.last && next.before == Break::None)
    }
}
