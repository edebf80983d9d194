//! The catalogue's counts: `GET /api/v1/summary`, and the cache that it shares with `/metrics`.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use moka::future::Cache;
use serde::Serialize;
use stocktake_domain::ports::{ModelSummary, StoreError};
use stocktake_domain::{FailureKind, State, Timestamp};
use tracing::Instrument as _;
use utoipa::ToSchema;

use crate::auth::Reader;
use crate::error::{ApiError, ApiResult};
use crate::jobs::JobBody;
use crate::record::{as_text, shown_time};
use crate::routing::Endpoint;
use crate::schema::AdministratorRefusals;
use crate::steps::step;
use crate::{Api, Context};

/// Counts are kept for this many times as long as counting took, so that counting never takes more than a twentieth of
/// the time, however often it is asked for; the counts of a small catalogue are hardly kept.
const KEPT_FACTOR: u32 = 20;

/// The counts of all models at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The counts, of the models that have records.
    pub(crate) models: Vec<ModelSummary>,
    /// When they were asked for.
    pub(crate) as_of: Timestamp,
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
/// moka makes the requests share it; how long it counts depends on how long counting took by the port
/// [`Clock`](stocktake_domain::Clock).
#[derive(Clone)]
pub(crate) struct SummaryCache(Cache<(), Arc<Snapshot>>);

impl Default for SummaryCache {
    fn default() -> Self {
        Self(Cache::new(1))
    }
}

impl SummaryCache {
    /// A snapshot that is fresh. One that is being made is finished even if nobody waits for it any more.
    pub(crate) async fn get(&self, api: &Arc<Api>) -> Result<Arc<Snapshot>, ApiError> {
        let (cache, api) = (self.clone(), Arc::clone(api));
        let task = async move { cache.get_or_make(&api).await }.in_current_span();
        let snapshot = tokio::spawn(task).await;
        let snapshot = snapshot.map_err(|panic| ApiError::Internal(Box::new(panic)))?;
        Ok(snapshot?)
    }

    async fn get_or_make(&self, api: &Api) -> Result<Arc<Snapshot>, Arc<StoreError>> {
        if let Some(snapshot) = self.0.get(&()).await {
            if snapshot.is_fresh(api.clock.now()) {
                return Ok(snapshot);
            }
            self.0.invalidate(&()).await;
        }
        self.0.try_get_with((), make(api)).await
    }
}

async fn make(api: &Api) -> Result<Arc<Snapshot>, StoreError> {
    let as_of = api.clock.now();
    let models = step("catalogue.summary", api.catalogue.summary()).await?;
    let done = api.clock.now();
    let expires_at = done.after(done.since(as_of).saturating_mul(KEPT_FACTOR));
    Ok(Arc::new(Snapshot { models, as_of, expires_at }))
}

/// The endpoint.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/api/v1/summary").get(summary)]
}

/// The state of the whole catalogue.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Summary)]
pub(crate) struct SummaryBody {
    /// When the records were counted; of a large catalogue the counts are kept for a while.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    /// The models that have records.
    models: Vec<ModelBody>,
    /// The bulk jobs in progress, oldest first.
    jobs: Vec<JobBody>,
}

/// The counts of one model.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelSummary)]
struct ModelBody {
    /// The model's name.
    #[schema(example = "lfs_objects")]
    model_name: &'static str,
    /// The class of its records.
    #[schema(example = "LfsObject")]
    model_class: &'static str,
    /// All records.
    records: u64,
    /// Records by state.
    states: StateCounts,
    /// Failed records by kind of failure.
    failures: FailureCounts,
    /// Records that failed and are being read again, by the kind of that failure: they are pending or started.
    rereading: FailureCounts,
    /// The sum of the known sizes, in bytes.
    bytes: u64,
    /// Succeeded records of which only what their object store reports was compared (size, and the checksum it keeps),
    /// not the content.
    metadata_only: u64,
    /// Succeeded records whose content does not agree with the checksum of GitLab's own verification.
    mismatched: u64,
    /// The oldest success among the records that are `succeeded`.
    #[serde(serialize_with = "shown_time")]
    #[schema(value_type = Option<String>, required, format = DateTime)]
    oldest_success: Option<Timestamp>,
}

/// Records by state.
#[derive(Debug, Serialize, ToSchema)]
struct StateCounts {
    pending: u64,
    started: u64,
    succeeded: u64,
    failed: u64,
    disabled: u64,
}

/// Records by kind of failure.
#[derive(Debug, Serialize, ToSchema)]
struct FailureCounts {
    missing: u64,
    altered: u64,
    unreadable: u64,
    invalid: u64,
    timed_out: u64,
}

/// The number of records in this state.
pub(crate) fn in_state(summary: &ModelSummary, state: State) -> u64 {
    summary.states.iter().filter(|(known, _)| *known == state).map(|(_, count)| count).sum()
}

/// The number of records of this kind.
pub(crate) fn of_kind(counts: &[(FailureKind, u64)], kind: FailureKind) -> u64 {
    counts.iter().filter(|(known, _)| *known == kind).map(|(_, count)| count).sum()
}

impl From<&[(FailureKind, u64)]> for FailureCounts {
    fn from(counts: &[(FailureKind, u64)]) -> Self {
        let kind = |kind| of_kind(counts, kind);
        Self {
            missing: kind(FailureKind::Missing),
            altered: kind(FailureKind::Altered),
            unreadable: kind(FailureKind::Unreadable),
            invalid: kind(FailureKind::Invalid),
            timed_out: kind(FailureKind::TimedOut),
        }
    }
}

