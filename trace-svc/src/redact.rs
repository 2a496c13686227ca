//! Takes obvious secrets out of events before they are hashed, and names what was taken.
//!
//! The log is for ever, so a secret in it is a leak for ever. The rules here find secrets by their look (provider keys,
//! bearer tokens, private keys, `password=…`) and by the name of the attribute that holds them. They don't find every
//! secret: what looks like ordinary text stays. Each place is named in the line's `countersign.redactions` attribute.
//! The signed verdict and warrant, and the owner of the trace, are never touched: they are evidence, not secrets.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::BTreeMap, sync::LazyLock};

use regex::{Regex, RegexSet};

use chassis::semconv;

/// Finds one kind of secret. Group `keep`, where there is one, stays; the rest of the match goes.
struct Rule {
    name: &'static str,
    pattern: Regex,
    replacement: String,
}

/// All rules, compiled; and all at once, since most texts hold no secret, and one pass tells.
struct Rules {
    any: RegexSet,
    rules: Vec<Rule>,
}

/// Attributes that hold evidence, never secrets.
const EXEMPT: [&str; 5] = [
    semconv::VERDICT_JWS,
    semconv::WARRANT_JWS,
    semconv::TENANT,
    semconv::ISSUER,
    semconv::REQUESTER,
];

/// Last parts of attribute names whose values are secret whatever they look like.
const SECRET_NAMES: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "client_secret",
    "token",
    "access_token",
    "refresh_token",
    "api_key",
    "apikey",
    "private_key",
    "authorization",
    "cookie",
    "credentials",
];

const KEY_NAME_RULE: &str = "key-name";

/// Name and pattern of each rule.
const PATTERNS: [(&str, &str); 8] = [
    (
        "private-key",
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)",
    ),
    ("provider-key", r"\bsk-[A-Za-z0-9_-]*[A-Za-z0-9_]{20,}[A-Za-z0-9_-]*"),
    ("aws-access-key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    (
        "github-token",
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{36,})",
    ),
    ("slack-token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("bearer-token", r"(?P<keep>(?i:\bbearer)\s+)[A-Za-z0-9._~+/=-]{16,}"),
    // In JSON: all of the quoted value.
    (
        "password",
        concat!(
            r#"(?P<keep>(?i:\b(?:password|passwd|pwd|passphrase|client_secret|secret|api[_-]?key"#,
            r#"|access_token|refresh_token|aws_secret_access_key))"\s*:\s*")"#,
            r#"(?:[^"\\\[]|\\.)(?:[^"\\]|\\.)*"#,
        ),
    ),
    // Anywhere else: one word.
    (
        "password",
        concat!(
            r#"(?P<keep>(?i:\b(?:password|passwd|pwd|passphrase|client_secret|secret|api[_-]?key"#,
            r#"|access_token|refresh_token|aws_secret_access_key))\\?["']?\s*[:=]\s*\\?["']?)"#,
            r#"[^\s"'\\,;&(){}\[\]]{4,}"#,
        ),
    ),
];

static RULES: LazyLock<Rules> = LazyLock::new(Rules::compile);

/// Takes secrets out of the attributes; returns `attrs.<key>:<rule>` for each that was taken.
pub fn attrs(attrs: &mut BTreeMap<String, String>) -> Vec<String> {
    let mut taken = Vec::new();
    for (key, value) in attrs.iter_mut().filter(|(key, _)| !EXEMPT.contains(&key.as_str())) {
        if names_a_secret(key) {
            *value = marker(KEY_NAME_RULE);
            taken.push(format!("attrs.{key}:{KEY_NAME_RULE}"));
            continue;
        }
        let (clean, rules) = text(value);
        if let Cow::Owned(clean) = clean {
            *value = clean;
        }
        taken.extend(rules.into_iter().map(|rule| format!("attrs.{key}:{rule}")));
    }
    taken
}

/// Takes secrets out of a text; returns the names of the rules that found some.
pub fn text(text: &str) -> (Cow<'_, str>, Vec<&'static str>) {
    if !RULES.any.is_match(text) {
        return (Cow::Borrowed(text), Vec::new());
    }
    let mut clean = Cow::Borrowed(text);
    let mut found = Vec::new();
    for rule in &RULES.rules {
        if let Cow::Owned(replaced) = rule.pattern.replace_all(&clean, rule.replacement.as_str()) {
            clean = Cow::Owned(replaced);
            found.push(rule.name);
        }
    }
    found.dedup();
    (clean, found)
}

fn marker(rule: &str) -> String {
    format!("[redacted:{rule}]")
}

fn names_a_secret(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    let plain = |byte: u8| if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() };
    SECRET_NAMES
        .iter()
        .any(|name| last.len() == name.len() && last.bytes().map(plain).eq(name.bytes()))
}

// === impl Rules ===

impl Rules {
    #[expect(
        clippy::expect_used,
        reason = "the patterns are constants, and every test compiles them"
    )]
    fn compile() -> Self {
        let compile = |(name, pattern): (&'static str, &str)| Rule {
            name,
            pattern: Regex::new(pattern).expect("a valid pattern"),
            replacement: format!("${{keep}}{}", marker(name)),
        };
        Self {
            any: RegexSet::new(PATTERNS.map(|(_, pattern)| pattern)).expect("valid patterns"),
            rules: PATTERNS.map(compile).into(),
        }
    }
}
