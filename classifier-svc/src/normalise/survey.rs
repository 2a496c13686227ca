//! Survey: one pass over a folded text that finds its words and tells which spellings it may hold.
//!
//! Nearly every text holds none of them, so that nothing further needs to be tried.

use std::num::NonZeroU32;

use super::{decode, identifier, respell};
use crate::vocabulary::{self, Vocabulary};

/// One word of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    /// First byte.
    pub(crate) start: u32,
    /// One past the last byte.
    pub(crate) end: u32,
    /// Its number in the vocabulary plus one, if it is known there.
    pub(crate) number: Option<NonZeroU32>,
}

/// What a text may hold. A flag that isn't set rules it out.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each rules out a transform of its own")]
pub(super) struct Survey {
    /// Escapes, or runs long enough for base64.
    pub(super) encoded: bool,
    /// More than one line.
    pub(super) lines: bool,
    /// Single characters one after the other.
    pub(super) spaced: bool,
    /// Letters mixed with digits or signs.
    pub(super) leet: bool,
    /// A sentence with the letters of a rotated one.
    pub(super) rotated: bool,
    /// A run too long for a word.
    pub(super) long: bool,
}

const LETTER: u16 = 1;
const DIGIT: u16 = 2;
const UNDERSCORE: u16 = 4;
const WIDE: u16 = 8;
const WORD: u16 = LETTER | DIGIT | UNDERSCORE | WIDE;
/// `@` and `$`, which leet uses for letters.
const SIGN: u16 = 16;
const ESCAPE: u16 = 32;
const END: u16 = 64;
/// Part of base64 without being part of a word.
const BLOB: u16 = 128;
/// A vowel, and what a vowel becomes under rot13, each as a count.
const VOWEL: u16 = 256;
const ROTATED: u16 = 512;

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
const CLASS: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = class(byte);
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

const fn class(byte: u8) -> u16 {
    match byte {
        b'a' | b'e' | b'i' | b'o' | b'u' => LETTER | VOWEL,
        b'n' | b'r' | b'v' | b'b' | b'h' => LETTER | ROTATED,
        b'a'..=b'z' | b'A'..=b'Z' => LETTER,
        b'0'..=b'9' => DIGIT,
        b'_' => UNDERSCORE,
        0x80.. => WIDE,
        b'@' | b'$' => SIGN,
        b'+' | b'/' | b'-' => BLOB,
        b'%' | b'&' => ESCAPE,
        b'.' | b'?' | b';' | b'\n' => END,
        _ => 0,
    }
}

/// Reads a folded text once.
pub(super) fn survey(text: &str, vocabulary: &Vocabulary) -> (Vec<Word>, Survey) {
    let bytes = text.as_bytes();
    let mut reader = Reader::default();
    let mut words = Vec::with_capacity(text.len() / 5 + 1);
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let class = class_of(*byte);
        if class & WORD == 0 {
            reader.gap(class);
            at += 1;
            continue;
        }
        let (start, mut hash, mut kinds, mut balance) = (at, 0, 0, 0_i32);
        while let Some(byte) = bytes.get(at) {
            let class = class_of(*byte);
            if class & WORD == 0 {
                break;
            }
            hash = vocabulary::step(hash, *byte);
            kinds |= class;
            balance += i32::from(class & ROTATED != 0) - i32::from(class & VOWEL != 0);
            at += 1;
        }
        reader.word(at - start, kinds, balance);
        let number = text.get(start..at).and_then(|word| vocabulary.number(word, hash));
        words.push(Word {
            start: offset(start),
            end: offset(at),
            number: number.and_then(|number| NonZeroU32::new(number + 1)),
        });
    }
    reader.gap(END);
    if reader.found.encoded {
        // An identifier is long enough for base64.
        join_identifiers(bytes, &mut words);
    }
    reader.found.lines = text.contains('\n');
    (words, reader.found)
}

/// Makes one word of those that are an identifier together.
fn join_identifiers(bytes: &[u8], words: &mut Vec<Word>) {
    let mut joined_to = 0;
    words.retain_mut(|word| {
        if word.start < joined_to {
            return false;
        }
        if let Some(end) = identifier::uuid(bytes, word.start as usize) {
            joined_to = offset(end);
            (word.end, word.number) = (joined_to, None);
        }
        true
    });
}

#[derive(Default)]
struct Reader {
    found: Survey,
    /// How many bytes that may be base64 lie behind.
    blob: usize,
    /// How many words of one letter lie behind.
    singles: usize,
    /// How many more letters of a rotated sentence than of a plain one this one has so far.
    balance: i32,
}

// === impl Reader ===

impl Reader {
    #[inline]
    fn gap(&mut self, class: u16) {
        if class == 0 {
            self.blob = 0;
            return;
        }
        self.blob = if class & BLOB == 0 { 0 } else { self.blob + 1 };
        self.found.encoded |= class & ESCAPE != 0;
        self.found.leet |= class & SIGN != 0;
        if class & END != 0 {
            self.found.rotated |= self.balance > 0;
            self.balance = 0;
        }
    }

    #[inline]
    fn word(&mut self, length: usize, kinds: u16, balance: i32) {
        self.blob += length;
        self.balance += balance;
        self.singles = if length == 1 { self.singles + 1 } else { 0 };
        // Underscores part letters without ending a word.
        let parted = kinds & UNDERSCORE != 0 && length >= respell::MIN_SPACED * 2 - 1;
        let mixed = kinds & LETTER != 0 && kinds & (DIGIT | UNDERSCORE) != 0;
        self.found.spaced |= parted || self.singles >= respell::MIN_SPACED;
        self.found.encoded |= self.blob >= decode::MIN_BLOB;
        self.found.long |= length >= respell::MIN_RUN;
        self.found.leet |= mixed && length > 3;
    }
}

#[inline]
fn class_of(byte: u8) -> u16 {
    CLASS.get(usize::from(byte)).copied().unwrap_or_default()
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
