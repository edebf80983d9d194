//! The port `Jobs`, over any driver.

use async_trait::async_trait;
use diesel::sql_types::BigInt;
use diesel::{ExpressionMethods as _, QueryDsl as _};
use stocktake_domain::ports::{Jobs, StoreError};
use stocktake_domain::{Clock as _, Job, JobId, JobState, NewJob};

use crate::adapter::{Adapter, call};
use crate::columns::all_of;
use crate::dialect::Lock;
use crate::error::DbError;
use crate::marks;
use crate::queue::recalculate::{self, Batch};
use crate::rows::{JobRow, JobTargetRow, NewJobRow, job_state_code, unsigned};
use crate::schema::jobs;
use crate::session::{Driver, Reading as _, Session, Work};
use crate::span::Span;
use crate::sql::Sql;

#[async_trait]
impl<D: Driver> Jobs for Adapter<D> {
    async fn enqueue(&self, job: &NewJob) -> Result<Job, StoreError> {
        let (row, now) = (NewJobRow::new(job)?, self.clock.now());
        let call = call!("db.jobs.enqueue", model = %job.model);
        let enqueued = self.run(call, Work::Statement, move |session| {
            Box::pin(async move { session.enqueue(row, now).await?.into_job() })
        });
        let job = enqueued.await?;
        self.driver.wake();
        Ok(job)
    }

    async fn list(&self, before: Option<JobId>, limit: u32) -> Result<Vec<Job>, StoreError> {
        let before = before.map_or(i64::MAX, |id| id.0);
        let query = jobs::table.filter(jobs::id.lt(before)).order(jobs::id.desc()).limit(i64::from(limit));
        let query = query.select(all_of::<JobRow>());
        self.run(call!("db.jobs.list"), Work::Read, move |session| {
            Box::pin(async move { all(session.load(query).await?) })
        })
        .await
    }

    async fn open(&self) -> Result<Vec<Job>, StoreError> {
        let query = jobs::table.filter(jobs::state.eq_any(open_states())).order(jobs::id);
        let query = query.select(all_of::<JobRow>());
        self.run(call!("db.jobs.open"), Work::Read, move |session| {
            Box::pin(async move { all(session.load(query).await?) })
        })
        .await
    }

    async fn count_open(&self) -> Result<u64, StoreError> {
        // The condition is that of the index, so that no row is read.
        let query = Sql::<BigInt>::new("SELECT COUNT(*) FROM jobs j WHERE j.state IN (0, 1)");
        self.run(call!("db.jobs.count_open"), Work::Read, move |session| {
            Box::pin(async move { unsigned(session.one(query).await?, "jobs") })
        })
        .await
    }

    async fn get(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.run(call!("db.jobs.get", job = id.0), Work::Read, move |session| Box::pin(get(session, id.0)))
            .await
    }

    async fn cancel(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let open = jobs::table.find(id.0).filter(jobs::state.eq_any(open_states()));
        let cancel = self.timed(move |session, now| {
            let state = jobs::state.eq(job_state_code(JobState::Cancelled));
            let change = (state, jobs::finished_at.eq(Some(now.millis())));
            Box::pin(async move {
                session.execute(diesel::update(open).set(change)).await?;
                get(session, id.0).await
            })
        });
        self.run(call!("db.jobs.cancel", job = id.0), Work::Write, cancel).await
    }

    async fn advance(&self, limit: u32) -> Result<Option<Job>, StoreError> {
        let limit = limit.max(1);
        let advance = self.timed(move |session, now| Box::pin(advance(session, limit, now.millis())));
        self.run_waking(call!("db.jobs.advance"), Work::Write, advance).await
    }
}

fn open_states() -> [i16; 2] {
    [job_state_code(JobState::Queued), job_state_code(JobState::Running)]
}

fn all(rows: Vec<JobRow>) -> Result<Vec<Job>, DbError> {
    rows.into_iter().map(JobRow::into_job).collect()
}

