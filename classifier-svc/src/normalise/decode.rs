//! Decoding, one layer at a time: percent escapes, HTML character references, base64, hexadecimal and tags.

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::unread::{flag, tag_letter};

/// Shortest run that is tried as base64 or hexadecimal: shorter ones are words.
pub(super) const MIN_BLOB: usize = 16;

/// The first byte of a tag, and that of the black flag that may take some.
const TAG: u8 = 0xF3;
const FLAG: u8 = 0xF0;

/// How many escapes are decoded at a time.
const MAX_ESCAPES: usize = 64;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// The text with everything encoded in it decoded in place, and for each byte the offset it came from.
/// `None` if nothing is encoded.
pub(super) fn decode(text: &str) -> Option<(String, Vec<u32>)> {
    let mut output = Output {
        text,
        bytes: Vec::new(),
        map: Vec::new(),
        copied: 0,
    };
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        at += output.step(at, rest);
    }
    output.finish()
}

struct Output<'t> {
    text: &'t str,
    bytes: Vec<u8>,
    map: Vec<u32>,
    /// How much of the text has been taken over. Nothing is, until something is decoded.
    copied: usize,
}

// === impl Output ===

impl Output<'_> {
    /// Reads one unit at the start of `rest` and says how many bytes it took.
    fn step(&mut self, at: usize, rest: &str) -> usize {
        let escape = match rest.as_bytes().first() {
            Some(b'%') => percent(rest),
            Some(b'&') => reference(rest),
            Some(&TAG) => tags(rest),
            _ => None,
        };
        if let Some((decoded, length)) = escape {
            return self.decoded(at, &decoded, length);
        }
        if let Some((_, end)) = flag(rest) {
            return end;
        }
        let run = rest.bytes().take_while(|byte| is_blob(*byte)).count();
        if run < MIN_BLOB {
            let other = rest
                .bytes()
                .skip(run)
                .take_while(|byte| !is_blob(*byte) && !matches!(*byte, b'%' | b'&' | TAG | FLAG));
            return (run + other.count()).max(1);
        }
        let padding = rest.bytes().skip(run).take_while(|byte| *byte == b'=').take(2).count();
        match blob(rest.get(..run).unwrap_or_default()) {
            Some(decoded) => self.decoded(at, &decoded, run + padding),
            None => run,
        }
    }

    fn decoded(&mut self, at: usize, decoded: &[u8], length: usize) -> usize {
        self.keep(at);
        self.push(decoded, |_| at);
        self.copied = at + length;
        length
    }

    /// Takes over what was not encoded, up to `end`.
    fn keep(&mut self, end: usize) {
        let (from, text) = (self.copied, self.text);
        let kept = text.as_bytes().get(from..end).unwrap_or_default();
        self.push(kept, |index| from + index);
    }

    fn push(&mut self, bytes: &[u8], offset: impl Fn(usize) -> usize) {
        self.bytes.extend_from_slice(bytes);
        self.map
            .extend((0..bytes.len()).map(|index| u32::try_from(offset(index)).unwrap_or(u32::MAX)));
    }

    fn finish(mut self) -> Option<(String, Vec<u32>)> {
        if self.copied == 0 {
            return None;
        }
        self.keep(self.text.len());
        Some((String::from_utf8(self.bytes).ok()?, self.map))
    }
}

/// `%41` and runs of it, as far as they are UTF-8.
fn percent(text: &str) -> Option<(Vec<u8>, usize)> {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let [b'%', high, low, tail @ ..] = rest {
        let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low)) else {
            break;
        };
        decoded.push(high << 4 | low);
        rest = tail;
        if decoded.len() == MAX_ESCAPES {
            break;
        }
    }
    let valid = std::str::from_utf8(&decoded).map_or_else(|error| error.valid_up_to(), str::len);
    decoded.truncate(valid);
    (valid > 0).then_some((decoded, valid * 3))
}

/// `&#65;`, `&#x41;` and the named references that matter.
fn reference(text: &str) -> Option<(Vec<u8>, usize)> {
    let body = text.strip_prefix('&')?;
    let end = body.bytes().take(10).position(|byte| byte == b';')?;
    let name = body.get(..end)?;
    let character = match name.strip_prefix('#') {
        Some(number) => char::from_u32(match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        })?,
        None => match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            "nbsp" => ' ',
            _ => return None,
        },
    };
    Some((character.to_string().into_bytes(), end + 2))
}

/// A run of tags, as lines of their own: what isn't seen doesn't go on with the sentence before it.
fn tags(text: &str) -> Option<(Vec<u8>, usize)> {
    let letters: String = text.chars().map_while(tag_letter).collect();
    let length = text.chars().take(letters.len()).map(char::len_utf8).sum();
    (!letters.is_empty()).then(|| (format!("\n{letters}\n").into_bytes(), length))
}

/// Whether a text has tags, be it in a flag.
pub(super) fn has_tags(text: &str) -> bool {
    text.as_bytes().contains(&TAG) && text.chars().any(|character| tag_letter(character).is_some())
}

/// A long run of base64 or hexadecimal digits that decodes to readable text.
fn blob(token: &str) -> Option<Vec<u8>> {
    if token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return hex::decode(token).ok().filter(|bytes| is_readable(bytes));
    }
    let mixed =
        token.bytes().any(|byte| byte.is_ascii_uppercase()) && token.bytes().any(|byte| byte.is_ascii_lowercase());
    if !mixed {
        return None;
    }
    let engine = if token.contains(['-', '_']) {
        &BASE64_URL
    } else {
        &BASE64
    };
    engine.decode(token).ok().filter(|bytes| is_readable(bytes))
}

/// Whether bytes are text rather than chance: UTF-8, and nearly all of it letters, digits and punctuation.
fn is_readable(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    text.len() >= 6
        && text
            .chars()
            .all(|character| !character.is_control() || character.is_whitespace())
}

fn is_blob(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
