//! Somebody else who knows tokens.

use std::fmt;

use async_trait::async_trait;

use crate::token::Scope;

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

/// Somebody else who knows tokens.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Authority: Send + Sync {
    /// Whom the token stands for; `None` if it is unknown, expired or revoked.
    async fn identify(&self, credential: &Credential) -> Result<Option<Identity>, AuthorityError>;
}
