//! Whether a verdict can be trusted: looks at storages as wholes, and what they and this process are reported to lack.
//!
//! A storage that cannot be read is *closed*: its records wait, and it is probed each time before it is read again. Its
//! condition is kept in the database, where others see it, until its content was judged again.
//!
//! What must be found of a storage before a record is recorded as missing or unreadable is in `confirming`.

use std::time::Duration;

use stocktake_domain::ports::{ProbedStorage, StoreError, Watch};
use stocktake_domain::{ConditionSubject, NotJudged, UnreadableFolder, format_duration};
use tokio::time::Instant;

use crate::confirming::gone;
use crate::context::EngineContext;
use crate::health::StorageHealth;
use crate::settings::Storage;
use crate::stats::ClosedStorage;

/// How long a look at a storage may take.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(30);

/// A condition that its host has not reported for so long is that of a process that is gone.
const STALE: Duration = Duration::from_secs(600);

impl EngineContext {
    /// Looks at a closed storage before it is read again.
    pub(crate) async fn probe_if_closed(&self, name: &str, storage: &Storage) -> Result<(), NotJudged> {
        let (is_closed, is_doubted) =
            self.health.update(name, |state| (state.fault.is_some(), state.is_doubted));
        if !is_closed {
            return Ok(());
        }
        let probed = self.probe(name, storage).await?;
        if is_doubted && !self.settings.believe_missing {
            self.check_whole(name, storage, &probed).await?;
        }
        Ok(())
    }

    /// Looks at the storage. An earlier look would prove nothing of what was read since.
    pub(crate) async fn probe(&self, name: &str, storage: &Storage) -> Result<ProbedStorage, NotJudged> {
        tokio::time::timeout(PROBE_TIMEOUT, storage.content.probe()).await.unwrap_or_else(|_| {
            let waited = format_duration(PROBE_TIMEOUT);
            Err(NotJudged::Storage(format!("storage {name} does not answer within {waited}")))
        })
    }

    /// The storages with records that cannot be read, or are not the one that was read before: of these, or of all.
    pub(crate) async fn unreadable(&self, only: Option<&[String]>) -> Result<Vec<ClosedStorage>, StoreError> {
        let mut closed = Vec::new();
        for (name, storage) in &*self.parts.storages {
            if only.is_some_and(|only| !only.contains(name)) {
                continue;
            }
            let waiting = self.parts.catalogue.count_in_storage(name).await?;
            if waiting == 0 {
                continue;
            }
            let Err(fault) = self.look_at_all(name, storage).await else {
                self.reading_succeeded(name, storage, &[]).await;
                continue;
            };
            let reason = match &fault {
                NotJudged::Storage(reason) | NotJudged::Folder(UnreadableFolder { reason, .. }) => {
                    // Who asks what is wrong later is told, though nothing was to be read.
                    self.report(name, &fault).await;
                    reason.clone()
                }
                NotJudged::Process(_) | NotJudged::Cancelled => fault.to_string(),
            };
            closed.push(ClosedStorage { name: name.clone(), reason, waiting });
        }
        Ok(closed)
    }

    /// See [`crate::Engine::look_at_storage`].
    pub(crate) async fn look_at_storage(&self, name: &str) -> Result<ProbedStorage, NotJudged> {
        match self.parts.storages.get(name) {
            Some(storage) => self.look_at_all(name, storage).await,
            None => Err(NotJudged::Storage(format!("storage {name} is not in this process's configuration"))),
        }
    }

    /// Looks at a storage of which nothing is read.
    async fn look_at_all(&self, name: &str, storage: &Storage) -> Result<ProbedStorage, NotJudged> {
        let probed = self.probe(name, storage).await?;
        self.check_identity(name, &probed).await?;
        for mount in self.gone_mounts(name, &probed).await? {
            if self.miss(name, &mount).await? {
                return Err(gone(&mount));
            }
        }
        self.check_whole(name, storage, &probed).await?;
        Ok(probed)
    }

    /// Fails unless the storage is whole, as far as its witnesses tell.
    async fn check_whole(
        &self,
        name: &str,
        storage: &Storage,
        probed: &ProbedStorage,
    ) -> Result<(), NotJudged> {
        let gone = self.gone_mounts(name, probed).await?;
        self.check_witnesses(name, storage, &gone).await
    }

    /// Fails if another storage is at the address than the one that was looked in just now, or than the one that good
    /// content was read from before.
    pub(crate) async fn check_read(
        &self,
        name: &str,
        probed: &ProbedStorage,
        watch: &Watch,
    ) -> Result<(), NotJudged> {
        let Some(identity) = &probed.identity else { return Ok(()) };
        if !watch.looked_only_in(identity) {
            return Err(NotJudged::Storage(format!(
                "storage {name} was replaced while it was read: its root was another folder or file system. Is it mounted?"
            )));
        }
        self.check_identity(name, probed).await
    }

    /// Fails if another storage is at the address than the one that good content was read from before.
    pub(crate) async fn check_identity(&self, name: &str, probed: &ProbedStorage) -> Result<(), NotJudged> {
        let Some(identity) = &probed.identity else { return Ok(()) };
        let known = self.parts.conditions.identity(name, &self.settings.host).await;
        match self.answered("reading which storage it was", known)? {
            Some(known) if known != *identity => Err(NotJudged::Storage(format!(
                "storage {name} is another one than before: its root is another folder or file system. Is it mounted?"
            ))),
            _ => Ok(()),
        }
    }

