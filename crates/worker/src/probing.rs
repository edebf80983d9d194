//! Whether a verdict can be trusted: looks at storages as wholes, and what they and this process are reported to lack.
//!
//! A storage that cannot be read is *closed*: its records wait, and it is probed each time before it is read again. Its
//! condition is kept in the database, where others see it, until its content was judged again.
//!
//! Nothing is recorded as missing before a look that began after the reading found the storage there, and to be the one in
//! which it was looked for, and that was read before. If so many good records would be missing that the storage itself must be suspected, it is closed first, and they
//! are recorded once a later look finds it whole.

use std::time::Duration;

use stocktake_domain::ports::{ProbedStorage, StoreError, Watch};
use stocktake_domain::{ConditionSubject, NotJudged, format_duration};
use tokio::time::Instant;

use crate::context::EngineContext;
use crate::health::StorageHealth;
use crate::settings::Storage;
use crate::stats::ClosedStorage;

/// How long a look at a storage may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);

/// So many records may turn from good to missing in any storage without its being suspected.
const FEW: u64 = 10;

/// The most records of a storage that are counted to tell how many wait.
const MOST_COUNTED: u64 = 1_000_000_000;

/// A condition that its host has not reported for so long is that of a process that is gone.
const STALE: Duration = Duration::from_secs(600);

impl EngineContext {
    /// Looks at a closed storage before it is read again.
    pub(crate) async fn probe_if_closed(&self, name: &str, storage: &Storage) -> Result<(), NotJudged> {
        let is_closed = self.health.update(name, |state| state.fault.is_some());
        if is_closed { self.probe(name, storage).await.map(drop) } else { Ok(()) }
    }

    /// Looks at the storage. An earlier look would prove nothing of what was read since.
    async fn probe(&self, name: &str, storage: &Storage) -> Result<ProbedStorage, NotJudged> {
        tokio::time::timeout(PROBE_TIMEOUT, storage.content.probe()).await.unwrap_or_else(|_| {
            let waited = format_duration(PROBE_TIMEOUT);
            Err(NotJudged::Storage(format!("storage {name} does not answer within {waited}")))
        })
    }

    /// Whether records may be recorded as missing, or as rightly not there, that were looked for under this watch; `lost` of
    /// them are missing and were good before.
    pub(crate) async fn confirm_absent(
        &self,
        name: &str,
        storage: &Storage,
        watch: &Watch,
        lost: u64,
    ) -> Result<(), NotJudged> {
        if self.settings.believe_missing {
            return Ok(());
        }
        let probed_at = Instant::now();
        let probed = self.probe(name, storage).await?;
        self.check_read(name, &probed, watch).await?;
        let all_lost = self.health.update(name, |state| {
            state.lost += lost;
            state.lost
        });
        let confirmed = self.confirm_loss(name, all_lost, probed_at, &probed).await;
        if confirmed.is_err() {
            // They are not recorded.
            self.health.update(name, |state| state.lost -= lost);
        }
        confirmed
    }

    /// Fails if so many good records would be missing that the storage must be suspected, unless a look that began after
    /// the suspicion found it whole.
    async fn confirm_loss(
        &self,
        name: &str,
        lost: u64,
        probed_at: Instant,
        probed: &ProbedStorage,
    ) -> Result<(), NotJudged> {
        if lost <= FEW || !self.is_more_than_half(name, lost).await? {
            return Ok(());
        }
        let is_whole = self.health.update(name, |state| {
            let suspected_at = *state.suspected_at.get_or_insert_with(Instant::now);
            state.is_whole |= probed_at > suspected_at && !probed.is_empty;
            state.is_whole
        });
        if is_whole {
            return Ok(());
        }
        let found =
            if probed.is_empty { "the storage is empty. Is it mounted?" } else { "it is looked at again" };
        Err(NotJudged::Storage(format!(
            "{lost} records of storage {name}, more than half, were good and would be missing: {found}"
        )))
    }

    /// The storages with records that cannot be read, or are not the one that was read before: of these, or of all.
    pub(crate) async fn unreadable(&self, only: Option<&[String]>) -> Result<Vec<ClosedStorage>, StoreError> {
        let mut closed = Vec::new();
        for (name, storage) in &*self.parts.storages {
            if only.is_some_and(|only| !only.contains(name)) {
                continue;
            }
            let waiting = self.parts.catalogue.count_in_storage(name, MOST_COUNTED).await?;
            if waiting == 0 {
                continue;
            }
            let looked = match self.probe(name, storage).await {
                Ok(probed) => self.check_identity(name, &probed).await,
                Err(fault) => Err(fault),
            };
            if let Err(NotJudged::Storage(reason)) = looked {
                closed.push(ClosedStorage { name: name.clone(), reason, waiting });
            }
        }
        Ok(closed)
    }

