//! The port `Conditions`, over any driver.

use std::time::Duration;

use async_trait::async_trait;
use diesel::sql_types::{BigInt, SmallInt, Text};
use stocktake_domain::ports::{Conditions, StoreError};
use stocktake_domain::{Condition, ConditionSubject, Timestamp};

use crate::adapter::{Adapter, call};
use crate::error::DbError;
use crate::rows::storable;
use crate::session::{Driver, Session as _, Work};
use crate::sql::Sql;

/// The kinds of subject, as numbers in the table.
const STORAGE: i16 = 0;
const PROCESS: i16 = 1;

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
            sql.bind(now.before(stale_after).millis()).bind(now.latest_end(Duration::ZERO).millis())
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
