//! The engine: what a process does with the queue.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stocktake_domain::ports::{Catalogue, Queue, Recalculated, Recalculation, StoreError};
use stocktake_domain::{Clock, Model, RecordKey, Rng, Timestamp};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::accept::{self, AcceptError, Accepted};
use crate::dispatch::{Aim, Dispatcher};
use crate::outage::{Patience, TRIES_IN_THE_FOREGROUND};
use crate::recalculation::Recalculations;
use crate::settings::{EngineSettings, Storages};
use crate::shared::{Core, Recorder, Terms};
use crate::tally::{Progress, Tally};
use crate::telemetry;

/// What an engine is put together from.
#[derive(Clone)]
pub struct EngineParts {
    /// Where work comes from and results go.
    pub queue: Arc<dyn Queue>,
    /// The records.
    pub catalogue: Arc<dyn Catalogue>,
    /// The content.
    pub storages: Arc<Storages>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance: for the worker's name, which must be unique, and for waits.
    pub rng: Arc<dyn Rng>,
}

/// The checksum worker of a process.
pub struct Engine {
    core: Arc<Core>,
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
        let core = Arc::new(Core::new(parts, settings));
        Arc::new(Self { recalculations: Recalculations::new(Arc::clone(&core), Handle::current()), core })
    }

    /// Works on whatever becomes due until stopped, and returns within 10 seconds after that: nothing new is
    /// claimed, what is finished is recorded, the rest is given back. Ends recalculations too, as
    /// [`Engine::close`] does. Outlives outages of the database.
    pub async fn run(&self, stop: CancellationToken) {
        let terms = Terms {
            core: Arc::clone(&self.core),
            recorder: Arc::new(Recorder::default()),
            stop: stop.clone(),
            patience: Patience::Endless,
            keeps_hours: true,
        };
        let worker = &self.core.worker.0;
        tracing::info!(worker.id = worker, "worker {worker} begins");
        let close = async {
            stop.cancelled().await;
            self.close().await;
        };
        // With endless patience there is no error to look at.
        let (_, ()) = tokio::join!(Dispatcher::new(terms, Aim::default()).run(), close);
        tracing::info!(worker.id = worker, "worker {worker} has ended");
    }

    /// Works on what is due in these models (none: all) and became due at `due_from` or later, until nothing
    /// of it is due or leased to anybody any more, or until stopped. Says what this engine recorded.
    /// Storages are read at any hour, since somebody asked for it.
    ///
    /// An error of the database is returned when it does not pass within a few tries; what was recorded by
    /// then stays recorded.
    pub async fn drain(
        &self,
        models: &[Model],
        due_from: Option<Timestamp>,
        progress: Arc<dyn Progress>,
        stop: CancellationToken,
    ) -> Result<Tally, StoreError> {
        let recorder = Arc::new(Recorder::telling(progress));
        let terms = Terms {
            core: Arc::clone(&self.core),
            recorder: Arc::clone(&recorder),
            stop: stop.child_token(),
            patience: Patience::Tries(TRIES_IN_THE_FOREGROUND),
            keeps_hours: false,
        };
        let aim = Aim { models: models.to_vec(), due_from, drains: true };
        Dispatcher::new(terms, aim).run().await?;
        Ok(recorder.tally())
    }

    /// Reads the content now and takes it for good as it is.
    pub async fn accept(&self, model: Model, key: &RecordKey) -> Result<Accepted, AcceptError> {
        accept::accept(&self.core, model, key).await
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
