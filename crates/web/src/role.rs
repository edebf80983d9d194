//! What a token must be for a request.

use actix_web::http::Method;
use stocktake_domain::Scope;
use stocktake_domain::ports::Identity;

/// What a request's token must be for a route that is not public. In this order each asks for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequiredRole {
    /// Any valid token.
    ApiToken,
    /// An administrator's, for reading.
    Reader,
    /// An administrator's, for everything.
    Administrator,
}

/// Why a valid token does not suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The token may be used for less.
    Scope,
    /// Its owner is no administrator.
    Rank,
}

impl RequiredRole {
    /// Refuses a token that does not suffice. Its scope comes first, then its owner's rank. Whatever the role, a
    /// method that may change something needs the scope for everything.
    pub fn check(self, identity: &Identity, method: &Method) -> Result<(), Refusal> {
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let suffices = match identity.scope {
            Some(Scope::Api) => true,
            Some(Scope::ReadApi) => reads && self <= Self::Reader,
            None => reads && self == Self::ApiToken,
        };
        if !suffices {
            return Err(Refusal::Scope);
        }
        if self >= Self::Reader && !identity.admin { Err(Refusal::Rank) } else { Ok(()) }
    }
}
