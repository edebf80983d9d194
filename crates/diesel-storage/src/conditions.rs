//! The port `Conditions`, over any driver.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use diesel::sql_types::{BigInt, SmallInt, Text};
use stocktake_domain::ports::{
    Announcement, Conditions, MountBelow, StorageShare, StoreError, WorkerActivity, WorkerId,
};
use stocktake_domain::{Condition, ConditionSubject, Timestamp};

use crate::adapter::{Adapter, call};
use crate::error::DbError;
use crate::rows::{model_of, storable, storable_size, unsigned};
use crate::session::{Driver, Reading as _, Session, Work};
use crate::sql::Sql;

/// The kinds of subject, as numbers in the table.
const STORAGE: i16 = 0;
const PROCESS: i16 = 1;

/// What stands in `over_ms`, in milliseconds the time since the announcement before, where a worker has ended.
const ENDED: i64 = -1;

type Row = (i16, String, String, String, i64, i64);
type RowSql = (SmallInt, Text, Text, Text, BigInt, BigInt);

#[async_trait]
impl<D: Driver> Conditions for Adapter<D> {
    async fn report(&self, subject: &ConditionSubject, host: &str, reason: &str) -> Result<(), StoreError> {
        let (kind, subject) = subject_columns(subject)?;
        let (host, reason) = (storable(host, "host")?, reason.replace('\0', "\u{fffd}"));
        let sql = Sql::<()>::new(
            "INSERT INTO conditions (kind, subject, host, reason, since, reported_at) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT (kind, subject, host) \
             DO UPDATE SET reason = excluded.reason, reported_at = excluded.reported_at",
        );
        let sql = sql.bind(kind).bind(subject).bind(host).bind(reason);
        let report = |sql: Sql, now: Timestamp| sql.bind(now.millis()).bind(now.millis());
        self.change(call!("db.conditions.report"), sql, report).await.map(drop)
    }

    async fn end(
        &self,
        subject: &ConditionSubject,
        host: &str,
        stale_after: Duration,
    ) -> Result<(), StoreError> {
        let (kind, subject) = subject_columns(subject)?;
        let host = storable(host, "host")?;
        let sql = Sql::<()>::new(
            "DELETE FROM conditions WHERE kind = ? AND subject = ? \
             AND (host = ? OR reported_at < ? OR reported_at > ?)",
        );
        let sql = sql.bind(kind).bind(subject).bind(host);
        let end = move |sql: Sql, now: Timestamp| {
            let (oldest, newest) = lately(stale_after, now);
            sql.bind(oldest).bind(newest)
        };
        self.change(call!("db.conditions.end"), sql, end).await.map(drop)
    }

    async fn conditions(&self) -> Result<Vec<Condition>, StoreError> {
        let rows: Vec<Row> = self
            .run(call!("db.conditions.conditions"), Work::Read, |session| {
                let sql = Sql::<RowSql>::new(
                    "SELECT kind, subject, host, reason, since, reported_at FROM conditions \
                     ORDER BY kind, subject, host",
                );
                Box::pin(session.load(sql))
            })
            .await?;
        Ok(rows.into_iter().map(condition).collect::<Result<_, _>>()?)
    }

    async fn identity(&self, storage: &str, host: &str) -> Result<Option<String>, StoreError> {
        let (storage, host) = (storable(storage, "storage")?, storable(host, "host")?);
        self.run(call!("db.conditions.identity"), Work::Read, move |session| {
            let sql =
                Sql::<Text>::new("SELECT identity FROM storage_identities WHERE storage = ? AND host = ?");
            Box::pin(session.first(sql.bind(storage).bind(host)))
        })
        .await
    }

