//! The port `Conditions`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;

use super::tables::{Announced, Tables};
use super::{MemoryStore, storable, storable_number, without_nul};
use crate::condition::{Condition, ConditionSubject};
use crate::model::Model;
use crate::ports::{Announcement, Conditions, MountBelow, StoreError, WorkerActivity, WorkerId};
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

    async fn announce(&self, announcement: &Announcement, stale_after: Duration) -> Result<(), StoreError> {
        let Announcement { worker, storages, over } = announcement.clone();
        storable(&worker.0, "worker")?;
        for share in &storages {
            storable(&share.storage, "storage")?;
            storable_number(share.records, "records")?;
            storable_number(share.bytes, "bytes")?;
        }
        let at = self.now();
        let announce = |tables: &mut Tables| {
            tables.announced.retain(|(of, _), said| *of != worker.0 && is_within(said.at, stale_after, at));
            for share in storages {
                let key = (worker.0.clone(), share.storage.clone());
                tables.announced.insert(key, Announced { at, over: Some(over), share });
            }
        };
        self.step(announce).await;
        Ok(())
    }

    async fn announce_end(&self, worker: &WorkerId) -> Result<(), StoreError> {
        storable(&worker.0, "worker")?;
        let now = self.now();
        let end = |tables: &mut Tables| {
            for (_, said) in tables.announced.iter_mut().filter(|((of, _), _)| *of == worker.0) {
                (said.at, said.over) = (now, None);
            }
        };
        self.step(end).await;
        Ok(())
    }

    async fn workers(&self, within: Duration) -> Result<Vec<WorkerActivity>, StoreError> {
        let now = self.now();
        Ok(self.step(|tables: &mut Tables| tables.workers(within, now)).await)
    }

    async fn is_announced(&self, storage: &str, within: Duration) -> Result<bool, StoreError> {
        let now = self.now();
        let is_announced = |tables: &mut Tables| {
            tables.announced.iter().any(|((_, of), said)| of == storage && is_within(said.at, within, now))
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

impl Tables {
    fn workers(&self, within: Duration, now: Timestamp) -> Vec<WorkerActivity> {
        let said = self.announced.iter().filter(|(_, said)| is_within(said.at, within, now));
        let mut workers: BTreeMap<&String, WorkerActivity> = BTreeMap::new();
        for ((worker, _), said) in said {
            let Some(over) = said.over else { continue };
            let known = workers.entry(worker).or_insert_with(|| {
                let worker = WorkerId(worker.clone());
                let leases = self.leases.values().filter(|held| held.worker == worker);
                let holds: BTreeSet<(Model, String)> =
                    leases.map(|held| (held.model, held.storage.clone())).collect();
                WorkerActivity {
                    announcement: Announcement { worker, storages: Vec::new(), over },
                    seen_at: said.at,
                    holds: holds.into_iter().collect(),
                }
            });
            known.announcement.storages.push(said.share.clone());
        }
        workers.into_values().collect()
    }
}

/// Whether it was no longer ago than this; what lies in the future was written by a clock that was ahead.
fn is_within(at: Timestamp, span: Duration, now: Timestamp) -> bool {
    at >= now.before(span) && at <= now.latest_end(Duration::ZERO)
}
