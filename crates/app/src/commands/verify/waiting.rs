//! Saying what a verification waits for, while it gets no further.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use stocktake_domain::Model;
use stocktake_worker::{Engine, Obstacle};

use crate::output;
use crate::progress::Meter;
use crate::quantities::{about, span};
use crate::settings::Loaded;
use crate::verdict::closed_storage;

/// How often it is looked.
const EVERY: Duration = Duration::from_millis(500);

/// For how long nothing has got on, so that another worker is waited for and not only worked beside.
const STILL: Duration = Duration::from_secs(2);

/// Watches a verification of these models.
pub(super) struct Watcher<'a> {
    loaded: &'a Loaded,
    engine: &'a Engine,
    models: &'a [Model],
    meter: &'a Meter,
    /// What was said, and when: each obstacle once.
    said: BTreeMap<String, Instant>,
}

impl<'a> Watcher<'a> {
    /// One that has said nothing yet.
    pub(super) fn new(loaded: &'a Loaded, engine: &'a Engine, models: &'a [Model], meter: &'a Meter) -> Self {
        Self { loaded, engine, models, meter, said: BTreeMap::new() }
    }

    /// Says what it waits for: once in a sentence, and in the line of progress for as long as nothing gets on.
    pub(super) async fn watch(mut self) -> Infallible {
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
