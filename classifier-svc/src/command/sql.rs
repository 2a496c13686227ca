//! SQL statements, told apart from English sentences that use the same words.

use std::borrow::Cow;

use super::shape::segment;

/// How many further lines of a statement are looked at.
const MAX_LINES: usize = 16;
/// What a further line of a statement begins with.
const FURTHER: [&str; 22] = [
    "from",
    "where",
    "and",
    "or",
    "join",
    "inner",
    "left",
    "right",
    "full",
    "cross",
    "on",
    "group",
    "order",
    "having",
    "limit",
    "offset",
    "union",
    "into",
    "values",
    "set",
    "returning",
    "using",
];
/// Functions that only work something out, types with a length, and words that take a bracket. Whatever else is called may
/// have an effect: `pg_terminate_backend(pid)`.
#[rustfmt::skip]
const PURE: &[&str] = &[
    "abs", "age", "all", "and", "any", "array", "array_agg", "as", "avg", "case", "cast", "ceil", "ceiling", "char",
    "char_length", "coalesce", "concat", "concat_ws", "convert", "count", "date", "date_add", "date_format", "date_part",
    "date_sub", "date_trunc", "dateadd", "datediff", "datepart", "day", "decimal", "dense_rank", "distinct", "else", "exists",
    "extract", "filter", "first_value", "floor", "format", "from", "generate_series", "greatest", "group_concat", "hour",
    "if", "ifnull", "iif", "in", "initcap", "isnull", "join", "json_agg", "json_extract", "json_value", "jsonb_agg",
    "julianday", "lag", "last_value", "lead", "least", "left", "length", "lower", "lpad", "ltrim", "max", "md5", "median",
    "min", "minute", "mod", "month", "not", "now", "ntile", "nullif", "numeric", "on", "or", "over", "partition",
    "percentile_cont", "position", "power", "quarter", "rank", "regexp_matches", "regexp_replace", "replace", "reverse",
    "right", "round", "row_number", "rpad", "rtrim", "select", "sign", "some", "split_part", "sqrt", "stddev", "strftime",
    "string_agg", "strpos", "substr", "substring", "sum", "then", "to_char", "to_date", "to_number", "to_timestamp", "trim",
    "trunc", "union", "unnest", "upper", "using", "values", "varchar", "variance", "week", "when", "where", "year",
];

/// The concepts of the statement that begins with `word` at `start`, and its length up to the first semicolon or the end of
/// its line. What stands behind that counts if it may belong to it, and is read by itself as well.
pub(super) fn statement(text: &str, start: usize, word: &str) -> Option<(&'static [&'static str], usize)> {
    let line = segment(text, start);
    let mut whole = end(line);
    if whole == line.len() {
        whole += further(text, start + whole);
    }
    let concepts = concepts(&plain(text.get(start..start + whole)?), word)?;
    Some((concepts, line.find(';').map_or(line.len(), |end| end + 1)))
}

