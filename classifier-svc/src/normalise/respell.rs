//! Respelling: undoing what a person still reads but a lexicon doesn't.
//!
//! Each transform has a guard and gives nothing for ordinary text. Each answers with the name of its view,
//! the text, and for each byte of it the offset in the text it was given.

use super::identifier;
use crate::vocabulary::Vocabulary;

/// What a transform gives.
pub(super) type Respelled = Option<(&'static str, String, Vec<u32>)>;

/// Fewest single letters in a row that are taken for a spaced-out word.
pub(super) const MIN_SPACED: usize = 5;
/// Longest run of letters that is split into words at a time.
const MAX_RUN: usize = 512;
/// Shortest run of letters that is taken for several words.
pub(super) const MIN_RUN: usize = 18;
/// Longest word that a split looks for.
const MAX_WORD: usize = 18;

/// Lines that end in the middle of a sentence to one line, also where a word is broken in two.
pub(super) fn unbroken(text: &str, vocabulary: &Vocabulary) -> Respelled {
    const SPACES: [char; 2] = [' ', '\t'];
    let mut output = Mapped::with_capacity(text.len());
    let mut last = 0;
    for (at, _) in text.match_indices('\n') {
        let before = text.get(last..at).unwrap_or_default().trim_end_matches(SPACES);
        let after = text.get(at + 1..).unwrap_or_default().trim_start_matches(SPACES);
        let ends = before.ends_with(|end: char| end.is_alphanumeric() || end == ',' || end == '\'');
        if !ends || !goes_on(after) {
            continue;
        }
        output.copy(text, last, last + before.len());
        last = text.len() - after.len();
        let touching = last == at + 1 && text.as_bytes().get(at.wrapping_sub(1)) != Some(&b' ');
        if !(touching && is_broken_word(&output.text, after, vocabulary)) {
            output.push(' ', at);
        }
    }
    if last == 0 {
        return None;
    }
    output.copy(text, last, text.len());
    Some(output.named("unbroken"))
}

/// A line that begins with a word or a number, but not with the number of a list: `2. …`.
fn goes_on(line: &str) -> bool {
    let rest = line.trim_start_matches(|first: char| first.is_ascii_digit());
    line.starts_with(char::is_alphanumeric) && (rest.len() == line.len() || !rest.starts_with(['.', ')', ':']))
}

/// Whether the letters at the end of one text and at the start of the other are a word only together.
fn is_broken_word(before: &str, after: &str, vocabulary: &Vocabulary) -> bool {
    let letters = |letter: char| letter.is_ascii_alphabetic();
    let start = before.trim_end_matches(letters).len();
    let left = before.get(start..).unwrap_or_default();
    let right = after
        .get(..after.len() - after.trim_start_matches(letters).len())
        .unwrap_or_default();
    if left.is_empty() || right.is_empty() || left.len() + right.len() > MAX_RUN {
        return false;
    }
    let knows = |word: &str| vocabulary.knows(word);
    !(knows(left) && knows(right)) && knows(&format!("{left}{right}"))
}

/// `r e v e a l  t h e` and `r.e.v.e.a.l` to words. A wider gap parts words.
pub(super) fn joined(text: &str, _: &Vocabulary) -> Respelled {
    let mut output = Mapped::with_capacity(text.len());
    let (mut changed, mut at) = (false, 0);
    while at < text.len() {
        let (end, letters) = spaced_run(text.as_bytes(), at);
        if letters >= MIN_SPACED {
            changed = true;
            output.join(text.as_bytes(), at, end);
            at = end;
        } else if text.as_bytes().get(at + 1) == Some(&b' ') && end > at {
            // Whatever begins further on in it has no more letters.
            output.copy(text, at, end);
            at = end;
        } else {
            output.keep(text, &mut at);
        }
    }
    changed.then(|| output.named("joined"))
}

/// `r3v341` to `reveal`, word by word, wherever that gives a word that is known.
pub(super) fn leet(text: &str, vocabulary: &Vocabulary) -> Respelled {
    let long = |word: &str| word.len() > 3 && is_mixed(word);
    // A text that is spelled so in several places is spelled so in its short words too.
    let (mut mixed, mut known, mut throughout) = (0, 0, false);
    for (_, word) in words(text).filter(|(_, word)| long(word)) {
        mixed += 1;
        known += usize::from(unleet(word, vocabulary).is_some());
        throughout = known >= 2 || (known == 1 && mixed >= 3);
        if throughout {
            break;
        }
    }
    if known == 0 {
        return None;
    }
    let mut output = Mapped::with_capacity(text.len());
    let mut last = 0;
    for (start, word) in words(text) {
        let numbered = word.len() < 4 && text.get(start + word.len()..).is_some_and(|rest| rest.starts_with('-'));
        let candidate = long(word) || (throughout && !numbered && (is_mixed(word) || is_digits(word)));
        if let Some(plain) = candidate.then(|| unleet(word, vocabulary)).flatten() {
            output.copy(text, last, start);
            for (index, letter) in plain.char_indices() {
                output.push(letter, start + index);
            }
            last = start + word.len();
        }
    }
    output.copy(text, last, text.len());
    Some(output.named("leet"))
}

/// Rot13, sentence by sentence, where one makes no sense as it stands and sense when rotated.
pub(super) fn rotated(text: &str, vocabulary: &Vocabulary) -> Respelled {
    let mut output = String::with_capacity(text.len());
    let (mut changed, mut before) = (false, false);
    for sentence in text.split_inclusive(['.', '?', ';', '\n']) {
        let rotated = rotated_sentence(sentence, before, vocabulary);
        before = rotated.is_some();
        changed |= before;
        output.push_str(rotated.as_deref().unwrap_or(sentence));
    }
    let map = || {
        (0..text.len())
            .map(|at| u32::try_from(at).unwrap_or(u32::MAX))
            .collect()
    };
    changed.then(|| ("rot13", output, map()))
}

/// What follows a rotated sentence needs less to be taken for one: it may be short.
fn rotated_sentence(sentence: &str, follows: bool, vocabulary: &Vocabulary) -> Option<String> {
    let known = |text: &str| {
        words(text)
            .filter(|(_, word)| word.len() > 2 && vocabulary.knows(word))
            .count()
    };
    let total = words(sentence).filter(|(_, word)| word.len() > 2).count();
    let plain = known(sentence);
    if total == 0 || plain * 4 > total {
        return None;
    }
    let rotated: String = sentence.chars().map(rot13).collect();
    let sense = known(&rotated);
    let makes_sense = (sense >= 2.max(plain * 2)) || (follows && plain == 0);
    makes_sense.then_some(rotated)
}

/// `forgetpreviousrules` to words, for runs too long to be a word.
pub(super) fn split(text: &str, vocabulary: &Vocabulary) -> Respelled {
    let mut output = Mapped::with_capacity(text.len());
    let (mut changed, mut last) = (false, 0);
    for (start, word) in words(text) {
        let run = word.len() >= MIN_RUN && word.is_ascii() && !word.contains('_');
        let borders = if run { borders(word, vocabulary) } else { Vec::new() };
        if borders.is_empty() {
            continue;
        }
        output.copy(text, last, start);
        let mut from = 0;
        for border in borders {
            output.copy(text, start + from, start + border);
            output.push(' ', start + border);
            from = border;
        }
        last = start + from;
        changed = true;
    }
    output.copy(text, last, text.len());
    changed.then(|| output.named("split"))
}

struct Mapped {
    text: String,
    map: Vec<u32>,
}

// === impl Mapped ===

impl Mapped {
    fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            map: Vec::with_capacity(bytes + 1),
        }
    }

    fn push(&mut self, character: char, at: usize) {
        self.text.push(character);
        self.map.extend(std::iter::repeat_n(
            u32::try_from(at).unwrap_or(u32::MAX),
            character.len_utf8(),
        ));
    }

    fn copy(&mut self, text: &str, from: usize, to: usize) {
        for (index, character) in text.get(from..to).unwrap_or_default().char_indices() {
            self.push(character, from + index);
        }
    }

    fn keep(&mut self, text: &str, at: &mut usize) {
        let character = text.get(*at..).and_then(|rest| rest.chars().next()).unwrap_or(' ');
        self.push(character, *at);
        *at += character.len_utf8();
    }

    /// Joins the spaced-out run in `at..end`; a gap of two or more separators parts words.
    fn join(&mut self, bytes: &[u8], at: usize, end: usize) {
        let separator = bytes.get(at + 1).copied().unwrap_or(b' ');
        let mut gap = 0;
        for (index, byte) in bytes.iter().copied().enumerate().take(end).skip(at) {
            if byte == separator || byte == b' ' {
                gap += 1 + usize::from(byte != separator);
                continue;
            }
            if gap > 1 {
                self.push(' ', index);
            }
            gap = 0;
            self.push(char::from(byte), index);
        }
    }

    fn named(self, name: &'static str) -> (&'static str, String, Vec<u32>) {
        (name, self.text, self.map)
    }
}

