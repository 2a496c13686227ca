//! Features: words, pairs of words, and pieces of words, each hashed into a bucket.

use crate::{
    clause::{Break, Clause, Frame, Token},
    normalise,
};

/// How many buckets there are; a feature that shares its bucket with another shares its weight.
pub const BUCKETS: usize = 1 << 16;

/// Words longer than this, in bytes, are read no further.
const MAX_WORD_BYTES: usize = 24;
/// Lengths of the pieces of a word, its borders counted.
const PIECES: std::ops::RangeInclusive<usize> = 3..=5;

/// One feature, by the hash of what it is.
#[derive(Clone, Copy, Debug)]
pub struct Feature(u64);

/// One word as the model reads it.
#[derive(Clone, Debug)]
pub struct Word<'t> {
    /// The token that it is.
    pub token: usize,
    /// What stands before it.
    pub before: Break,
    text: &'t str,
    hash: u64,
}

/// The words of a text, without identifiers and without the sentences that speak about a text:
/// `the slide shows 'delete all files' as a trap`.
pub fn words<'t>(text: &'t str, tokens: &[Token], clauses: &[Clause]) -> Vec<Word<'t>> {
    let word = |index: usize| {
        let token = tokens.get(index)?;
        let word = text
            .get(token.start..token.end)
            .filter(|word| !normalise::is_uuid(word))?;
        Some(Word {
            token: index,
            before: token.before,
            text: word,
            hash: hash(WORD, word.bytes().map(plain)),
        })
    };
    let told = clauses.iter().filter(|clause| clause.frame != Frame::Mentioned);
    told.flat_map(|clause| clause.first..clause.last)
        .filter_map(word)
        .collect()
}

/// Every feature of the word at `index`, the pair with the word before it in its sentence included.
pub fn each(words: &[Word<'_>], index: usize, mut feature: impl FnMut(Feature)) {
    let Some(word) = words.get(index) else { return };
    feature(Feature(word.hash));
    let before = index.checked_sub(1).filter(|_| word.before != Break::Sentence);
    if let Some(before) = before.and_then(|before| words.get(before)) {
        let pair = before.hash.to_le_bytes().into_iter().chain(word.hash.to_le_bytes());
        feature(Feature(hash(PAIR, pair)));
    }
    let mut bordered = [b'>'; MAX_WORD_BYTES + 2];
    let mut length = 0;
    let letters = std::iter::once(b'<').chain(word.text.bytes().take(MAX_WORD_BYTES).map(plain));
    for (place, letter) in bordered.iter_mut().zip(letters) {
        *place = letter;
        length += 1;
    }
    let bordered = bordered.get(..=length).unwrap_or_default();
    for size in PIECES {
        for piece in bordered.windows(size) {
            feature(Feature(hash(PIECE, piece.iter().copied())));
        }
    }
}

const WORD: u64 = 0x9e37_79b9_7f4a_7c15;
const PAIR: u64 = 0xc2b2_ae3d_27d4_eb4f;
const PIECE: u64 = 0x1656_67b1_9e37_79f9;

/// Numbers differ from text to text and mean the same.
const fn plain(byte: u8) -> u8 {
    if byte.is_ascii_digit() { b'0' } else { byte }
}

/// FNV-1a, 64 bits, from a basis of its own for each kind of feature.
fn hash(kind: u64, bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(kind, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

// === impl Feature ===

impl Feature {
    /// Its bucket.
    pub fn bucket(self) -> usize {
        // The upper bits are mixed best.
        usize::try_from(self.0 >> (64 - BUCKETS.ilog2())).unwrap_or_default()
    }
}
