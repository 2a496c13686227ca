//! The queries: listings, the change log, the outbox.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, ToSql, params};
use warrant::{ApprovalId, Risk};

use crate::{
    approval::State,
    moment::Moment,
    store::{
        Changed, Listed, Listing, OutboxRow, Query, StoreError, Stored,
        sqlite::{
            hub::fitting,
            row::{self, COLUMNS, REPEATED, signed, unsigned},
        },
    },
};

/// How many approvals one listing looks at where no index knows those that it is to find: some milliseconds, and others
/// have the connection.
pub(super) const MAX_LOOKS: usize = 10_000;

pub(super) fn get(connection: &Connection, id: &ApprovalId) -> Result<Option<Stored>, StoreError> {
    let mut statement = connection.prepare_cached(&by_id_sql())?;
    let found = statement
        .query_row([row::id_bytes(id)], |row| Ok(row::current(row)))
        .optional()?;
    Ok(found.transpose()?.map(|found| found.stored))
}

/// Finds an approval by its id. With a join instead of a subquery SQLite would plan it anew for each id.
pub(super) fn by_id_sql() -> String {
    format!("SELECT {COLUMNS}, {REPEATED} FROM approvals WHERE id = ?1")
}

/// Lists approvals; looks at no more than `looks` of them where it has to sift. What can't be read is told by its name, and
/// keeps nothing else from being listed.
pub(super) fn list(connection: &Connection, query: &Query, looks: usize) -> Result<Listing, StoreError> {
    let floor = if sifts(query) {
        floor(connection, query, looks)?
    } else {
        None
    };
    let (sql, values) = list_sql(query, floor);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    let mut listing = Listing::default();
    while let Some(row) = rows.next()? {
        if listing.listed.len() + listing.unreadable.len() == query.limit {
            return Ok(listing);
        }
        let (id, position) = row::place(row)?;
        listing.next = Some(position);
        match row::current(row) {
            Ok(found) => listing.listed.push(Listed {
                position,
                approval: found.stored.approval,
            }),
            Err(StoreError::Corrupt(error)) => {
                tracing::warn!(approval = %id, error, "an approval can't be read; it is listed by its name alone");
                listing.unreadable.push((position, id));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Listing { next: floor, ..listing })
}

/// Whether what the query finds may be few among many that it looks at. What is pending is little.
fn sifts(query: &Query) -> bool {
    let filtered =
        query.state.is_some() || query.risk.is_some() || query.agent.is_some() || query.requester_subject.is_some();
    filtered && query.id.is_none() && query.state != Some(State::Pending)
}

/// Position of the last approval that the query looks at; `None` if there are fewer.
fn floor(connection: &Connection, query: &Query, looks: usize) -> Result<Option<u64>, StoreError> {
    let (sql, values) = floor_sql(query, looks);
    let mut statement = connection.prepare_cached(&sql)?;
    let found: Option<i64> = statement
        .query_row(rusqlite::params_from_iter(values), |row| row.get(0))
        .optional()?;
    found.map(unsigned).transpose()
}

pub(super) fn floor_sql(query: &Query, looks: usize) -> (String, Vec<Box<dyn ToSql>>) {
    let Conditions { sql, values } = Conditions::of_scope(query);
    let (all, skipped) = (sql.join(" AND "), looks.saturating_sub(1));
    let sql = format!("SELECT position FROM approvals WHERE {all} ORDER BY position DESC LIMIT 1 OFFSET {skipped}");
    (sql, values)
}

/// Finds one approval more than are asked for, down to `floor`.
pub(super) fn list_sql(query: &Query, floor: Option<u64>) -> (String, Vec<Box<dyn ToSql>>) {
    let mut conditions = Conditions::of_scope(query);
    // What is pending is little beside what was ever asked: the planner can't know.
    let all_pending = query.state == Some(State::Pending) && query.tenant.is_some() && query.id.is_none();
    let index = match (all_pending, &query.requester) {
        (true, None) => "INDEXED BY approvals_waiting",
        (true, Some(_)) => "INDEXED BY approvals_pending",
        (false, _) => "",
    };
    conditions.sql.extend(all_pending.then_some("state = 'PENDING'"));
    conditions.add("state = ?", query.state.map(State::as_str));
    conditions.add("id = ?", query.id.map(|id| *row::id_bytes(&id)));
    conditions.add("requester = ?", query.requester_subject.clone());
    conditions.add("risk = ?", query.risk.map(Risk::as_str));
    conditions.add("agent = ?", query.agent.clone());
    conditions.add("position >= ?", floor.map(signed));
    let all = conditions.sql.join(" AND ");
    let limit = query.limit.saturating_add(1);
    let sql =
        format!("SELECT {COLUMNS}, {REPEATED} FROM approvals {index} WHERE {all} ORDER BY position DESC LIMIT {limit}");
    (sql, conditions.values)
}

/// Entries of the change log. Those of an approval that can't be read are left out.
pub(super) fn changes_after(
    connection: &Connection,
    position: u64,
    max: usize,
) -> Result<Vec<Arc<Changed>>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT content, c.progress, a.decision_position, c.position, a.last_change, a.id
         FROM changes c JOIN approvals a ON a.id = c.approval_id JOIN contents ON contents.position = a.position
         WHERE c.position > ?1 ORDER BY c.position",
    )?;
    let mut rows = statement.query([signed(position)])?;
    let mut entries = Vec::new();
    while entries.len() < max
        && let Some(row) = rows.next()?
    {
        let (id, position) = row::place(row)?;
        match row::identified(row) {
            Ok(found) => entries.push(Arc::new(Changed {
                position,
                approval: found.stored.approval,
            })),
            Err(StoreError::Corrupt(error)) => {
                tracing::warn!(approval = %id, position, error, "a change can't be read; it is left out");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(entries)
}

pub(super) fn outbox_after(
    connection: &Connection,
    position: u64,
    max: usize,
    max_bytes: usize,
) -> Result<Vec<OutboxRow>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT position, run, event FROM outbox WHERE position > ?1 ORDER BY position LIMIT ?2")?;
    let mut found = statement.query(params![signed(position), signed(max as u64)])?;
    let mut outbox = Vec::new();
    let mut bytes = 0_usize;
    while let Some(row) = found.next()? {
        let (position, run, event) = (row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?);
        bytes = bytes.saturating_add(event.len());
        outbox.push(OutboxRow {
            position: unsigned(position)?,
            run: row::run(run)?,
            event: event.into(),
        });
        if bytes > max_bytes {
            break;
        }
    }
    outbox.truncate(fitting(outbox.iter(), max, max_bytes));
    Ok(outbox)
}

/// Whether something can be dispatched, and when the next dispatch lease ends.
pub(super) fn dispatchable(
    connection: &Connection,
    now: Moment,
    relayed: u64,
) -> Result<(bool, Option<Moment>), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT
             EXISTS (SELECT 1 FROM approvals WHERE state = 'GRANTED' AND dispatch_time <= ?1
                     AND due_time > ?1 AND decision_position <= ?2),
             (SELECT min(dispatch_time) FROM approvals WHERE state = 'GRANTED' AND dispatch_time > ?1)",
    )?;
    let found = statement.query_row(params![now.nanos(), signed(relayed)], |row| {
        Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?))
    })?;
    Ok((found.0, found.1.map(Moment::from_nanos)))
}

/// Whether time alone has changed an approval.
pub(super) fn is_due(connection: &Connection, now: Moment) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM approvals WHERE due_time <= ?1)")?;
    Ok(statement.query_row([now.nanos()], |row| row.get(0))?)
}

/// Conditions and their values.
struct Conditions {
    sql: Vec<&'static str>,
    values: Vec<Box<dyn ToSql>>,
}

// === impl Conditions ===

impl Conditions {
    /// What narrows a listing by an index.
    fn of_scope(query: &Query) -> Self {
        let mut conditions = Self {
            sql: vec!["TRUE"],
            values: Vec::new(),
        };
        let requester = query.requester.as_ref();
        conditions.add("tenant = ?", query.tenant.clone());
        conditions.add("issuer = ?", requester.map(|person| person.issuer.clone()));
        conditions.add("requester = ?", requester.map(|person| person.subject.clone()));
        conditions.add("position < ?", query.after.map(signed));
        conditions
    }

    fn add(&mut self, sql: &'static str, value: Option<impl ToSql + 'static>) {
        if let Some(value) = value {
            self.sql.push(sql);
            self.values.push(Box::new(value));
        }
    }
}
