//! The port `OrphanWalks`, over any driver.

use std::time::Duration;

use async_trait::async_trait;
use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _};
use stocktake_domain::ports::{OrphanWalks, StoreError, WorkerId};
use stocktake_domain::{
    Location, Orphan, OrphanWalk, RegistryPiece, SearchedRegistry, Timestamp, WalkFindings, WalkId,
    WalkState, WalkedStorage,
};

use crate::adapter::{Adapter, call};
use crate::columns::all_of;
use crate::error::DbError;
use crate::rows::{
    OrphanRow, PieceRow, SearchedRegistryRow, WalkRow, WalkedStorageRow, storable, walk_state_code,
};
use crate::schema::{orphan_walk_storages, orphan_walks, orphans, searched_registries, unreferenced_pieces};
use crate::session::{Driver, Reading as _, Session, Work};
use crate::sql::Sql;

/// How often a walk is asked for: the one that stood in the way may just have ended.
const TRIES: usize = 3;

/// The rows of a table that a walk found behind a place, in the order of storages and paths. It begins where the index can.
macro_rules! keyset_page {
    ($session:expr, $table:ident, $row:ty, $walk:expr, $after:expr, $limit:expr) => {{
        let (storage, path) = $after;
        let behind = $table::storage
            .gt(storage.clone())
            .or($table::storage.eq(storage.clone()).and($table::path.gt(path)));
        let query = $table::table
            .filter($table::walk.eq($walk))
            .filter($table::storage.ge(storage))
            .filter(behind)
            .order(($table::storage, $table::path))
            .limit(i64::from($limit))
            .select(all_of::<$row>());
        $session.load(query).await?
    }};
}

/// Deletes what certain walks found, from each table in which that is.
macro_rules! delete_findings {
    ($session:expr, $compare:ident($walk:expr)) => {
        delete_findings!(
            $session, $compare($walk) of orphans, orphan_walk_storages, unreferenced_pieces, searched_registries
        )
    };
    ($session:expr, $compare:ident($walk:expr) of $($table:ident),+) => {
        $($session.execute(diesel::delete($table::table.filter($table::walk.$compare($walk)))).await?;)+
    };
}

#[async_trait]
impl<D: Driver> OrphanWalks for Adapter<D> {
    async fn request(&self, requested_by: &str) -> Result<OrphanWalk, StoreError> {
        let requested_by = storable(requested_by, "requested_by")?;
        let request = self.timed(move |session, now| Box::pin(request(session, requested_by, now)));
        self.run(call!("db.orphan_walks.request"), Work::Write, request).await
    }

    async fn list(&self, limit: u32) -> Result<Vec<OrphanWalk>, StoreError> {
        let query = orphan_walks::table.order(orphan_walks::id.desc()).limit(i64::from(limit));
        let query = query.select(all_of::<WalkRow>());
        self.run(call!("db.orphan_walks.list"), Work::Read, move |session| {
            Box::pin(async move {
                let rows: Vec<WalkRow> = session.load(query).await?;
                rows.into_iter().map(WalkRow::into_walk).collect()
            })
        })
        .await
    }

    async fn cancel(&self, id: WalkId) -> Result<Option<OrphanWalk>, StoreError> {
        let cancel = self.timed(move |session, now| {
            let open = orphan_walks::table.find(id.0).filter(orphan_walks::open.is_not_null());
            Box::pin(async move {
                let ended = diesel::update(open).set(end(WalkState::Cancelled, None, now));
                if session.execute(ended).await? > 0 {
                    forget(session, id.0).await?;
                }
                let walk = orphan_walks::table.find(id.0).select(all_of::<WalkRow>());
                session.first::<WalkRow, _>(walk).await?.map(WalkRow::into_walk).transpose()
            })
        });
        self.run(call!("db.orphan_walks.cancel", walk = id.0), Work::Write, cancel).await
    }

    async fn claim(&self, runner: &WorkerId, lasts: Duration) -> Result<Option<OrphanWalk>, StoreError> {
        let runner = storable(&runner.0, "runner")?;
        let claim = self.timed(move |session, now| Box::pin(claim(session, runner, lasts, now)));
        self.run(call!("db.orphan_walks.claim"), Work::Write, claim).await
    }

