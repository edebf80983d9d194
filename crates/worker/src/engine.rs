//! The engine: what a process does with the queue.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stocktake_domain::ports::{
    AcceptanceError, ClaimFilter, ContentAcceptance, ProbedStorage, Recalculated, Recalculation,
    StorageCheck, StoreError,
};
use stocktake_domain::{Model, NewAcceptance, NotJudged, Record, RecordKey, Timestamp};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::accept::{self, AcceptError, Candidate};
use crate::context::{EngineContext, EngineParts, RunOptions};
use crate::dispatch::{Dispatcher, DrainScope};
use crate::outage::Patience;
use crate::recalculation::Recalculations;
use crate::settings::EngineSettings;
use crate::speed::{self, Tried};
use crate::stats::{ClosedStorage, Drained, Obstacle, Progress, Recorder};
use crate::telemetry;

/// The checksum worker of a process.
pub struct Engine {
    context: Arc<EngineContext>,
    recalculations: Recalculations,
}

impl Engine {
    /// An engine, not yet working.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime. Recalculations run in the runtime in which the engine was made, also those
    /// asked for from another one.
    pub fn new(parts: EngineParts, settings: EngineSettings) -> Arc<Self> {
        telemetry::describe();
        let context = Arc::new(EngineContext::new(parts, settings));
        Arc::new(Self {
            recalculations: Recalculations::new(Arc::clone(&context), Handle::current()),
            context,
        })
    }

    /// Works on whatever becomes due until stopped, and returns within 10 seconds after that: nothing new is
    /// claimed, what is finished is recorded, the rest is given back. Ends recalculations too, as
    /// [`Engine::close`] does. Outlives outages of the database.
    pub async fn run(&self, stop: CancellationToken) {
        let options = RunOptions {
            context: Arc::clone(&self.context),
            recorder: Arc::new(Recorder::default()),
            stop: stop.clone(),
            patience: Patience::Endless,
            respects_hours: true,
        };
        let worker = &self.context.worker.0;
        tracing::info!(worker.id = worker, "worker {worker} begins");
        let close = async {
            stop.cancelled().await;
            self.close().await;
        };
        // With endless patience there is no error to look at.
        let work = Dispatcher::new(options, DrainScope::default()).run();
        let (_, ()) = tokio::join!(self.context.announced(work), close);
        tracing::info!(worker.id = worker, "worker {worker} has ended");
    }

    /// Works on what is due in these models (none: all) and became due at `due_from` or later, until nothing
    /// of it is due or leased to anybody any more, or until stopped. Says what this engine recorded, and what could not
    /// be judged: a storage that cannot be read is waited for as long as the settings say, once nothing else is left.
    /// Storages are read at any hour, since somebody asked for it.
    ///
    /// An error of the database is returned when it does not pass, which a server that is away gets as long for as a storage
    /// that cannot be read; what was recorded by then stays recorded.
    pub async fn drain(
        &self,
        models: &[Model],
        due_from: Option<Timestamp>,
        progress: Arc<dyn Progress>,
        stop: CancellationToken,
    ) -> Result<Drained, StoreError> {
        let recorder = Arc::new(Recorder::notifying(progress));
        let options = RunOptions {
            context: Arc::clone(&self.context),
            recorder: Arc::clone(&recorder),
            stop: stop.child_token(),
            patience: Patience::Foreground(self.context.settings.give_up_after),
            respects_hours: false,
        };
        let scope = DrainScope { models: models.to_vec(), due_from, until_drained: true };
        self.context.announced(Dispatcher::new(options, scope).run()).await?;
        let mut drained = Drained { stats: recorder.stats(), ..Drained::default() };
        drained.shortage.clone_from(&self.context.health.process());
        for (name, reason) in self.context.health.closed() {
            let filter = ClaimFilter {
                models: models.to_vec(),
                storages: Some(vec![name.clone()]),
                except_storages: Vec::new(),
                due_from,
                limit: 1,
            };
            let counting = || self.context.parts.queue.outstanding(&filter, u64::MAX);
            let waiting = self.outlive("counting what waits", |error| Some(error), counting).await?;
            if waiting == 0 && !self.context.parts.storages.contains_key(&name) {
                // The worker that knows it has done it.
                continue;
            }
            drained.closed.push(ClosedStorage { name, reason, waiting });
        }
        Ok(drained)
    }

