//! Everything that can go wrong, as one closed list: [`table`] gives each error its status, its body and its header.
//!
//! The client gets what the table says and no more; the cause of a 5xx goes to the log.

mod body;
mod table;

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use stocktake_domain::ports::{AuthorityError, StoreError};
use stocktake_domain::{KeyError, Model};
use stocktake_net::error::ErrorChain;
use stocktake_web::{Refusal, SignInError};

pub(crate) use body::{ErrorBody, ErrorText, MessageBody};

/// What is wrong with a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParamError {
    /// Of the wrong type.
    Type,
    /// Of the right type, but not among the values it may have.
    Value,
}

/// A parameter that was refused, by name.
pub(crate) type BadParameter = (&'static str, ParamError);

/// What a handler returns: the answer, or the error that becomes one.
pub(crate) type ApiResult = Result<HttpResponse, ApiError>;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// No token, or one that is unknown, expired or revoked.
    #[error("no valid token")]
    Unauthorized,
    /// The token's owner is no administrator.
    #[error("not an administrator")]
    Forbidden,
    /// The token may only read.
    #[error("the token's scope does not cover the request")]
    InsufficientScope,
    /// Parameters are wrong; at least one, in the order in which they are documented.
    #[error("invalid parameters")]
    Parameters(Vec<BadParameter>),
    /// Wrong for the reason in the text.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// No such record or job; the text is the identifier as it was sent.
    #[error("{0} not found")]
    NotFound(String),
    /// No such route.
    #[error("no such route")]
    NoRoute,
    /// The route has no handler for the method; the text lists its methods.
    #[error("method not allowed")]
    MethodNotAllowed(String),
    /// The page is too deep for offset pagination.
    #[error("offset beyond {limit}")]
    OffsetLimit {
        /// The largest page × `per_page`.
        limit: u64,
        /// The model that was listed.
        model: Model,
    },
    /// The head or the body did not arrive in time.
    #[error("the request did not arrive in time")]
    RequestTimeout,
    /// The URL is longer than any may be.
    #[error("the URL is too long")]
    UrlTooLong,
    /// The head has too many fields, or too long ones.
    #[error("the head is too large")]
    HeadTooLarge,
    /// The body is larger than the settings allow.
    #[error("the body is too large")]
    BodyTooLarge,
    /// The body is neither JSON nor a form; the text is its content type.
    #[error("unsupported content type {0:?}")]
    ContentType(String),
    /// Too many wrong tokens from the client's address.
    #[error("too many wrong tokens")]
    TooManyRequests {
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

impl ApiError {
    /// The error with everything that caused it, for the log.
    pub(crate) fn chain(&self) -> String {
        ErrorChain(self).to_string()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Arc::new(error).into()
    }
}

impl From<Arc<StoreError>> for ApiError {
    fn from(error: Arc<StoreError>) -> Self {
        match *error {
            StoreError::Unavailable(_) | StoreError::Schema(_) => Self::Unavailable(error),
            StoreError::Internal(_) => Self::Internal(Box::new(error)),
        }
    }
}

impl From<SignInError> for ApiError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Invalid => Self::Unauthorized,
            SignInError::Throttled { retry_after } => Self::TooManyRequests { retry_after },
            SignInError::Store(error) => error.into(),
            SignInError::Authority(error) => Self::Authority(error),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Scope => Self::InsufficientScope,
            Refusal::Rank => Self::Forbidden,
        }
    }
}

impl From<serde_json::Error> for ApiError {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl ApiError {
    /// The error of a text that is not a record identifier. One that no record can have is not found.
    pub(crate) fn identifier(error: KeyError, text: &str) -> Self {
        match error {
            KeyError::InvalidBase64 | KeyError::InvalidComposite => Self::BadRequest(error.to_string()),
            KeyError::Unknowable => Self::NotFound(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_gets_the_whole_cause() {
        let error = ApiError::from(StoreError::Internal("row 7 is odd".into()));
        assert_eq!(
            error.chain(),
            "internal error: the database refused or returned something unexpected: row 7 is odd"
        );
        let error = ApiError::Authority(Arc::new(AuthorityError("no route".into())));
        assert_eq!(error.chain(), "who a token belongs to cannot be found out: no route");
    }
}