impl From<&ModelSummary> for ModelBody {
    fn from(summary: &ModelSummary) -> Self {
        let state = |state| in_state(summary, state);
        Self {
            model_name: summary.model.name(),
            model_class: summary.model.class(),
            records: summary.states.iter().map(|(_, count)| count).sum(),
            states: StateCounts {
                pending: state(State::Pending),
                started: state(State::Started),
                succeeded: state(State::Succeeded),
                failed: state(State::Failed),
                disabled: state(State::Disabled),
            },
            failures: summary.failures.as_slice().into(),
            rereading: summary.rereading.as_slice().into(),
            bytes: summary.bytes,
            metadata_only: summary.metadata_only,
            mismatched: summary.mismatched,
            oldest_success: summary.oldest_success,
        }
    }
}

/// Counts the records by model and state, and shows the bulk jobs in progress.
#[utoipa::path(
    get, path = "/api/v1/summary", tag = "operation",
    responses((status = 200, body = SummaryBody, description = "The counts."), AdministratorRefusals)
)]
async fn summary(_: Reader, context: web::Data<Context>) -> ApiResult {
    let snapshot = context.summary.get(&context.api).await?;
    let jobs = step("jobs.open", context.api.jobs.open()).await?;
    Ok(HttpResponse::Ok().json(SummaryBody {
        as_of: snapshot.as_of,
        models: snapshot.models.iter().map(ModelBody::from).collect(),
        jobs: jobs.iter().map(JobBody::from).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use stocktake_domain::Model;

    use super::*;
    use crate::testing::{Mocks, unavailable};

    fn counts() -> Vec<ModelSummary> {
        vec![ModelSummary {
            model: Model::Uploads,
            states: vec![(State::Succeeded, 5), (State::Failed, 3)],
            failures: vec![(FailureKind::Missing, 2), (FailureKind::TimedOut, 1)],
            rereading: vec![(FailureKind::Altered, 1)],
            bytes: 99,
            metadata_only: 4,
            mismatched: 1,
            oldest_success: Some(Timestamp::from_millis(1500)),
        }]
    }

    #[actix_web::test]
    async fn all_counts_are_shown() {
        let mut mocks = Mocks::default();
        mocks.catalogue.expect_summary().returning(|| Ok(counts()));
        mocks.jobs.expect_open().returning(|| Ok(vec![]));
        let answer = mocks.get("/api/v1/summary").await;
        answer.is(200, r#"{"as_of":"1970-01-01T00:00:00.000Z","models":[{"model_name":"uploads","model_class":"Upload","records":8,"states":{"pending":0,"started":0,"succeeded":5,"failed":3,"disabled":0},"failures":{"missing":2,"altered":0,"unreadable":0,"invalid":0,"timed_out":1},"rereading":{"missing":0,"altered":1,"unreadable":0,"invalid":0,"timed_out":0},"bytes":99,"metadata_only":4,"mismatched":1,"oldest_success":"1970-01-01T00:00:01.500Z"}],"jobs":[]}"#);
    }

    /// An API whose counting takes a second, and how often it may count.
    fn slow(times: usize) -> (Arc<Api>, Arc<crate::testing::ManualClock>) {
        let mut mocks = Mocks::default();
        let clock = Arc::clone(&mocks.clock);
        let ticking = Arc::clone(&clock);
        mocks.catalogue.expect_summary().times(times).returning(move || {
            ticking.set(stocktake_domain::Clock::now(&*ticking).after(Duration::from_secs(1)));
            Ok(counts())
        });
        (mocks.api(), clock)
    }

    #[actix_web::test]
    async fn counts_are_kept_for_twenty_times_as_long_as_they_took() {
        let (api, clock) = slow(3);
        let cache = SummaryCache::default();
        let first = cache.get(&api).await.unwrap();
        clock.set(Timestamp::from_millis(20_999));
        assert!(Arc::ptr_eq(&first, &cache.get(&api).await.unwrap()));
        clock.set(Timestamp::from_millis(21_000));
        assert_eq!(cache.get(&api).await.unwrap().as_of, Timestamp::from_millis(21_000));
        clock.set(Timestamp::from_millis(0));
        assert_eq!(cache.get(&api).await.unwrap().as_of, Timestamp::from_millis(0));
    }

    #[actix_web::test]
    async fn a_failure_is_not_kept() {
        let mut mocks = Mocks::default();
        let mut outcomes = vec![Ok(counts()), Err(unavailable())];
        mocks.catalogue.expect_summary().times(2).returning(move || outcomes.pop().unwrap());
        let (api, cache) = (mocks.api(), SummaryCache::default());
        assert!(matches!(cache.get(&api).await, Err(ApiError::Unavailable(_))));
        assert!(cache.get(&api).await.is_ok());
    }

    #[actix_web::test]
    async fn counting_is_finished_though_nobody_waits_for_it() {
        let (api, clock) = slow(1);
        let cache = SummaryCache::default();
        // The counting is a task of its own, which on this thread begins only when somebody waits.
        let mut first = Box::pin(cache.get(&api));
        assert!((&mut first).now_or_never().is_none());
        drop(first);
        tokio::task::yield_now().await;
        assert_eq!(stocktake_domain::Clock::now(&*clock), Timestamp::from_millis(1000));
        assert_eq!(cache.get(&api).await.unwrap().models, counts());
    }
}
