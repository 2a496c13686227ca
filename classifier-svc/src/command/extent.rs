//! Where a command or statement ends because a sentence goes on: `cat a.txt. Then delete it`, `ls -l and send me the list`.
//!
//! Whatever stands in a command says nothing by itself. So nothing that tells something to be done may be taken for part of one.

use crate::clause::{Break, Function, Token};

/// How many words may stand between `and` and the verb that it adds: `and then you must also`.
const MAX_LEAD: usize = 6;
/// What stands behind a column, and not behind a verb.
const OPERATORS: [&str; 12] = [
    "is", "in", "not", "between", "like", "ilike", "similar", "regexp", "and", "or", "then", "end",
];

/// The first of the tokens after `first` and before `to` with which a sentence begins; `to` if there is none.
pub(super) fn end(text: &str, tokens: &[Token], first: usize, to: usize, is_statement: bool) -> usize {
    let extent = Extent {
        text,
        tokens,
        first,
        is_statement,
    };
    (first + 1..to).find(|at| extent.is_told(*at)).unwrap_or(to)
}

struct Extent<'t> {
    text: &'t str,
    tokens: &'t [Token],
    first: usize,
    is_statement: bool,
}

// === impl Extent ===

impl Extent<'_> {
    fn is_told(&self, at: usize) -> bool {
        let (Some(begin), Some(before), Some(token)) = (
            self.tokens.get(self.first),
            self.tokens.get(at - 1),
            self.tokens.get(at),
        ) else {
            return false;
        };
        let gap = self.text.get(before.end..token.start).unwrap_or_default();
        // What is quoted is an argument; what has a sign before it is an option or part of a name.
        if (token.quoted && !begin.quoted) || !gap.ends_with([' ', '\n', '(']) {
            return false;
        }
        if ends_sentence(gap) || matches!(self.word(at), "please" | "kindly" | "pls" | "plz") {
            return true;
        }
        let takes = self.takes_object(at);
        if token.is_acting() && takes {
            return true;
        }
        let unknown = token.is_unknown() && !token.fixed && takes;
        if self.is_joined(at) {
            return unknown || (token.is_verb() && (!self.is_statement || self.is_no_column(at)));
        }
        !self.is_statement && token.is_acting() && is_pause(gap)
    }

    /// Behind `and`, `then` or `please`, with at most a few words between that do nothing.
    fn is_joined(&self, at: usize) -> bool {
        let words = (self.first + 1..at).rev().take(MAX_LEAD);
        let mut lead = words.map(|index| self.function(index)).skip_while(|function| {
            matches!(
                function,
                Function::Adverb
                    | Function::You
                    | Function::Duty
                    | Function::Modal
                    | Function::Filler
                    | Function::To
                    | Function::Subject
                    | Function::Beneficiary
            )
        });
        matches!(lead.next(), Some(Function::And | Function::Then | Function::Polite))
    }

    /// A word that can only be an object follows.
    fn takes_object(&self, at: usize) -> bool {
        self.plain_next(at).is_some_and(|next| {
            matches!(
                next.function,
                Function::Determiner | Function::Pronoun | Function::Beneficiary
            )
        })
    }

    /// Behind a column an operator follows, a comma or the end.
    fn is_no_column(&self, at: usize) -> bool {
        self.plain_next(at).is_some() && !OPERATORS.contains(&self.word(at + 1))
    }

    /// The next word, if nothing but a space stands before it, and no sign behind it that makes it part of a name.
    fn plain_next(&self, at: usize) -> Option<&Token> {
        let (token, next) = (self.tokens.get(at)?, self.tokens.get(at + 1)?);
        let gap = self.text.get(token.end..next.start)?;
        let ends = self.text.get(next.end..)?.chars().next();
        let whole = ends.is_none_or(|sign| !matches!(sign, '-' | '_' | '/' | '=' | '.') || self.ends_here(next));
        (next.before == Break::None && !gap.is_empty() && gap.bytes().all(|byte| byte == b' ') && whole).then_some(next)
    }

    /// Whether a dot behind a word ends a sentence.
    fn ends_here(&self, token: &Token) -> bool {
        let rest = self.text.get(token.end..).unwrap_or_default();
        rest.strip_prefix('.')
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
    }

    fn function(&self, index: usize) -> Function {
        self.tokens.get(index).map_or(Function::Open, |token| token.function)
    }

    fn word(&self, index: usize) -> &str {
        let token = self.tokens.get(index);
        token
            .and_then(|token| self.text.get(token.start..token.end))
            .unwrap_or_default()
    }
}

/// A stop right behind a word: `a.txt. `, not `cd .. `.
fn ends_sentence(gap: &str) -> bool {
    gap.trim_start_matches(['\'', '"', ')', ']'])
        .starts_with(['.', '!', '?'])
}

/// A comma, a dash or a bracket between spaces: `, `, ` - `, ` (`.
fn is_pause(gap: &str) -> bool {
    let signs = gap.trim();
    let pauses = signs
        .chars()
        .all(|sign| matches!(sign, ',' | '-' | '–' | '—' | ':' | '(' | ')' | '=' | '>' | ' '));
    pauses && !signs.is_empty() && !signs.chars().all(|sign| sign == '>')
}