/// Adds the query for the job of the same model and filter that has not begun. One that is being begun is waited for, and then is none.
pub(crate) fn push_queued<S: Session, T>(sql: Sql<T>, row: &NewJobRow) -> Sql<T> {
    let (model, state, texts) = row.target();
    // The first condition is that of the index.
    let mut sql = sql.push("SELECT j.id FROM jobs j WHERE j.state IN (0, 1) AND j.state = 0 AND j.model = ?");
    sql = sql.bind(model);
    sql = match state {
        Some(state) => sql.push(" AND j.selected_state = ?").bind(state),
        None => sql.push(" AND j.selected_state IS NULL"),
    };
    for (column, text) in ["j.selected_keys", "j.selected_filter"].into_iter().zip(texts) {
        sql = match text {
            Some(text) => sql.push(&format!(" AND {column} = ?")).bind(text.to_owned()),
            None => sql.push(&format!(" AND {column} IS NULL")),
        };
    }
    sql.push(" ORDER BY j.id LIMIT 1").push(S::locking(Lock::Update))
}

async fn get<S: Session>(session: &mut S, id: i64) -> Result<Option<Job>, DbError> {
    let row: Option<JobRow> = session.first(jobs::table.find(id).select(all_of::<JobRow>())).await?;
    row.map(JobRow::into_job).transpose()
}

/// Marks the next batch of the oldest open job; also says whether anything was marked.
async fn advance<S: Session>(session: &mut S, limit: u32, now: i64) -> Result<(Option<Job>, bool), DbError> {
    let oldest = Sql::<BigInt>::new("SELECT j.id FROM jobs j WHERE j.state IN (0, 1) ORDER BY j.id LIMIT 1");
    let oldest = session.first::<i64, _>(oldest.push(S::locking(Lock::UpdateSkipLocked))).await?;
    let Some(id) = oldest else { return Ok((None, false)) };
    let row: JobTargetRow = session.one(jobs::table.find(id).select(all_of::<JobTargetRow>())).await?;
    let (model, started_at, selection) = (row.model, row.started_at.unwrap_or(now), row.selection()?);
    if selection.is_all() {
        return mark(session, (id, model), (row.marked_to, row.started_at), now).await;
    }
    let batch = Batch::next(session, model, &selection, row.marked_to, limit).await?;
    session.hold_claims(Some(model), None).await?;
    let marked = recalculate::matching(session, &batch, None, now).await?;
    let state = if batch.next.is_some() { JobState::Running } else { JobState::Finished };
    let change = (
        jobs::state.eq(job_state_code(state)),
        jobs::marked.eq(jobs::marked + i64::try_from(marked).unwrap_or(i64::MAX)),
        jobs::started_at.eq(Some(started_at)),
        jobs::finished_at.eq(batch.next.is_none().then_some(now)),
        jobs::marked_to.eq(batch.next),
    );
    session.execute(diesel::update(jobs::table.find(id)).set(change)).await?;
    Ok((get(session, id).await?, marked > 0))
}

/// The next step of a job about a whole model: the first one marks it, and each makes some of what failed due.
async fn mark<S: Session>(
    session: &mut S,
    (id, model): (i64, i16),
    (marked_to, started_at): (Option<Vec<u8>>, Option<i64>),
    now: i64,
) -> Result<(Option<Job>, bool), DbError> {
    if started_at.is_none() {
        let marked = marks::make(session, model, id, now).await?;
        let marked = jobs::marked.eq(i64::try_from(marked).unwrap_or(i64::MAX));
        session.execute(diesel::update(jobs::table.find(id)).set(marked)).await?;
    } else {
        session.hold_claims(Some(model), None).await?;
    }
    let next = marks::make_failed_due(session, model, Span::behind(marked_to), now).await?;
    let state = if next.is_some() { JobState::Running } else { JobState::Finished };
    let change = (
        jobs::state.eq(job_state_code(state)),
        jobs::started_at.eq(Some(started_at.unwrap_or(now))),
        jobs::finished_at.eq(next.is_none().then_some(now)),
        jobs::marked_to.eq(next),
    );
    session.execute(diesel::update(jobs::table.find(id)).set(change)).await?;
    Ok((get(session, id).await?, true))
}
