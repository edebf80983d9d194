//! Rows of `tokens`.

use diesel::prelude::{Insertable, Queryable, Selectable};
use stocktake_domain::{NewToken, Timestamp, Token, TokenDigest, TokenId};

use super::codes::{scope_code, scope_of};
use super::values::storable;
use crate::error::DbError;
use crate::schema::tokens;

/// A row of `tokens`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = tokens)]
pub(crate) struct TokenRow {
    id: i64,
    name: String,
    owner: String,
    admin: bool,
    scope: i16,
    expires_at: Option<i64>,
    digest: Vec<u8>,
    created_at: i64,
    revoked_at: Option<i64>,
}

/// A token to be kept.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = tokens)]
pub(crate) struct NewTokenRow {
    name: String,
    owner: String,
    admin: bool,
    scope: i16,
    expires_at: Option<i64>,
    digest: Vec<u8>,
}

impl NewTokenRow {
    /// The row of a token, but for when it was made.
    pub(crate) fn new(token: &NewToken) -> Result<Self, DbError> {
        Ok(Self {
            name: storable(&token.name, "name")?,
            owner: storable(&token.owner, "owner")?,
            admin: token.admin,
            scope: scope_code(token.scope),
            expires_at: token.expires_at.map(Timestamp::millis),
            digest: token.digest.0.to_vec(),
        })
    }
}

impl TokenRow {
    /// The token.
    pub(crate) fn into_token(self) -> Result<Token, DbError> {
        let digest = self.digest.as_slice().try_into();
        Ok(Token {
            id: TokenId(self.id),
            made: NewToken {
                name: self.name,
                owner: self.owner,
                admin: self.admin,
                scope: scope_of(self.scope)?,
                expires_at: self.expires_at.map(Timestamp::from_millis),
                digest: TokenDigest(digest.map_err(|_| DbError::data("a token digest of another length"))?),
            },
            created_at: Timestamp::from_millis(self.created_at),
            revoked_at: self.revoked_at.map(Timestamp::from_millis),
        })
    }
}
