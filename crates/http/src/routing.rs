//! Registering endpoints. This is the only module that gives handlers to actix-web, and it takes none whose first
//! argument is not a [`Role`]. The role is decided before anything else of the request is looked at, its body included.
//!
//! An endpoint answers every method sensibly: `HEAD` wherever `GET` does, `OPTIONS` with the methods it has, and any
//! other with 405 and the same list.

use actix_web::dev::{Handler, ServiceRequest};
use actix_web::http::{Method, Uri, header};
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, Resource, Responder, Route, guard, web};
use stocktake_web::RequiredRole;

use crate::auth::{Role, admit};
use crate::error::{ApiError, ApiResult};

/// The arguments of a handler, of which the first is a role.
pub(crate) trait RoleFirst {
    /// The role.
    type Role: Role;
    /// The other arguments, which are extracted only if the role is given.
    type Rest: FromRequest<Error: Into<Error>>;

    /// All arguments.
    fn join(role: Self::Role, rest: Self::Rest) -> Self;
}

macro_rules! role_first {
    ($($argument:ident: $kind:ident),*) => {
        impl<R: Role, $($kind: FromRequest + 'static),*> RoleFirst for (R, $($kind,)*) {
            type Role = R;
            type Rest = ($($kind,)*);

            fn join(role: R, ($($argument,)*): Self::Rest) -> Self {
                (role, $($argument,)*)
            }
        }
    };
}

role_first! {}
role_first! { a: A }
role_first! { a: A, b: B }
role_first! { a: A, b: B, c: C }

/// A path with the handlers of its methods, and the role that each of them names.
pub(crate) struct Endpoint {
    path: &'static str,
    methods: Vec<(Method, Option<RequiredRole>)>,
    routes: Vec<Route>,
}

impl Endpoint {
    /// An endpoint at this path that answers no method yet.
    pub(crate) fn at(path: &'static str) -> Self {
        Self { path, methods: Vec::new(), routes: Vec::new() }
    }

    /// Answers `GET`, and `HEAD`, of whose answer the server sends the head alone.
    pub(crate) fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args, Output: Responder + 'static>,
        Args: RoleFirst + 'static,
    {
        self.on(Method::HEAD, handler.clone()).on(Method::GET, handler)
    }

    /// Answers `PUT`.
    pub(crate) fn put<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args, Output: Responder + 'static>,
        Args: RoleFirst + 'static,
    {
        self.on(Method::PUT, handler)
    }

    /// Answers `DELETE`.
    pub(crate) fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args, Output: Responder + 'static>,
        Args: RoleFirst + 'static,
    {
        self.on(Method::DELETE, handler)
    }

    /// What `OPTIONS`, and a method without a handler, need. A role that may read a path may ask for its methods; for a
    /// path that cannot be read, the role that may read its neighbours suffices.
    fn role_of_other_methods(&self) -> Option<RequiredRole> {
        let strictest = self.methods.iter().map(|(_, role)| *role).max().flatten();
        strictest.min(Some(RequiredRole::Reader))
    }

    /// The endpoint as actix-web takes it.
    pub(crate) fn into_resource(self) -> Resource {
        let role = self.role_of_other_methods();
        let names = self.methods.iter().map(|(method, _)| method.as_str()).chain(["OPTIONS"]);
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        let allow = names.join(", ");
        let other = move |request: HttpRequest| {
            let allow = allow.clone();
            async move {
                require(&request, role).await?;
                if request.method() != Method::OPTIONS {
                    return Err(ApiError::MethodNotAllowed(allow));
                }
                Ok(HttpResponse::NoContent().insert_header((header::ALLOW, allow)).finish())
            }
        };
        let resource = web::resource(self.path).default_service(web::to(other));
        self.routes.into_iter().fold(resource, Resource::route)
    }

    fn on<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args, Output: Responder + 'static>,
        Args: RoleFirst + 'static,
    {
        self.methods.push((method.clone(), Args::Role::REQUIRED));
        self.routes.push(guarded(method, handler));
        self
    }
}

/// A route that extracts the handler's role first, and its other arguments only if the role is given.
fn guarded<F, Args>(method: Method, handler: F) -> Route
where
    F: Handler<Args, Output: Responder + 'static>,
    Args: RoleFirst + 'static,
{
    let route = web::route().guard(guard::Method(method));
    route.to(move |request: HttpRequest, payload: web::Payload| {
        let handler = handler.clone();
        async move {
            let role = Args::Role::admit(&request).await?;
            let rest = Args::Rest::from_request(&request, &mut payload.into_inner()).await;
            Ok::<_, Error>(handler.call(Args::join(role, rest.map_err(Into::into)?)).await)
        }
    })
}

/// The answer where there is no endpoint: 404, but not before the role that the path's neighbours need is given.
pub(crate) async fn no_endpoint(request: HttpRequest) -> ApiResult {
    require(&request, role_of_unknown(request.match_info().as_str())).await?;
    Err(ApiError::NoRoute)
}

/// The role for a decoded path without an endpoint. Repeated slashes do not change it, so that no spelling
/// reveals to a stranger which paths exist.
fn role_of_unknown(path: &str) -> Option<RequiredRole> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    match (segments.next(), segments.next(), segments.next()) {
        (Some("api"), Some("v4"), Some("admin")) | (Some("api"), Some("v1"), _) => Some(RequiredRole::Reader),
        (Some("api"), Some("v4"), Some("version" | "user")) => Some(RequiredRole::ApiToken),
        _ => None,
    }
}

async fn require(request: &HttpRequest, role: Option<RequiredRole>) -> Result<(), ApiError> {
    match role {
        Some(role) => admit(request, role).await.map(drop),
        None => Ok(()),
    }
}

/// Treats a path with a trailing slash as the path without it, as the original API does.
pub(crate) fn strip_slash(request: &mut ServiceRequest) {
    let uri = request.uri();
    let Some(path) = uri.path().strip_suffix('/').filter(|path| !path.is_empty()) else { return };
    let stripped = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = stripped.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

#[cfg(test)]
mod tests;
