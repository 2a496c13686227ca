//! One transaction of the writer: the state machine between loading and storing.

use std::sync::Arc;

use chassis::Ids;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, named_params, params};
use warrant::{ApprovalId, Risk};

use crate::{
    approval::{
        State, Terms,
        command::Command,
        machine,
        step::{At, Change, FactKind, Step},
    },
    error::ApprovalError,
    event,
    moment::Moment,
    store::{
        Acquired, Changed, Committed, Draft, OutboxRow, RequestKey, StoreError, Stored,
        receipts::Receipts,
        sqlite::{
            hub::Hub,
            query,
            row::{self, ApprovalRow, signed, unsigned},
            unreadable::Unreadable,
        },
    },
};

/// Finds what can be dispatched, as far as columns say it.
pub(super) const READY: &str = "SELECT id FROM approvals WHERE state = 'GRANTED' AND dispatch_time <= ?1
    AND due_time > ?1 AND decision_position <= ?2 ORDER BY dispatch_time";
/// Finds what time alone has changed.
pub(super) const DUE: &str = "SELECT id FROM approvals WHERE due_time <= ?1 ORDER BY due_time";

/// What a transaction works with, and what it leaves to be published once it has committed.
pub(super) struct Session<'a> {
    pub(super) connection: &'a Connection,
    pub(super) now: Moment,
    pub(super) ids: &'a dyn Ids,
    pub(super) terms: &'a Terms,
    pub(super) receipts: &'a Receipts,
    pub(super) hub: &'a Hub,
    pub(super) unreadable: &'a mut Unreadable,
    pub(super) published: Published,
}

/// What others are told after the commit.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// Whether anything was written.
    pub(super) wrote: bool,
    /// Whether the outbox is to lose all that is recorded, however little it is.
    pub(super) flush: bool,
    /// Every approval that was written, as often as it was.
    pub(super) written: Vec<ApprovalRow>,
    pub(super) changes: Vec<Arc<Changed>>,
    pub(super) rows: Vec<OutboxRow>,
    /// Whether an approval waits for dispatch that didn't before.
    pub(super) given_back: bool,
}

// === impl Session ===