/// Where a run of single characters that starts at `at` ends, and how many letters it has; `at` and none if there is no run.
/// The character after the first one is the separator; between spaces, punctuation counts as a letter.
fn spaced_run(bytes: &[u8], at: usize) -> (usize, usize) {
    let separator = match bytes.get(at + 1) {
        Some(byte) if is_separator(*byte) => *byte,
        _ => return (at, 0),
    };
    if at
        .checked_sub(1)
        .and_then(|before| bytes.get(before))
        .is_some_and(|byte| !byte.is_ascii_whitespace())
    {
        return (at, 0);
    }
    let single = |byte: u8| {
        if separator == b' ' {
            byte.is_ascii_graphic()
        } else {
            byte.is_ascii_alphanumeric()
        }
    };
    let (mut end, mut letters, mut cursor) = (at, 0, at);
    while let Some(byte) = bytes.get(cursor).copied().filter(|byte| single(*byte)) {
        let next = bytes.get(cursor + 1).copied();
        if next.is_some_and(|next| next != separator && next != b' ' && next != b'\n') {
            break;
        }
        letters += usize::from(byte.is_ascii_alphanumeric());
        end = cursor + 1;
        cursor = end
            + bytes
                .iter()
                .skip(end)
                .take(4)
                .take_while(|byte| **byte == separator || **byte == b' ')
                .count();
        if cursor == end {
            break;
        }
    }
    (end, letters)
}

