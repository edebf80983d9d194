//! The port `Conditions`.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

use super::tables::Tables;
use super::{MemoryStore, storable, without_nul};
use crate::condition::{Condition, ConditionSubject};
use crate::ports::{Conditions, MountBelow, StoreError, WorkerId};
use crate::time::Timestamp;

#[async_trait]
impl Conditions for MemoryStore {
    async fn report(&self, subject: &ConditionSubject, host: &str, reason: &str) -> Result<(), StoreError> {
        let now = self.now();
        if let ConditionSubject::Storage(name) = subject {
            storable(name, "storage")?;
        }
        storable(host, "host")?;
        let key = (subject.clone(), host.to_owned());
        let report = |tables: &mut Tables| {
            let since = tables.conditions.get(&key).map_or(now, |known| known.since);
            let (subject, host) = key.clone();
            let condition = Condition { subject, host, reason: without_nul(reason), since, reported_at: now };
            tables.conditions.insert(key, condition);
        };
        self.step(report).await;
        Ok(())
    }

    async fn end(
        &self,
        subject: &ConditionSubject,
        host: &str,
        stale_after: Duration,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let is_stale = |at: Timestamp| !is_within(at, stale_after, now);
        let end = |tables: &mut Tables| {
            tables.conditions.retain(|(of, at), condition| {
                of != subject || (at != host && !is_stale(condition.reported_at))
            });
        };
        self.step(end).await;
        Ok(())
    }

    async fn conditions(&self) -> Result<Vec<Condition>, StoreError> {
        Ok(self.step(|tables: &mut Tables| tables.conditions.values().cloned().collect()).await)
    }

    async fn identity(&self, storage: &str, host: &str) -> Result<Option<String>, StoreError> {
        let key = (storage.to_owned(), host.to_owned());
        Ok(self.step(|tables: &mut Tables| tables.identities.get(&key).cloned()).await)
    }

    async fn remember_identity(&self, storage: &str, host: &str, identity: &str) -> Result<(), StoreError> {
        for (text, what) in [(storage, "storage"), (host, "host"), (identity, "identity")] {
            storable(text, what)?;
        }
        let (key, identity) = ((storage.to_owned(), host.to_owned()), identity.to_owned());
        self.step(|tables: &mut Tables| tables.identities.insert(key, identity)).await;
        Ok(())
    }

    async fn announce(
        &self,
        worker: &WorkerId,
        storages: &[String],
        stale_after: Duration,
    ) -> Result<(), StoreError> {
        storable(&worker.0, "worker")?;
        for storage in storages {
            storable(storage, "storage")?;
        }
        let now = self.now();
        let announce = |tables: &mut Tables| {
            tables.announced.retain(|(of, _), at| of != &worker.0 && is_within(*at, stale_after, now));
            let announced = storages.iter().map(|storage| ((worker.0.clone(), storage.clone()), now));
            tables.announced.extend(announced);
        };
        self.step(announce).await;
        Ok(())
    }

    async fn is_announced(&self, storage: &str, within: Duration) -> Result<bool, StoreError> {
        let now = self.now();
        let is_announced = |tables: &mut Tables| {
            tables.announced.iter().any(|((_, of), at)| of == storage && is_within(*at, within, now))
        };
        Ok(self.step(is_announced).await)
    }

    async fn mounts(&self, storage: &str) -> Result<BTreeSet<MountBelow>, StoreError> {
        let mounts = |tables: &mut Tables| {
            let known = tables.mounts.iter().filter(|(of, _)| of == storage);
            known.map(|(_, mount)| mount.clone()).collect()
        };
        Ok(self.step(mounts).await)
    }

    async fn remember_mount(&self, storage: &str, mount: &MountBelow) -> Result<(), StoreError> {
        for (text, what) in [(storage, "storage"), (&mount.folder, "folder"), (&mount.holds, "holds")] {
            storable(text, what)?;
        }
        let mount = (storage.to_owned(), mount.clone());
        self.step(|tables: &mut Tables| tables.mounts.insert(mount)).await;
        Ok(())
    }

    async fn forget_mount(&self, storage: &str, mount: &MountBelow) -> Result<(), StoreError> {
        let mount = (storage.to_owned(), mount.clone());
        self.step(|tables: &mut Tables| tables.mounts.remove(&mount)).await;
        Ok(())
    }
}

/// Whether it was no longer ago than this; what lies in the future was written by a clock that was ahead.
fn is_within(at: Timestamp, span: Duration, now: Timestamp) -> bool {
    at >= now.before(span) && at <= now.latest_end(Duration::ZERO)
}
