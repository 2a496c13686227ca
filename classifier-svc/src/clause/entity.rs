//! Entities: addresses, amounts, files and account numbers, which are recognised by their shape.

use super::token::Token;
use crate::{
    concept::ConceptId,
    vocabulary::{Vocabulary, is_word},
};

/// Finds entities and names them by the policy's concept numbers.
#[derive(Debug)]
pub struct Entities {
    amount: ConceptId,
    email: ConceptId,
    external_email: ConceptId,
    url: ConceptId,
    file: ConceptId,
    account: ConceptId,
    handle: ConceptId,
    internal_domains: Vec<String>,
}

const FILE_ENDINGS: &[&str] = &[
    "7z", "bak", "bat", "bin", "cfg", "conf", "csv", "db", "dmg", "doc", "docx", "env", "eml", "exe", "gif", "gz",
    "html", "ini", "jpeg", "jpg", "js", "json", "key", "log", "md", "mov", "mp3", "mp4", "msi", "odt", "pdf", "pem",
    "png", "ppt", "pptx", "ps1", "py", "rs", "rtf", "sh", "sql", "sqlite", "tar", "tgz", "toml", "ts", "txt", "wav",
    "xls", "xlsx", "xml", "yaml", "yml", "zip",
];
const DOMAIN_ENDINGS: &[&str] = &[
    "com", "org", "net", "io", "ai", "co", "dev", "edu", "gov", "info", "biz", "ly", "me", "app", "invalid", "example",
    "test", "uk", "de", "fr", "eu", "ru", "cn", "xyz", "local", "internal", "cloud", "tech", "online", "site", "onion",
    "us", "ca", "jp", "in",
];
const CURRENCIES: &[&str] = &[
    "usd", "eur", "gbp", "chf", "jpy", "dollar", "dollars", "euro", "euros", "pound", "pounds", "bitcoin", "btc",
    "eth", "ether", "usdt", "cents", "francs", "yen", "rupees", "inr", "cad", "aud", "quid", "bucks",
];

const SIGNS: &str = "$€£¥₿";

// === impl Entities ===

impl Entities {
    /// Binds the recognisers to a vocabulary.
    pub fn new(vocabulary: &Vocabulary, internal_domains: &[String]) -> Self {
        let id = |name| vocabulary.concept(name).unwrap_or_default();
        Self {
            amount: id("entity.amount"),
            email: id("entity.email"),
            external_email: id("entity.external-email"),
            url: id("entity.url"),
            file: id("entity.file"),
            account: id("entity.account-number"),
            handle: id("entity.handle"),
            internal_domains: internal_domains
                .iter()
                .map(|domain| domain.trim_start_matches(['@', '.']).to_ascii_lowercase())
                .filter(|domain| !domain.is_empty())
                .collect(),
        }
    }

    /// Marks the tokens that belong to entities.
    pub(super) fn mark(&self, text: &str, tokens: &mut [Token]) {
        let mut index = 0;
        while let Some(start) = tokens.get(index).map(|token| token.start) {
            let (from, to) = chunk(text, start);
            let until = tokens.partition_point(|token| token.start < to).max(index + 1);
            if let Some(concept) = self.name(text.get(from..to).unwrap_or_default()) {
                self.put(
                    concept,
                    tokens.get_mut(index..until).unwrap_or_default(),
                    text.get(from..to).unwrap_or_default(),
                );
            }
            index = until;
        }
        self.mark_amounts(text, tokens);
    }

    /// Where the amount that begins at a token lies: the number, the sign or currency before it or the currency after it.
    pub(crate) fn amount_at(&self, text: &str, token: &Token) -> Option<(usize, usize)> {
        if !token.objects.contains(self.amount) {
            return None;
        }
        let before = text.get(..token.start)?.trim_end();
        let sign = before.chars().next_back().filter(|sign| SIGNS.contains(*sign));
        let start = sign.map_or(token.start, |sign| before.len() - sign.len_utf8());
        let number = |character: char| character.is_ascii_digit() || matches!(character, '.' | ',' | 'k' | 'm');
        let rest = text.get(token.start..)?;
        let length = rest.find(|character| !number(character)).unwrap_or(rest.len());
        let mut end = token.start + rest.get(..length)?.trim_end_matches(['.', ',']).len();
        let word = text.get(end..)?.trim_start();
        let word = word.split(|character: char| !character.is_ascii_alphabetic()).next()?;
        if CURRENCIES.contains(&word) {
            end = text.len() - text.get(end..)?.trim_start().len() + word.len();
        }
        Some((start, end.max(token.end)))
    }

    fn put(&self, concept: ConceptId, tokens: &mut [Token], chunk: &str) {
        for token in tokens.iter_mut() {
            token.fixed = true;
        }
        let Some(first) = tokens.first_mut() else { return };
        first.objects.insert(concept);
        if concept == self.email && !self.is_internal(chunk) {
            first.objects.insert(self.external_email);
        }
    }

    /// Whether an address is of an internal domain or of one below it, and nothing else stands in it.
    fn is_internal(&self, address: &str) -> bool {
        let host = address.split_once('@').map_or("", |(_, host)| host);
        let plain = host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
        let within = |domain: &String| {
            host.strip_suffix(domain.as_str())
                .is_some_and(|below| below.is_empty() || below.ends_with('.'))
        };
        plain && self.internal_domains.iter().any(within)
    }

