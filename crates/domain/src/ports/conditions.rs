//! The conditions of storages and processes, where all processes on one database see them.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::condition::{Condition, ConditionSubject};

/// The conditions that keep records from being judged, and which storage each host read last.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Conditions: Send + Sync {
    /// Reports a condition as this host sees it. One that was reported before keeps its beginning and takes the new reason.
    async fn report(&self, subject: &ConditionSubject, host: &str, reason: &str) -> Result<(), StoreError>;

    /// Ends the condition of this subject as this host saw it, and as any host did that has not reported it for longer than
    /// `stale_after`: its process is gone. Ending what there is not is no error.
    async fn end(
        &self,
        subject: &ConditionSubject,
        host: &str,
        stale_after: Duration,
    ) -> Result<(), StoreError>;

    /// All conditions: those of storages first, by name and host, in the byte order of both.
    async fn conditions(&self) -> Result<Vec<Condition>, StoreError>;

    /// What [`Conditions::remember_identity`] was last told of this storage by this host.
    async fn identity(&self, storage: &str, host: &str) -> Result<Option<String>, StoreError>;

    /// Keeps which storage ([`ProbedStorage::identity`](super::ProbedStorage::identity)) this host found at its address.
    async fn remember_identity(&self, storage: &str, host: &str, identity: &str) -> Result<(), StoreError>;
}