    async fn record(
        &self,
        id: WalkId,
        runner: &WorkerId,
        lasts: Duration,
        findings: &WalkFindings,
    ) -> Result<bool, StoreError> {
        let runner = storable(&runner.0, "runner")?;
        let rows = FindingRows::new(id.0, findings)?;
        let record = self.timed(move |session, now| {
            let until = now.after(lasts).millis();
            Box::pin(async move {
                let held = diesel::update(held(id, runner)).set(orphan_walks::alive_until.eq(Some(until)));
                if session.execute(held).await? == 0 {
                    return Ok(false);
                }
                rows.keep(session, id.0).await?;
                Ok(true)
            })
        });
        self.run(call!("db.orphan_walks.record", walk = id.0), Work::Write, record).await
    }

    async fn finish(
        &self,
        id: WalkId,
        runner: &WorkerId,
        problem: Option<String>,
    ) -> Result<bool, StoreError> {
        let runner = storable(&runner.0, "runner")?;
        let problem = problem.map(|problem| problem.replace('\0', "\u{fffd}"));
        let finish = self.timed(move |session, now| {
            Box::pin(async move {
                let has_failed = problem.is_some();
                let state = if has_failed { WalkState::Failed } else { WalkState::Finished };
                let ended = diesel::update(held(id, runner)).set(end(state, problem, now));
                if session.execute(ended).await? == 0 {
                    return Ok(false);
                }
                if has_failed {
                    forget(session, id.0).await?;
                } else {
                    forget_before(session, id.0).await?;
                }
                Ok(true)
            })
        });
        self.run(call!("db.orphan_walks.finish", walk = id.0), Work::Write, finish).await
    }

    async fn storages(&self, id: WalkId) -> Result<Vec<WalkedStorage>, StoreError> {
        let query = orphan_walk_storages::table.filter(orphan_walk_storages::walk.eq(id.0));
        let query = query.order(orphan_walk_storages::storage).select(all_of::<WalkedStorageRow>());
        self.run(call!("db.orphan_walks.storages", walk = id.0), Work::Read, move |session| {
            Box::pin(async move {
                let rows: Vec<WalkedStorageRow> = session.load(query).await?;
                rows.into_iter().map(WalkedStorageRow::into_walked).collect()
            })
        })
        .await
    }

    async fn orphans(
        &self,
        id: WalkId,
        after: Option<Location>,
        limit: u32,
    ) -> Result<Vec<Orphan>, StoreError> {
        let after = after.map_or_else(Default::default, |after| (after.storage, after.path));
        self.run(call!("db.orphan_walks.orphans", walk = id.0), Work::Read, move |session| {
            Box::pin(async move {
                let rows: Vec<OrphanRow> = keyset_page!(session, orphans, OrphanRow, id.0, after, limit);
                rows.into_iter().map(OrphanRow::into_orphan).collect()
            })
        })
        .await
    }

    async fn registries(&self, id: WalkId) -> Result<Vec<SearchedRegistry>, StoreError> {
        let query = searched_registries::table.filter(searched_registries::walk.eq(id.0));
        let query = query.order(searched_registries::storage).select(all_of::<SearchedRegistryRow>());
        self.run(call!("db.orphan_walks.registries", walk = id.0), Work::Read, move |session| {
            Box::pin(async move {
                let rows: Vec<SearchedRegistryRow> = session.load(query).await?;
                rows.into_iter().map(SearchedRegistryRow::into_searched).collect()
            })
        })
        .await
    }

    async fn unreferenced(
        &self,
        id: WalkId,
        after: Option<Location>,
        limit: u32,
    ) -> Result<Vec<RegistryPiece>, StoreError> {
        let after = after.map_or_else(Default::default, |after| (after.storage, after.path));
        self.run(call!("db.orphan_walks.unreferenced", walk = id.0), Work::Read, move |session| {
            Box::pin(async move {
                let rows: Vec<PieceRow> =
                    keyset_page!(session, unreferenced_pieces, PieceRow, id.0, after, limit);
                rows.into_iter().map(PieceRow::into_piece).collect()
            })
        })
        .await
    }
}

/// The open walk, made if there is none.
async fn request<S: Session>(
    session: &mut S,
    requested_by: String,
    now: Timestamp,
) -> Result<OrphanWalk, DbError> {
    for _ in 0..TRIES {
        let made = (
            orphan_walks::requested_by.eq(requested_by.clone()),
            orphan_walks::state.eq(walk_state_code(WalkState::Queued)),
            orphan_walks::created_at.eq(now.millis()),
            orphan_walks::open.eq(Some(1_i16)),
        );
        let insert = diesel::insert_into(orphan_walks::table).values(made).on_conflict_do_nothing();
        session.execute(insert).await?;
        if let Some(walk) = open(session).await? {
            return Ok(walk);
        }
    }
    Err(DbError::data("walks end as fast as they are asked for"))
}

