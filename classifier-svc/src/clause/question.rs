//! Questions: which sentences ask, and so tell nothing to be done.

use super::{Break, Function, Sentence, Token};
use crate::vocabulary::Form;

// === impl Sentence ===

impl Sentence<'_> {
    /// `who …`, `is there …`, `how do I …` ask; `can you …` and `why don't you …` tell.
    pub(super) fn is_question(&self) -> bool {
        let lead = self.tokens().find(|(_, token)| {
            !matches!(
                token.function,
                Function::Polite | Function::Adverb | Function::Then | Function::And
            )
        });
        let Some((index, token)) = lead else { return false };
        self.asks_first(index, token) || self.asks_later()
    }

    fn asks_first(&self, index: usize, token: &Token) -> bool {
        let addressed = matches!(self.function(index + 1), Function::You)
            || matches!(self.function(index + 2), Function::You)
                && (self.function(index + 1) == Function::Negation || self.word(index + 1) == "about");
        match token.function {
            Function::Question if self.suggests(index) => false,
            Function::Question => !addressed || matches!(self.word(index), "what" | "who" | "where"),
            Function::Modal => !addressed && token.asked && !self.requests(index) && self.proposed(index).is_none(),
            Function::Copula | Function::Auxiliary => {
                self.word(index) != "be" && (token.asked || !matches!(self.word(index), "do" | "have"))
            }
            Function::Duty => self.word(index) == "have" && token.asked,
            Function::Subordinator => {
                matches!(self.word(index), "which" | "whose") || (token.asked && self.word(index) == "when")
            }
            _ => matches!(self.word(index), "which" | "whose") || (token.asked && self.word(index) == "anything"),
        }
    }

    /// `how about sending it?`, `why not send it?`
    fn suggests(&self, index: usize) -> bool {
        let form = match (self.word(index), self.word(index + 1)) {
            ("how" | "what", "about") => Form::Gerund,
            ("why", "not") => Form::Base,
            _ => return false,
        };
        let verb = self.tokens.get(index + 2);
        verb.is_some_and(|verb| verb.is_verb() && verb.form == form)
    }

    /// The acting verb of `can we send it?`, which is said to somebody who is to do it.
    pub(super) fn proposed(&self, can: usize) -> Option<usize> {
        if !matches!(self.word(can), "can" | "could") || self.word(can + 1) != "we" {
            return None;
        }
        let fills = |function| matches!(function, Function::Polite | Function::Adverb | Function::Filler);
        let verb = (can + 2..self.last).find(|at| !fills(self.function(*at)))?;
        self.tokens.get(verb).is_some_and(Token::is_acting).then_some(verb)
    }

    /// `may I ask you to send it?`, `would it be possible to send it?`
    fn requests(&self, index: usize) -> bool {
        let asks = |at: usize| {
            self.function(at + 1) == Function::To
                && self.tokens.get(at + 2).is_some_and(Token::is_verb)
                && (self.function(at) == Function::You
                    || (self.word(at) == "possible" && matches!(self.word(index), "would" | "could")))
        };
        self.tokens().any(|(at, _)| asks(at))
    }

    /// `on what day …?`, `of these two, which …?`, `about the roof: is …?`: what asks comes after words that do nothing.
    fn asks_later(&self) -> bool {
        let mut led = true;
        for (index, token) in self.tokens() {
            if !token.asked || self.acts(index, token) {
                return false;
            }
            let begins = index > self.first && (led || token.before >= Break::Comma);
            let after = self.function(index) == Function::Preposition && begins;
            let asks = |at: usize| {
                self.function(at) == Function::Question || matches!(self.word(at), "which" | "whose" | "when")
            };
            let inverted = token.before >= Break::Comma
                && matches!(token.function, Function::Copula | Function::Auxiliary)
                && index > self.first;
            if (begins && asks(index)) || (after && asks(index + 1)) || inverted {
                return self.function(index + 1) != Function::You;
            }
            led &= matches!(
                token.function,
                Function::Preposition | Function::To | Function::Adverb | Function::Subordinator | Function::Polite
            );
        }
        false
    }

    /// A word that may be an acting verb here: not one in a name, as in `the two fire exits`.
    fn acts(&self, index: usize, token: &Token) -> bool {
        let named = index > self.first
            && token.before == Break::None
            && index
                .checked_sub(1)
                .is_some_and(|before| self.function(before) == Function::Determiner);
        !named && token.is_acting()
    }
}