impl Session<'_> {
    pub(super) fn create(&mut self, draft: &Draft) -> Result<Committed, ApprovalError> {
        let mut content = draft.content.clone();
        if let Some(found) = self.load(&content.id)? {
            if found.stored.approval.content.digest != content.digest {
                return Err(ApprovalError::RequestIdReused);
            }
            let settled = self.settled(found)?;
            return Ok(self.committed(settled.stored, true));
        }
        if content.rule.risk == Risk::Amber {
            self.refuse_flood(&content.action.tenant, &content.rule.requester)?;
        }
        content.create_time = self.now;
        content.rule.pending_expire = self.now.plus(self.terms.pending_ttl);
        content.rule.quorum = self.terms.quorum;
        let step = machine::create(content, self.at(false));
        let stored = self.insert(step)?;
        Ok(self.committed(stored, false))
    }

    pub(super) fn execute(
        &mut self,
        id: ApprovalId,
        command: &Command,
        request: Option<&RequestKey>,
    ) -> Result<Committed, ApprovalError> {
        if let Some(stored) = request.map_or(Ok(None), |request| self.answered(request))? {
            return Ok(self.committed(stored, true));
        }
        let found = self.load(&id)?.ok_or(ApprovalError::NotFound)?;
        let found = self.settled(found)?;
        let step = found
            .stored
            .approval
            .apply(command, self.at(self.is_recorded(&found.stored)))?;
        let given_back = step.change == Change::Visible
            && step.after.state() == State::Granted
            && found.stored.approval.state() == State::Executing;
        let after = self.update(&found, step)?;
        self.published.given_back |= given_back;
        if let Some(request) = request {
            self.remember(request, after.last_change)?;
        }
        Ok(self.committed(after.stored, false))
    }

    pub(super) fn acquire(&mut self, max: usize) -> Result<Acquired, ApprovalError> {
        let receipts = self.receipts;
        let ready = self.select(
            READY,
            params![self.now.nanos(), signed(receipts.relayed())],
            max,
            // Not those of held runs.
            |stored| receipts.covers(&stored.approval.content.action.run, stored.decision_position),
        )?;
        let mut approvals = Vec::with_capacity(ready.len());
        for found in ready {
            let step = found.stored.approval.apply(&Command::Dispatch, self.at(true))?;
            approvals.push(self.update(&found, step)?.stored.approval);
        }
        Ok(Acquired {
            approvals,
            now: self.now,
            next: None,
        })
    }

    pub(super) fn sweep(&mut self, max: usize) -> Result<usize, ApprovalError> {
        let due = self.select(DUE, params![self.now.nanos()], max, |_| true)?;
        let count = due.len();
        for found in due {
            self.settled(found)?;
        }
        Ok(count)
    }

    /// Extends the leases that are live now: their holders couldn't renew while the store was closed.
    pub(super) fn extend_leases(&mut self) -> Result<(), ApprovalError> {
        let live = self.select(
            "SELECT id FROM approvals WHERE state = 'EXECUTING' AND due_time > ?1",
            params![self.now.nanos()],
            usize::MAX,
            |_| true,
        )?;
        for found in live {
            let step = found.stored.approval.extended(&self.at(true));
            self.update(&found, step)?;
        }
        Ok(())
    }

    fn at(&self, recorded: bool) -> At<'_> {
        At {
            now: self.now,
            nonce: self.ids.random_bytes(),
            recorded,
            terms: self.terms,
        }
    }

    fn committed(&self, stored: Stored, replayed: bool) -> Committed {
        Committed {
            stored,
            now: self.now,
            replayed,
        }
    }

    fn is_recorded(&self, stored: &Stored) -> bool {
        self.receipts
            .covers(&stored.approval.content.action.run, stored.decision_position)
    }

    fn settled(&mut self, found: ApprovalRow) -> Result<ApprovalRow, StoreError> {
        match found.stored.approval.settle(self.at(false)) {
            Some(step) => self.update(&found, step),
            None => Ok(found),
        }
    }

    fn refuse_flood(&self, tenant: &str, requester: &crate::approval::PersonId) -> Result<(), ApprovalError> {
        let pending: i64 = self
            .prepare(
                "SELECT count(*) FROM approvals
                 WHERE state = 'PENDING' AND tenant = ?1 AND issuer = ?2 AND requester = ?3",
            )?
            .query_row(params![tenant, requester.issuer, requester.subject], |row| row.get(0))
            .map_err(StoreError::from)?;
        if pending >= i64::from(self.terms.max_pending) {
            return Err(ApprovalError::TooManyPending {
                limit: self.terms.max_pending,
            });
        }
        Ok(())
    }

    fn insert(&mut self, step: Step) -> Result<Stored, StoreError> {
        let decision_position = self.append_events(&step)?.unwrap_or(0);
        let progress = row::encode_progress(&step.after.progress)?;
        let last_change = self.append_change(&step, &progress)?.unwrap_or(0);
        let (content, after) = (&step.after.content, &step.after);
        self.prepare(
            "INSERT INTO approvals (id, tenant, issuer, requester, agent, risk, state, due_time,
                 dispatch_time, decision_position, last_change, progress)
             VALUES (:id, :tenant, :issuer, :requester, :agent, :risk, :state, :due_time,
                 :dispatch_time, :decision_position, :last_change, :progress)",
        )?
        .execute(named_params! {
            ":id": row::id_bytes(&content.id),
            ":tenant": content.action.tenant,
            ":issuer": content.action.issuer,
            ":requester": content.action.requester,
            ":agent": content.action.agent,
            ":risk": content.rule.risk.as_str(),
            ":state": after.state().as_str(),
            ":due_time": after.due().map(Moment::nanos),
            ":dispatch_time": after.progress.dispatch_time.nanos(),
            ":decision_position": signed(decision_position),
            ":last_change": signed(last_change),
            ":progress": progress,
        })?;
        let position = self.connection.last_insert_rowid();
        self.prepare("INSERT INTO contents (position, content) VALUES (?1, ?2)")?
            .execute(params![position, row::encode_content(content)?])?;
        let stored = Stored {
            approval: step.after,
            decision_position,
        };
        self.published.written.push(ApprovalRow {
            stored: stored.clone(),
            position: unsigned(position)?,
            last_change,
        });
        Ok(stored)
    }

    fn update(&mut self, found: &ApprovalRow, step: Step) -> Result<ApprovalRow, StoreError> {
        if step.change == Change::None {
            let stored = Stored {
                approval: step.after,
                ..found.stored
            };
            return Ok(ApprovalRow { stored, ..*found });
        }
        let granted_at = self.append_events(&step)?;
        let decision_position = granted_at.unwrap_or(found.stored.decision_position);
        let progress = row::encode_progress(&step.after.progress)?;
        let last_change = self.append_change(&step, &progress)?.unwrap_or(found.last_change);
        let changed = self
            .prepare(
                "UPDATE approvals SET state = ?1, due_time = ?2, dispatch_time = ?3, decision_position = ?4,
                     last_change = ?5, progress = ?6
                 WHERE position = ?7 AND last_change = ?8 AND state = ?9",
            )?
            .execute(params![
                step.after.state().as_str(),
                step.after.due().map(Moment::nanos),
                step.after.progress.dispatch_time.nanos(),
                signed(decision_position),
                signed(last_change),
                progress,
                signed(found.position),
                signed(found.last_change),
                found.stored.approval.state().as_str(),
            ])?;
        if changed != 1 {
            return Err(StoreError::Corrupt(
                "an approval changed within its transaction".to_owned(),
            ));
        }
        let stored = Stored {
            approval: step.after,
            decision_position,
        };
        let row = ApprovalRow {
            stored,
            last_change,
            ..*found
        };
        self.published.written.push(row.clone());
        Ok(row)
    }

    /// AP-7: the events' bytes go into the same transaction. Returns the position of the grant's event.
    fn append_events(&mut self, step: &Step) -> Result<Option<u64>, StoreError> {
        self.published.wrote = true;
        let run = step.after.content.action.run;
        let mut granted_at = None;
        for fact in &step.facts {
            let event = event::encode(&step.after, fact, self.now, self.ids.uuid());
            let position = self.last_row().saturating_add(1);
            self.prepare("INSERT INTO outbox (position, run, event) VALUES (?1, ?2, ?3)")?
                .execute(params![signed(position), run.as_bytes(), &*event])?;
            if fact.kind == FactKind::Granted {
                granted_at = Some(position);
            }
            self.published.rows.push(OutboxRow { position, run, event });
        }
        Ok(granted_at)
    }

    /// Position of the newest outbox row, this transaction's included.
    pub(super) fn last_row(&self) -> u64 {
        let written = self.published.rows.last().map(|row| row.position);
        written.unwrap_or_else(|| self.hub.last_row())
    }

    fn append_change(&mut self, step: &Step, progress: &str) -> Result<Option<u64>, StoreError> {
        if step.change != Change::Visible {
            return Ok(None);
        }
        self.prepare("INSERT INTO changes (approval_id, progress) VALUES (?1, ?2)")?
            .execute(params![row::id_bytes(&step.after.id()), progress])?;
        let position = unsigned(self.connection.last_insert_rowid())?;
        let changed = Changed {
            position,
            approval: step.after.clone(),
        };
        self.published.changes.push(Arc::new(changed));
        Ok(Some(position))
    }

    /// The answer that a request was given before.
    fn answered(&self, request: &RequestKey) -> Result<Option<Stored>, ApprovalError> {
        let mut statement =
            self.prepare("SELECT body, change FROM requests WHERE principal = ?1 AND request_id = ?2")?;
        let found: Option<([u8; 32], i64)> = statement
            .query_row(params![request.principal, request.request_id], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
            .map_err(StoreError::from)?;
        let Some((body, change)) = found else { return Ok(None) };
        if body != request.body {
            return Err(ApprovalError::RequestIdReused);
        }
        Ok(Some(self.as_of(change)?))
    }

    fn as_of(&self, change: i64) -> Result<Stored, StoreError> {
        let mut statement = self.prepare(
            "SELECT content, c.progress, a.decision_position, a.position, a.last_change
             FROM changes c JOIN approvals a ON a.id = c.approval_id JOIN contents ON contents.position = a.position
             WHERE c.position = ?1",
        )?;
        statement
            .query_row([change], |row| Ok(row::stored(row)))?
            .map(|found| found.stored)
    }

    fn remember(&self, request: &RequestKey, change: u64) -> Result<(), StoreError> {
        self.prepare("INSERT INTO requests (principal, request_id, body, change) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                request.principal,
                request.request_id,
                request.body,
                signed(change)
            ])?;
        Ok(())
    }

    /// The approval as this transaction or the last commit left it, from memory if that was not long ago: this is the
    /// only writer, and [`Self::update`] checks that it was right.
    fn load(&self, id: &ApprovalId) -> Result<Option<ApprovalRow>, StoreError> {
        let mut written = self.published.written.iter().rev();
        let known = written.find(|row| row.stored.approval.id() == *id).cloned();
        match known.or_else(|| self.hub.recent(id)) {
            Some(row) => Ok(Some(row)),
            None => self.load_bytes(row::id_bytes(id)),
        }
    }

    fn load_bytes(&self, id: &[u8; 16]) -> Result<Option<ApprovalRow>, StoreError> {
        let mut statement = self.prepare(&query::by_id_sql())?;
        statement
            .query_row([id], |row| Ok(row::current(row)))
            .optional()?
            .transpose()
    }

    /// The first `max` that are `wanted` of the approvals whose ids `sql` finds. What can't be read is left out, and so
    /// doesn't keep the others from what is done with them all.
    fn select(
        &mut self,
        sql: &str,
        params: impl rusqlite::Params,
        max: usize,
        wanted: impl Fn(&Stored) -> bool,
    ) -> Result<Vec<ApprovalRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut ids = statement.query(params)?;
        let mut found = Vec::new();
        while found.len() < max
            && let Some(row) = ids.next()?
        {
            let id = row.get(0)?;
            if self.unreadable.contains(&id) {
                continue;
            }
            match self.load_bytes(&id) {
                Ok(row) => found.extend(row.filter(|row| wanted(&row.stored))),
                Err(StoreError::Corrupt(error)) => self.unreadable.add(id, &error),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, StoreError> {
        Ok(self.connection.prepare_cached(sql)?)
    }
}
