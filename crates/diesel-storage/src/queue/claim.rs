//! Claims: which queue's turn it is, and a lease on the next range of keys there.

use diesel::ExpressionMethods as _;
use diesel::QueryDsl as _;
use diesel::sql_types::{Binary, Nullable, SmallInt, Text};
use stocktake_domain::ports::{ClaimFilter, ClaimedRecord, Lease, LeaseId, LeaseTerms, WorkerId};
use stocktake_domain::{RowPart, Status, Timestamp};

use super::recalculate;
use crate::dialect::{Dialect, Index, Lock};
use crate::encryption::Encryption;
use crate::error::DbError;
use crate::key;
use crate::mark::Mark;
use crate::marks::{self, Found};
use crate::queries::{by_key, push_in_queue, push_marked, push_one};
use crate::ranges::Ranges;
use crate::rows::{
    LeaseEnds, NewLeaseRow, RECORD, RecordRow, RecordSql, Seen, model_code, model_of, storable,
};
use crate::schema::leases;
use crate::session::Session;
use crate::span::Span;
use crate::sql::Sql;

/// Before any time at which a record can have become due.
const NO_DUE_FROM: i64 = i64::MIN;

/// Who claims, for how long, and how the records are read.
#[derive(Clone)]
pub(super) struct Claimant {
    worker: String,
    terms: LeaseTerms,
    encryption: Encryption,
}

impl Claimant {
    pub(super) fn new(
        worker: &WorkerId,
        terms: LeaseTerms,
        encryption: &Encryption,
    ) -> Result<Self, DbError> {
        Ok(Self { worker: storable(&worker.0, "worker")?, terms, encryption: encryption.clone() })
    }
}

/// Which records a claim may take.
#[derive(Clone)]
pub(super) struct ClaimScope {
    models: Vec<i16>,
    storages: Option<Vec<String>>,
    except_storages: Vec<String>,
    pub(super) due_from: Option<i64>,
    limit: i64,
}

impl ClaimScope {
    pub(super) fn new(filter: &ClaimFilter) -> Self {
        Self {
            models: filter.models.iter().map(|model| model_code(*model)).collect(),
            storages: filter.storages.clone(),
            except_storages: filter.except_storages.clone(),
            due_from: filter.due_from.map(Timestamp::millis),
            limit: i64::from(filter.limit.max(1)),
        }
    }

    fn takes(&self, model: i16, storage: &str) -> bool {
        (self.models.is_empty() || self.models.contains(&model))
            && self.storages.as_ref().is_none_or(|names| names.iter().any(|name| name == storage))
            && !self.except_storages.iter().any(|name| name == storage)
    }
}

/// A model in a storage.
#[derive(Debug, Clone)]
pub(super) struct QueueName {
    pub(super) model: i16,
    pub(super) storage: String,
}

/// The queues that match and hold anything due, the longest unserved first.
pub(super) async fn queues<S: Session>(
    session: &mut S,
    scope: ClaimScope,
) -> Result<Vec<QueueName>, DbError> {
    let sql = Sql::<SmallInt>::new("SELECT DISTINCT q.model FROM queues q ORDER BY q.model");
    let mut models: Vec<i16> = session.load(sql).await?;
    models.retain(|model| scope.models.is_empty() || scope.models.contains(model));
    let Some((first, others)) = models.split_first() else { return Ok(Vec::new()) };
    let due_from = scope.due_from.unwrap_or(NO_DUE_FROM);
    let sql = Sql::<(SmallInt, Text)>::new("SELECT q.model, q.storage FROM (");
    let sql = push_due_queues::<S, _>(sql, *first, due_from);
    let sql = others
        .iter()
        .fold(sql, |sql, model| push_due_queues::<S, _>(sql.push(" UNION ALL "), *model, due_from));
    let names: Vec<(i16, String)> =
        session.load(sql.push(") AS q ORDER BY q.served, q.model, q.storage")).await?;
    let names = names.into_iter().filter(|(model, storage)| scope.takes(*model, storage));
    Ok(names.map(|(model, storage)| QueueName { model, storage }).collect())
}

