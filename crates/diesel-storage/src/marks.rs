//! Marks: a demand to verify all records of a model again, by one row instead of one write for each record
//! ([ADR 21](../../../docs/adr/0021-marks-on-ranges-of-keys.md)).
//!
//! A succeeded record that answers no mark with the number of its model's mark, or a later one, is pending for everybody, and due
//! since the mark came: it is *marked*. Everything else is what its row says. Marked records lie in the ranges of the mark, which
//! tell where to look for them. Claims, and whoever writes records that answer the mark, take out of the ranges where none is left; with
//! the last range the mark is gone. A range in which both may be is mixed; it is no longer than what was written at once.

use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};

use crate::dialect::Lock;
use crate::error::DbError;
use crate::key;
use crate::mark::Mark;
use crate::queries::{DUE_NOW, by_key, push_in_queue, push_in_state, push_marked};
use crate::ranges::overlapping;
use crate::rows::{DISABLED, FAILED, LEASE, LeaseRow, LeaseSql, PENDING, RecordRow, Seen, unsigned};
use crate::session::{Marking, Reading, Session};
use crate::span::Span;
use crate::sql::Sql;

/// The mark on the model now.
pub(crate) async fn read<S: Reading>(session: &mut S, model: i16) -> Result<Option<Mark>, DbError> {
    read_locked(session, model, "").await
}

async fn read_locked<S: Reading>(session: &mut S, model: i16, lock: &str) -> Result<Option<Mark>, DbError> {
    let sql = Sql::<(BigInt, BigInt)>::new("SELECT k.number, k.came_at FROM marks k WHERE k.model = ?");
    let row: Option<(i64, i64)> = session.first(sql.bind(model).push(lock)).await?;
    Ok(row.map(|(number, came_at)| Mark { number, came_at }))
}

/// What leases hold by the mark on a model. Read behind the records where these come with the mark's number alone, which a statement
/// finds in less time: without a mark, it is all that is needed.
pub(crate) struct HeldByMark {
    number: i64,
    /// Storages, and the keys in them.
    leases: Vec<(String, Span)>,
}

impl HeldByMark {
    /// What leases hold by the mark of this number; `None` without one.
    pub(crate) async fn read<S: Reading>(
        session: &mut S,
        model: i16,
        number: Option<i64>,
    ) -> Result<Option<Self>, DbError> {
        let Some(number) = number else { return Ok(None) };
        let sql = Sql::<(Text, Binary, Binary)>::new(
            "SELECT l.storage, l.first_key, l.last_key FROM leases l CROSS JOIN marks k \
             WHERE l.model = ? AND k.model = l.model AND l.due_from <= k.came_at AND l.claimed_at >= k.came_at",
        );
        let leases: Vec<(String, Vec<u8>, Vec<u8>)> = session.load(sql.bind(model)).await?;
        let leases = leases.into_iter().map(|(storage, first, last)| (storage, Span::closed(first, last)));
        Ok(Some(Self { number, leases: leases.collect() }))
    }

    /// How a record is seen. `is_started`: a lease holds it by its row.
    pub(crate) fn seen(this: Option<&Self>, row: &RecordRow, is_started: bool) -> Seen {
        match this {
            Some(this) if row.is_marked(this.number) => {
                let holds =
                    |(storage, span): &(String, Span)| *storage == row.source.storage && span.holds(&row.key);
                let seen = Seen::PENDING_BY_MARK;
                if this.leases.iter().any(holds) { seen.claimed() } else { seen }
            }
            _ if is_started => Seen::STORED.claimed(),
            _ => Seen::STORED,
        }
    }
}

