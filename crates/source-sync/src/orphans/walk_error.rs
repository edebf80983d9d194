//! Why the search of a storage ends early.

use stocktake_domain::StorageOutcome;

use super::OrphanError;

/// Why a search goes on no more.
pub(super) enum WalkError {
    Outcome(StorageOutcome),
    Error(OrphanError),
}

impl<E: Into<OrphanError>> From<E> for WalkError {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// Paths that come out of their order, from this one on.
pub(super) fn disordered(what: &str, path: &str) -> WalkError {
    let reason = format!("{what} is not in the order of the paths, from here on: {path}");
    WalkError::Outcome(StorageOutcome::Disordered(reason))
}
