//! Whether storages are what they were.

use async_trait::async_trait;

use super::StoreError;

/// Looks at storages as wholes, before anything is concluded from what is not in them.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait StorageCheck: Send + Sync {
    /// Why nothing can be said of the storage's content now: it cannot be read, is not the one that was read before, or most of
    /// what was there is not. `None` if nothing speaks against it; also if no record lies in it, or it is not configured.
    async fn why_closed(&self, storage: &str) -> Result<Option<String>, StoreError>;
}
