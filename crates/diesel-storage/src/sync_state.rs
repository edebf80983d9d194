//! The port `SyncState`, over any driver.

mod apply;

use std::time::Duration;

use async_trait::async_trait;
use diesel::QueryDsl as _;
use diesel::sql_types::SmallInt;
use stocktake_domain::Timestamp;
use stocktake_domain::ports::{ModelSyncState, StoreError, SyncApplied, SyncBatch, SyncState, WorkerId};

use crate::adapter::{Adapter, call};
use crate::columns::all_of;
use crate::dialect::Lock;
use crate::error::DbError;
use crate::rows::{SyncRow, storable};
use crate::schema::sync_states;
use crate::session::{Driver, Session, Work};
use crate::sql::Sql;

#[async_trait]
impl<D: Driver> SyncState for Adapter<D> {
    async fn acquire_leader_lease(
        &self,
        instance: &WorkerId,
        duration: Duration,
    ) -> Result<bool, StoreError> {
        let leader = storable(&instance.0, "leader")?;
        let acquire = self.timed(move |session, now| {
            let until = now.after(duration).millis();
            let free = [now, now.latest_end(duration)].map(Timestamp::millis);
            Box::pin(async move {
                Ok(renew(session, &leader, until).await? || take(session, leader, until, free).await?)
            })
        });
        self.run(call!("db.sync_state.acquire_leader_lease"), Work::Write, acquire).await
    }

    async fn release_leader_lease(&self, instance: &WorkerId) -> Result<(), StoreError> {
        let leader = storable(&instance.0, "leader")?;
        self.run(call!("db.sync_state.release_leader_lease"), Work::Write, move |session| {
            Box::pin(async move {
                let sql =
                    "UPDATE sync_leader SET leader = NULL, lease_until = NULL WHERE id = 1 AND leader = ?";
                session.execute(Sql::<()>::new(sql).bind(leader)).await.map(|_| ())
            })
        })
        .await
    }

    async fn states(&self) -> Result<Vec<ModelSyncState>, StoreError> {
        let mut states =
            self.run(call!("db.sync_state.states"), Work::Read, |session| Box::pin(states(session))).await?;
        states.sort_unstable_by_key(|state| state.model);
        Ok(states)
    }

    async fn apply(
        &self,
        instance: &WorkerId,
        batch: SyncBatch,
        state: &ModelSyncState,
    ) -> Result<Option<SyncApplied>, StoreError> {
        let batch = apply::Batch::new(instance, &batch, state, self.encryption.clone())?;
        // However long it takes: the first may wait for an import, and there may be much to delete.
        let apply = self.timed(move |session, now| Box::pin(apply::run(session, batch, now.millis())));
        self.run_waking(call!("db.sync_state.apply", model = %state.model), Work::Import, apply).await
    }
}

/// Renews the lease if this is the leader. Waits for nothing that the leader applies meanwhile.
async fn renew<S: Session>(session: &mut S, leader: &str, until: i64) -> Result<bool, DbError> {
    let sql = Sql::<()>::new("UPDATE sync_leader SET lease_until = ? WHERE id = 1 AND leader = ?");
    Ok(session.execute(sql.bind(until).bind(leader.to_owned())).await? > 0)
}

/// Takes the lease if nobody has it any more: it ended at the first of these times, or is to last beyond the second. While
/// something is being applied, somebody has it.
async fn take<S: Session>(
    session: &mut S,
    leader: String,
    until: i64,
    [now, latest]: [i64; 2],
) -> Result<bool, DbError> {
    let free = Sql::<SmallInt>::new(
        "SELECT h.id FROM sync_leader h WHERE h.id = 1 AND (h.leader IS NULL OR h.lease_until <= ? \
         OR h.lease_until > ?)",
    );
    let free = free.push(S::locking(Lock::UpdateSkipLocked)).bind(now).bind(latest);
    if session.first::<i16, _>(free).await?.is_none() {
        return Ok(false);
    }
    let sql = Sql::<()>::new("UPDATE sync_leader SET leader = ?, lease_until = ? WHERE id = 1");
    session.execute(sql.bind(leader).bind(until)).await?;
    Ok(true)
}

async fn states<S: Session>(session: &mut S) -> Result<Vec<ModelSyncState>, DbError> {
    let rows: Vec<SyncRow> = session.load(sync_states::table.select(all_of::<SyncRow>())).await?;
    rows.into_iter().map(SyncRow::into_state).collect()
}