    /// Fails if another storage is at the address than the one that was looked in just now, or than the one that good
    /// content was read from before.
    async fn check_read(&self, name: &str, probed: &ProbedStorage, watch: &Watch) -> Result<(), NotJudged> {
        let Some(identity) = &probed.identity else { return Ok(()) };
        if !watch.looked_only_in(identity) {
            return Err(NotJudged::Storage(format!(
                "storage {name} was replaced while it was read: its root was another folder or file system. Is it mounted?"
            )));
        }
        self.check_identity(name, probed).await
    }

    /// Fails if another storage is at the address than the one that good content was read from before.
    async fn check_identity(&self, name: &str, probed: &ProbedStorage) -> Result<(), NotJudged> {
        let Some(identity) = &probed.identity else { return Ok(()) };
        let known = self.parts.conditions.identity(name, &self.settings.host).await;
        match self.answered("reading which storage it was", known)? {
            Some(known) if known != *identity => Err(NotJudged::Storage(format!(
                "storage {name} is another one than before: its root is another folder or file system. Is it mounted?"
            ))),
            _ => Ok(()),
        }
    }

    async fn is_more_than_half(&self, name: &str, lost: u64) -> Result<bool, NotJudged> {
        if self.health.update(name, |state| lost < state.half) {
            return Ok(false);
        }
        // Counted no further than needed, and so that the next count is due at twice as many.
        let counted = self.parts.catalogue.count_in_storage(name, lost.saturating_mul(4)).await;
        let counted = self.answered("counting the records of a storage", counted)?;
        self.health.update(name, |state| state.half = counted / 2 + 1);
        Ok(lost > counted / 2)
    }

    /// The content of records was judged, of some of them as good: the storage can be read, and is the one it is.
    pub(crate) async fn reading_succeeded(&self, name: &str, storage: &Storage, any_good: bool) {
        let is_known = |state: &mut StorageHealth| state.fault.is_none() && (state.is_settled || !any_good);
        if self.health.update(name, is_known) {
            return;
        }
        let Ok(probed) = self.probe(name, storage).await else { return };
        if let (Some(identity), true) = (&probed.identity, any_good && !probed.is_empty) {
            let kept = self.parts.conditions.remember_identity(name, &self.settings.host, identity).await;
            if self.answered("keeping which storage it is", kept).is_err() {
                return;
            }
        }
        if self.end(&ConditionSubject::Storage(name.to_owned())).await {
            let was = self.health.update(name, |state| {
                state.is_settled |= any_good;
                state.fault.take()
            });
            if was.is_some() {
                tracing::info!(storage.name = name, "storage {name} can be read again");
            }
        }
    }

    /// The process has what it needs.
    pub(crate) async fn process_is_well(&self) {
        if self.health.process().clone().is_some() && self.end(&ConditionSubject::Process).await {
            *self.health.process() = None;
            tracing::info!("this process has what it needs again");
        }
    }

    /// Something keeps the records of a storage, or all, from being judged.
    pub(crate) async fn report(&self, storage: &str, fault: &NotJudged) {
        let (subject, reason) = match fault {
            NotJudged::Cancelled => return,
            NotJudged::Storage(reason) => (ConditionSubject::Storage(storage.to_owned()), reason),
            NotJudged::Process(reason) => (ConditionSubject::Process, reason),
        };
        let keep = |fault: &mut Option<String>| fault.replace(reason.clone()).is_none();
        let is_new = match &subject {
            ConditionSubject::Storage(name) => self.health.update(name, |state| keep(&mut state.fault)),
            ConditionSubject::Process => keep(&mut self.health.process()),
        };
        if is_new {
            match &subject {
                ConditionSubject::Storage(name) => {
                    tracing::warn!(
                        storage.name = name,
                        error.cause = reason,
                        "storage {name} is closed, its records wait: {reason}"
                    );
                }
                ConditionSubject::Process => {
                    tracing::warn!(error.cause = reason, "this process cannot read content now: {reason}");
                }
            }
        }
        let reported = self.parts.conditions.report(&subject, &self.settings.host, reason).await;
        // It is reported again with the next attempt.
        let _ = self.answered("reporting a condition", reported);
    }

    async fn end(&self, subject: &ConditionSubject) -> bool {
        let ended = self.parts.conditions.end(subject, &self.settings.host, STALE).await;
        self.answered("ending a condition", ended).is_ok()
    }

    /// What the database answered. Without an answer nothing can be said, and the attempt is given back.
    fn answered<T>(&self, doing: &'static str, answer: Result<T, StoreError>) -> Result<T, NotJudged> {
        answer.map_err(|error| {
            self.outage.failed(doing, &error);
            NotJudged::Cancelled
        })
    }
}
