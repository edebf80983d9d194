//! The port `Sessions`, over any driver.

use std::time::Duration;

use async_trait::async_trait;
use diesel::sql_types::{BigInt, Binary, SmallInt};
use stocktake_domain::ports::{Sessions, StoreError};
use stocktake_domain::{
    NewSession, Session as KeptSession, SessionDigest, SessionTerms, SessionToken, Timestamp, TokenDigest,
};

use crate::adapter::{Adapter, call};
use crate::error::DbError;
use crate::session::{Driver, Reading as _, Work};
use crate::sql::Sql;

/// The kinds of token, as numbers in the table.
const OWN: i16 = 0;
const SEALED: i16 = 1;

/// Whether a session is over, as [`KeptSession::is_over`] says.
const IS_OVER: &str = "(used_at <= ? OR used_at > ? OR began_at <= ? OR began_at > ?)";

type Row = (i16, Vec<u8>, i64, i64);
type RowSql = (SmallInt, Binary, BigInt, BigInt);

#[async_trait]
impl<D: Driver> Sessions for Adapter<D> {
    async fn begin(&self, session: &NewSession) -> Result<(), StoreError> {
        let (kind, token) = match &session.token {
            SessionToken::Own(digest) => (OWN, digest.0.to_vec()),
            SessionToken::Sealed(bytes) => (SEALED, bytes.clone()),
        };
        let sql = Sql::<()>::new(
            "INSERT INTO sessions (digest, token_kind, token, began_at, used_at) VALUES (?, ?, ?, ?, ?)",
        );
        let sql = sql.bind(session.digest.0.to_vec()).bind(kind).bind(token);
        let begin = |sql: Sql, now: Timestamp| sql.bind(now.millis()).bind(now.millis());
        self.change(call!("db.sessions.begin"), sql, begin).await.map(drop)
    }

    async fn find(
        &self,
        digest: &SessionDigest,
        terms: SessionTerms,
    ) -> Result<Option<KeptSession>, StoreError> {
        let digest = digest.0.to_vec();
        let find = self.timed(move |session, now| {
            let sql = Sql::<RowSql>::new(
                "SELECT token_kind, token, began_at, used_at FROM sessions WHERE digest = ?",
            );
            Box::pin(async move {
                let row: Option<Row> = session.first(sql.bind(digest)).await?;
                let found = row.map(kept_session).transpose()?;
                Ok(found.filter(|found| !found.is_over(terms, now)))
            })
        });
        self.run(call!("db.sessions.find"), Work::Read, find).await
    }

    async fn touch(&self, digest: &SessionDigest) -> Result<(), StoreError> {
        let digest = digest.0.to_vec();
        let sql = Sql::<()>::new("UPDATE sessions SET used_at = ? WHERE digest = ?");
        let touch = move |sql: Sql, now: Timestamp| sql.bind(now.millis()).bind(digest);
        self.change(call!("db.sessions.touch"), sql, touch).await.map(drop)
    }

    async fn end(&self, digest: &SessionDigest) -> Result<(), StoreError> {
        let sql = Sql::<()>::new("DELETE FROM sessions WHERE digest = ?").bind(digest.0.to_vec());
        self.change(call!("db.sessions.end"), sql, |sql, _| sql).await.map(drop)
    }

    async fn delete_ended(&self, terms: SessionTerms) -> Result<u64, StoreError> {
        let sql = Sql::<()>::new("DELETE FROM sessions WHERE ").push(IS_OVER);
        let ended = move |sql: Sql, now: Timestamp| {
            let latest = now.latest_end(Duration::ZERO).millis();
            let sql = sql.bind(now.before(terms.idle).millis()).bind(latest);
            sql.bind(now.before(terms.longest).millis()).bind(latest)
        };
        self.change(call!("db.sessions.delete_ended"), sql, ended).await
    }
}

fn kept_session((kind, token, began_at, used_at): Row) -> Result<KeptSession, DbError> {
    let token = match kind {
        OWN => {
            let digest = token.as_slice().try_into();
            let digest = digest.map_err(|_| DbError::data("a session's token digest of another length"))?;
            SessionToken::Own(TokenDigest(digest))
        }
        SEALED => SessionToken::Sealed(token),
        other => return Err(DbError::data(format!("a session with a token of the unknown kind {other}"))),
    };
    let (began_at, used_at) = (Timestamp::from_millis(began_at), Timestamp::from_millis(used_at));
    Ok(KeptSession { token, began_at, used_at })
}
