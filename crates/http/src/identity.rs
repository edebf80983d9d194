//! `GET /api/v4/version` and `GET /api/v4/user`, which ordinary clients call to find out about the server and themselves.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Context;
use crate::auth::ApiToken;
use crate::routing::Endpoint;
use crate::schema::TokenRefusals;

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/api/v4/version").get(version), Endpoint::at("/api/v4/user").get(user)]
}

/// The program's version.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Version)]
pub(crate) struct VersionBody<'a> {
    /// The version.
    #[schema(example = "0.1.0")]
    version: &'a str,
    /// The source revision it was built from.
    revision: &'a str,
}

/// The program's version.
#[utoipa::path(
    get, path = "/api/v4/version", tag = "identity",
    responses((status = 200, body = VersionBody, description = "The version."), TokenRefusals)
)]
async fn version(_: ApiToken, context: web::Data<Context>) -> HttpResponse {
    let settings = &context.api.settings;
    HttpResponse::Ok().json(VersionBody { version: &settings.version, revision: &settings.revision })
}

/// The token's owner.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserBody<'a> {
    /// The user's number in the GitLab that knows the token; of a token of our own the token's number.
    id: i64,
    /// The login name; of a token of our own its owner.
    username: &'a str,
    /// The full name; of a token of our own its owner.
    name: &'a str,
    /// Whether the user is an administrator.
    is_admin: bool,
}

/// The owner of the token that the request carries.
#[utoipa::path(
    get, path = "/api/v4/user", tag = "identity",
    responses((status = 200, body = UserBody, description = "The owner."), TokenRefusals)
)]
async fn user(ApiToken(identity): ApiToken) -> HttpResponse {
    HttpResponse::Ok().json(UserBody {
        id: identity.id,
        username: &identity.username,
        name: &identity.name,
        is_admin: identity.admin,
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::{Mocks, TOKEN, token};

    #[actix_web::test]
    async fn the_version_is_shown() {
        Mocks::default().get("/api/v4/version").await.is(200, r#"{"version":"1.2.3","revision":"abc"}"#);
    }

    #[actix_web::test]
    async fn any_valid_token_shows_its_owner() {
        let mut plain = token(TOKEN);
        plain.made.admin = false;
        let answer = Mocks::knowing(plain).get("/api/v4/user").await;
        answer.is(200, r#"{"id":7,"username":"root","name":"root","is_admin":false}"#);
    }
}
