//! List filters: `field = value` terms joined by `AND`, a small part of AIP-160.

use crate::violations::Violations;

/// More than all fields with the longest of values take.
const MAX_BYTES: usize = 4 * 1024;

/// One `field = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The field, one of those allowed.
    pub field: String,
    /// The value, without quotes.
    pub value: String,
}

/// Reads `text`; what is wrong with it is added to `violations` under `field_name`.
pub fn parse(violations: &mut Violations, field_name: &str, text: &str, allowed: &[&str]) -> Vec<Term> {
    match terms(text) {
        Ok(terms) => {
            for (index, term) in terms.iter().enumerate() {
                let field = &term.field;
                if !allowed.contains(&field.as_str()) {
                    let known = allowed.join("`, `");
                    violations.add(field_name, format!("has no field `{field}`; known are `{known}`"));
                }
                // Both would have to hold, and whoever reads the list would take it for what the last one finds.
                if terms.iter().take(index).any(|before| before.field == *field) {
                    violations.add(field_name, format!("names the field `{field}` twice"));
                }
            }
            terms
        }
        Err(description) => {
            violations.add(field_name, description);
            Vec::new()
        }
    }
}

fn terms(text: &str) -> Result<Vec<Term>, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("must not exceed {MAX_BYTES} bytes"));
    }
    let mut rest = text.trim();
    let mut terms = Vec::new();
    while !rest.is_empty() {
        let (term, after) = term(rest)?;
        terms.push(term);
        rest = after.trim_start();
        if rest.is_empty() {
            break;
        }
        let word = rest
            .split_once(char::is_whitespace)
            .filter(|(word, _)| word.eq_ignore_ascii_case("and"));
        let Some((_, after)) = word else {
            return Err(format!("expected `AND` before `{rest}`"));
        };
        rest = after.trim_start();
        if rest.is_empty() {
            return Err("ends with `AND`".to_owned());
        }
    }
    Ok(terms)
}

fn term(text: &str) -> Result<(Term, &str), String> {
    let (field, rest) = text
        .split_once('=')
        .ok_or_else(|| format!("expected `field = value`, found `{text}`"))?;
    let field = field.trim();
    if field.is_empty() || !field.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '.') {
        return Err(format!("`{field}` is no field name"));
    }
    let (value, rest) = value(rest.trim_start())?;
    Ok((
        Term {
            field: field.to_owned(),
            value,
        },
        rest,
    ))
}

fn value(text: &str) -> Result<(String, &str), String> {
    if let Some(quoted) = text.strip_prefix('"') {
        return quoted_value(quoted);
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (value, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    if value.is_empty() {
        return Err("expected a value after `=`".to_owned());
    }
    Ok((value.to_owned(), rest))
}

fn quoted_value(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, text.get(at + 1..).unwrap_or_default())),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    Err("has a quoted value without its closing quote".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, String> {
        terms(text).map(|terms| terms.into_iter().map(|term| (term.field, term.value)).collect())
    }

    #[test]
    fn terms_are_joined_by_and() {
        let expected = vec![
            ("state".into(), "PENDING".into()),
            ("requester".into(), "o\"hara AND x".into()),
        ];
        assert_eq!(read(r#"state = PENDING AND requester="o\"hara AND x""#), Ok(expected));
        assert_eq!(read("  "), Ok(vec![]));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "state",
            "= x",
            "state = ",
            "a = b c = d",
            "a = b AND",
            "a = \"b",
            "A = b",
            &"a".repeat(MAX_BYTES + 1),
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn unknown_and_repeated_fields_are_named() {
        for (text, said) in [
            ("colour = red", "no field `colour`"),
            ("state = A AND state = B", "`state` twice"),
        ] {
            let mut violations = Violations::new("d");
            parse(&mut violations, "filter", text, &["state"]);
            assert!(
                violations.iter().any(|(_, description)| description.contains(said)),
                "{text}"
            );
        }
    }
}
