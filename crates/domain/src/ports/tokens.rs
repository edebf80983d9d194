//! Access tokens: our own, and those that another system knows.

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use crate::token::{NewToken, Scope, Token, TokenDigest};

/// A token of that name exists that is not revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token of that name exists already")]
pub struct NameTaken;

/// Access tokens.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Keeps a new token. The inner error: a token of that name exists that is not revoked; of several at once one gets the
    /// name. A digest is never taken twice, under whatever name: [`StoreError::Internal`].
    async fn create(&self, token: &NewToken) -> Result<Result<Token, NameTaken>, StoreError>;

    /// All tokens, also revoked and expired ones, by the bytes of their names, those of one name in the order in which they
    /// were created.
    async fn list(&self) -> Result<Vec<Token>, StoreError>;

    /// Revokes the token of this name; `None` if no unrevoked one has it.
    async fn revoke(&self, name: &str) -> Result<Option<Token>, StoreError>;

    /// The token with this digest, valid or not: an expired one is found too, and counts until its end, exclusive
    /// ([`crate::Token::is_valid`]).
    async fn find(&self, digest: &TokenDigest) -> Result<Option<Token>, StoreError>;
}

/// A token that is none of ours, as a request carries it. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Credential {
    /// In the header `PRIVATE-TOKEN`.
    PrivateToken(String),
    /// In the header `Authorization`, behind `Bearer`.
    Bearer(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// Whom a token stands for, and what it may be used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's number there.
    pub id: i64,
    /// The login name.
    pub username: String,
    /// The full name.
    pub name: String,
    /// Whether the user is an administrator.
    pub admin: bool,
    /// What the token may be used for; `None` if for nothing that is offered here.
    pub scope: Option<Scope>,
}

/// The authority cannot be asked, or does not answer as it should. Try again later.
#[derive(Debug, thiserror::Error)]
#[error("who a token belongs to cannot be found out")]
pub struct AuthorityError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Another system that knows tokens.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Authority: Send + Sync {
    /// Whom the token stands for; `None` if it is unknown, expired or revoked.
    async fn identify(&self, credential: &Credential) -> Result<Option<Identity>, AuthorityError>;
}
