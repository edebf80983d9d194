//! What is wrong, for people and scripts: `GET /api/v1/findings`, and the same as lines of text for whoever reads
//! the catalogue without a server.

mod finding;
mod list;
mod place;

use actix_web::web;

use crate::routing::{READ, get, resource};

pub use finding::{csv_header, csv_line, json};
pub(crate) use list::__path_findings;

/// The route.
pub(crate) fn configure(routes: &mut web::ServiceConfig) {
    routes.service(resource("/api/v1/findings", READ).route(get().to(list::findings)));
}