    /// Content of records was judged; at these paths it is good. The storage can be read, and is the one it is.
    pub(crate) async fn reading_succeeded(&self, name: &str, storage: &Storage, good: &[String]) {
        let is_known = self.health.update(name, |state| {
            state.open_folders(good.iter().map(String::as_str));
            state.is_known(good)
        });
        if is_known {
            return;
        }
        // A failure proves less than good content does.
        if good.is_empty() && !self.settings.believe_missing && self.look_at_all(name, storage).await.is_err()
        {
            return;
        }
        let Ok(probed) = self.probe(name, storage).await else { return };
        if !good.is_empty() && !probed.is_empty && self.remember(name, &probed, good).await.is_err() {
            return;
        }
        if self.health.update(name, |state| state.is_doubted)
            && self.check_whole(name, storage, &probed).await.is_err()
        {
            return;
        }
        let (was, left) = self.health.update(name, |state| (state.fault.take(), state.closed_because()));
        let subject = ConditionSubject::Storage(name.to_owned());
        if let Some(left) = left {
            // A folder of it is still closed.
            let told = self.parts.conditions.report(&subject, &self.settings.host, &left).await;
            let _ = self.answered("reporting a condition", told);
        } else if self.end(&subject).await {
            self.health.update(name, |state| {
                state.is_told_open = true;
                if !good.is_empty() {
                    state.settled_at = Some(Instant::now());
                }
            });
            if was.is_some() {
                tracing::info!(storage.name = name, "storage {name} can be read again");
            }
        } else {
            // It is ended with the next good content.
            self.health.update(name, |state| state.fault = was);
        }
    }

    /// Keeps which storage it is in which good content was read, or content was listed, and what is mounted in it.
    pub(crate) async fn remember(
        &self,
        name: &str,
        probed: &ProbedStorage,
        good: &[String],
    ) -> Result<(), NotJudged> {
        if let Some(identity) = &probed.identity {
            let kept = self.parts.conditions.remember_identity(name, &self.settings.host, identity).await;
            self.answered("keeping which storage it is", kept)?;
        }
        self.remember_mounts(name, probed, good).await
    }

    /// The process has what it needs.
    pub(crate) async fn process_is_well(&self) {
        let was_short = self.health.process().is_some();
        if (was_short || !self.health.is_told_well()) && self.end(&ConditionSubject::Process).await {
            *self.health.process() = None;
            self.health.set_told_well(true);
            if was_short {
                tracing::info!("this process has what it needs again");
            }
        }
    }

    /// Something keeps the records of a storage, or all, from being judged.
    pub(crate) async fn report(&self, storage: &str, fault: &NotJudged) {
        let subject = match fault {
            NotJudged::Cancelled => return,
            NotJudged::Storage(_) | NotJudged::Folder(_) => ConditionSubject::Storage(storage.to_owned()),
            NotJudged::Process(_) => ConditionSubject::Process,
        };
        let close = |state: &mut StorageHealth| {
            let before = state.closed_because();
            state.is_told_open = false;
            match fault {
                NotJudged::Folder(folder) => state.close_folder(folder),
                _ => state.fault = Some(fault.to_string()),
            }
            let reason = state.closed_because().unwrap_or_default();
            (before.is_none(), reason)
        };
        let (is_new, reason) = match &subject {
            ConditionSubject::Storage(name) => self.health.update(name, close),
            ConditionSubject::Process => {
                let reason = fault.to_string();
                self.health.set_told_well(false);
                (self.health.process().replace(reason.clone()).is_none(), reason)
            }
        };
        if is_new {
            log_closed(&subject, &reason, matches!(fault, NotJudged::Folder(_)));
        }
        let reported = self.parts.conditions.report(&subject, &self.settings.host, &reason).await;
        // It is reported again with the next attempt.
        let _ = self.answered("reporting a condition", reported);
    }

    /// Nothing can be said of these folders of a storage.
    pub(crate) async fn report_folders(&self, storage: &str, mut folders: Vec<UnreadableFolder>) {
        let Some(last) = folders.pop() else { return };
        self.health.update(storage, |state| folders.iter().for_each(|folder| state.close_folder(folder)));
        self.report(storage, &NotJudged::Folder(last)).await;
    }

    async fn end(&self, subject: &ConditionSubject) -> bool {
        let ended = self.parts.conditions.end(subject, &self.settings.host, STALE).await;
        self.answered("ending a condition", ended).is_ok()
    }

    /// What the database answered. Without an answer nothing can be said, and the attempt is given back.
    pub(crate) fn answered<T>(
        &self,
        doing: &'static str,
        answer: Result<T, StoreError>,
    ) -> Result<T, NotJudged> {
        answer.map_err(|error| {
            self.outage.failed(doing, &error);
            NotJudged::Cancelled
        })
    }
}

fn log_closed(subject: &ConditionSubject, reason: &str, is_folder: bool) {
    match subject {
        ConditionSubject::Storage(name) if is_folder => {
            tracing::warn!(
                storage.name = name,
                error.cause = reason,
                "a folder of storage {name} cannot be read, the records in it wait: {reason}"
            );
        }
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
