//! Who is asking: tokens, the roles they have, and the throttle on guessing them.
//!
//! A token that begins with `stk-` is one of ours; about any other the authority is asked, if one is configured. A
//! valid token is remembered for a while, so that a client that sends hundreds of requests a second costs one look-up
//! in that time.
//!
//! Nothing is open by default: a handler names its role as its first argument ([`role`]), and [`crate::routing`]
//! registers no other.

mod cache;
mod credentials;
mod external_tokens;
mod local_tokens;
mod role;
mod throttle;

use std::rc::Rc;
use std::sync::Arc;

use actix_web::{HttpMessage as _, HttpRequest, web};
use stocktake_domain::ports::Identity;

use crate::client::Client;
use crate::connection::ConnectionState;
use crate::error::ApiError;
use crate::{Api, Context};
use credentials::Credentials;
use external_tokens::{AuthRequest, ExternalTokens};
use local_tokens::LocalTokens;
use throttle::Throttle;

pub(crate) use credentials::PRIVATE_TOKEN;
pub(crate) use role::{Administrator, ApiToken, Public, Reader, RequiredRole, Role};

/// Whom a request was let in as; left in the request's extensions for its log line.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Arc<Identity>);

/// Finds out whom tokens stand for.
pub(crate) struct Authenticator {
    local: LocalTokens,
    external: ExternalTokens,
    throttle: Arc<Throttle>,
}

impl Authenticator {
    /// An authenticator that answers 429 to further wrong tokens of an address for the rest of a minute, after so
    /// many of them; 0: never.
    pub(crate) fn new(wrong_tokens_per_minute: u32) -> Self {
        let throttle = Arc::new(Throttle::new(wrong_tokens_per_minute));
        Self { local: LocalTokens::new(), external: ExternalTokens::new(), throttle }
    }

    /// Whom the token stands for. The throttle comes after the look-up, so that a valid token is answered however
    /// many wrong ones came from the same address.
    async fn identify(&self, request: AuthRequest<'_>, api: &Api) -> Result<Arc<Identity>, ApiError> {
        let AuthRequest { address, now, .. } = request;
        let found = match request.credentials.local() {
            Some(text) => self.local.identify(text, now, api).await?,
            None => self.external.identify(&request, &self.throttle, api).await?,
        };
        found.ok_or_else(|| {
            if let Some(retry_after) = self.throttle.refused_for(address, now) {
                return ApiError::TooManyRequests { retry_after };
            }
            self.throttle.count_wrong(address, now);
            ApiError::Unauthorized
        })
    }
}

/// The identity of the request's token, if it has the role. Looks at the headers alone.
pub(crate) async fn admit(request: &HttpRequest, role: RequiredRole) -> Result<Arc<Identity>, ApiError> {
    let context = request.app_data::<web::Data<Context>>().ok_or_else(|| missing("application data"))?;
    let credentials = Credentials::find(request.head()).ok_or(ApiError::Unauthorized)?;
    let address = request.extensions().get::<Client>().map(|client| client.address);
    let address = address.ok_or_else(|| missing("client address"))?;
    let asked = AuthRequest { credentials, address, now: context.api.clock.now() };
    let identity = context.auth.identify(asked, &context.api).await?;
    role.check(&identity, request.method())?;
    request.extensions_mut().insert(Caller(Arc::clone(&identity)));
    if let Some(connection) = request.conn_data::<Rc<ConnectionState>>() {
        connection.set_known();
    }
    Ok(identity)
}

fn missing(what: &str) -> ApiError {
    ApiError::Internal(format!("the request has no {what}").into())
}

#[cfg(test)]
mod tests;
