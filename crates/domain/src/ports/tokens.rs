//! Access tokens.

use async_trait::async_trait;

use super::StoreError;
use crate::token::{NewToken, Token, TokenDigest};

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
