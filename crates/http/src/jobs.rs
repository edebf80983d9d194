//! Bulk jobs: listing them, showing one with its progress, and cancelling one.

mod item;
mod list;

use actix_web::web;

use crate::routing::{READ, get, resource};

pub(crate) use item::{__path_cancel, __path_show, JobBody};
pub(crate) use list::__path_list;

/// The routes.
pub(crate) fn configure(routes: &mut web::ServiceConfig) {
    routes.service(resource("/api/v1/jobs", READ).route(get().to(list::list))).service(
        resource("/api/v1/jobs/{id}", "DELETE, GET, HEAD, OPTIONS")
            .route(get().to(item::show))
            .route(web::delete().to(item::cancel)),
    );
}
