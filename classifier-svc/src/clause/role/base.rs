//! The base form, `send`: an instruction, part of one, a purpose or wish, or a noun, by the word before it.

use super::Reader;
use crate::{
    clause::{Break, Function, Reach, VerbUse},
    vocabulary::VerbClass,
};

/// How many words may stand between a verb and who does it.
const MAX_OWN: usize = 8;

// === impl Reader ===

impl Reader<'_> {
    pub(super) fn base(&self) -> Option<(Reach, bool)> {
        if self.token.command {
            let reach = if self.is_asked_inside(self.index) {
                Reach::Content
            } else {
                Reach::Instruct
            };
            return Some((reach, false));
        }
        if self.sentence.word(self.index) == "do" && self.sentence.function(self.index + 1) == Function::Negation {
            return None;
        }
        let Some(before) = self.before(self.index) else {
            return self.leads().then_some((Reach::Instruct, false));
        };
        let function = self.sentence.function(before);
        match function {
            Function::And | Function::Then if self.is_own_doing() => Some((Reach::Content, false)),
            Function::And | Function::Then => self.coordinated(before),
            Function::Polite | Function::You | Function::Filler => Some((Reach::Instruct, self.is_negated(before))),
            Function::Beneficiary => Some((self.inherited(), self.is_negated(before))),
            // `why not send it`
            Function::Negation => Some((Reach::Instruct, !self.follows(before, &["why"]))),
            Function::To => self.infinitive(before),
            Function::Modal => Some((self.after_modal(before), false)),
            // `you must send it`
            Function::Duty if self.is_addressed(before) => Some((Reach::Instruct, self.is_negated(before))),
            Function::Duty => Some((Reach::Imply, self.is_negated(before))),
            Function::Subject if self.is_proposed(before) => Some((Reach::Instruct, false)),
            Function::Subject | Function::Question | Function::Wish | Function::Subordinator | Function::Auxiliary => {
                Some((Reach::Content, false))
            }
            Function::Determiner | Function::Preposition | Function::Copula | Function::Pronoun => None,
            Function::Adverb | Function::Open => self.after_word(before),
        }
    }

    /// `I'll read it and send it myself`
    fn is_own_doing(&self) -> bool {
        let own = matches!(self.sentence.word(self.sentence.first), "i" | "i'll" | "we" | "we'll");
        let plain = |at: &usize| {
            let token = self.sentence.tokens.get(*at);
            token.is_some_and(|token| token.before == Break::None && !token.is_verb())
        };
        let mut straight = (self.index + 1..self.sentence.last).take(MAX_OWN).take_while(plain);
        own && straight.any(|at| matches!(self.sentence.word(at), "myself" | "ourselves"))
    }

    /// `can we send it?`
    fn is_proposed(&self, we: usize) -> bool {
        self.before(we)
            .is_some_and(|can| self.sentence.proposed(can) == Some(self.index) && self.begins(can))
    }

    /// After `and`, `then` or `but`: an instruction, unless it shares the role of the verb right before.
    fn coordinated(&self, and: usize) -> Option<(Reach, bool)> {
        let neighbour = self
            .verbs
            .last()
            .filter(|verb| (verb.token + 1..and).all(|between| self.sentence.function(between) == Function::Adverb));
        let Some(verb) = neighbour else {
            return self.leads().then_some((Reach::Instruct, false));
        };
        // `say what to delete and delete it`
        let repeated = verb.reach == Reach::Content && self.sentence.word(verb.token) == self.sentence.word(self.index);
        if repeated && self.has_marked_object() {
            return Some((Reach::Instruct, false));
        }
        (self.leads() || !self.ends()).then_some((verb.reach, verb.negated))
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
        let unneeded = self.sentence.word(governor) == "need"
            && self
                .before(governor)
                .is_some_and(|before| self.sentence.word(before) == "no");
        // `I don't want to send it`
        let unwanted = self.sentence.function(governor) == Function::Wish && self.is_negated(governor);
        let negated = unneeded || unwanted || self.sentence.function(governor) == Function::Negation;
        let reach = match self.sentence.function(governor) {
            Function::Filler if self.is_told_of(governor) => Reach::Content,
            // `the taxi had to brake`
            Function::Auxiliary if self.sentence.word(governor) == "had" => Reach::Content,
            // `I need you to send it`, `could I get you to send it?`, `would it be possible to send it?`
            Function::Duty if addressed => Reach::Instruct,
            _ if self.token.asked && (addressed || self.sentence.word(governor) == "possible") => Reach::Instruct,
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

    /// `he is going to sell it`: what somebody else does.
    fn is_told_of(&self, going: usize) -> bool {
        let copula = self.before(going).filter(|_| self.sentence.word(going) == "going");
        copula
            .filter(|copula| self.sentence.function(*copula) == Function::Copula)
            .and_then(|copula| self.before(copula))
            .is_some_and(|who| matches!(self.sentence.word(who), "he" | "she" | "they" | "it"))
    }

    /// `I need to know …` asks for it; what `I want to send …` means, others decide.
    fn wished(&self) -> Reach {
        match self.token.class {
            VerbClass::Reading | VerbClass::Composing => Reach::Instruct,
            VerbClass::Acting | VerbClass::Light => Reach::Imply,
        }
    }

    /// An infinitive that says what for: part of the text if one is composed, the real thing after `use … to`.
    fn purpose(&self) -> Reach {
        match self.head {
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

    fn after_modal(&self, modal: usize) -> Reach {
        match self.before(modal).map(|before| self.sentence.function(before)) {
            Some(Function::You) => Reach::Instruct,
            _ => Reach::Imply,
        }
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
        if self.is_helped(before) && self.takes_object() && !self.is_noun_here() {
            return Some((self.inherited(), false));
        }
        let noun = !self.token.objects.is_empty() || self.is_noun_here();
        let verb = if self.is_inside_noun(before) {
            self.has_marked_object()
        } else {
            self.takes_object()
        };
        (verb && !noun).then_some((Reach::Imply, false))
    }

    /// `help Bob send`: only plain words since `help`.
    fn is_helped(&self, before: usize) -> bool {
        (self.sentence.first..before)
            .rev()
            .take_while(|at| {
                matches!(
                    self.sentence.function(*at),
                    Function::Open | Function::Determiner | Function::Filler
                )
            })
            .take(4)
            .any(|at| self.sentence.word(at) == "help")
    }
}
