//! The port `Syncs`, over any driver.

mod apply;

use std::time::Duration;

use async_trait::async_trait;
use diesel::sql_types::SmallInt;
use stocktake_domain::Timestamp;
use stocktake_domain::ports::{StoreError, SyncApplied, SyncPiece, SyncState, Syncs, WorkerId};

use crate::error::Fault;
use crate::rows::{SyncRow, storable};
use crate::schema::syncs;
use crate::session::{Driver, Session, Work};
use crate::sql::Sql;
use crate::store::Adapter;

#[async_trait]
impl<D: Driver> Syncs for Adapter<D> {
    async fn hold(&self, holder: &WorkerId, span: Duration, now: Timestamp) -> Result<bool, StoreError> {
        let holder = storable(&holder.0, "holder")?;
        let (until, now) = (now.after(span).millis(), now.millis());
        self.driver
            .run(Work::Write, move |session| {
                Box::pin(async move {
                    Ok(prolong(session, &holder, until).await? || take(session, holder, until, now).await?)
                })
            })
            .await
    }

    async fn release(&self, holder: &WorkerId) -> Result<(), StoreError> {
        let holder = storable(&holder.0, "holder")?;
        self.driver
            .run(Work::Write, move |session| {
                Box::pin(async move {
                    let sql =
                        "UPDATE sync_holder SET holder = NULL, held_until = NULL WHERE id = 1 AND holder = ?";
                    session.execute(Sql::<()>::new(sql).bind(holder)).await.map(|_| ())
                })
            })
            .await
    }

    async fn states(&self) -> Result<Vec<SyncState>, StoreError> {
        let mut states = self.driver.run(Work::Read, |session| Box::pin(states(session))).await?;
        states.sort_unstable_by_key(|state| state.model);
        Ok(states)
    }

    async fn apply(
        &self,
        holder: &WorkerId,
        piece: SyncPiece,
        state: &SyncState,
        now: Timestamp,
    ) -> Result<Option<SyncApplied>, StoreError> {
        let piece = apply::Piece::new(holder, &piece, state, now)?;
        // However long it takes: the first may wait for an import, and there may be much to delete.
        self.run_waking_as(Work::Import, move |session| Box::pin(apply::run(session, piece))).await
    }
}

/// Prolongs, if this is who holds the sync. Waits for nothing that this holder applies meanwhile.
async fn prolong<S: Session>(session: &mut S, holder: &str, until: i64) -> Result<bool, Fault> {
    let sql = Sql::<()>::new("UPDATE sync_holder SET held_until = ? WHERE id = 1 AND holder = ?");
    Ok(session.execute(sql.bind(until).bind(holder.to_owned())).await? > 0)
}

/// Takes the sync if nobody holds it any more. While something is being applied, somebody does.
async fn take<S: Session>(session: &mut S, holder: String, until: i64, now: i64) -> Result<bool, Fault> {
    let free = Sql::<SmallInt>::new(
        "SELECT h.id FROM sync_holder h WHERE h.id = 1 AND (h.holder IS NULL OR h.held_until <= ?)",
    );
    let free = free.push(S::DIALECT.for_update_skip_locked()).bind(now);
    if session.first::<i16, _>(free).await?.is_none() {
        return Ok(false);
    }
    let sql = Sql::<()>::new("UPDATE sync_holder SET holder = ?, held_until = ? WHERE id = 1");
    session.execute(sql.bind(holder).bind(until)).await?;
    Ok(true)
}

async fn states<S: Session>(session: &mut S) -> Result<Vec<SyncState>, Fault> {
    let rows: Vec<SyncRow> = session.load(syncs::table).await?;
    rows.into_iter().map(SyncRow::into_state).collect()
}
