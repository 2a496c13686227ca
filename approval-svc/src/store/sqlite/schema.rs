//! The database's tables, and how an older database becomes a current one.

use rusqlite::{Connection, TransactionBehavior};

use crate::store::StoreError;

/// One entry for each version, applied in order; entries never change once released.
const MIGRATIONS: [&str; 3] = [V1, V2, V3];

const V1: &str = "
-- One row is one approval. `content` never changes; `progress` is where it stands. The other columns repeat parts of
-- both for queries.
CREATE TABLE approvals (
    position          INTEGER PRIMARY KEY,
    id                BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    tenant            TEXT    NOT NULL,
    issuer            TEXT    NOT NULL,
    requester         TEXT    NOT NULL,
    agent             TEXT    NOT NULL,
    risk              TEXT    NOT NULL,
    content           TEXT    NOT NULL,
    state             TEXT    NOT NULL,
    due_time          INTEGER,
    dispatch_time     INTEGER NOT NULL,
    decision_position INTEGER NOT NULL,
    last_change       INTEGER NOT NULL,
    progress          TEXT    NOT NULL
) STRICT;
CREATE INDEX approvals_due ON approvals (due_time) WHERE due_time IS NOT NULL;
CREATE INDEX approvals_dispatch ON approvals (dispatch_time) WHERE state = 'GRANTED';
CREATE INDEX approvals_pending ON approvals (tenant, issuer, requester) WHERE state = 'PENDING';
CREATE INDEX approvals_waiting ON approvals (tenant, position) WHERE state = 'PENDING';
CREATE INDEX approvals_tenant ON approvals (tenant, position);
CREATE INDEX approvals_requester ON approvals (tenant, issuer, requester, position);

-- Every visible step, for WatchApprovals and for repeated requests.
CREATE TABLE changes (
    position    INTEGER PRIMARY KEY,
    approval_id BLOB    NOT NULL,
    progress    TEXT    NOT NULL
) STRICT;

-- Events that have no receipt yet: the exact bytes that are sent.
CREATE TABLE outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    run      BLOB    NOT NULL CHECK (length(run) = 16),
    event    BLOB    NOT NULL
) STRICT;

-- Receipts of events that have left the outbox.
CREATE TABLE receipts (
    position  INTEGER PRIMARY KEY,
    run       BLOB    NOT NULL,
    log       TEXT    NOT NULL,
    log_index INTEGER NOT NULL,
    leaf_hash BLOB    NOT NULL
) STRICT;

-- Requests that have been carried out, and the change that was their answer.
CREATE TABLE requests (
    principal  TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    body       BLOB    NOT NULL CHECK (length(body) = 32),
    change     INTEGER NOT NULL,
    PRIMARY KEY (principal, request_id)
) STRICT, WITHOUT ROWID;

-- The latest time that this store has seen.
CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), now INTEGER NOT NULL) STRICT;
INSERT INTO clock VALUES (1, 0);
";

/// What never changes moves into a table of its own, so that a step rewrites a small row instead of a whole page; the
/// outbox alone says what has no receipt yet.
const V2: &str = "
CREATE TABLE contents (
    position INTEGER PRIMARY KEY,
    content  TEXT    NOT NULL
) STRICT;
INSERT INTO contents SELECT position, content FROM approvals;
ALTER TABLE approvals DROP COLUMN content;
DROP TABLE receipts;
";

/// The time and the outbox's newest position are noted together, and only where neither the newest change nor the newest
/// row in the outbox says them.
const V3: &str = "
ALTER TABLE clock ADD COLUMN last_row INTEGER NOT NULL DEFAULT 0;
UPDATE clock SET last_row = (SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'outbox');
CREATE TABLE waiting (
    position INTEGER PRIMARY KEY,
    run      BLOB    NOT NULL CHECK (length(run) = 16),
    event    BLOB    NOT NULL
) STRICT;
INSERT INTO waiting SELECT position, run, event FROM outbox;
DROP TABLE outbox;
ALTER TABLE waiting RENAME TO outbox;
";

/// Brings the database to the current version.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outbox_of_an_older_database_keeps_its_rows_and_its_next_position() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(V1).unwrap();
        connection.execute_batch(V2).unwrap();
        connection.pragma_update(None, "user_version", 2).unwrap();
        let fill =
            "INSERT INTO outbox (position, run, event) VALUES (7, zeroblob(16), x'01'), (9, zeroblob(16), x'02');
                    DELETE FROM outbox WHERE position = 9;";
        connection.execute_batch(fill).unwrap();
        migrate(&mut connection).unwrap();
        let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(number("SELECT last_row FROM clock"), 9);
        assert_eq!(number("SELECT position FROM outbox WHERE event = x'01'"), 7);
        assert_eq!(number("SELECT count(*) FROM outbox"), 1);
    }
}