fn concepts(text: &str, word: &str) -> Option<&'static [&'static str]> {
    let mut words = text
        .split(|character: char| !(character.is_alphanumeric() || matches!(character, '_' | '.' | '*' | '(')))
        .filter(|word| !word.is_empty());
    let (second, third, fourth) = (
        words.nth(1)?,
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let is_query = word == "select" && is_query(text);
    Some(match word {
        "drop" | "truncate" if is_structure(second) => &["sql.destroy"],
        "alter" if is_structure(second) => &["sql.schema"],
        "create" if is_structure(second) && text.contains('(') => &["sql.schema"],
        "delete" if second == "from" && is_end_of_delete(text, third, fourth) => &["sql.destroy"],
        "update" if third == "set" && text.contains('=') => &["sql.write"],
        "insert" if second == "into" && (text.contains(" values") || text.contains('(') || fourth == "select") => {
            &["sql.write"]
        }
        "grant" if text.contains(" on ") && text.contains(" to ") && is_privilege(second) => &["sql.privilege"],
        "revoke" if text.contains(" on ") && text.contains(" from ") && is_privilege(second) => &["sql.privilege"],
        "select" if is_query && text.contains(" into ") => &["sql.write"],
        "select" if is_query && calls(text) => &["sql.read", "command.other"],
        "select" if is_query => &["sql.read"],
        // `SELECT pg_sleep(9)`
        "select" if second.contains('(') && calls(text) => &["sql.read", "command.other"],
        _ => return None,
    })
}

/// Where a statement ends at the latest: behind the first semicolon that is neither quoted nor in a comment, or with its line.
fn end(line: &str) -> usize {
    let Some(first) = line.find(';') else { return line.len() };
    let plain = |before: &str| !["'", "\"", "/*", "--"].iter().any(|sign| before.contains(sign));
    if line.get(..first).is_some_and(plain) {
        return first + 1;
    }
    let (mut quote, mut at) = (None, 0);
    while let Some(byte) = line.as_bytes().get(at) {
        match (quote, byte) {
            (Some(mark), byte) if mark == *byte => quote = None,
            (None, b'\'' | b'"') => quote = Some(*byte),
            (None, b'/') if line.as_bytes().get(at + 1) == Some(&b'*') => {
                let comment = line.get(at..).and_then(|rest| rest.find("*/"));
                at += comment.map_or(0, |end| end + 1);
            }
            (None, b'-') if line.as_bytes().get(at + 1) == Some(&b'-') => break,
            (None, b';') => return at + 1,
            _ => {}
        }
        at += 1;
    }
    line.len()
}

/// How many bytes of further lines at `at` belong to the statement before.
fn further(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let mut length = 0;
    for _ in 0..MAX_LINES {
        let Some(line) = rest.get(length..).and_then(|rest| rest.strip_prefix('\n')) else {
            break;
        };
        let line = line.split('\n').next().unwrap_or_default();
        let first = line.trim_start().split(|end: char| !end.is_ascii_alphabetic()).next();
        if !first.is_some_and(|first| FURTHER.contains(&first)) {
            break;
        }
        let ends = end(line);
        length += 1 + ends;
        if ends < line.len() {
            break;
        }
    }
    length
}

/// A statement on one line, without comments.
fn plain(statement: &str) -> Cow<'_, str> {
    let has_comment = statement.contains("*/") && statement.contains("/*");
    if !has_comment && !statement.contains('\n') {
        return statement.into();
    }
    let mut plain = String::with_capacity(statement.len());
    let mut rest = statement;
    while let Some((before, comment)) = rest.split_once("/*") {
        let Some((_, after)) = comment.split_once("*/") else {
            break;
        };
        plain.push_str(before);
        plain.push(' ');
        rest = after;
    }
    plain.push_str(rest);
    plain.replace('\n', " ").into()
}

/// Whether a function is called that may do more than work something out: not the `row` of `row(s)`.
fn calls(text: &str) -> bool {
    let part = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices('(').any(|(at, _)| {
        let (before, after) = text.split_at_checked(at).unwrap_or_default();
        let name = before.rsplit(|character| !part(character)).next().unwrap_or_default();
        !name.is_empty() && !PURE.contains(&name) && !after.starts_with("(s)")
    })
}

/// Whether a statement can begin with this word.
pub(super) fn begins(word: &str) -> bool {
    matches!(
        word,
        "select" | "insert" | "update" | "delete" | "drop" | "truncate" | "alter" | "create" | "grant" | "revoke"
    )
}

fn is_structure(word: &str) -> bool {
    matches!(
        word,
        "table"
            | "database"
            | "schema"
            | "index"
            | "view"
            | "column"
            | "role"
            | "trigger"
            | "procedure"
            | "function"
            | "sequence"
    )
}

fn is_privilege(word: &str) -> bool {
    matches!(
        word,
        "all" | "select" | "insert" | "update" | "delete" | "usage" | "execute" | "connect" | "superuser"
    )
}

/// `delete from orders where …` or `delete from orders;`, not `delete from my calendar the …`.
fn is_end_of_delete(text: &str, table: &str, next: &str) -> bool {
    let article = matches!(
        table,
        "the" | "my" | "our" | "this" | "that" | "all" | "your" | "a" | "" | "here" | "there"
    );
    let goes_on = matches!(next, "" | "where" | "using" | "returning" | "as");
    !article && (goes_on || text.trim_end().ends_with(';'))
}

fn is_query(text: &str) -> bool {
    let Some((columns, source)) = text.split_once(" from ") else {
        return false;
    };
    let shaped = columns.contains(['*', '(', ',']) || columns.split_whitespace().count() == 2;
    shaped
        && (source.contains(['=', '<', '>', ';'])
            || source.contains(" by ")
            || source.contains(" where ")
            || columns.contains('*'))
}