/// Adds the query for the queues of a model that hold anything due.
fn push_due_queues<D: Dialect, T>(sql: Sql<T>, model: i16, due_from: i64) -> Sql<T> {
    // Not EXISTS, which PostgreSQL may answer by gathering all that is due.
    let due = |more: &str| {
        format!(
            "(SELECT 1 FROM {} AS r{} WHERE r.model + 0 = +q.model AND r.storage = q.storage \
             AND r.due_at IS NOT NULL AND r.due_at >= ?{more} LIMIT 1) IS NOT NULL",
            D::records(model),
            D::indexed_by(Index::InQueue),
        )
    };
    // Looking behind the last claim first passes by what PostgreSQL still keeps of the work done before it.
    let sql = sql.push(&format!(
        "SELECT q.model, q.storage, q.served FROM queues q WHERE q.model = ? AND CASE WHEN {} THEN TRUE WHEN {} THEN TRUE \
         ELSE EXISTS (SELECT 1 FROM mark_ranges g CROSS JOIN marks k WHERE g.model = q.model AND g.storage = q.storage \
         AND k.model = q.model AND k.came_at >= ?) END",
        due(" AND r.key > q.claimed_to"),
        due(""),
    ));
    sql.bind(model).bind(due_from).bind(due_from).bind(due_from)
}

/// Leases the next due records of a queue; `None` if others took what there was.
pub(super) async fn take<S: Session>(
    session: &mut S,
    queue: QueueName,
    scope: ClaimScope,
    claimant: Claimant,
    now: Timestamp,
) -> Result<Option<Lease>, DbError> {
    let sql =
        Sql::<Nullable<Binary>>::new("SELECT q.claimed_to FROM queues q WHERE q.model = ? AND q.storage = ?");
    let sql = sql.push(S::locking(Lock::Update)).bind(queue.model).bind(queue.storage.clone());
    let claimed_to: Option<Vec<u8>> = session.one(sql).await?;
    let leased = leased_ranges(session, &queue).await?;
    let mark = marks::read(session, queue.model).await?;
    let marked = Marked::read(session, &queue, &scope, mark).await?;
    for span in free_spans(claimed_to, &leased) {
        let rows = match &marked {
            None => due_records(session, &queue, &scope, &span).await?,
            Some(marked) => marked.due_records(session, &queue, &scope, &span).await?,
        };
        let (Some((first, _)), Some((last, _))) = (rows.first(), rows.last()) else { continue };
        // What is verified from now on answers the mark.
        let came_at = mark.map(|mark| mark.came_at);
        let claimed_at =
            rows.iter().filter_map(|(row, _)| row.due_at).chain(came_at).fold(now.millis(), i64::max);
        let lease = NewLeaseRow {
            id: new_number(),
            model: queue.model,
            storage: queue.storage.clone(),
            first_key: first.key.clone(),
            last_key: last.key.clone(),
            due_from: scope.due_from.unwrap_or(NO_DUE_FROM),
            claimed_at,
            worker: claimant.worker.clone(),
            ends: LeaseEnds::new(claimant.terms, now),
        };
        serve(session, &queue, last.key.clone()).await?;
        return insert(session, lease, rows, &claimant).await.map(Some);
    }
    Ok(None)
}