/// The borders of the known words in a run of letters, at least so many, if most of the run is known words.
/// The cheapest way through: a known word costs one, an unknown letter three.
fn segment(run: &str, least: usize, vocabulary: &Vocabulary) -> Option<Vec<usize>> {
    let mut best: Vec<(u32, usize, bool)> = vec![(0, 0, true)];
    for end in 1..=run.len() {
        let skip = best.get(end - 1).map_or(u32::MAX, |(cost, ..)| cost.saturating_add(3));
        let mut cell = (skip, end - 1, false);
        for start in end.saturating_sub(MAX_WORD)..end.saturating_sub(1) {
            let Some((cost, ..)) = best.get(start).filter(|(cost, ..)| cost + 1 < cell.0) else {
                continue;
            };
            if run.get(start..end).is_some_and(|word| vocabulary.knows(word)) {
                cell = (cost + 1, start, true);
            }
        }
        best.push(cell);
    }
    let (mut borders, mut end, mut known) = (Vec::new(), run.len(), 0);
    while let Some((_, start, word)) = best.get(end).copied().filter(|_| end > 0) {
        if word {
            known += end - start;
            borders.push(end);
            borders.push(start);
        }
        end = start;
    }
    borders.sort_unstable();
    borders.dedup();
    borders.retain(|border| *border > 0);
    (borders.len() >= least && known * 2 >= run.len().min(60)).then_some(borders)
}

/// The borders of the known words in a run of letters of any length, piece by piece.
fn borders(run: &str, vocabulary: &Vocabulary) -> Vec<usize> {
    let (mut all, mut from) = (Vec::new(), 0);
    while from < run.len() {
        let end = run.len().min(from + MAX_RUN);
        let piece = run.get(from..end).unwrap_or_default();
        // What follows words that were run together needs less to be taken for some.
        let least = if all.is_empty() { 3 } else { 1 };
        let found = segment(piece, least, vocabulary).unwrap_or_default();
        // A word at the end of a piece may go on in the next one, which begins before it.
        let whole = if end < run.len() {
            piece.len() - MAX_WORD
        } else {
            piece.len()
        };
        let borders = found.into_iter().filter(|border| *border <= whole);
        all.extend(borders.map(|border| from + border));
        let next = all.last().copied().filter(|border| *border + MAX_WORD > from + whole);
        from = if end < run.len() {
            next.unwrap_or(from + whole)
        } else {
            end
        };
    }
    all.dedup();
    all
}

/// The known word that a leet-spelled one stands for. A `1` may be an `i` or an `l`: both are tried.
fn unleet(word: &str, vocabulary: &Vocabulary) -> Option<String> {
    let ones = word.bytes().filter(|byte| *byte == b'1').count();
    if word.len() < 2 || word.len() > 24 || ones > 5 {
        return None;
    }
    (0..1_u32 << ones).find_map(|choice| {
        let mut seen = 0;
        let plain: String = word
            .chars()
            .map(|letter| {
                let read = if letter != '1' {
                    leet_letter(letter)
                } else if choice >> seen & 1 == 0 {
                    'i'
                } else {
                    'l'
                };
                seen += u32::from(letter == '1');
                read
            })
            .collect();
        vocabulary.knows(&plain).then_some(plain)
    })
}

fn leet_letter(letter: char) -> char {
    match letter {
        '0' => 'o',
        '!' | '|' => 'i',
        '2' => 'z',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '6' | '9' => 'g',
        '7' | '+' => 't',
        '8' => 'b',
        other => other,
    }
}

fn rot13(character: char) -> char {
    match character {
        'a'..='m' => char::from(u8::try_from(character).unwrap_or(b'?') + 13),
        'n'..='z' => char::from(u8::try_from(character).unwrap_or(b'?') - 13),
        other => other,
    }
}

/// Letters with leet digits or signs among them, and at least one letter.
fn is_mixed(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_lowercase()) && word.bytes().any(|byte| !byte.is_ascii_lowercase())
}

fn is_digits(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'.' | b'-' | b'_' | b'*' | b'/' | b'|')
}

/// Runs of letters, digits and the signs that leet uses for letters, except in identifiers.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'@' | b'$' | b'_');
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let mut start = at + bytes.get(at..)?.iter().position(part)?;
        while let Some(end) = identifier::uuid(bytes, start) {
            start = end + bytes.get(end..)?.iter().position(part)?;
        }
        let length = bytes.get(start..)?.iter().take_while(|byte| part(byte)).count();
        at = start + length;
        Some((start, text.get(start..at)?))
    })
}