    async fn announce(&self, announcement: &Announcement, stale_after: Duration) -> Result<(), StoreError> {
        let worker = storable(&announcement.worker.0, "worker")?;
        let over = i64::try_from(announcement.over.as_millis()).unwrap_or(i64::MAX);
        let storages = announcement.storages.iter().map(|share| {
            let storage = storable(&share.storage, "storage")?;
            Ok((storage, storable_size(share.records, "records")?, storable_size(share.bytes, "bytes")?))
        });
        let storages = storages.collect::<Result<Vec<_>, DbError>>()?;
        let announce = self.timed(move |session, now| {
            Box::pin(async move {
                let (oldest, newest) = lately(stale_after, now);
                let sql = Sql::<()>::new(
                    "DELETE FROM worker_storages WHERE worker = ? OR announced_at < ? OR announced_at > ?",
                );
                session.execute(sql.bind(worker.clone()).bind(oldest).bind(newest)).await?;
                for (storage, records, bytes) in storages {
                    let sql = Sql::<()>::new(
                        "INSERT INTO worker_storages (worker, storage, announced_at, records, bytes, over_ms) \
                         VALUES (?, ?, ?, ?, ?, ?)",
                    );
                    let sql = sql.bind(worker.clone()).bind(storage).bind(now.millis());
                    session.execute(sql.bind(records).bind(bytes).bind(over)).await?;
                }
                Ok(())
            })
        });
        self.run(call!("db.conditions.announce"), Work::Write, announce).await
    }

    async fn announce_end(&self, worker: &WorkerId) -> Result<(), StoreError> {
        let worker = storable(&worker.0, "worker")?;
        let sql = Sql::<()>::new("UPDATE worker_storages SET over_ms = ?, announced_at = ? WHERE worker = ?");
        let end = move |sql: Sql, now: Timestamp| sql.bind(now.millis()).bind(worker);
        self.change(call!("db.conditions.announce_end"), sql.bind(ENDED), end).await.map(drop)
    }

    async fn workers(&self, within: Duration) -> Result<Vec<WorkerActivity>, StoreError> {
        let look = self.timed(move |session, now| Box::pin(workers(session, lately(within, now))));
        self.run(call!("db.conditions.workers"), Work::Read, look).await
    }

    async fn is_announced(&self, storage: &str, within: Duration) -> Result<bool, StoreError> {
        let storage = storable(storage, "storage")?;
        let look = self.timed(move |session, now| {
            let (oldest, newest) = lately(within, now);
            let sql = Sql::<BigInt>::new(
                "SELECT COUNT(*) FROM worker_storages WHERE storage = ? AND announced_at >= ? AND announced_at <= ?",
            );
            Box::pin(session.one(sql.bind(storage).bind(oldest).bind(newest)))
        });
        let known: i64 = self.run(call!("db.conditions.is_announced"), Work::Read, look).await?;
        Ok(known > 0)
    }

    async fn mounts(&self, storage: &str) -> Result<BTreeSet<MountBelow>, StoreError> {
        let storage = storable(storage, "storage")?;
        let rows: Vec<(String, String)> = self
            .run(call!("db.conditions.mounts"), Work::Read, move |session| {
                let sql =
                    Sql::<(Text, Text)>::new("SELECT folder, holds FROM storage_mounts WHERE storage = ?");
                Box::pin(session.load(sql.bind(storage)))
            })
            .await?;
        Ok(rows.into_iter().map(|(folder, holds)| MountBelow { folder, holds }).collect())
    }