async fn open<S: Session>(session: &mut S) -> Result<Option<OrphanWalk>, DbError> {
    let query = orphan_walks::table.filter(orphan_walks::open.eq(Some(1_i16))).select(all_of::<WalkRow>());
    session.first::<WalkRow, _>(query).await?.map(WalkRow::into_walk).transpose()
}

/// What ends a walk.
fn end(state: WalkState, problem: Option<String>, now: Timestamp) -> End {
    End {
        state: walk_state_code(state),
        problem,
        finished_at: Some(now.millis()),
        open: None,
        runner: None,
        alive_until: None,
    }
}

/// The columns of a walk that change when it ends.
#[derive(diesel::AsChangeset)]
#[diesel(table_name = orphan_walks, treat_none_as_null = true)]
struct End {
    state: i16,
    problem: Option<String>,
    finished_at: Option<i64>,
    open: Option<i16>,
    runner: Option<String>,
    alive_until: Option<i64>,
}

/// The walk, if it is this runner's.
#[diesel::dsl::auto_type(no_type_alias)]
fn held(id: WalkId, runner: String) -> _ {
    let number: i64 = id.0;
    orphan_walks::table.find(number).filter(orphan_walks::runner.eq(runner))
}

async fn claim<S: Session>(
    session: &mut S,
    runner: String,
    lasts: Duration,
    now: Timestamp,
) -> Result<Option<OrphanWalk>, DbError> {
    let sql = Sql::<()>::new(
        "UPDATE orphan_walks SET state = ?, runner = ?, started_at = ?, alive_until = ? \
         WHERE open = 1 AND (runner IS NULL OR alive_until <= ? OR alive_until > ?)",
    );
    let sql = sql.bind(walk_state_code(WalkState::Running)).bind(runner).bind(now.millis());
    let sql = sql.bind(now.after(lasts).millis()).bind(now.millis()).bind(now.latest_end(lasts).millis());
    if session.execute(sql).await? == 0 {
        return Ok(None);
    }
    let walk = open(session).await?;
    if let Some(walk) = &walk {
        forget(session, walk.id.0).await?;
    }
    Ok(walk)
}

/// What a walk found, as rows.
struct FindingRows {
    storages: Vec<WalkedStorageRow>,
    orphans: Vec<OrphanRow>,
    registries: Vec<SearchedRegistryRow>,
    pieces: Vec<PieceRow>,
}

impl FindingRows {
    fn new(walk: i64, findings: &WalkFindings) -> Result<Self, DbError> {
        let WalkFindings { storages, orphans, registries, pieces } = findings;
        Ok(Self {
            storages: rows(storages, |walked| WalkedStorageRow::new(walk, walked))?,
            orphans: rows(orphans, |orphan| OrphanRow::new(walk, orphan))?,
            registries: rows(registries, |searched| SearchedRegistryRow::new(walk, searched))?,
            pieces: rows(pieces, |piece| PieceRow::new(walk, piece))?,
        })
    }

    async fn keep<S: Session>(self, session: &mut S, walk: i64) -> Result<(), DbError> {
        for row in self.storages {
            let known = orphan_walk_storages::table.find((walk, row.storage.clone()));
            session.execute(diesel::delete(known)).await?;
            session.execute(diesel::insert_into(orphan_walk_storages::table).values(row)).await?;
        }
        for row in self.orphans {
            let insert = diesel::insert_into(orphans::table).values(row).on_conflict_do_nothing();
            session.execute(insert).await?;
        }
        for row in self.registries {
            let known = searched_registries::table.find((walk, row.storage.clone()));
            session.execute(diesel::delete(known)).await?;
            session.execute(diesel::insert_into(searched_registries::table).values(row)).await?;
        }
        for row in self.pieces {
            let insert = diesel::insert_into(unreferenced_pieces::table).values(row).on_conflict_do_nothing();
            session.execute(insert).await?;
        }
        Ok(())
    }
}

fn rows<T, R>(of: &[T], row: impl Fn(&T) -> Result<R, DbError>) -> Result<Vec<R>, DbError> {
    of.iter().map(row).collect()
}

/// Forgets what a walk found.
async fn forget<S: Session>(session: &mut S, walk: i64) -> Result<(), DbError> {
    delete_findings!(session, eq(walk));
    Ok(())
}

/// Forgets what all walks before this one found.
async fn forget_before<S: Session>(session: &mut S, walk: i64) -> Result<(), DbError> {
    delete_findings!(session, lt(walk));
    Ok(())
}
