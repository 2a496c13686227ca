//! Normalisation: the views under which a text is read.
//!
//! The raw text is never changed. Every view knows for each of its bytes where in the raw text it came from,
//! so that whatever a rule finds can be shown to a person at its place.

mod decode;
mod fold;
mod identifier;
mod respell;
mod survey;
mod unread;

use crate::vocabulary::Vocabulary;

pub(crate) use fold::is_invisible;
pub(crate) use identifier::is_uuid;
use survey::{Survey, Word, survey};

/// Longest text that is looked at; anything longer is held.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
/// How many encodings may lie inside each other; anything deeper is held.
pub const MAX_DECODE_DEPTH: usize = 3;

/// How many times as long as itself a text may read, beyond [`MAX_GROWTH_BYTES`]; anything longer is held. A character may
/// stand for eighteen (U+FDFA), and a text of nothing else would take a hundred milliseconds.
const MAX_GROWTH: usize = 4;
const MAX_GROWTH_BYTES: usize = 1024;

/// One reading of a text.
#[derive(Debug)]
pub struct View {
    /// How the view was made.
    pub name: &'static str,
    /// The text as it reads in this view.
    pub text: String,
    /// The words of the text.
    pub(crate) words: Vec<Word>,
    /// For each byte of `text`, and for its end, the raw offset; `None` if they are the same.
    map: Option<Vec<u32>>,
}

/// All readings of a text.
#[derive(Debug)]
pub struct Views {
    /// The folded text first, then the views that differ from those before.
    pub views: Vec<View>,
    /// Why the text can't be read whole, if so.
    pub held: Option<&'static str>,
}

/// Makes all views of a text.
pub fn normalise(raw: &str, vocabulary: &Vocabulary) -> Views {
    if raw.len() > MAX_TEXT_BYTES {
        return Views::held("it is longer than the classifier reads");
    }
    let folded = fold::fold(raw);
    if folded.text.len() > raw.len() * MAX_GROWTH + MAX_GROWTH_BYTES {
        return Views::held("it reads many times longer than it is");
    }
    let mut views = Views {
        views: Vec::with_capacity(4),
        held: unread::reason(raw),
    };
    let mut found = views.add(folded, vocabulary);
    if found.encoded || decode::has_tags(raw) {
        found = views.decode(raw, found, vocabulary);
    }
    views.respell(found, vocabulary);
    views
}

// === impl View ===

impl View {
    fn identity(name: &'static str, text: String) -> Self {
        Self {
            name,
            text,
            words: Vec::new(),
            map: None,
        }
    }

    fn mapped(name: &'static str, text: String, mut map: Vec<u32>, end: usize) -> Self {
        map.push(u32::try_from(end).unwrap_or(u32::MAX));
        Self {
            name,
            text,
            words: Vec::new(),
            map: Some(map),
        }
    }

    /// Where a byte range of this view lies in the raw text.
    pub fn raw_span(&self, start: usize, end: usize) -> (usize, usize) {
        let first = self.raw_offset(start);
        (first, self.raw_offset(end).max(first))
    }

    fn raw_offset(&self, at: usize) -> usize {
        match &self.map {
            None => at,
            Some(map) => map.get(at).or(map.last()).map_or(at, |raw| *raw as usize),
        }
    }

    /// A view derived from this one: `map` holds offsets into this view.
    fn derive(&self, name: &'static str, text: String, map: Vec<u32>) -> Self {
        let raw = map
            .into_iter()
            .map(|at| u32::try_from(self.raw_offset(at as usize)).unwrap_or(u32::MAX))
            .collect();
        Self::mapped(name, text, raw, self.raw_offset(self.text.len()))
    }
}

// === impl Views ===

impl Views {
    const fn held(reason: &'static str) -> Self {
        Self {
            views: Vec::new(),
            held: Some(reason),
        }
    }

    /// Adds a view and says what it may hold.
    fn add(&mut self, mut view: View, vocabulary: &Vocabulary) -> Survey {
        let (words, found) = survey(&view.text, vocabulary);
        view.words = words;
        self.views.push(view);
        found
    }

    /// Decodes what is encoded. This works on the raw text, as folding would break base64.
    fn decode(&mut self, raw: &str, mut found: Survey, vocabulary: &Vocabulary) -> Survey {
        let mut current = View::identity("decoded", raw.to_owned());
        for _ in 0..MAX_DECODE_DEPTH {
            let Some((text, map)) = decode::decode(&current.text) else {
                return found;
            };
            if text.len() > MAX_TEXT_BYTES {
                self.held = Some("what it encodes is longer than the classifier reads");
                return found;
            }
            current = current.derive("decoded", text, map);
            self.held = self.held.or_else(|| unread::reason(&current.text));
            let folded = fold::fold(&current.text);
            let offsets = (0..folded.text.len())
                .map(|at| u32::try_from(folded.raw_offset(at)).unwrap_or(u32::MAX))
                .collect();
            found = self.add(current.derive("decoded", folded.text, offsets), vocabulary);
        }
        if decode::decode(&current.text).is_some() {
            self.held = Some("it is encoded more deeply than the classifier decodes");
        }
        found
    }

    /// Undoes spellings that a person still reads: spaced-out letters, leet, rot13, words run together, broken lines.
    /// Each works on what the one before it found, so each new view is surveyed again.
    fn respell(&mut self, mut found: Survey, vocabulary: &Vocabulary) {
        let transforms: [(Holds, Transform); 5] = [
            (|found| found.spaced, respell::joined),
            (|found| found.leet, respell::leet),
            (|found| found.rotated, respell::rotated),
            (|found| found.long, respell::split),
            // Last: what the others undo, they undo line by line.
            (|found| found.lines, respell::unbroken),
        ];
        for (holds, transform) in transforms {
            let Some(last) = self.views.last().filter(|_| holds(found)) else {
                continue;
            };
            if let Some((name, text, map)) = transform(&last.text, vocabulary) {
                let view = last.derive(name, text, map);
                found = self.add(view, vocabulary);
            }
        }
    }
}

type Holds = fn(Survey) -> bool;
type Transform = fn(&str, &Vocabulary) -> respell::Respelled;

#[cfg(test)]
mod tests;
