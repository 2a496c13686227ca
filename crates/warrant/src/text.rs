//! Which characters may stand in an identifier and which in free text.
//!
//! People decide by what they see, so a text must not look like another one. Identifiers are held to
//! characters that show; free text keeps every script and emoji, and loses only what reorders or hides
//! the line it stands in.

/// Whether a character sets the direction of a whole stretch of text: embeddings, overrides and isolates.
pub const fn reorders_text(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Characters without a width: joiners, marks, fillers, invisible operators, tags.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// What keeps a text from being an identifier.
///
/// Refused are control characters, line and paragraph separators, bidirectional controls, and
/// characters without a width. All else is allowed, spaces included: subjects come from identity
/// providers.
pub fn identifier_fault(text: &str) -> Option<&'static str> {
    fault(text, |c| match c {
        _ if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => Some("contains a control character"),
        _ if reorders_text(c) => Some("contains a bidirectional control character"),
        _ if is_invisible(c) => Some("contains an invisible character"),
        _ => None,
    })
}

/// What keeps a text from being an instruction or arguments.
///
/// Refused are control characters other than line feed and tab, and the characters that reorder text
/// (U+202A to U+202E, U+2066 to U+2069). Joiners and marks are allowed: many scripts and emoji need
/// them, and the classifier looks behind them.
pub fn free_text_fault(text: &str) -> Option<&'static str> {
    fault(text, |c| match c {
        '\n' | '\t' => None,
        _ if c.is_control() => Some("contains a control character other than line feed and tab"),
        _ if reorders_text(c) => Some("contains a character that reorders text"),
        _ => None,
    })
}

/// Whether the text is an agent id, `[a-z0-9_-]{1,64}`.
pub(crate) fn is_agent_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

fn fault(text: &str, judge: impl Fn(char) -> Option<&'static str>) -> Option<&'static str> {
    text.chars().find_map(judge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_show_what_they_are() {
        for good in [
            "alice",
            "Алиса Иванова",
            "alice@acme.example",
            "auth0|5f7c",
            "团队/日本",
            "e\u{301}",
        ] {
            assert_eq!(identifier_fault(good), None, "{good}");
        }
        for bad in [
            '\0',
            '\t',
            '\n',
            '\r',
            '\u{7F}',
            '\u{85}',
            '\u{AD}',
            '\u{61C}',
            '\u{180E}',
            '\u{200B}',
            '\u{200D}',
            '\u{200F}',
            '\u{2028}',
            '\u{202A}',
            '\u{202E}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{FE0F}',
            '\u{FEFF}',
            '\u{FFF0}',
            '\u{1BCA0}',
            '\u{1D173}',
            '\u{E0041}',
        ] {
            assert!(identifier_fault(&format!("ali{bad}ce")).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn free_text_keeps_scripts_and_emoji() {
        for good in [
            "two\nlines\tand a tab",
            "👩\u{200D}👩\u{200D}👧 ❤\u{FE0F}",
            "שלום\u{200F}!",
            "می\u{200C}خواهم",
            "",
        ] {
            assert_eq!(free_text_fault(good), None, "{good}");
        }
        for bad in [
            '\0', '\r', '\u{1B}', '\u{7F}', '\u{9B}', '\u{202A}', '\u{202E}', '\u{2066}', '\u{2069}',
        ] {
            assert!(free_text_fault(&format!("pay{bad}alice")).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn agent_ids_are_plain() {
        let longest = "a".repeat(64);
        for good in ["main", "ops-2", "a_b", "0", &longest] {
            assert!(is_agent_id(good), "{good}");
        }
        let too_long = "a".repeat(65);
        for bad in ["", "Main", "a b", "a:b", "a/b", "ä", "a\n", &too_long] {
            assert!(!is_agent_id(bad), "{bad}");
        }
    }
}
