//! Why a check has no result.

use stocktake_domain::NotJudged;
use stocktake_domain::ports::ListError;

use super::baseline::BaselineError;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    /// The folder cannot be listed, or not to the end.
    #[error("the folder cannot be listed: {0}")]
    List(ListError),
    /// It is not listed in the order of the paths.
    #[error("the folder is not listed in the order of the paths, from here on: {0}")]
    Disordered(String),
    /// Nothing can be said of the content.
    #[error("{0}")]
    NotJudged(NotJudged),
    /// Something was unmounted meanwhile.
    #[error(
        "what was mounted at {0} below the folder was unmounted while it was read. Nothing was recorded; is it mounted again?"
    )]
    Unmounted(String),
    /// The baseline cannot be read or written.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
}
