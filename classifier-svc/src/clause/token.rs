//! Tokens: the words of a view with everything the lexicons and the entity patterns say of them.

use super::{
    entity,
    words::{Function, function},
};
use crate::{
    concept::{ConceptId, ConceptSet},
    vocabulary::{Form, VerbClass, Vocabulary, is_word},
};

/// What stands between a token and the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Break {
    /// Nothing but space.
    None,
    /// A comma, a bracket or a dash.
    Comma,
    /// A colon.
    Colon,
    /// The end of a sentence or a line, or a semicolon.
    Sentence,
}

/// One word of a view.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says something of its own about the word"
)]
pub struct Token {
    /// First byte in the view.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What it does, if it is a function word.
    pub function: Function,
    /// What it stands for as a verb.
    pub verbs: ConceptSet,
    /// The class of that verb; the most active one if there are several.
    pub class: VerbClass,
    /// The form of that verb.
    pub form: Form,
    /// Where the longest verb that begins here ends.
    pub verb_end: usize,
    /// What it stands for otherwise.
    pub objects: ConceptSet,
    /// Whether it can't be a verb, as it belongs to a longer name or term.
    pub fixed: bool,
    /// Whether it begins a command line or a statement.
    pub command: bool,
    /// What stands before it.
    pub before: Break,
    /// Whether it is inside quotation marks.
    pub quoted: bool,
    /// Whether its sentence ends with a question mark.
    pub asked: bool,
}

/// Reads the tokens of a view.
pub fn tokenise(text: &str, vocabulary: &Vocabulary, entities: &entity::Entities) -> Vec<Token> {
    let mut tokens = split(text);
    mark_terms(text, &mut tokens, vocabulary);
    entities.mark(text, &mut tokens);
    tokens
}

// === impl Token ===

impl Token {
    fn new(text: &str, start: usize, end: usize, before: Break, quoted: bool) -> Self {
        Self {
            start,
            end,
            function: function(text.get(start..end).unwrap_or_default()),
            verbs: ConceptSet::EMPTY,
            class: VerbClass::Light,
            form: Form::Base,
            verb_end: 0,
            objects: ConceptSet::EMPTY,
            fixed: false,
            command: false,
            before,
            quoted,
            asked: false,
        }
    }

    /// Whether it may be a verb.
    pub fn is_verb(&self) -> bool {
        !self.fixed && !self.verbs.is_empty()
    }
}

/// Words with the breaks and quotation marks around them.
fn split(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens: Vec<Token> = Vec::with_capacity(text.len() / 5 + 1);
    let (mut at, mut before, mut quote, mut sentence) = (0, Break::Sentence, None, 0);
    while let Some(byte) = bytes.get(at).copied() {
        if is_word(byte) {
            let end = word_end(bytes, at);
            tokens.push(Token::new(text, at, end, before, quote.is_some()));
            (at, before) = (end, Break::None);
            continue;
        }
        match byte {
            b'"' | b'\'' => quote = toggled(bytes, at, quote),
            b'?' => tokens.iter_mut().skip(sentence).for_each(|token| token.asked = true),
            _ => {}
        }
        let found = break_at(text, at);
        if found == Break::Sentence {
            sentence = tokens.len();
        }
        before = before.max(found);
        at += 1;
    }
    tokens
}

/// Where the word that starts at `at` ends; an apostrophe between letters belongs to it.
fn word_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at;
    while let Some(byte) = bytes.get(end) {
        let apostrophe = *byte == b'\'' && bytes.get(end + 1).is_some_and(u8::is_ascii_alphabetic) && end > at;
        if !is_word(*byte) && !apostrophe {
            break;
        }
        end += 1;
    }
    end
}

/// A quotation mark opens before a word and closes after one.
fn toggled(bytes: &[u8], at: usize, quote: Option<u8>) -> Option<u8> {
    let mark = bytes.get(at).copied();
    if quote.is_some() && quote == mark {
        return None;
    }
    let boundary = at
        .checked_sub(1)
        .and_then(|before| bytes.get(before))
        .is_none_or(|byte| !is_word(*byte));
    let closes = bytes.iter().skip(at + 1).any(|byte| Some(*byte) == mark);
    if quote.is_none() && boundary && closes {
        mark
    } else {
        quote
    }
}

fn break_at(text: &str, at: usize) -> Break {
    let bytes = text.as_bytes();
    let next = bytes.get(at + 1).copied();
    match bytes.get(at) {
        Some(b';') if comments_on(text, at) => Break::Comma,
        Some(b'\n' | b';' | b'!' | b'?') => Break::Sentence,
        Some(b'.') if next.is_none_or(|byte| !is_word(byte) && byte != b'/' && byte != b'.') => Break::Sentence,
        Some(b'.') if !entity::is_name_dot(text, at) => Break::Sentence,
        Some(b':') if next.is_none_or(|byte| byte.is_ascii_whitespace() || byte == b'\'' || byte == b'"') => {
            Break::Colon
        }
        Some(b',' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b'|' | b'"' | b'=') => Break::Comma,
        Some(b'-' | b'/') if next == Some(b' ') => Break::Comma,
        Some(b'-') if next == Some(b'-') => Break::Sentence,
        Some(b'&') if next == Some(b'&') => Break::Sentence,
        _ => Break::None,
    }
}

/// Whether a comment that belongs to the statement before follows the semicolon.
fn comments_on(text: &str, at: usize) -> bool {
    let rest = text.get(at + 1..).unwrap_or_default().trim_start_matches([' ', '\t']);
    ["//", "#", "/*", "--"].iter().any(|sign| rest.starts_with(sign))
}

/// Puts the meanings of every term on the tokens that it covers.
fn mark_terms(text: &str, tokens: &mut [Token], vocabulary: &Vocabulary) {
    for hit in vocabulary.hits(text) {
        let first = tokens.partition_point(|token| token.end <= hit.start);
        for meaning in hit.meanings {
            let Some(token) = tokens.get_mut(first) else { continue };
            if let Some(class) = meaning.verb {
                token.add_verb(meaning.concept, class, meaning.form, hit.end);
            } else {
                token.objects.insert(meaning.concept);
            }
            if hit.phrase {
                let from = first + usize::from(meaning.verb.is_some());
                tokens
                    .iter_mut()
                    .skip(from)
                    .take_while(|token| token.start < hit.end)
                    .for_each(|token| token.fixed = true);
            }
        }
    }
}

impl Token {
    /// A longer term replaces a shorter one: `make sure` is not `make`.
    /// Of equal ones the base form wins, and the more active class.
    fn add_verb(&mut self, concept: ConceptId, class: VerbClass, form: Form, end: usize) {
        if end < self.verb_end {
            return;
        }
        let first = end > self.verb_end;
        if first {
            self.verbs = ConceptSet::EMPTY;
            self.verb_end = end;
        }
        self.verbs.insert(concept);
        if first || form == Form::Base {
            self.form = form;
        }
        if first || rank(class) < rank(self.class) {
            self.class = class;
        }
    }
}

fn rank(class: VerbClass) -> u8 {
    match class {
        VerbClass::Acting => 0,
        VerbClass::Reading => 1,
        VerbClass::Composing => 2,
        VerbClass::Light => 3,
    }
}
