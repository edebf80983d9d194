//! The conditions of storages and processes, where all processes on one database see them.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

use super::{MountBelow, StoreError, WorkerId};
use crate::condition::{Condition, ConditionSubject};
use crate::model::Model;
use crate::time::Timestamp;

/// What a worker recorded of a storage between two of its announcements.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StorageShare {
    /// The storage's name.
    pub storage: String,
    /// Results.
    pub records: u64,
    /// Bytes of content read.
    pub bytes: u64,
}

/// What a worker says of itself from time to time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The worker.
    pub worker: WorkerId,
    /// The storages it has, each once.
    pub storages: Vec<StorageShare>,
    /// How long ago its last announcement was; zero of its first.
    pub over: Duration,
}

/// What is known of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerActivity {
    /// What it last said.
    pub announcement: Announcement,
    /// When it said so.
    pub seen_at: Timestamp,
    /// The models and storages of whose records it holds leases, each once.
    pub holds: Vec<(Model, String)>,
}

/// The conditions that keep records from being judged, which storage each host read last, and which storages each worker has.
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

    /// Announces which storages a worker has, and what it did. What was announced before of it is forgotten, and of any
    /// worker that has not announced anything for longer than `stale_after`: it is gone.
    async fn announce(&self, announcement: &Announcement, stale_after: Duration) -> Result<(), StoreError>;

    /// Announces that a worker ends. It is no longer one of [`Conditions::workers`], until it announces storages again; those it
    /// announced last go on being announced ([`Conditions::is_announced`]), from now on for as long as if it had announced
    /// them now: it may be about to be started anew. The end of a worker that is not known is no error.
    async fn announce_end(&self, worker: &WorkerId) -> Result<(), StoreError>;

    /// The workers that announced storages no longer than `within` ago, in the byte order of their names; the storages of
    /// each and what it holds likewise, models in the order of [`Model::ALL`] first.
    async fn workers(&self, within: Duration) -> Result<Vec<WorkerActivity>, StoreError>;

    /// Whether some worker has announced this storage, no longer than `within` ago.
    async fn is_announced(&self, storage: &str, within: Duration) -> Result<bool, StoreError>;

    /// The folders of this storage at which something was mounted ([`Conditions::remember_mount`]), as any host said.
    async fn mounts(&self, storage: &str) -> Result<BTreeSet<MountBelow>, StoreError>;

    /// Keeps that good content was read from what is mounted at a folder of this storage.
    async fn remember_mount(&self, storage: &str, mount: &MountBelow) -> Result<(), StoreError>;

    /// Forgets it: nothing need be mounted there. Forgetting what is not known is no error.
    async fn forget_mount(&self, storage: &str, mount: &MountBelow) -> Result<(), StoreError>;

    /// Keeps which storage ([`ProbedStorage::identity`](super::ProbedStorage::identity)) this host found at its address.
    async fn remember_identity(&self, storage: &str, host: &str, identity: &str) -> Result<(), StoreError>;
}
