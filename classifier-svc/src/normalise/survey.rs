//! Survey: one look at a folded text that tells which spellings it may hold.
//!
//! Nearly every text holds none of them, so that nothing further needs to be tried.

use super::{decode, respell};

/// What a text may hold. A flag that isn't set rules it out.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each rules out a transform of its own")]
pub(super) struct Survey {
    /// Escapes, or runs long enough for base64.
    pub(super) encoded: bool,
    /// Single characters one after the other.
    pub(super) spaced: bool,
    /// Letters mixed with digits or signs.
    pub(super) leet: bool,
    /// A sentence with the letters of a rotated one.
    pub(super) rotated: bool,
    /// A run too long for a word.
    pub(super) long: bool,
}

const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const SIGN: u8 = 4;
const ESCAPE: u8 = 8;
const END: u8 = 16;
/// A vowel, and what a vowel becomes under rot13.
const VOWEL: u8 = 32;
const ROTATED_VOWEL: u8 = 64;
/// Part of base64 without being part of a word.
const BLOB: u8 = 128;

const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = match byte {
            b'a' | b'e' | b'i' | b'o' | b'u' => LETTER | VOWEL,
            b'n' | b'r' | b'v' | b'b' | b'h' => LETTER | ROTATED_VOWEL,
            b'a'..=b'z' => LETTER,
            b'0'..=b'9' => DIGIT,
            b'@' | b'$' => SIGN,
            b'_' => SIGN | BLOB,
            b'+' | b'/' | b'-' => BLOB,
            b'%' | b'&' => ESCAPE,
            b'.' | b'?' | b';' | b'\n' => END,
            _ => 0,
        };
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

/// Looks at a folded text once.
pub(super) fn survey(text: &str) -> Survey {
    let mut survey = Survey::default();
    let (mut word, mut kinds, mut blob, mut singles) = (0_usize, 0_u8, 0_usize, 0_usize);
    let (mut vowels, mut rotated) = (0_usize, 0_usize);
    for byte in text.bytes() {
        let class = CLASS.get(usize::from(byte)).copied().unwrap_or_default();
        vowels += usize::from(class >> 5 & 1);
        rotated += usize::from(class >> 6 & 1);
        if class & (LETTER | DIGIT | SIGN) != 0 {
            word += 1;
            kinds |= class;
            continue;
        }
        if word > 0 || class & BLOB != 0 {
            survey.word(word, kinds);
            blob += word + usize::from(class & BLOB != 0);
            singles = if word == 1 { singles + 1 } else if word > 1 { 0 } else { singles };
        }
        if class & BLOB == 0 {
            survey.encoded |= blob >= decode::MIN_BLOB || class & ESCAPE != 0;
            blob = 0;
        }
        survey.spaced |= singles >= respell::MIN_SPACED;
        if class & END != 0 {
            survey.rotated |= rotated > vowels;
            (vowels, rotated) = (0, 0);
        }
        (word, kinds) = (0, 0);
    }
    survey.word(word, kinds);
    survey.encoded |= blob + word >= decode::MIN_BLOB;
    survey.spaced |= singles + usize::from(word == 1) >= respell::MIN_SPACED;
    survey.rotated |= rotated > vowels;
    survey
}

// === impl Survey ===

impl Survey {
    fn word(&mut self, length: usize, kinds: u8) {
        self.long |= length >= respell::MIN_RUN;
        self.leet |= length > 2 && kinds & LETTER != 0 && kinds & (DIGIT | SIGN) != 0;
        // Underscores part letters without ending a word.
        self.spaced |= length >= respell::MIN_SPACED * 2 - 1 && kinds & SIGN != 0;
    }
}
