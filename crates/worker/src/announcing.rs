//! Which storages the workers on one database have, and how fast they read them.
//!
//! Processes may have different configurations. A storage that a worker does not know is the mistake of whoever named it, and
//! its records are invalid; unless another worker knows it, or knew it when it ended a moment ago, to whom they are left.

use std::time::Duration;

use stocktake_domain::NotJudged;
use stocktake_domain::ports::{Announcement, StoreError};
use tokio::time::Instant;

use crate::context::EngineContext;

/// How often a worker says which storages it has.
const EVERY: Duration = Duration::from_secs(15);

/// A worker that has not said so for so long is gone, whether it was killed or was stopped: until then its storages are taken
/// for known, so that whoever starts it anew, under another name, finds its records as they were.
const STALE: Duration = Duration::from_secs(180);

/// How long a worker that ends tries to say so.
const FAREWELL: Duration = Duration::from_millis(500);

impl EngineContext {
    /// Does this work, and says meanwhile which storages this worker has.
    pub(crate) async fn announced<T>(&self, work: impl Future<Output = T>) -> T {
        let names: Vec<String> =
            self.parts.storages.keys().filter(|name| self.serves(name)).cloned().collect();
        let announce = async {
            let mut before = None;
            loop {
                let now = Instant::now();
                let over = before.map_or(Duration::ZERO, |before| now.duration_since(before));
                self.announce(&names, over).await;
                before = Some(now);
                tokio::time::sleep(EVERY).await;
            }
        };
        let done = tokio::select! {
            biased;
            never = announce => never,
            done = work => done,
        };
        // A database that is away must not hold up the end; then it is known after a while.
        let _ = tokio::time::timeout(FAREWELL, self.announce_end()).await;
        done
    }

    async fn announce(&self, storages: &[String], over: Duration) {
        let storages = self.shares.take(storages);
        let announcement = Announcement { worker: self.worker.clone(), storages, over };
        let announced = self.parts.conditions.announce(&announcement, STALE).await;
        // Said again soon.
        let _ = self.answered("announcing storages", announced);
    }

    async fn announce_end(&self) {
        let announced = self.parts.conditions.announce_end(&self.worker).await;
        // Known after a while otherwise.
        let _ = self.answered("announcing the end", announced);
    }

    /// Whether another worker has this storage, which this one does not know.
    pub(crate) async fn is_of_others(&self, storage: &str) -> Result<bool, StoreError> {
        if self.parts.storages.contains_key(storage) {
            return Ok(false);
        }
        self.parts.conditions.is_announced(storage, STALE).await
    }

    /// Fails if another worker has this storage, which this one does not know.
    pub(crate) async fn leave_to_others(&self, storage: &str) -> Result<(), NotJudged> {
        let is_of_others = self.is_of_others(storage).await;
        if self.answered("asking who has a storage", is_of_others)? {
            let reason =
                "is not in this process's configuration, though in that of another worker".to_owned();
            return Err(NotJudged::Storage(reason));
        }
        Ok(())
    }
}
