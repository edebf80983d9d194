//! Access tokens. Only a SHA-256 digest of a token is ever kept.

use std::str::FromStr;

use crate::named::named;
use crate::time::Timestamp;

/// A token's number; also the `id` of the user it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenId(pub i64);

/// The SHA-256 of a token's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest(pub [u8; 32]);

named! {
    /// What a token may be used for.
    pub enum Scope {
        /// Everything.
        Api = "api",
        /// Reading only.
        ReadApi = "read_api",
    }
    /// The name in commands and answers.
    fn name;
}

/// The text names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a scope: api or read_api")]
pub struct UnknownScope(pub String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(name: &str) -> Result<Self, UnknownScope> {
        match name {
            "api" => Ok(Self::Api),
            "read_api" => Ok(Self::ReadApi),
            _ => Err(UnknownScope(name.to_owned())),
        }
    }
}

/// A token to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// Its name, unique among tokens that are not revoked.
    pub name: String,
    /// Whom it stands for.
    pub owner: String,
    /// Whether the owner is an administrator.
    pub admin: bool,
    /// What it may be used for.
    pub scope: Scope,
    /// When it ends; `None` never.
    pub expires_at: Option<Timestamp>,
    /// The digest of its text.
    pub digest: TokenDigest,
}

/// A token as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The number.
    pub id: TokenId,
    /// What it was made with.
    pub made: NewToken,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked; `None` not.
    pub revoked_at: Option<Timestamp>,
}

impl Token {
    /// Whether the token counts at this time: neither revoked nor expired.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.made.expires_at.is_none_or(|end| now < end)
    }
}
