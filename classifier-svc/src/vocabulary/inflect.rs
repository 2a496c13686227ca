//! English inflection: the forms under which a lexicon's term is looked for.

/// The grammatical form in which a term was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Dictionary form: `send`.
    Base,
    /// Third person or plural: `sends`.
    Third,
    /// Gerund: `sending`.
    Gerund,
    /// Past or participle: `sent`.
    Past,
}

/// All forms of a verb. The first word is inflected, so `wipe out` gives `wiping out`.
/// An irregular past is written after a bar: `send|sent`. A leading `=` asks for this form alone.
pub(super) fn verb_forms(term: &str) -> Vec<(String, Form)> {
    if let Some(literal) = term.strip_prefix('=') {
        return vec![(literal.to_owned(), Form::Base)];
    }
    let (term, irregular) = term
        .split_once('|')
        .map_or((term, None), |(base, past)| (base, Some(past)));
    let (stem, rest) = term
        .split_once(' ')
        .map_or((term, String::new()), |(first, rest)| (first, format!(" {rest}")));
    let mut forms = vec![
        (format!("{stem}{rest}"), Form::Base),
        (format!("{}{rest}", with_s(stem)), Form::Third),
    ];
    forms.extend(
        gerunds(stem)
            .into_iter()
            .map(|form| (format!("{form}{rest}"), Form::Gerund)),
    );
    match irregular {
        Some(past) => forms.push((format!("{past}{rest}"), Form::Past)),
        None => forms.extend(
            pasts(stem)
                .into_iter()
                .map(|form| (format!("{form}{rest}"), Form::Past)),
        ),
    }
    forms
}

/// Singular and plural of a noun; the last word is inflected. A leading `=` asks for this form alone.
pub(super) fn noun_forms(term: &str) -> Vec<String> {
    if let Some(literal) = term.strip_prefix('=') {
        return vec![literal.to_owned()];
    }
    if (term.ends_with('s') && !term.ends_with("ss")) || !term.ends_with(|last: char| last.is_ascii_alphabetic()) {
        return vec![term.to_owned()];
    }
    vec![term.to_owned(), with_s(term)]
}

fn with_s(word: &str) -> String {
    if let Some(stem) = word.strip_suffix('y').filter(|stem| !ends_in_vowel(stem)) {
        return format!("{stem}ies");
    }
    if ["s", "x", "z", "ch", "sh", "o"].iter().any(|end| word.ends_with(end)) {
        return format!("{word}es");
    }
    format!("{word}s")
}

fn gerunds(word: &str) -> Vec<String> {
    if let Some(stem) = word.strip_suffix('e').filter(|stem| !stem.ends_with(['e', 'o', 'y'])) {
        return vec![format!("{stem}ing")];
    }
    let mut forms = vec![format!("{word}ing")];
    forms.extend(doubled(word).map(|stem| format!("{stem}ing")));
    forms
}

fn pasts(word: &str) -> Vec<String> {
    if word.ends_with('e') {
        return vec![format!("{word}d")];
    }
    if let Some(stem) = word.strip_suffix('y').filter(|stem| !ends_in_vowel(stem)) {
        return vec![format!("{stem}ied")];
    }
    let mut forms = vec![format!("{word}ed")];
    forms.extend(doubled(word).map(|stem| format!("{stem}ed")));
    forms
}

/// `transfer` → `transferr`: both spellings are looked for, as the stress that decides is not written.
fn doubled(word: &str) -> Option<String> {
    let mut ending = word.chars().rev();
    let (last, middle, before) = (ending.next()?, ending.next()?, ending.next()?);
    let doubles = !is_vowel(last) && !"wxy".contains(last) && is_vowel(middle) && !is_vowel(before);
    doubles.then(|| format!("{word}{last}"))
}

fn ends_in_vowel(word: &str) -> bool {
    word.chars().next_back().is_some_and(is_vowel)
}

fn is_vowel(letter: char) -> bool {
    "aeiou".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_inflected_on_their_first_word() {
        let forms: Vec<String> = verb_forms("wipe out").into_iter().map(|(form, _)| form).collect();
        assert_eq!(forms, ["wipe out", "wipes out", "wiping out", "wiped out"]);
    }

    #[test]
    fn irregular_pasts_and_doubled_consonants_are_known() {
        assert!(verb_forms("send|sent").contains(&("sent".to_owned(), Form::Past)));
        assert!(verb_forms("transfer").contains(&("transferring".to_owned(), Form::Gerund)));
        assert!(verb_forms("copy").contains(&("copied".to_owned(), Form::Past)));
    }

    #[test]
    fn nouns_have_plurals() {
        assert_eq!(noun_forms("salary"), ["salary", "salaries"]);
        assert_eq!(noun_forms("home address"), ["home address", "home addresses"]);
        assert_eq!(noun_forms("savings"), ["savings"]);
        assert_eq!(noun_forms("=payroll"), ["payroll"]);
    }
}
