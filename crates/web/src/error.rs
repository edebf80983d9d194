//! Why nobody is let in.

use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::ports::{AuthorityError, StoreError};

/// Why it is not known whom a token stands for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SignInError {
    /// The token is unknown, expired or revoked.
    #[error("no valid token")]
    Invalid,
    /// Too many wrong tokens came from the address.
    #[error("too many wrong tokens")]
    Throttled {
        /// When it may try again.
        retry_after: Duration,
    },
    /// The database failed.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// The authority that is asked about the token gave no answer.
    #[error(transparent)]
    Authority(Arc<AuthorityError>),
}