    fn name(&self, chunk: &str) -> Option<ConceptId> {
        if chunk.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return None;
        }
        if chunk.contains("://") || chunk.starts_with("www.") {
            return Some(self.url);
        }
        if let Some((name, domain)) = chunk.split_once('@') {
            return match (name.is_empty(), domain.contains('.')) {
                (true, _) => Some(self.handle),
                (false, true) => Some(self.email),
                (false, false) => None,
            };
        }
        if is_account_number(chunk) {
            return Some(self.account);
        }
        let ending = chunk
            .rsplit_once('.')
            .filter(|(name, _)| !name.is_empty())
            .map(|(_, ending)| ending);
        match ending {
            Some(ending) if FILE_ENDINGS.contains(&ending) => Some(self.file),
            Some(ending) if DOMAIN_ENDINGS.contains(&ending.split('/').next().unwrap_or(ending)) => Some(self.url),
            _ if chunk.starts_with(['/', '~'])
                && chunk.len() > 2
                && chunk.bytes().any(|byte| byte.is_ascii_alphabetic()) =>
            {
                Some(self.file)
            }
            _ => None,
        }
    }

    /// A number with a currency before or after it.
    fn mark_amounts(&self, text: &str, tokens: &mut [Token]) {
        let word = |token: &Token| text.get(token.start..token.end).unwrap_or_default();
        for index in 0..tokens.len() {
            let Some(token) = tokens
                .get(index)
                .filter(|token| text.as_bytes().get(token.start).is_some_and(u8::is_ascii_digit))
            else {
                continue;
            };
            let sign = text
                .get(..token.start)
                .and_then(|before| before.trim_end().chars().next_back())
                .is_some_and(|sign| SIGNS.contains(sign));
            let named = tokens
                .iter()
                .skip(index + 1)
                .take(3)
                .any(|next| CURRENCIES.contains(&word(next)))
                || index
                    .checked_sub(1)
                    .and_then(|before| tokens.get(before))
                    .is_some_and(|before| CURRENCIES.contains(&word(before)));
            if (sign || named)
                && let Some(token) = tokens.get_mut(index)
            {
                token.objects.insert(self.amount);
            }
        }
    }
}

/// Whether a dot stands inside a name such as `report.txt`, `www.example.com` or `2.5`, rather than at the end of a sentence.
pub(super) fn is_name_dot(text: &str, at: usize) -> bool {
    let after = text.get(at + 1..).unwrap_or_default();
    let before = text.get(..at).unwrap_or_default();
    if after.starts_with(|next: char| next.is_ascii_digit()) || before.ends_with(|last: char| last.is_ascii_digit()) {
        return true;
    }
    let left = before.len() - before.trim_end_matches(|last: char| last.is_ascii_alphanumeric()).len();
    if left < 2 {
        return true;
    }
    let (from, to) = chunk(text, at.saturating_sub(1));
    let further = text.get(at + 1..to).is_some_and(|rest| rest.contains('.'));
    let whole = text.get(from..to).unwrap_or_default();
    let ending = whole.rsplit('.').next().unwrap_or_default();
    whole.contains("://")
        || whole.contains('/')
        || whole.contains('@') && further
        || whole.starts_with("www.")
        || FILE_ENDINGS.contains(&ending)
        || DOMAIN_ENDINGS.contains(&ending)
}

/// How far around a place a name is looked for; longer ones are no names.
const MAX_CHUNK: usize = 256;

/// The run without white space or quotation marks around `at`, without punctuation at its ends.
fn chunk(text: &str, at: usize) -> (usize, usize) {
    let border = |character: char| {
        character.is_whitespace() || matches!(character, '\'' | '"' | ',' | '(' | ')' | '<' | '>' | '[' | ']' | ';')
    };
    let low = text.floor_char_boundary(at.saturating_sub(MAX_CHUNK));
    let high = text.floor_char_boundary(at.saturating_add(MAX_CHUNK));
    let from = text
        .get(low..at)
        .and_then(|before| before.char_indices().rfind(|(_, found)| border(*found)))
        .map_or(low, |(found, character)| low + found + character.len_utf8());
    let to = text
        .get(at..high)
        .and_then(|after| after.find(border))
        .map_or(high, |found| at + found);
    let end = text
        .get(from..to)
        .map_or(to, |chunk| from + chunk.trim_end_matches(['.', '!', '?', ':']).len());
    (from, end.max(at))
}

/// IBANs, long account and card numbers, and wallet addresses.
fn is_account_number(chunk: &str) -> bool {
    let digits = chunk.bytes().filter(u8::is_ascii_digit).count();
    let (letters, rest) = chunk.split_at_checked(2).unwrap_or((chunk, ""));
    let iban = chunk.len() >= 12
        && letters.bytes().all(|byte| byte.is_ascii_lowercase())
        && rest.bytes().take(2).all(|byte| byte.is_ascii_digit())
        && digits >= 8
        && chunk.bytes().all(is_word);
    let wallet = chunk.starts_with("0x") && chunk.len() >= 20;
    let number = digits >= 9 && chunk.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    iban || wallet || number
}
