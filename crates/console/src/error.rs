//! Everything that can go wrong, and the page that says so.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use stocktake_domain::ports::{AuthorityError, StoreError};
use stocktake_web::SignInError;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConsoleError {
    /// Nobody has signed in, or the session is over.
    #[error("not signed in")]
    SignedOut,
    /// Who asks may not have it, for the reason in the text.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// There is no such page, record or job.
    #[error("not found")]
    NotFound,
    /// The page is not asked for in this way.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// Wrong for the reason in the text.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// Too many wrong tokens from the client's address.
    #[error("too many wrong tokens")]
    TooManyTokens {
        /// When it may try again.
        retry_after: Duration,
    },
    /// The database is unreachable, or its schema is not current.
    #[error("the store is unavailable")]
    Unavailable(#[source] Arc<StoreError>),
    /// The authority that is asked about the token gave no answer.
    #[error(transparent)]
    Authority(Arc<AuthorityError>),
    /// A fault of our own.
    #[error("internal error")]
    Internal(#[source] Box<dyn StdError + Send + Sync>),
}

impl ConsoleError {
    /// A fault of our own for this reason.
    pub(crate) fn internal(reason: &str) -> Self {
        Self::Internal(reason.into())
    }

    /// The status of the answer.
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::TooManyTokens { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) | Self::Authority(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<StoreError> for ConsoleError {
    fn from(error: StoreError) -> Self {
        Arc::new(error).into()
    }
}

impl From<Arc<StoreError>> for ConsoleError {
    fn from(error: Arc<StoreError>) -> Self {
        match *error {
            StoreError::Unavailable(_) | StoreError::Schema(_) => Self::Unavailable(error),
            StoreError::Internal(_) => Self::Internal(Box::new(error)),
        }
    }
}

impl From<SignInError> for ConsoleError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Invalid => Self::SignedOut,
            SignInError::Throttled { retry_after } => Self::TooManyTokens { retry_after },
            SignInError::Store(error) => error.into(),
            SignInError::Authority(error) => Self::Authority(error),
        }
    }
}
