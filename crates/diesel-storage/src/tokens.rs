//! The port `Tokens`, over any driver.

use async_trait::async_trait;
use diesel::{ExpressionMethods as _, QueryDsl as _};
use futures_util::FutureExt as _;
use stocktake_domain::ports::{NameTaken, StoreError, Tokens};
use stocktake_domain::{NewToken, Timestamp, Token, TokenDigest};

use crate::adapter::{Adapter, call};
use crate::columns::all_of;
use crate::error::DbError;
use crate::rows::{NewTokenRow, TokenRow, storable};
use crate::schema::tokens;
use crate::session::{Driver, Reading, Session, Work};

#[async_trait]
impl<D: Driver> Tokens for Adapter<D> {
    async fn create(&self, token: &NewToken) -> Result<Result<Token, NameTaken>, StoreError> {
        let (row, digest) = (NewTokenRow::new(token)?, token.digest);
        let create = self.timed(move |session, now| Box::pin(create(session, row, digest, now)));
        self.run(call!("db.tokens.create"), Work::Write, create).await
    }

    async fn list(&self) -> Result<Vec<Token>, StoreError> {
        let rows: Vec<TokenRow> = self
            .run(call!("db.tokens.list"), Work::Read, |session| {
                session.load(tokens::table.select(all_of::<TokenRow>())).boxed()
            })
            .await?;
        let mut list = rows.into_iter().map(TokenRow::into_token).collect::<Result<Vec<_>, DbError>>()?;
        // Sorted here, so that the order does not depend on a database's collation.
        list.sort_by(|a, b| a.made.name.cmp(&b.made.name).then(a.id.0.cmp(&b.id.0)));
        Ok(list)
    }

    async fn revoke(&self, name: &str) -> Result<Option<Token>, StoreError> {
        let name = storable(name, "name")?;
        let valid = tokens::table.filter(tokens::name.eq(name)).filter(tokens::revoked_at.is_null());
        let revoke = self.timed(move |session, now| {
            let revoked = diesel::update(valid).set(tokens::revoked_at.eq(Some(now.millis())));
            let query = revoked.returning(all_of::<TokenRow>());
            Box::pin(async move { session.first(query).await })
        });
        let row: Option<TokenRow> = self.run(call!("db.tokens.revoke"), Work::Write, revoke).await?;
        Ok(row.map(TokenRow::into_token).transpose()?)
    }

    async fn find(&self, digest: &TokenDigest) -> Result<Option<Token>, StoreError> {
        let digest = *digest;
        self.look_up(call!("db.tokens.find"), move |session| Box::pin(find(session, digest))).await
    }
}

async fn find<S: Reading>(session: &mut S, digest: TokenDigest) -> Result<Option<Token>, DbError> {
    let query = tokens::table.filter(tokens::digest.eq(digest.0.to_vec())).select(all_of::<TokenRow>());
    let row: Option<TokenRow> = session.first(query).await?;
    row.map(TokenRow::into_token).transpose()
}

/// The database's own unique indexes decide, so that of two at once only one gets the name.
async fn create<S: Session>(
    session: &mut S,
    row: NewTokenRow,
    digest: TokenDigest,
    now: Timestamp,
) -> Result<Result<Token, NameTaken>, DbError> {
    let query = diesel::insert_into(tokens::table)
        .values((row, tokens::created_at.eq(now.millis())))
        .on_conflict_do_nothing()
        .returning(all_of::<TokenRow>());
    let made: Option<TokenRow> = session.first(query).await?;
    match made {
        Some(row) => Ok(Ok(row.into_token()?)),
        None if find(session, digest).await?.is_some() => Err(DbError::data("a token of that digest exists")),
        None => Ok(Err(NameTaken)),
    }
}
