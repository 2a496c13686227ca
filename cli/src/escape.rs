//! Makes text safe to look at: what a person sees on the terminal is what the text holds.
//!
//! A request can carry characters that reorder, hide or overwrite what stands around them. A person who decides by
//! what they see must see those too, so they are written as escapes, and the backslash itself is doubled to keep the
//! reading unambiguous.

use std::fmt::Write as _;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// The text on one line: line feeds and tabs are escaped as well.
pub(crate) fn one_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        push_visible(&mut shown, c);
    }
    mark_trailing_space(&mut shown);
    shown
}

/// The text line by line: a line feed ends a line, all else that does not show is escaped.
pub(crate) fn lines(text: &str) -> Vec<String> {
    text.split('\n').map(one_line).collect()
}

/// The text with everything escaped that could drive a terminal; line feeds and tabs stay. Backslashes stay single:
/// this is for an agent's answer, which is read and not decided on.
pub(crate) fn for_terminal(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Joiners and marks belong to the spelling of many scripts and emoji, and drive no terminal.
            '\n' | '\t' | '\\' | '\u{A0}' | '\u{200C}' | '\u{200D}' | '\u{FE0E}' | '\u{FE0F}' => shown.push(c),
            _ => push_visible(&mut shown, c),
        }
    }
    shown
}

/// The first `width` characters of the text on one line, with an ellipsis if there is more.
pub(crate) fn excerpt(text: &str, width: usize) -> String {
    let shown = one_line(text);
    if shown.chars().count() <= width {
        return shown;
    }
    let mut cut: String = shown.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

fn push_visible(shown: &mut String, c: char) {
    match c {
        '\\' => shown.push_str("\\\\"),
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        _ if is_hidden(c) => {
            // Writing to a string can't fail.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        }
        _ => shown.push(c),
    }
}

/// A space at the end of a line can't be seen.
fn mark_trailing_space(shown: &mut String) {
    if shown.ends_with(' ') {
        shown.pop();
        shown.push_str("\\u{20}");
    }
}

/// Whether a character has no shape of its own, or looks like a plain space without being one.
fn is_hidden(c: char) -> bool {
    match c.general_category() {
        GeneralCategory::Control
        | GeneralCategory::Format
        | GeneralCategory::LineSeparator
        | GeneralCategory::ParagraphSeparator
        | GeneralCategory::PrivateUse
        | GeneralCategory::Surrogate
        | GeneralCategory::Unassigned => true,
        GeneralCategory::SpaceSeparator => c != ' ',
        _ => matches!(c,
            '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{2800}'
            | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}' | '\u{E0100}'..='\u{E01EF}'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_shown() {
        let cases = [
            ("pay \u{202E}ecila\u{202C}", "pay \\u{202e}ecila\\u{202c}"),
            ("ali\u{200B}ce", "ali\\u{200b}ce"),
            ("a\u{1B}[2Jb", "a\\u{1b}[2Jb"),
            ("a\rb\tc\nd", "a\\rb\\tc\\nd"),
            ("a\u{A0}b\u{2028}c", "a\\u{a0}b\\u{2028}c"),
            ("\u{E0041}\u{3164}\u{2800}", "\\u{e0041}\\u{3164}\\u{2800}"),
            ("back\\slash \\u{202e}", "back\\\\slash \\\\u{202e}"),
            ("trailing  ", "trailing \\u{20}"),
            ("Zahlung an Müller, 団体", "Zahlung an Müller, 団体"),
        ];
        for (text, shown) in cases {
            assert_eq!(one_line(text), shown);
        }
    }

    #[test]
    fn different_texts_never_look_the_same() {
        let texts = [
            "a\nb",
            "a\\nb",
            "a\u{200B}b",
            "a\\u{200b}b",
            "ab",
            "ab ",
            "a b",
            "a\u{A0}b",
        ];
        let shown: std::collections::BTreeSet<_> = texts.iter().map(|text| one_line(text)).collect();
        assert_eq!(shown.len(), texts.len());
    }

    #[test]
    fn line_feeds_end_lines() {
        assert_eq!(lines("one \ntwo\n"), ["one\\u{20}", "two", ""]);
    }

    #[test]
    fn an_answer_keeps_its_lines_and_loses_its_terminal_codes() {
        assert_eq!(for_terminal("a\n\tb\\ \u{1B}]0;x\u{7}"), "a\n\tb\\ \\u{1b}]0;x\\u{7}");
        assert_eq!(for_terminal("👩\u{200D}👧"), "👩\u{200D}👧");
    }

    #[test]
    fn an_excerpt_says_that_there_is_more() {
        assert_eq!(excerpt("short", 5), "short");
        assert_eq!(excerpt("longer", 5), "long…");
        assert_eq!(excerpt("äöüß", 3), "äö…");
    }
}
