//! Bulk jobs: listing them, showing one with its progress, and cancelling one.

mod item;
mod list;

use crate::routing::Endpoint;

pub(crate) use item::{__path_cancel, __path_show, JobBody};
pub(crate) use list::__path_list;

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/api/v1/jobs").get(list::list),
        Endpoint::at("/api/v1/jobs/{id}").get(item::show).delete(item::cancel),
    ]
}