/// Marks the succeeded records of a model. What leases hold becomes due by its row, so that it is read again as well. Returns how many
/// records there are that are not switched off. Nothing is marked if there is a mark with a larger number.
pub(crate) async fn make<S: Session>(
    session: &mut S,
    model: i16,
    number: i64,
    now: i64,
) -> Result<u64, DbError> {
    session.lock_marking(model, Marking::Make).await?;
    session.hold_claims(Some(model), None).await?;
    // Results that are being written are waited for, so that it is known what failed.
    let sql =
        Sql::<LeaseSql>::new(format!("SELECT {} FROM leases l WHERE l.model = ? ORDER BY l.id", *LEASE));
    let mut leases: Vec<LeaseRow> = session.load(sql.bind(model).push(S::locking(Lock::Update))).await?;
    let claims = leases.iter().map(|lease| lease.claimed_at.saturating_add(1));
    let came_at = claims.fold(now, i64::max);
    leases.sort_unstable_by(|a, b| a.first_key.cmp(&b.first_key));
    for lease in leases {
        make_held_due(session, lease, came_at).await?;
    }
    let sql = Sql::<()>::new(
        "INSERT INTO marks (model, number, came_at) SELECT ?, ?, ? \
         WHERE EXISTS (SELECT 1 FROM queues q WHERE q.model = ?) ON CONFLICT (model) DO UPDATE \
         SET number = excluded.number, came_at = excluded.came_at WHERE marks.number < excluded.number",
    );
    if session.execute(sql.bind(model).bind(number).bind(came_at).bind(model)).await? > 0 {
        session.execute(Sql::<()>::new("DELETE FROM mark_ranges WHERE model = ?").bind(model)).await?;
        let sql = Sql::<()>::new(
            "INSERT INTO mark_ranges (model, storage, first_key, end_key, mixed) \
             SELECT q.model, q.storage, ?, ?, FALSE FROM queues q WHERE q.model = ?",
        );
        let Span { from, to } = Span::all();
        session.execute(sql.bind(from).bind(to).bind(model)).await?;
    }
    let sql = Sql::<Nullable<BigInt>>::new(format!(
        "SELECT CAST(SUM(c.records) AS bigint) FROM {} AS c WHERE c.model = ? AND c.state <> ?",
        S::COUNTS
    ));
    let records: Option<i64> = session.one(sql.bind(model).bind(DISABLED)).await?;
    unsigned(records.unwrap_or(0), "count")
}

/// Makes what a lease holds by its row due after all claims, so that no result of it counts.
async fn make_held_due<S: Session>(session: &mut S, lease: LeaseRow, due_at: i64) -> Result<(), DbError> {
    let (before, after) = S::KEY_IN;
    let sql = Sql::<()>::new(format!("UPDATE {} AS r SET due_at = ? WHERE", S::records(lease.model)));
    let sql = sql.bind(due_at).push(before).bind(lease.model).push("SELECT r.key");
    let span = Span::closed(lease.first_key, lease.last_key);
    let sql = push_in_queue::<S, _>(sql, lease.model, &lease.storage, &span);
    let sql = sql.push(" AND r.due_at >= ? AND r.due_at <= ?").bind(lease.due_from).bind(lease.claimed_at);
    // Locked and looked at again: it may have been accepted, or switched off, meanwhile.
    session.execute(sql.push(by_key(false)).push(S::locking(Lock::Update)).push(after)).await?;
    Ok(())
}

/// The most failed records that are made due at once.
const FAILED_AT_ONCE: i64 = 10_000;