    async fn remember_mount(&self, storage: &str, mount: &MountBelow) -> Result<(), StoreError> {
        let sql = Sql::<()>::new(
            "INSERT INTO storage_mounts (storage, folder, holds) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        );
        let sql = bind_mount(sql, storage, mount)?;
        self.change(call!("db.conditions.remember_mount"), sql, |sql, _| sql).await.map(drop)
    }

    async fn forget_mount(&self, storage: &str, mount: &MountBelow) -> Result<(), StoreError> {
        let sql = Sql::<()>::new("DELETE FROM storage_mounts WHERE storage = ? AND folder = ? AND holds = ?");
        let sql = bind_mount(sql, storage, mount)?;
        self.change(call!("db.conditions.forget_mount"), sql, |sql, _| sql).await.map(drop)
    }

    async fn remember_identity(&self, storage: &str, host: &str, identity: &str) -> Result<(), StoreError> {
        let (storage, host) = (storable(storage, "storage")?, storable(host, "host")?);
        let identity = storable(identity, "identity")?;
        let sql = Sql::<()>::new(
            "INSERT INTO storage_identities (storage, host, identity) VALUES (?, ?, ?) \
             ON CONFLICT (storage, host) DO UPDATE SET identity = excluded.identity",
        );
        let sql = sql.bind(storage).bind(host).bind(identity);
        self.change(call!("db.conditions.remember_identity"), sql, |sql, _| sql).await.map(drop)
    }
}

/// The workers that announced anything between these times. All leases are read: there are as many as workers hold, not as
/// records.
async fn workers<S: Session>(
    session: &mut S,
    (oldest, newest): (i64, i64),
) -> Result<Vec<WorkerActivity>, DbError> {
    let sql = Sql::<(Text, Text, BigInt, BigInt, BigInt, BigInt)>::new(
        "SELECT worker, storage, announced_at, records, bytes, over_ms FROM worker_storages \
         WHERE announced_at >= ? AND announced_at <= ? AND over_ms <> ? ORDER BY worker, storage",
    );
    let sql = sql.bind(oldest).bind(newest).bind(ENDED);
    let said: Vec<(String, String, i64, i64, i64, i64)> = session.load(sql).await?;
    let held =
        Sql::<(Text, SmallInt, Text)>::new("SELECT DISTINCT l.worker, l.model, l.storage FROM leases l");
    let held: Vec<(String, i16, String)> = session.load(held).await?;
    let mut workers: Vec<WorkerActivity> = Vec::new();
    for (worker, storage, announced_at, records, bytes, over) in said {
        let (records, bytes) = (unsigned(records, "records")?, unsigned(bytes, "bytes")?);
        let share = StorageShare { storage, records, bytes };
        if let Some(known) = workers.last_mut().filter(|known| known.announcement.worker.0 == worker) {
            known.announcement.storages.push(share);
            continue;
        }
        let of_worker = held.iter().filter(|(of, ..)| *of == worker);
        let holds = of_worker.map(|(_, model, storage)| Ok((model_of(*model)?, storage.clone())));
        let mut holds = holds.collect::<Result<Vec<_>, DbError>>()?;
        holds.sort_unstable();
        let over = Duration::from_millis(unsigned(over, "over_ms")?);
        workers.push(WorkerActivity {
            announcement: Announcement { worker: WorkerId(worker), storages: vec![share], over },
            seen_at: Timestamp::from_millis(announced_at),
            holds,
        });
    }
    Ok(workers)
}

/// The oldest and the newest time that are no longer ago than this, in milliseconds; a later one was written by a clock that
/// was ahead.
fn lately(span: Duration, now: Timestamp) -> (i64, i64) {
    (now.before(span).millis(), now.latest_end(Duration::ZERO).millis())
}

fn bind_mount(sql: Sql<()>, storage: &str, mount: &MountBelow) -> Result<Sql<()>, DbError> {
    let MountBelow { folder, holds } = mount;
    let sql = sql.bind(storable(storage, "storage")?).bind(storable(folder, "folder")?);
    Ok(sql.bind(storable(holds, "holds")?))
}

fn subject_columns(subject: &ConditionSubject) -> Result<(i16, String), DbError> {
    match subject {
        ConditionSubject::Storage(name) => Ok((STORAGE, storable(name, "storage")?)),
        ConditionSubject::Process => Ok((PROCESS, String::new())),
    }
}

fn condition((kind, subject, host, reason, since, reported_at): Row) -> Result<Condition, DbError> {
    let subject = match kind {
        STORAGE => ConditionSubject::Storage(subject),
        PROCESS => ConditionSubject::Process,
        other => return Err(DbError::data(format!("a condition of the unknown kind {other}"))),
    };
    let (since, reported_at) = (Timestamp::from_millis(since), Timestamp::from_millis(reported_at));
    Ok(Condition { subject, host, reason, since, reported_at })
}
