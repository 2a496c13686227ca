//! SQL statements, told apart from English sentences that use the same words.

/// The concept of the statement that begins with `word` at the start of `rest`, and its length.
pub(super) fn statement(rest: &str, word: &str) -> Option<(&'static str, usize)> {
    if !begins(word) {
        return None;
    }
    let length = rest.find(';').map_or(rest.len(), |end| end + 1);
    let text = rest.get(..length)?;
    let mut words = text
        .split(|character: char| !(character.is_alphanumeric() || matches!(character, '_' | '.' | '*' | '(')))
        .filter(|word| !word.is_empty());
    let (second, third, fourth) = (
        words.nth(1)?,
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let concept = match word {
        "drop" | "truncate" if is_structure(second) => "sql.destroy",
        "alter" if is_structure(second) => "sql.schema",
        "create" if is_structure(second) && text.contains('(') => "sql.schema",
        "delete" if second == "from" && is_end_of_delete(text, third, fourth) => "sql.destroy",
        "update" if third == "set" && text.contains('=') => "sql.write",
        "insert" if second == "into" && (text.contains(" values") || text.contains('(') || fourth == "select") => {
            "sql.write"
        }
        "grant" if text.contains(" on ") && text.contains(" to ") && is_privilege(second) => "sql.privilege",
        "revoke" if text.contains(" on ") && text.contains(" from ") && is_privilege(second) => "sql.privilege",
        "select" if is_query(text) => "sql.read",
        _ => return None,
    };
    Some((
        if concept == "sql.read" && text.contains(" into ") {
            "sql.write"
        } else {
            concept
        },
        length,
    ))
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
    !article && (next == "where" || next.is_empty() || text.trim_end().ends_with(';'))
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
