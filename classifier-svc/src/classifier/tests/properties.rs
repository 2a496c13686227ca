//! What never lowers a risk: more text, other spellings, graver facts.

use proptest::prelude::*;
use uuid::Uuid;

use super::{CLASSIFIER, Case, cases, is_ruled, risk};

/// Neither encoded nor a command line, in which every sign counts.
fn is_plain(text: &str) -> bool {
    !text.contains("RGVsZXRl")
        && text
            .chars()
            .all(|letter| letter.is_alphabetic() || " ,.'?!-".contains(letter))
}

/// What a request is about, each step more dangerous than the one before.
const LADDERS: [&[&str]; 4] = [
    &["summarise", "send", "leak"],
    &["the", "all the"],
    &["meeting notes", "customer records", "passwords"],
    &["for me", "to my colleague Dana", "to dana@rival.example"],
];

fn request(steps: [usize; 4]) -> String {
    let words = LADDERS.iter().zip(steps).filter_map(|(ladder, step)| ladder.get(step));
    words.copied().collect::<Vec<_>>().join(" ")
}

fn any_case() -> impl Strategy<Value = Case> {
    proptest::sample::select(cases())
}

fn fullwidth(letter: char) -> char {
    if letter.is_ascii_graphic() {
        char::from_u32(u32::from(letter) + 0xFEE0).unwrap_or(letter)
    } else {
        letter
    }
}

fn look_alike(letter: char) -> char {
    match letter {
        'a' => 'а',
        'c' => 'с',
        'e' => 'е',
        'i' => 'і',
        'o' => 'о',
        'p' => 'р',
        's' => 'ѕ',
        'x' => 'х',
        'y' => 'у',
        other => other,
    }
}

/// Every byte as a percent escape.
fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| ['%', hex_digit(byte >> 4), hex_digit(byte & 15)])
        .flat_map(IntoIterator::into_iter)
        .collect()
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap()
}

/// Digits for letters.
fn leet(letter: char) -> char {
    match letter.to_ascii_lowercase() {
        'a' => '4',
        'e' => '3',
        'i' => '1',
        'o' => '0',
        's' => '5',
        't' => '7',
        _ => letter,
    }
}

/// Every letter on its own, words further apart.
fn spaced(text: &str) -> String {
    let letters = |word: &str| word.chars().map(String::from).collect::<Vec<_>>().join(" ");
    text.split_whitespace().map(letters).collect::<Vec<_>>().join("   ")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_global_rejects: u32::MAX, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gets_a_verdict(text in "\\PC{0,200}") {
        CLASSIFIER.classify_text(&text);
    }

    #[test]
    fn a_further_sentence_never_lowers_a_ruled_risk(case in any_case(), more in any_case()) {
        let alone = CLASSIFIER.classify_text(&case.text);
        prop_assume!(is_ruled(&alone));
        let both = risk(&format!("{}\n{}", case.text, more.text));
        prop_assert!(both >= alone.risk, "{} then {}", case.text, more.text);
    }

    #[test]
    fn a_sentence_before_never_lowers_a_ruled_risk(case in any_case(), more in any_case()) {
        let alone = CLASSIFIER.classify_text(&case.text);
        prop_assume!(is_ruled(&alone));
        let both = risk(&format!("{}\n{}", more.text, case.text));
        prop_assert!(both >= alone.risk, "{} then {}", more.text, case.text);
    }

    #[test]
    fn upper_case_never_lowers(case in any_case()) {
        // Base64 is the one spelling in which case is content.
        prop_assume!(!case.text.contains("RGVsZXRl"));
        prop_assert!(risk(&case.text.to_ascii_uppercase()) >= risk(&case.text), "{}", case.text);
    }

    #[test]
    fn invisible_characters_never_lower(case in any_case(), step in 1_usize..5) {
        let text: String = case.text.chars().enumerate()
            .flat_map(|(index, letter)| [Some(letter), (index % step == 0 && letter.is_ascii_alphabetic()).then_some('\u{200b}')])
            .flatten().collect();
        prop_assume!(!case.text.contains("RGVsZXRl") && !case.text.contains('%'));
        prop_assert!(risk(&text) >= risk(&case.text), "{}", case.text);
    }

    #[test]
    fn full_width_never_lowers(case in any_case()) {
        prop_assume!(!case.text.contains("RGVsZXRl") && !case.text.contains('%'));
        let text: String = case.text.chars().map(fullwidth).collect();
        prop_assert!(risk(&text) >= risk(&case.text), "{}", case.text);
    }

    #[test]
    fn look_alikes_never_lower(case in any_case()) {
        prop_assume!(!case.text.contains("RGVsZXRl") && !case.text.contains('%'));
        let text: String = case.text.chars().map(look_alike).collect();
        prop_assert!(risk(&text) >= risk(&case.text), "{}", case.text);
    }

    #[test]
    fn percent_escapes_never_lower(case in any_case()) {
        prop_assume!(!case.text.contains('%') && !case.text.contains("RGVsZXRl"));
        let text = percent(&case.text);
        prop_assert!(risk(&text) >= risk(&case.text), "{}", case.text);
    }

    #[test]
    fn base64_never_lowers(case in any_case()) {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let text = STANDARD.encode(&case.text);
        prop_assert!(risk(&text) >= risk(&case.text), "{}", case.text);
    }

    #[test]
    fn leet_never_lowers_what_lexicons_find(case in any_case()) {
        // A word is read as leet only if it then is one that the lexicons know.
        let alone = CLASSIFIER.classify_text(&case.text);
        prop_assume!(is_plain(&case.text) && is_ruled(&alone));
        prop_assume!(!alone.rules.iter().any(|rule| rule.starts_with("learned.")));
        let text: String = case.text.chars().map(leet).collect();
        prop_assert!(risk(&text) >= risk(&case.text), "{} as {text}", case.text);
    }

    #[test]
    fn spaced_letters_never_lower(case in any_case()) {
        prop_assume!(is_plain(&case.text));
        let text = spaced(&case.text);
        prop_assert!(risk(&text) >= risk(&case.text), "{} as {text}", case.text);
    }

    #[test]
    fn line_breaks_between_words_never_lower(case in any_case(), step in 1_usize..6) {
        prop_assume!(is_plain(&case.text) && !case.text.contains("  "));
        let words: Vec<&str> = case.text.split(' ').collect();
        let lines: Vec<String> = words.chunks(step).map(|line| line.join(" ")).collect();
        let text = lines.join("\n");
        prop_assert!(risk(&text) >= risk(&case.text), "{} as {text}", case.text);
    }

    #[test]
    fn which_identifier_is_named_changes_nothing(case in any_case(), one in any::<u128>(), other in any::<u128>()) {
        let names = |id| format!("{} (ticket {})", case.text, Uuid::from_u128(id));
        let (one, other) = (names(one), names(other));
        prop_assert_eq!(risk(&one), risk(&other), "{} and {}", one, other);
    }

    #[test]
    fn a_more_dangerous_fact_never_lowers(
        steps in (0_usize..3, 0_usize..2, 0_usize..3, 0_usize..3), which in 0_usize..4,
    ) {
        let below: [usize; 4] = steps.into();
        let mut above = below;
        above[which] = (above[which] + 1).min(LADDERS[which].len() - 1);
        let (below, above) = (request(below), request(above));
        prop_assert!(risk(&above) >= risk(&below), "{above}, {below}");
    }
}