/// Recalculates and leases one record.
pub(super) async fn take_one<S: Session>(
    session: &mut S,
    model: i16,
    key: Vec<u8>,
    claimant: Claimant,
    now: Timestamp,
) -> Result<Option<Lease>, DbError> {
    if !recalculate::one(session, model, key.clone(), now.millis()).await? {
        return Ok(None);
    }
    let sql = Sql::<RecordSql>::new(format!("SELECT {}", *RECORD));
    let row: RecordRow = session.one(push_one::<S, _>(sql, model, key.clone())).await?;
    let due_at = row.due_at.ok_or_else(|| DbError::data("a recalculated record is not due"))?;
    // It answers the mark.
    let came_at = marks::read(session, model).await?.map_or(due_at, |mark| mark.came_at);
    let lease = NewLeaseRow {
        id: new_number(),
        model,
        storage: row.source.storage.clone(),
        first_key: key.clone(),
        last_key: key,
        due_from: due_at,
        claimed_at: now.millis().max(due_at).max(came_at),
        worker: claimant.worker.clone(),
        ends: LeaseEnds::new(claimant.terms, now),
    };
    insert(session, lease, vec![(row, Seen::STORED)], &claimant).await.map(Some)
}

/// The ranges of keys that leases of the queue cover, in order.
async fn leased_ranges<S: Session>(
    session: &mut S,
    queue: &QueueName,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>, DbError> {
    let query = leases::table
        .filter(leases::model.eq(queue.model))
        .filter(leases::storage.eq(queue.storage.clone()))
        .order(leases::first_key)
        .select((leases::first_key, leases::last_key));
    session.load(query).await
}

/// The spans between leased ranges in the order to look at them: from the last claim on, then from the start.
fn free_spans(claimed_to: Option<Vec<u8>>, leased: &[(Vec<u8>, Vec<u8>)]) -> Vec<Span> {
    let mut free = Vec::new();
    let mut from = Vec::new();
    for (first, last) in leased {
        if from < *first {
            free.push(Span { from: from.clone(), to: first.clone() });
        }
        from = from.max(key::behind(last.clone()));
    }
    free.push(Span::from(from));
    let Some(claimed_to) = claimed_to else { return free };
    let cursor = key::behind(claimed_to);
    let (mut ahead, mut wrapped) = (Vec::new(), Vec::new());
    for span in free {
        if span.from >= cursor {
            ahead.push(span);
        } else if span.to <= cursor {
            wrapped.push(span);
        } else {
            ahead.push(Span { from: cursor.clone(), to: span.to });
            wrapped.push(Span { from: span.from, to: cursor.clone() });
        }
    }
    ahead.append(&mut wrapped);
    ahead
}

/// The first records of a queue in a span of keys that are due by their rows.
async fn due_records<S: Session>(
    session: &mut S,
    queue: &QueueName,
    scope: &ClaimScope,
    span: &Span,
) -> Result<Vec<(RecordRow, Seen)>, DbError> {
    let sql = Sql::<RecordSql>::new(format!("SELECT {}", *RECORD));
    let sql = push_in_queue::<S, _>(sql, queue.model, &queue.storage, span);
    let sql = sql.push(" AND r.due_at >= ?").bind(scope.due_from.unwrap_or(NO_DUE_FROM));
    let rows: Vec<RecordRow> =
        session.load(sql.push(by_key(false)).push(" LIMIT ? + 0").bind(scope.limit)).await?;
    Ok(rows.into_iter().map(|row| (row, Seen::STORED)).collect())
}

/// The mark on a queue's model, where it makes records due that a claim may take.
struct Marked {
    mark: Mark,
    ranges: Ranges,
}

impl Marked {
    async fn read<S: Session>(
        session: &mut S,
        queue: &QueueName,
        scope: &ClaimScope,
        mark: Option<Mark>,
    ) -> Result<Option<Self>, DbError> {
        let Some(mark) = mark.filter(|mark| mark.came_at >= scope.due_from.unwrap_or(NO_DUE_FROM)) else {
            return Ok(None);
        };
        let ranges = Ranges::of_storage(session, queue.model, &queue.storage).await?;
        Ok((!ranges.is_empty()).then_some(Self { mark, ranges }))
    }

    /// The first records of the queue in a span of keys that are due by their rows or by the mark. Takes what it passed over, because
    /// no record there is marked, out of the ranges of the mark.
    async fn due_records<S: Session>(
        &self,
        session: &mut S,
        queue: &QueueName,
        scope: &ClaimScope,
        span: &Span,
    ) -> Result<Vec<(RecordRow, Seen)>, DbError> {
        let mut rows = due_records(session, queue, scope, span).await?;
        let limit = usize::try_from(scope.limit).unwrap_or(usize::MAX);
        // Behind as many due rows no marked one is wanted.
        let mut wanted = span.clone();
        if let Some((last, _)) = rows.get(limit.saturating_sub(1)) {
            wanted.to = key::behind(last.key.clone());
        }
        let mut passed = Vec::new();
        for (_, range) in self.ranges.within(&wanted) {
            let sql = Sql::<RecordSql>::new(format!("SELECT {}", *RECORD));
            let sql = push_marked::<S, _>(sql, queue.model, &queue.storage, &range).push(by_key(false));
            let found: Vec<RecordRow> = session.load(sql.push(" LIMIT ? + 0").bind(scope.limit)).await?;
            let is_full = found.len() >= limit;
            let first = found.first().map_or(&range.to, |row| &row.key);
            passed.extend(range.overlap(&Span::before(first.clone())));
            if let (Some(last), false) = (found.last(), is_full) {
                passed.extend(range.overlap(&Span::from(key::behind(last.key.clone()))));
            }
            rows.extend(found.into_iter().map(|row| (row, Seen::PENDING_BY_MARK)));
            if is_full {
                break;
            }
        }
        let passed = (passed.as_slice(), Found::NoneMarked);
        marks::note(session, (queue.model, &queue.storage), self.mark, passed).await?;
        rows.sort_by(|(a, _), (b, _)| a.key.cmp(&b.key));
        rows.truncate(limit);
        Ok(rows)
    }
}

/// Notes that it was the queue's turn, and how far the claim went.
async fn serve<S: Session>(session: &mut S, queue: &QueueName, to: Vec<u8>) -> Result<(), DbError> {
    let sql = Sql::<()>::new(
        "UPDATE queues SET claimed_to = ?, served = (SELECT MAX(q.served) + 1 FROM queues q) \
         WHERE model = ? AND storage = ?",
    );
    session.execute(sql.bind(to).bind(queue.model).bind(queue.storage.clone())).await?;
    Ok(())
}

/// The number of a new lease.
fn new_number() -> i64 {
    rand::random_range(1..=i64::MAX / 2)
}

async fn insert<S: Session>(
    session: &mut S,
    lease: NewLeaseRow,
    rows: Vec<(RecordRow, Seen)>,
    claimant: &Claimant,
) -> Result<Lease, DbError> {
    let (model, storage) = (model_of(lease.model)?, lease.storage.clone());
    let id = lease.id;
    session.execute(diesel::insert_into(leases::table).values(lease)).await?;
    let records = rows.into_iter().map(|(row, seen)| claimed(row, seen, &claimant.encryption));
    let records = records.collect::<Result<_, DbError>>()?;
    Ok(Lease { id: LeaseId(id), model, storage, records })
}

/// The record for a worker. What is damaged in its row comes neither to a verdict nor into the result.
fn claimed(mut row: RecordRow, seen: Seen, encryption: &Encryption) -> Result<ClaimedRecord, DbError> {
    let mut damaged = None;
    for part in [RowPart::Baseline, RowPart::Recorded] {
        if row.is_damaged(part) {
            row.forget(part);
            damaged = Some(part);
        }
    }
    let record = row.into_record(seen.claimed(), encryption)?;
    let reference = damaged.map_or_else(|| Ok(record.reference()), Err);
    match record.status {
        Status::Started(verification) => Ok(ClaimedRecord {
            key: record.key,
            path: record.location.path,
            rule: record.rule,
            reference,
            verification,
        }),
        other => Err(DbError::data(format!("a due record is {}", other.state()))),
    }
}
