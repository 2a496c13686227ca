//! Tokens: the words of a view with everything the lexicons and the entity patterns say of them.

use super::{Function, entity};
use crate::{
    concept::{ConceptId, ConceptSet},
    normalise::View,
    vocabulary::{Form, Split, VerbClass, Vocabulary, is_word},
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
pub fn tokenise(view: &View, vocabulary: &Vocabulary, entities: &entity::Entities) -> Vec<Token> {
    let mut tokens = split(view, vocabulary);
    mark_terms(view, &mut tokens, vocabulary);
    join_quoted(&view.text, &mut tokens);
    entities.mark(&view.text, &mut tokens);
    part_sentences(&view.text, &mut tokens);
    tokens
}

// === impl Token ===

impl Token {
    fn new(start: usize, end: usize, function: Function, before: Break, quoted: bool) -> Self {
        Self {
            start,
            end,
            function,
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

    /// Whether no lexicon knows it.
    pub fn is_unknown(&self) -> bool {
        self.function == Function::Open && self.verbs.is_empty() && self.objects.is_empty()
    }

    /// Whether it may be a verb.
    pub fn is_verb(&self) -> bool {
        !self.fixed && !self.verbs.is_empty()
    }

    /// Whether it may be an acting verb.
    pub fn is_acting(&self) -> bool {
        self.is_verb() && self.class == VerbClass::Acting
    }
}

/// Words with the breaks and quotation marks around them. An apostrophe between letters belongs to a word.
fn split(view: &View, vocabulary: &Vocabulary) -> Vec<Token> {
    let (text, bytes) = (view.text.as_str(), view.text.as_bytes());
    let mut tokens: Vec<Token> = Vec::with_capacity(view.words.len());
    let (mut at, mut before, mut quote, mut sentence) = (0, Break::Sentence, None, 0);
    for word in &view.words {
        let (start, end) = (word.start as usize, word.end as usize);
        if at + 1 == start
            && bytes.get(at) == Some(&b'\'')
            && bytes.get(start).is_some_and(u8::is_ascii_alphabetic)
            && let Some(token) = tokens.last_mut()
        {
            token.end = end;
            token.function = vocabulary.function(text.get(token.start..end).unwrap_or_default());
            at = end;
            continue;
        }
        for at in at..start {
            let byte = bytes.get(at).copied().unwrap_or_default();
            match byte {
                b' ' => continue,
                b'"' | b'\'' => quote = toggled(bytes, at, quote),
                b'?' => tokens.iter_mut().skip(sentence).for_each(|token| token.asked = true),
                _ => {}
            }
            let found = break_at(text, at);
            if found == Break::Sentence {
                sentence = tokens.len();
            }
            before = before.max(found);
        }
        let function = match word.number {
            Some(number) => vocabulary.function_of(number.get() - 1),
            None => Function::of_unlisted(text.get(start..end).unwrap_or_default()),
        };
        tokens.push(Token::new(start, end, function, before, quote.is_some()));
        (at, before) = (end, Break::None);
    }
    let asked = bytes.iter().skip(at).any(|byte| *byte == b'?')
        && !(at..bytes.len())
            .take_while(|at| bytes.get(*at) != Some(&b'?'))
            .any(|at| break_at(text, at) == Break::Sentence);
    if asked {
        tokens.iter_mut().skip(sentence).for_each(|token| token.asked = true);
    }
    tokens
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
        Some(b'+' | b'*' | b'#' | b'~' | b'^' | b'\\') if next == Some(b' ') && stands_alone(bytes, at) => Break::Comma,
        Some(b'-') if next == Some(b'-') => Break::Sentence,
        Some(b'&') if next == Some(b'&') => Break::Sentence,
        _ => Break::None,
    }
}

/// Whether a space stands before it, or nothing: not the sign of `C# code`.
fn stands_alone(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1)
        .and_then(|before| bytes.get(before))
        .is_none_or(u8::is_ascii_whitespace)
}

/// Whether a comment that belongs to the statement before follows the semicolon.
fn comments_on(text: &str, at: usize) -> bool {
    let rest = text.get(at + 1..).unwrap_or_default().trim_start_matches([' ', '\t']);
    ["//", "#", "/*", "--"].iter().any(|sign| rest.starts_with(sign))
}

/// Undoes the end of a sentence inside a quotation that the sentence around it goes on behind: `Write 'Hi!' to …`.
/// Before a verb it stays: what is told there is told by itself.
fn join_quoted(text: &str, tokens: &mut [Token]) {
    let mut joined = false;
    for index in 1..tokens.len() {
        let [.., before, token] = tokens.get(..=index).unwrap_or_default() else {
            return;
        };
        if token.before != Break::Sentence {
            continue;
        }
        let goes_on = matches!(token.function, Function::To | Function::Preposition | Function::And)
            && tokens.get(index + 1).is_some_and(|next| !next.is_verb());
        let gap = text.get(before.end..token.start).unwrap_or_default();
        if !(goes_on && before.quoted && !token.quoted && ends_quotation(gap)) {
            continue;
        }
        joined = true;
        if let Some(token) = tokens.get_mut(index) {
            token.before = if gap.contains('"') { Break::Comma } else { Break::None };
        }
    }
    // Whether a sentence asks, its end says.
    let mut later: Option<Token> = None;
    for token in tokens.iter_mut().rev().filter(|_| joined) {
        if let Some(later) = later.filter(|later| later.before != Break::Sentence) {
            token.asked = later.asked;
        }
        later = Some(*token);
    }
}

/// Whether a gap is the end of a quoted sentence and nothing else: `!' `.
fn ends_quotation(gap: &str) -> bool {
    let marks = gap.trim_end_matches(' ').strip_suffix(['\'', '"']);
    marks.is_some_and(|marks| !marks.is_empty() && marks.bytes().all(|mark| matches!(mark, b'.' | b'!' | b'?')))
}

/// Ends the sentence also where no space follows its stop: `chapter 2.Send it`, `the plan:send it to Bob`. A dot is part of a
/// name unless a verb follows, a colon unless that has an object.
fn part_sentences(text: &str, tokens: &mut [Token]) {
    for index in 1..tokens.len() {
        let [.., before, token] = tokens.get(..=index).unwrap_or_default() else {
            return;
        };
        if token.before != Break::None || !token.is_verb() || token.form != Form::Base {
            continue;
        }
        let object = |next: &Token| {
            next.before == Break::None
                && matches!(
                    next.function,
                    Function::Determiner | Function::Pronoun | Function::Beneficiary
                )
        };
        let ends = match text.get(before.end..token.start) {
            Some(".") => true,
            Some(":") => tokens.get(index + 1).is_some_and(object),
            _ => false,
        };
        if let Some(token) = tokens.get_mut(index).filter(|_| ends) {
            token.before = Break::Sentence;
        }
    }
}

/// Puts the meanings of every term on the tokens that it covers.
fn mark_terms(view: &View, tokens: &mut [Token], vocabulary: &Vocabulary) {
    let mut first = 0;
    let mut splits: Vec<(usize, &[Split])> = Vec::new();
    vocabulary.scan(view, |hit| {
        while tokens.get(first).is_some_and(|token| token.end <= hit.start) {
            first += 1;
        }
        let Some(token) = tokens.get_mut(first) else { return };
        let mut verb = false;
        for meaning in hit.meanings {
            if let Some(class) = meaning.verb {
                token.add_verb(meaning.concept, class, meaning.form, hit.end);
                verb = true;
            } else {
                token.objects.insert(meaning.concept);
            }
        }
        if hit.phrase {
            // The first word of a verb stays one, whatever else it is.
            let from = first + usize::from(verb);
            let covered = tokens.iter_mut().skip(from).take_while(|token| token.start < hit.end);
            covered.for_each(|token| token.fixed = true);
        }
        if !hit.splits.is_empty() {
            splits.push((first, hit.splits));
        }
    });
    for (first, splits) in splits {
        mark_splits(&view.text, tokens, first, splits);
    }
}

/// How many words may stand inside a split term.
const MAX_GAP: usize = 5;

/// Puts the meaning of `turn … off` on its first word, if its last word follows in the same sentence.
/// Of several last words the nearest counts; a verb that is written in one piece counts more.
fn mark_splits(text: &str, tokens: &mut [Token], first: usize, splits: &[Split]) {
    let whole = tokens.get(first).is_some_and(|token| token.verb_end > token.end);
    let mut nearest = None;
    for (index, token) in tokens.iter().enumerate().skip(first + 1).take(MAX_GAP + 1) {
        if token.before >= Break::Colon {
            break;
        }
        let word = text.get(token.start..token.end).unwrap_or_default();
        for split in splits.iter().filter(|split| *split.tail == *word) {
            let found = nearest.get_or_insert((index, token.end, Vec::new()));
            if split.meaning.verb.is_none() || (found.0 == index && !whole) {
                found.2.push(split.meaning);
            }
        }
    }
    let Some((last, end, meanings)) = nearest else { return };
    let Some(token) = tokens.get_mut(first) else { return };
    let mut verb = false;
    for meaning in meanings {
        match meaning.verb {
            Some(class) => {
                token.add_verb(meaning.concept, class, meaning.form, end);
                verb = true;
            }
            None => token.objects.insert(meaning.concept),
        }
    }
    if let Some(token) = tokens.get_mut(last).filter(|_| verb) {
        token.fixed = true;
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
