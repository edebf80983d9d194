//! The port `Conditions`.

use std::time::Duration;

use async_trait::async_trait;

use super::tables::Tables;
use super::{MemoryStore, storable, without_nul};
use crate::condition::{Condition, ConditionSubject};
use crate::ports::{Conditions, StoreError};
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
        let is_stale = |at: Timestamp| at < now.before(stale_after) || at > now.latest_end(Duration::ZERO);
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
}
