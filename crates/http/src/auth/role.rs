//! The roles that open a route. A handler names one of them as its first argument.

use std::sync::Arc;

use actix_web::HttpRequest;
use stocktake_domain::ports::Identity;
use stocktake_web::RequiredRole;

use super::admit;
use crate::error::ApiError;

/// A role, as the first argument of a handler.
pub(crate) trait Role: Sized + 'static {
    /// What the request's token must be; `None`: no token is needed.
    const REQUIRED: Option<RequiredRole>;

    /// Admits the request, or refuses it.
    async fn admit(request: &HttpRequest) -> Result<Self, ApiError>;
}

/// Anybody, without a token.
pub(crate) struct Public;

impl Role for Public {
    const REQUIRED: Option<RequiredRole> = None;

    async fn admit(_: &HttpRequest) -> Result<Self, ApiError> {
        Ok(Self)
    }
}

/// The owner of any valid token.
pub(crate) struct ApiToken(pub(crate) Arc<Identity>);

impl Role for ApiToken {
    const REQUIRED: Option<RequiredRole> = Some(RequiredRole::ApiToken);

    async fn admit(request: &HttpRequest) -> Result<Self, ApiError> {
        admit(request, RequiredRole::ApiToken).await.map(Self)
    }
}

/// An administrator whose token is for reading at least.
pub(crate) struct Reader;

impl Role for Reader {
    const REQUIRED: Option<RequiredRole> = Some(RequiredRole::Reader);

    async fn admit(request: &HttpRequest) -> Result<Self, ApiError> {
        admit(request, RequiredRole::Reader).await.map(|_| Self)
    }
}

/// An administrator whose token is for everything.
pub(crate) struct Administrator(pub(crate) Arc<Identity>);

impl Role for Administrator {
    const REQUIRED: Option<RequiredRole> = Some(RequiredRole::Administrator);

    async fn admit(request: &HttpRequest) -> Result<Self, ApiError> {
        admit(request, RequiredRole::Administrator).await.map(Self)
    }
}