    /// Calls, for somebody in the foreground, until there is an answer: while a database server is away, for as long as
    /// [`Self::drain`] waits for it. `of_the_database` says which errors are the database's.
    pub async fn outlive<T, E, F>(
        &self,
        doing: &'static str,
        of_the_database: fn(&E) -> Option<&StoreError>,
        call: impl FnMut() -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let EngineContext { parts, settings, outage, .. } = &*self.context;
        let patience = Patience::Foreground(settings.give_up_after);
        outage.outlived(doing, patience, &*parts.rng, of_the_database, call).await
    }

    /// What this engine may be waiting for, as it sees it now: storages that cannot be read, what the process lacks, another
    /// worker that holds records of these models (none: of any).
    pub async fn obstacles(&self, models: &[Model]) -> Result<Vec<Obstacle>, StoreError> {
        self.context.obstacles(models).await
    }

    /// Looks at these storages, or at all, as far as they have records: those that cannot be read, or are not the one that
    /// was read before, which is kept as their condition. A run that reads nothing, because nothing is due, sees none of it
    /// otherwise.
    pub async fn unreadable(&self, only: Option<&[String]>) -> Result<Vec<ClosedStorage>, StoreError> {
        self.context.unreadable(only).await
    }

    /// Looks at a storage as a whole: what it is, or why it cannot be read or is not the one that was read before. Nothing is
    /// kept of that.
    pub async fn look_at_storage(&self, name: &str) -> Result<ProbedStorage, NotJudged> {
        self.context.look_at_storage(name).await
    }

    /// Content was listed at these paths of a storage, which was found to be this one before and after: so another one at its
    /// address is known before anything was read. Done as far as the database answers.
    pub async fn has_listed(&self, storage: &str, probed: &ProbedStorage, paths: &[String]) {
        // Without an answer only that is missing, and the next good content makes up for it.
        let _ = self.context.remember(storage, probed, paths).await;
    }

    /// Reads the content of a record as it is now, for somebody who may take it for good.
    pub async fn look_at(&self, model: Model, key: &RecordKey) -> Result<Candidate, AcceptError> {
        accept::look_at(&self.context, model, key).await
    }

    /// Reads these records, but no longer than this, to see how fast that is. Nothing comes of what is seen.
    pub async fn try_reading(&self, records: &[Record], within: Duration) -> Tried {
        speed::try_reading(&self.context, records, within).await
    }

    /// Gives back the recalculations under way, within 10 seconds. For a process that does not
    /// [`run`](Self::run) the engine; later recalculations are only marked for other workers.
    pub async fn close(&self) {
        self.recalculations.close().await;
    }
}

#[async_trait]
impl Recalculation for Engine {
    async fn recalculate_now(
        &self,
        model: Model,
        key: &RecordKey,
        patience: Duration,
    ) -> Result<Option<Recalculated>, StoreError> {
        self.recalculations.recalculate_now(model, key, patience).await
    }
}

#[async_trait]
impl StorageCheck for Engine {
    async fn why_closed(&self, storage: &str) -> Result<Option<String>, StoreError> {
        let closed = self.unreadable(Some(&[storage.to_owned()])).await?;
        Ok(closed.into_iter().next().map(|closed| closed.reason))
    }
}

#[async_trait]
impl ContentAcceptance for Engine {
    async fn accept_now(
        &self,
        model: Model,
        key: &RecordKey,
        by: &str,
    ) -> Result<Option<Record>, AcceptanceError> {
        let candidate = match self.look_at(model, key).await {
            Ok(candidate) => candidate,
            Err(AcceptError::UnknownRecord) => return Ok(None),
            Err(AcceptError::Store(error)) => return Err(error.into()),
            Err(refused) => return Err(AcceptanceError::Refused(refused.to_string())),
        };
        if let Some(doubt) = candidate.doubt() {
            return Err(AcceptanceError::Refused(doubt.to_string()));
        }
        let Candidate { checksum, size, .. } = candidate;
        if checksum.is_none() {
            return Err(AcceptanceError::Refused("nothing is there that could be accepted".to_owned()));
        }
        let acceptance = NewAcceptance { checksum, size, by: by.to_owned(), reason: None };
        Ok(self.context.parts.catalogue.accept(model, key, &acceptance).await?)
    }
}
