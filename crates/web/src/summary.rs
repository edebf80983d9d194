//! The catalogue's counts, which the API, the console and `/metrics` share.

use std::sync::Arc;

use moka::future::Cache;
use stocktake_domain::ports::{Catalogue, ModelSummary, StoreError};
use stocktake_domain::{Clock, FailureKind, State, Timestamp};
use tracing::Instrument as _;

use crate::steps::step;

/// Counts are kept for this many times as long as it took to get them, so that this never takes more than a twentieth of
/// the time, however often they are asked for.
const KEPT_FACTOR: u32 = 20;

/// The counts of all models at one moment.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The counts, of the models that have records.
    pub models: Vec<ModelSummary>,
    /// When they were asked for.
    pub as_of: Timestamp,
    /// When they are no longer shown.
    expires_at: Timestamp,
}

impl Snapshot {
    /// Whether it may be shown; not if the clock was set back to before it was made.
    fn is_fresh(&self, now: Timestamp) -> bool {
        (self.as_of..self.expires_at).contains(&now)
    }
}

/// The latest snapshot. Requests that come while one is being made wait for it, and share its error, which is not kept.
///
/// moka makes the requests share it; how long it counts depends on how long counting took by the port [`Clock`].
#[derive(Clone)]
pub struct SummaryCache {
    catalogue: Arc<dyn Catalogue>,
    clock: Arc<dyn Clock>,
    latest: Cache<(), Arc<Snapshot>>,
}

impl SummaryCache {
    /// A cache of the counts of this catalogue.
    pub fn new(catalogue: Arc<dyn Catalogue>, clock: Arc<dyn Clock>) -> Self {
        Self { catalogue, clock, latest: Cache::new(1) }
    }

    /// A snapshot that is fresh. One that is being made is finished even if nobody waits for it any more.
    pub async fn get(&self) -> Result<Arc<Snapshot>, Arc<StoreError>> {
        let cache = self.clone();
        let task = async move { cache.get_or_make().await }.in_current_span();
        let snapshot = tokio::spawn(task).await;
        snapshot.map_err(|panic| Arc::new(StoreError::Internal(Box::new(panic))))?
    }

    async fn get_or_make(&self) -> Result<Arc<Snapshot>, Arc<StoreError>> {
        if let Some(snapshot) = self.latest.get(&()).await {
            if snapshot.is_fresh(self.clock.now()) {
                return Ok(snapshot);
            }
            self.latest.invalidate(&()).await;
        }
        self.latest.try_get_with((), self.make()).await
    }

    async fn make(&self) -> Result<Arc<Snapshot>, StoreError> {
        let as_of = self.clock.now();
        let models = step("catalogue.summary", self.catalogue.summary()).await?;
        let done = self.clock.now();
        let expires_at = done.after(done.since(as_of).saturating_mul(KEPT_FACTOR));
        Ok(Arc::new(Snapshot { models, as_of, expires_at }))
    }
}

/// The number of records in this state.
pub fn in_state(summary: &ModelSummary, state: State) -> u64 {
    summary.states.iter().filter(|(known, _)| *known == state).map(|(_, count)| count).sum()
}

/// The number of records of this kind.
pub fn of_kind(counts: &[(FailureKind, u64)], kind: FailureKind) -> u64 {
    counts.iter().filter(|(known, _)| *known == kind).map(|(_, count)| count).sum()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use stocktake_domain::Model;
    use stocktake_domain::contract::ManualClock;
    use stocktake_domain::ports::MockCatalogue;

    use super::*;

    fn counts() -> Vec<ModelSummary> {
        vec![ModelSummary { states: vec![(State::Succeeded, 5)], ..ModelSummary::new(Model::Uploads) }]
    }

    /// A cache over a catalogue whose counting takes a second, and that may count so often.
    fn slow(times: usize) -> (SummaryCache, Arc<ManualClock>) {
        let clock = Arc::<ManualClock>::default();
        let ticking = Arc::clone(&clock);
        let mut catalogue = MockCatalogue::new();
        catalogue.expect_summary().times(times).returning(move || {
            ticking.set(ticking.now().after(Duration::from_secs(1)));
            Ok(counts())
        });
        (SummaryCache::new(Arc::new(catalogue), clock.clone()), clock)
    }

    #[actix_web::test]
    async fn counts_are_kept_for_twenty_times_as_long_as_they_took() {
        let (cache, clock) = slow(3);
        let first = cache.get().await.unwrap();
        clock.set(Timestamp::from_millis(20_999));
        assert!(Arc::ptr_eq(&first, &cache.get().await.unwrap()));
        clock.set(Timestamp::from_millis(21_000));
        assert_eq!(cache.get().await.unwrap().as_of, Timestamp::from_millis(21_000));
        clock.set(Timestamp::from_millis(0));
        assert_eq!(cache.get().await.unwrap().as_of, Timestamp::from_millis(0));
    }

    #[actix_web::test]
    async fn a_failure_is_not_kept() {
        let mut catalogue = MockCatalogue::new();
        let mut outcomes = vec![Ok(counts()), Err(StoreError::Unavailable("no route".into()))];
        catalogue.expect_summary().times(2).returning(move || outcomes.pop().unwrap());
        let cache = SummaryCache::new(Arc::new(catalogue), Arc::<ManualClock>::default());
        assert!(matches!(&*cache.get().await.unwrap_err(), StoreError::Unavailable(_)));
        assert!(cache.get().await.is_ok());
    }

    #[actix_web::test]
    async fn counting_is_finished_though_nobody_waits_for_it() {
        let (cache, clock) = slow(1);
        // The counting is a task of its own, which on this thread begins only when somebody waits.
        let mut first = Box::pin(cache.get());
        assert!((&mut first).now_or_never().is_none());
        drop(first);
        tokio::task::yield_now().await;
        assert_eq!(clock.now(), Timestamp::from_millis(1000));
        assert_eq!(cache.get().await.unwrap().models, counts());
    }
}
