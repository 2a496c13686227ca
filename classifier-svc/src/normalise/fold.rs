//! Folding: one pass that makes look-alike spellings equal.
//!
//! Compatibility decomposition, removal of marks and of characters that can't be seen, case folding,
//! and the letters of other scripts that look like Latin ones.

use std::sync::LazyLock;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::View;

/// The text as the lexicons spell it.
pub(super) fn fold(raw: &str) -> View {
    if raw.is_ascii() {
        let folded: Vec<u8> = raw.bytes().map(fold_ascii).collect();
        return View::identity("folded", String::from_utf8(folded).unwrap_or_default());
    }
    let mut view = Builder::with_capacity(raw.len());
    let table = &*TABLE;
    for (at, character) in raw.char_indices() {
        match u8::try_from(character) {
            Ok(byte) if byte.is_ascii() => view.spell(at, &[fold_ascii(byte)]),
            _ => view.push(at, character, table),
        }
    }
    view.finish(raw.len())
}

struct Builder {
    text: Vec<u8>,
    map: Vec<u32>,
}

/// What characters fold to. Those that are common, or common in disguises, are looked up; the others are worked out.
struct Table {
    spellings: Vec<Option<Short>>,
}

/// A spelling of a few bytes, kept in place so that looking it up touches one cache line.
#[derive(Clone, Copy)]
struct Short {
    bytes: [u8; 6],
    length: u8,
}

/// The blocks of the table: scripts and symbols up to kana, full-width forms, and mathematical letters.
const BLOCKS: [(u32, u32); 3] = [(0x80, 0x3100), (0xFE00, 0x10000), (0x1D400, 0x1D800)];

static TABLE: LazyLock<Table> = LazyLock::new(Table::new);

// === impl Builder ===

impl Builder {
    fn with_capacity(bytes: usize) -> Self {
        Self {
            text: Vec::with_capacity(bytes),
            map: Vec::with_capacity(bytes + 1),
        }
    }

    #[inline]
    fn push(&mut self, at: usize, character: char, table: &Table) {
        match table.get(character) {
            Some(known) => self.spell(at, known.as_bytes()),
            None => self.spell(at, spelling(character).as_bytes()),
        }
    }

    #[inline]
    fn spell(&mut self, at: usize, spelling: &[u8]) {
        // Byte by byte: nearly all spellings have one.
        for byte in spelling {
            self.text.push(*byte);
            self.map.push(offset(at));
        }
    }

    fn finish(self, end: usize) -> View {
        let text = String::from_utf8(self.text).unwrap_or_default();
        View::mapped("folded", text, self.map, end)
    }
}

// === impl Table ===

impl Table {
    fn new() -> Self {
        let codes = BLOCKS.iter().flat_map(|(first, end)| *first..*end);
        let spellings = codes.map(|code| Short::new(&spelling(char::from_u32(code)?)));
        Self {
            spellings: spellings.collect(),
        }
    }

    /// `None` for a character outside the blocks, and for the few whose spelling is long.
    #[inline]
    fn get(&self, character: char) -> Option<&Short> {
        let code = u32::from(character);
        let mut before = 0;
        for (first, end) in BLOCKS {
            if (first..end).contains(&code) {
                return self.spellings.get((before + code - first) as usize)?.as_ref();
            }
            before += end - first;
        }
        None
    }
}

// === impl Short ===

