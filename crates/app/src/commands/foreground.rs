//! Reading what is due in the foreground, and saying what that waits for while it gets no further.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stocktake_domain::ports::{Queue, StoreError};
use stocktake_domain::{Model, Timestamp};
use stocktake_worker::{Drained, Engine, Obstacle, Progress};
use tokio_util::sync::CancellationToken;

use crate::output;
use crate::progress::Meter;
use crate::quantities::{about, span};
use crate::settings::{Loaded, Settings};
use crate::verdict::closed_storage;

/// How often it is looked.
const EVERY: Duration = Duration::from_millis(500);

/// For how long nothing has got on, so that another worker is waited for and not only worked beside.
const STILL: Duration = Duration::from_secs(2);

/// Which records are read, and with what.
#[derive(Clone, Copy)]
pub(super) struct Foreground<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) queue: &'a dyn Queue,
    pub(super) engine: &'a Engine,
    /// Of these models.
    pub(super) models: &'a [Model],
    /// Only what became due then or later; `None`: all that is due.
    pub(super) due_from: Option<Timestamp>,
    /// Shows what is waited for.
    pub(super) meter: &'a Meter,
}

impl Foreground<'_> {
    /// Reads until nothing of it is due or held by anybody, or until stopped ([`Engine::drain`]).
    pub(super) async fn drain(
        self,
        progress: Arc<dyn Progress>,
        stop: CancellationToken,
    ) -> Result<Drained, StoreError> {
        let Self { loaded, queue, engine, models, due_from, meter } = self;
        let watcher = Watcher { loaded, engine, models, meter, said: BTreeMap::new() };
        tokio::select! {
            drained = engine.drain(models, due_from, progress, stop) => drained,
            never = keep_reaping(&loaded.settings, queue) => match never {},
            never = watcher.watch() => match never {},
        }
    }
}

/// Frees what dead workers hold, again and again, so that a drain does not wait for it for ever.
async fn keep_reaping(settings: &Settings, queue: &dyn Queue) -> Infallible {
    loop {
        tokio::time::sleep(settings.worker.poll).await;
        if let Err(error) = queue.reap(settings.verification.lease).await {
            tracing::warn!(error = error.to_string(), "leases that ran out cannot be ended now");
        }
    }
}

/// Watches a verification of these models.
struct Watcher<'a> {
    loaded: &'a Loaded,
    engine: &'a Engine,
    models: &'a [Model],
    meter: &'a Meter,
    /// What was said, and when: each obstacle once.
    said: BTreeMap<String, Instant>,
}

impl Watcher<'_> {
    /// Says what it waits for: once in a sentence, and in the line of progress for as long as nothing gets on.
    async fn watch(mut self) -> Infallible {
        let (mut done, mut since) = (self.meter.done(), Instant::now());
        loop {
            tokio::time::sleep(EVERY).await;
            let now = self.meter.done();
            if now != done {
                (done, since) = (now, Instant::now());
            }
            // A database that does not answer is told by whoever works.
            let Ok(obstacles) = self.engine.obstacles(self.models).await else { continue };
            let is_still = since.elapsed() >= STILL;
            let mut note = None;
            for obstacle in &obstacles {
                if matches!(obstacle, Obstacle::Holder { .. }) && !is_still {
                    continue;
                }
                let waits = self.waits_for(obstacle);
                note.get_or_insert(waits);
            }
            self.meter.set_note(note.filter(|_| is_still));
        }
    }

    /// What is shown of an obstacle, which is said in a sentence the first time.
    fn waits_for(&mut self, obstacle: &Obstacle) -> String {
        let patience = self.loaded.settings.verification.give_up_after;
        let (key, what) = match obstacle {
            Obstacle::Storage { name, .. } => (format!("storage {name}"), format!("storage {name}")),
            Obstacle::Process(_) => ("process".to_owned(), "what this process lacks".to_owned()),
            Obstacle::Holder { process, .. } => (process.clone(), process.clone()),
        };
        let is_new = !self.said.contains_key(&key);
        let since = *self.said.entry(key).or_insert_with(Instant::now);
        if is_new {
            output::say(&self.sentence(obstacle, patience));
        }
        let left = match obstacle {
            Obstacle::Holder { lasts, .. } => *lasts,
            _ => patience.saturating_sub(since.elapsed()),
        };
        format!("waiting for {what}, {} at most", about(left))
    }

    fn sentence(&self, obstacle: &Obstacle, patience: Duration) -> String {
        let tries = format!(
            "If nothing else is left to read, it is tried again for {} (verification.give_up_after); Ctrl-C ends it now.",
            span(patience)
        );
        match obstacle {
            Obstacle::Storage { name, reason } => {
                format!("{} {tries}", closed_storage(self.loaded, name, reason, None))
            }
            Obstacle::Process(reason) => format!("This process cannot read now: {reason}. {tries}"),
            Obstacle::Holder { process, lasts } => format!(
                "Another worker ({process}) holds records that are to be read. If it has ended or is gone, they are free in \
                 {} at most.",
                about(*lasts)
            ),
        }
    }
}
