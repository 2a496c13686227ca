//! The index of a vocabulary: every word that a term contains, and the terms that begin with it.
//!
//! A term can only begin where a word begins, so one look-up a word finds all terms in a text,
//! however many there are.

use crate::clause::{FUNCTION_WORDS, Function};

use super::is_word;

/// Finds terms and words.
#[derive(Debug)]
pub(super) struct Index {
    /// Numbers of words plus one, by hash; a power of two of them, at most half of them taken.
    slots: Box<[u32]>,
    words: Vec<Word>,
    /// Numbers of terms; each word names a part of it.
    terms: Vec<u32>,
    texts: Vec<Box<str>>,
    /// Terms that begin with a sign, with that sign.
    signs: Vec<(u8, u32)>,
    is_sign: [bool; 256],
}

#[derive(Debug)]
struct Word {
    text: Box<str>,
    hash: u64,
    function: Function,
    first: u32,
    count: u32,
}

// === impl Index ===

impl Index {
    pub(super) fn new<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut index = Self {
            slots: Box::default(),
            words: Vec::new(),
            terms: Vec::new(),
            texts: texts.map(Box::from).collect(),
            signs: Vec::new(),
            is_sign: [false; 256],
        };
        let mut firsts: Vec<(&str, u32)> = Vec::new();
        for (text, number) in index.texts.iter().zip(0..) {
            match text.bytes().next() {
                Some(first) if is_word(first) => firsts.push((first_word(text), number)),
                Some(sign) => index.signs.push((sign, number)),
                None => {}
            }
        }
        firsts.sort_unstable();
        for (sign, _) in &index.signs {
            if let Some(flag) = index.is_sign.get_mut(usize::from(*sign)) {
                *flag = true;
            }
        }
        for group in firsts.chunk_by(|one, next| one.0 == next.0) {
            let first = u32::try_from(index.terms.len()).unwrap_or(u32::MAX);
            index.terms.extend(group.iter().map(|(_, number)| *number));
            if let Some((text, _)) = group.first() {
                let count = u32::try_from(group.len()).unwrap_or(0);
                index.words.push(Word::new(text, first, count));
            }
        }
        let inner = index.texts.iter().flat_map(|text| text.split([' ', '-']));
        let others: Vec<Word> = inner.map(|text| Word::new(text, 0, 0)).collect();
        index.enter_all(others);
        index
    }

    /// Enters the words that begin terms, then all others that aren't among them.
    fn enter_all(&mut self, others: Vec<Word>) {
        let functions = FUNCTION_WORDS.iter().flat_map(|(_, words)| *words);
        let functions: Vec<Word> = functions.map(|text| Word::new(text, 0, 0)).collect();
        let count = self.words.len() + others.len() + functions.len();
        self.slots = vec![0; (count * 2).next_power_of_two()].into_boxed_slice();
        let firsts = std::mem::take(&mut self.words);
        for word in firsts.into_iter().chain(functions).chain(others) {
            if self.find(&word.text, word.hash).is_none() {
                self.enter(word);
            }
        }
        for (function, words) in FUNCTION_WORDS {
            for text in *words {
                if let Some(at) = self.find(text, hash(text))
                    && let Some(word) = self.words.get_mut(at)
                {
                    word.function = *function;
                }
            }
        }
    }

    fn enter(&mut self, word: Word) {
        let mask = self.slots.len() - 1;
        let mut at = slot(word.hash, mask);
        while self.slots.get(at).is_some_and(|taken| *taken != 0) {
            at = (at + 1) & mask;
        }
        self.words.push(word);
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        }
    }

    #[inline]
    fn find(&self, text: &str, hash: u64) -> Option<usize> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = slot(hash, mask);
        loop {
            let number = self.slots.get(at).copied().filter(|number| *number != 0)? as usize - 1;
            let word = self.words.get(number)?;
            if word.hash == hash && *word.text == *text {
                return Some(number);
            }
            at = (at + 1) & mask;
        }
    }

    /// Whether a word is a function word or part of a term.
    pub(super) fn knows(&self, word: &str) -> bool {
        self.find(word, hash(word)).is_some()
    }

    /// What a word does in a sentence.
    pub(super) fn function(&self, word: &str) -> Function {
        let known = self.find(word, hash(word)).and_then(|at| self.words.get(at));
        match known.map(|word| word.function) {
            Some(function) if function != Function::Open => function,
            _ => Function::of_unlisted(word),
        }
    }

    /// The number of a word, by its text and hash.
    #[inline]
    pub(super) fn number(&self, text: &str, hash: u64) -> Option<u32> {
        self.find(text, hash).and_then(|number| u32::try_from(number).ok())
    }

    /// What the numbered word does in a sentence.
    #[inline]
    pub(super) fn function_of(&self, number: u32) -> Function {
        self.words
            .get(number as usize)
            .map_or(Function::Open, |word| word.function)
    }

    /// Every term that begins with the numbered word at `at`: its number, and where it ends.
    #[inline]
    pub(super) fn terms_at(&self, number: u32, bytes: &[u8], at: usize, mut found: impl FnMut(u32, usize)) {
        let Some(word) = self.words.get(number as usize) else {
            return;
        };
        let terms = self.terms.iter().skip(word.first as usize).take(word.count as usize);
        terms.for_each(|term| self.check(*term, bytes, at, &mut found));
    }

    /// Every term that begins with the sign at `at`.
    #[inline]
    pub(super) fn signs_at(&self, bytes: &[u8], at: usize, mut found: impl FnMut(u32, usize)) {
        let sign = bytes.get(at).copied().unwrap_or_default();
        if self.is_sign.get(usize::from(sign)).copied().unwrap_or_default() && !is_inside(bytes, at) {
            let terms = self.signs.iter().filter(|(first, _)| *first == sign);
            terms.for_each(|(_, term)| self.check(*term, bytes, at, &mut found));
        }
    }

    #[inline]
    fn check(&self, term: u32, bytes: &[u8], at: usize, found: &mut impl FnMut(u32, usize)) {
        let Some(text) = self.texts.get(term as usize) else {
            return;
        };
        let end = at + text.len();
        let here = bytes.get(at..end) == Some(text.as_bytes());
        if here && !bytes.get(end).copied().is_some_and(is_word) {
            found(term, end);
        }
    }
}

// === impl Word ===

impl Word {
    fn new(text: &str, first: u32, count: u32) -> Self {
        Self {
            text: text.into(),
            hash: hash(text),
            function: Function::of_unlisted(text),
            first,
            count,
        }
    }
}

/// Whether a word ends right before `at`.
fn is_inside(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1)
        .and_then(|before| bytes.get(before))
        .copied()
        .is_some_and(is_word)
}

fn first_word(text: &str) -> &str {
    let end = text.bytes().position(|byte| !is_word(byte)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(0, step)
}

/// The hash of a word, one byte further.
#[inline]
pub(crate) fn step(hash: u64, byte: u8) -> u64 {
    hash.wrapping_mul(31).wrapping_add(u64::from(byte))
}

#[inline]
fn slot(hash: u64, mask: usize) -> usize {
    let mixed = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    usize::try_from(mixed).unwrap_or_default() & mask
}
