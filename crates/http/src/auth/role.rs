//! The roles that open a route. A handler names one of them as its first argument.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::Method;
use stocktake_domain::Scope;
use stocktake_domain::ports::Identity;

use super::admit;
use crate::error::ApiError;

/// What a request's token must be for a route that is not public. In this order each asks for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RequiredRole {
    /// Any valid token.
    ApiToken,
    /// An administrator's, for reading.
    Reader,
    /// An administrator's, for everything.
    Administrator,
}

impl RequiredRole {
    /// Refuses a token that does not suffice. Its scope comes first, then its owner's rank. Whatever the role, a
    /// method that may change something needs the scope for everything.
    pub(super) fn check(self, identity: &Identity, method: &Method) -> Result<(), ApiError> {
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let suffices = match identity.scope {
            Some(Scope::Api) => true,
            Some(Scope::ReadApi) => reads && self <= Self::Reader,
            None => reads && self == Self::ApiToken,
        };
        if !suffices {
            return Err(ApiError::InsufficientScope);
        }
        if self >= Self::Reader && !identity.admin { Err(ApiError::Forbidden) } else { Ok(()) }
    }
}

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