/// Makes failed records of the model with a key in the span due, as a mark makes the others: no attempt is counted. They are not
/// marked, because lists and retries find them by what their rows say. Returns the key to go on behind, if there are more.
pub(crate) async fn make_failed_due<S: Session>(
    session: &mut S,
    model: i16,
    mut span: Span,
    now: i64,
) -> Result<Option<Vec<u8>>, DbError> {
    let sql = push_in_state::<S, _>(Sql::<Binary>::new("SELECT r.key"), model, FAILED, &span);
    let sql = sql.push(by_key(false)).push(" LIMIT 2 OFFSET ? + 0").bind(FAILED_AT_ONCE - 1);
    let bounds: Vec<Vec<u8>> = session.load(sql).await?;
    let next = if let [last, _] = bounds.as_slice() { Some(last.clone()) } else { None };
    if let Some(last) = &next {
        span.to = key::behind(last.clone());
    }
    let (before, after) = S::KEY_IN;
    let sql = Sql::<()>::new(format!(
        "UPDATE {} AS r SET state = {PENDING}, due_at = {DUE_NOW}, retry_at = NULL WHERE",
        S::records(model)
    ));
    let sql = sql.bind(now).bind(now).push(before).bind(model).push("SELECT r.key");
    let sql = push_in_state::<S, _>(sql, model, FAILED, &span).push(by_key(false));
    session.execute(sql.push(S::locking(Lock::Update)).push(after)).await?;
    Ok(next)
}

/// What is known of the records of a span that lie in a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// None is marked.
    NoneMarked,
    /// Some may be marked, and some answer the mark.
    Mixed,
}

/// Notes in the ranges of a storage what was found in spans, unless the mark is another one by now.
pub(crate) async fn note<S: Session>(
    session: &mut S,
    (model, storage): (i16, &str),
    mark: Mark,
    (spans, found): (&[Span], Found),
) -> Result<(), DbError> {
    // Behind this lock the ranges are read that everybody else left.
    if spans.is_empty() || read_locked(session, model, S::locking(Lock::Update)).await? != Some(mark) {
        return Ok(());
    }
    for span in spans {
        note_one(session, (model, storage), span, found).await?;
    }
    let sql = Sql::<()>::new(
        "DELETE FROM marks WHERE model = ? AND NOT EXISTS (SELECT 1 FROM mark_ranges g WHERE g.model = ?)",
    );
    session.execute(sql.bind(model).bind(model)).await?;
    Ok(())
}

/// The same of one span, under the lock.
async fn note_one<S: Session>(
    session: &mut S,
    (model, storage): (i16, &str),
    span: &Span,
    found: Found,
) -> Result<(), DbError> {
    let mut written = Vec::new();
    for (range, is_mixed) in overlapping(session, (model, storage), span).await? {
        let sql = Sql::<()>::new("DELETE FROM mark_ranges WHERE model = ? AND storage = ? AND first_key = ?");
        session.execute(sql.bind(model).bind(storage.to_owned()).bind(range.from.clone())).await?;
        let left = range.without(std::slice::from_ref(span)).into_iter();
        written.extend(left.map(|part| (part, is_mixed)));
    }
    if found == Found::Mixed {
        // Also where there was no range: of a storage that records came to while the mark was made.
        written.push((span.clone(), true));
    }
    for (Span { from, to }, is_mixed) in written {
        let sql = Sql::<()>::new(format!(
            "INSERT INTO mark_ranges (model, storage, first_key, end_key, mixed) VALUES (?, ?, ?, ?, {})",
            if is_mixed { "TRUE" } else { "FALSE" }
        ));
        session.execute(sql.bind(model).bind(storage.to_owned()).bind(from).bind(to)).await?;
    }
    Ok(())
}

/// Notes that records of a span in a storage answer the mark now, or may. Returns whether any other one there is marked. Locks the mark:
/// whoever calls it has locked the records that it writes before, and counted its results.
pub(crate) async fn settle<S: Session>(
    session: &mut S,
    (model, storage): (i16, &str),
    mark: Mark,
    span: Span,
) -> Result<bool, DbError> {
    let sql = Sql::<Bool>::new("SELECT EXISTS (SELECT 1");
    let is_any_left: bool = session.one(push_marked::<S, _>(sql, model, storage, &span).push(")")).await?;
    let found = if is_any_left { Found::Mixed } else { Found::NoneMarked };
    note(session, (model, storage), mark, (&[span], found)).await?;
    Ok(is_any_left)
}