impl Short {
    fn new(spelling: &str) -> Option<Self> {
        let mut bytes = [0; 6];
        bytes.get_mut(..spelling.len())?.copy_from_slice(spelling.as_bytes());
        let length = u8::try_from(spelling.len()).ok()?;
        Some(Self { bytes, length })
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// What a character that isn't ASCII folds to.
fn spelling(character: char) -> String {
    let mut text = String::new();
    if is_invisible(character) {
        return text;
    }
    if let Some(latin) = look_alike(character) {
        return latin.to_owned();
    }
    if let Some(letter) = boxed(character) {
        text.push(letter);
        return text;
    }
    unicode_normalization::char::decompose_compatible(character, |part| {
        if part.is_ascii() {
            text.push(char::from(fold_ascii(u8::try_from(part).unwrap_or(b' '))));
        } else if let Some(latin) = look_alike(part) {
            text.push_str(latin);
        } else if part.is_whitespace() {
            text.push(' ');
        } else if !is_mark(part) {
            text.extend(part.to_lowercase());
        }
    });
    text
}

/// White letters in black circles and squares have no compatibility decomposition, unlike the black ones in white.
fn boxed(character: char) -> Option<char> {
    let code = u32::from(character);
    let letter = match character {
        '\u{1F150}'..='\u{1F169}' => code - 0x1F150,
        '\u{1F170}'..='\u{1F189}' => code - 0x1F170,
        _ => return None,
    };
    char::from_u32(u32::from('a') + letter)
}

/// Lower case; back quotes as quotes; controls but the line feed as spaces. Without branches, so that it is vectorised.
#[inline]
fn fold_ascii(byte: u8) -> u8 {
    let lower = byte.to_ascii_lowercase();
    let quoted = if lower == b'`' { b'\'' } else { lower };
    let control = (quoted < 0x20 && quoted != b'\n') || quoted == 0x7f;
    if control { b' ' } else { quoted }
}

fn is_mark(character: char) -> bool {
    matches!(
        character.general_category(),
        GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark | GeneralCategory::SpacingMark
    )
}

/// Format characters, bidirectional controls, fillers, variation selectors and unassigned controls.
pub(crate) fn is_invisible(character: char) -> bool {
    matches!(character, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' | '\u{2800}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0000}'..='\u{E0FFF}')
        || matches!(character.general_category(), GeneralCategory::Format | GeneralCategory::Control if character != '\u{85}')
}

/// What a character of another script is meant to be read as.
fn look_alike(character: char) -> Option<&'static str> {
    let lower = character.to_lowercase().next().unwrap_or(character);
    LOOK_ALIKES
        .binary_search_by_key(&lower, |(key, _)| *key)
        .ok()
        .and_then(|at| LOOK_ALIKES.get(at))
        .map(|(_, latin)| *latin)
}

/// Sorted by code point; lower-case keys only.
#[rustfmt::skip]
const LOOK_ALIKES: &[(char, &str)] = &[
    ('\u{85}', "\n"), ('¡', "i"), ('×', "x"), ('ß', "ss"), ('æ', "ae"), ('ð', "d"), ('ø', "o"), ('þ', "p"),
    ('đ', "d"), ('ħ', "h"), ('ı', "i"), ('ĸ', "k"), ('ł', "l"), ('ŋ', "n"), ('œ', "oe"), ('ŧ', "t"),
    ('ſ', "s"), ('ƀ', "b"), ('ƃ', "b"), ('ƈ', "c"), ('ƌ', "d"), ('ƒ', "f"), ('ƙ', "k"), ('ƚ', "l"),
    ('ƞ', "n"), ('ƥ', "p"), ('ƫ', "t"), ('ƭ', "t"), ('ƴ', "y"), ('ƶ', "z"), ('ǀ', "l"), ('ǃ', "!"),
    ('ǝ', "e"), ('ǥ', "g"), ('ȷ', "j"), ('ɐ', "a"), ('ɑ', "a"), ('ɓ', "b"), ('ɔ', "c"), ('ɖ', "d"),
    ('ɗ', "d"), ('ə', "e"), ('ɛ', "e"), ('ɡ', "g"), ('ɢ', "g"), ('ɣ', "y"), ('ɦ', "h"), ('ɨ', "i"),
    ('ɩ', "i"), ('ɪ', "i"), ('ɫ', "l"), ('ɯ', "w"), ('ɱ', "m"), ('ɴ', "n"), ('ɵ', "o"), ('ɾ', "r"),
    ('ʀ', "r"), ('ʂ', "s"), ('ʈ', "t"), ('ʋ', "v"), ('ʏ', "y"), ('ʐ', "z"), ('ʙ', "b"), ('ʜ', "h"),
    ('ʟ', "l"), ('ʼ', "'"), ('α', "a"), ('β', "b"), ('γ', "y"), ('δ', "d"), ('ε', "e"), ('ζ', "z"),
    ('η', "n"), ('ι', "i"), ('κ', "k"), ('λ', "l"), ('μ', "u"), ('ν', "v"), ('ο', "o"), ('π', "n"),
    ('ρ', "p"), ('ς', "s"), ('σ', "o"), ('τ', "t"), ('υ', "u"), ('φ', "o"), ('χ', "x"), ('ω', "w"),
    ('ϲ', "c"), ('ϳ', "j"), ('а', "a"), ('б', "b"), ('в', "b"), ('г', "r"), ('д', "d"), ('е', "e"),
    ('з', "e"), ('и', "u"), ('к', "k"), ('л', "n"), ('м', "m"), ('н', "h"), ('о', "o"), ('п', "n"),
    ('р', "p"), ('с', "c"), ('т', "t"), ('у', "y"), ('ф', "o"), ('х', "x"), ('ч', "y"), ('ш', "w"),
    ('щ', "w"), ('ъ', "b"), ('ы', "bi"), ('ь', "b"), ('э', "e"), ('ю', "io"), ('я', "r"), ('ѐ', "e"),
    ('ё', "e"), ('ђ', "h"), ('є', "e"), ('ѕ', "s"), ('і', "i"), ('ї', "i"), ('ј', "j"), ('ћ', "h"),
    ('ѡ', "w"), ('ѵ', "v"), ('ғ', "f"), ('қ', "k"), ('ң', "h"), ('ү', "y"), ('ұ', "y"), ('ҳ', "x"),
    ('һ', "h"), ('ҽ', "e"), ('ӏ', "l"), ('ӕ', "ae"), ('ә', "e"), ('ө', "o"), ('ԁ', "d"), ('ԛ', "q"),
    ('ԝ', "w"), ('ա', "w"), ('գ', "q"), ('զ', "q"), ('հ', "h"), ('յ', "j"), ('ո', "n"), ('ռ', "n"),
    ('ս', "u"), ('ց', "g"), ('ք', "p"), ('օ', "o"), ('־', "-"), ('ו', "i"), ('ס', "o"), ('ه', "o"),
    ('٠', "0"), ('ა', "s"), ('ᴀ', "a"), ('ᴄ', "c"), ('ᴅ', "d"), ('ᴇ', "e"), ('ᴊ', "j"), ('ᴋ', "k"),
    ('ᴍ', "m"), ('ᴏ', "o"), ('ᴘ', "p"), ('ᴛ', "t"), ('ᴜ', "u"), ('ᴠ', "v"), ('ᴡ', "w"), ('ᴢ', "z"),
    ('‐', "-"), ('‑', "-"), ('‒', "-"), ('–', "-"), ('—', " - "), ('―', " - "), ('‘', "'"), ('’', "'"),
    ('‚', "'"), ('‛', "'"), ('“', "\""), ('”', "\""), ('„', "\""), ('‟', "\""), ('•', "-"), ('‣', "-"),
    ('\u{2028}', "\n"), ('\u{2029}', "\n"), ('‹', "'"), ('›', "'"), ('⁄', "/"), ('→', ">"), ('⇒', ">"), ('−', "-"),
    ('∕', "/"), ('∣', "|"), ('∶', ":"), ('▪', "-"), ('▶', ">"), ('►', ">"), ('●', "-"), ('◦', "-"), ('➔', ">"),
    ('➡', ">"), ('⟶', ">"), ('⸺', " - "), ('。', "."), ('「', "\""), ('」', "\""), ('ꭰ', "d"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(raw: &str) -> String {
        fold(raw).text
    }

    #[test]
    fn table_is_searchable() {
        for (key, latin) in LOOK_ALIKES {
            assert_eq!(look_alike(*key), Some(*latin), "{key:?}");
        }
    }

    #[test]
    fn disguises_fold_to_plain_letters() {
        assert_eq!(folded("Ｔｒａｎｓｆｅｒ"), "transfer");
        assert_eq!(folded("d\u{200b}el\u{ad}ete"), "delete");
        assert_eq!(folded("ѕеnd Ρауmеnt"), "send payment");
        assert_eq!(folded("réveál 𝐭𝐡𝐞 ⓢⓨⓢ"), "reveal the sys");
        assert_eq!(folded("🅟🅐🅨 🅿🅰🆈"), "pay pay");
        assert_eq!(folded("the report—send it ⇒ now"), "the report - send it > now");
    }

    #[test]
    fn offsets_lead_back_to_the_raw_text() {
        let raw = "é\u{200b}Send";
        let view = fold(raw);
        assert_eq!(view.text, "esend");
        assert_eq!(view.raw_span(1, 5), (5, 9));
    }
}
