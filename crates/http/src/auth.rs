//! Who is asking, and the roles that open a route.
//!
//! Nothing is open by default: a handler names its role as its first argument ([`role`]), and [`crate::routing`]
//! registers no other.

mod role;

use std::rc::Rc;
use std::sync::Arc;

use actix_web::{HttpMessage as _, HttpRequest, web};
use stocktake_domain::ports::Identity;
use stocktake_web::{Caller, Client, Credentials, RequiredRole};

use crate::Context;
use crate::connection::ConnectionState;
use crate::error::ApiError;

pub(crate) use role::{Administrator, ApiToken, Public, Reader, Role};

/// The identity of the request's token, if it has the role. Looks at the headers alone.
pub(crate) async fn admit(request: &HttpRequest, role: RequiredRole) -> Result<Arc<Identity>, ApiError> {
    let context = request.app_data::<web::Data<Context>>().ok_or_else(|| missing("application data"))?;
    let credentials = Credentials::find(request.head()).ok_or(ApiError::Unauthorized)?;
    let address = request.extensions().get::<Client>().map(|client| client.address);
    let address = address.ok_or_else(|| missing("client address"))?;
    let identity = context.api.authenticator.identify(credentials, address).await?;
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
