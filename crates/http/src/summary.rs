//! `GET /api/v1/summary`: the catalogue's counts.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use stocktake_domain::ports::ModelSummary;
use stocktake_domain::{EvidenceLevel, FailureKind, State, Timestamp};
use stocktake_web::{in_state, of_kind, step};
use utoipa::ToSchema;

use crate::Context;
use crate::auth::Reader;
use crate::error::{ApiResult, ErrorBody};
use crate::filter::{self, RecordParameters};
use crate::jobs::JobBody;
use crate::parameters::Parameters;
use crate::record::{as_text, shown_time};
use crate::routing::Endpoint;
use crate::schema::AdministratorRefusals;
use crate::validation::Checker;

/// The endpoint.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/api/v1/summary").get(summary)]
}

/// The state of the whole catalogue.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Summary)]
pub(crate) struct SummaryBody {
    /// Of which moment the counts are; they are not asked for anew for some milliseconds.
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
    /// Records that were good when they were last read and are being read again: they are pending or started.
    good_before: u64,
    /// The sum of the known sizes, in bytes.
    bytes: u64,
    /// Succeeded records of which only what their object store reports was compared (size, and the checksum it keeps),
    /// not the content.
    metadata_only: u64,
    /// Succeeded records by what their verdict rests on.
    evidence: EvidenceCounts,
    /// Succeeded records whose content does not agree with the checksum of GitLab's own verification.
    mismatched: u64,
    /// The oldest success among the records that are `succeeded`, or up to 66 seconds before it.
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

/// Records by what their verdict rests on.
#[derive(Debug, Serialize, ToSchema)]
struct EvidenceCounts {
    /// The size alone, as the store says it.
    size_only: u64,
    /// A digest that the store keeps from the upload.
    said_by_store: u64,
    /// A digest that the store computed of the bytes that it holds.
    computed_at_rest: u64,
    /// The bytes, which were read.
    read: u64,
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
            good_before: summary.good_before,
            bytes: summary.bytes,
            metadata_only: summary.metadata_only(),
            evidence: EvidenceCounts {
                size_only: summary.resting_on(EvidenceLevel::SizeOnly),
                said_by_store: summary.resting_on(EvidenceLevel::SaidByStore),
                computed_at_rest: summary.resting_on(EvidenceLevel::ComputedAtRest),
                read: summary.resting_on(EvidenceLevel::Read),
            },
            mismatched: summary.mismatched,
            oldest_success: summary.oldest_success,
        }
    }
}

/// Counts the records by model and state, of all or of those that the filters mean, and shows the bulk jobs in progress.
#[utoipa::path(
    get, path = "/api/v1/summary", tag = "operation",
    params(RecordParameters),
    responses(
        (status = 200, body = SummaryBody, description = "The counts."),
        (status = 400, body = ErrorBody, description = "Wrong parameters."),
        AdministratorRefusals,
    )
)]
async fn summary(_: Reader, context: web::Data<Context>, request: HttpRequest) -> ApiResult {
    let api = &context.api;
    let parameters = Parameters::of_query(&request)?;
    let mut checker = Checker::new(&parameters);
    let now = api.clock.now();
    let filter = filter::filter(&mut checker, now);
    let filter = checker.finish(Some(filter))?;
    let (as_of, models) = if filter.is_empty() {
        let snapshot = api.summary.get().await?;
        (snapshot.as_of, snapshot.models.iter().map(ModelBody::from).collect())
    } else {
        let models = step("catalogue.summary_of", api.catalogue.summary_of(&filter)).await?;
        (now, models.iter().map(ModelBody::from).collect())
    };
    let jobs = step("jobs.open", api.jobs.open()).await?;
    Ok(HttpResponse::Ok().json(SummaryBody { as_of, models, jobs: jobs.iter().map(JobBody::from).collect() }))
}

#[cfg(test)]
mod tests {
    use stocktake_domain::{Model, RecordFilter};

    use super::*;
    use crate::testing::Mocks;

    fn counts() -> Vec<ModelSummary> {
        vec![ModelSummary {
            model: Model::Uploads,
            states: vec![(State::Succeeded, 5), (State::Failed, 3)],
            failures: vec![(FailureKind::Missing, 2), (FailureKind::TimedOut, 1)],
            rereading: vec![(FailureKind::Altered, 1)],
            good_before: 0,
            bytes: 99,
            evidence: vec![
                (EvidenceLevel::SizeOnly, 3),
                (EvidenceLevel::ComputedAtRest, 1),
                (EvidenceLevel::Read, 1),
            ],
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
        answer.is(200, r#"{"as_of":"1970-01-01T00:00:00.000Z","models":[{"model_name":"uploads","model_class":"Upload","records":8,"states":{"pending":0,"started":0,"succeeded":5,"failed":3,"disabled":0},"failures":{"missing":2,"altered":0,"unreadable":0,"invalid":0,"timed_out":1},"rereading":{"missing":0,"altered":1,"unreadable":0,"invalid":0,"timed_out":0},"good_before":0,"bytes":99,"metadata_only":4,"evidence":{"size_only":3,"said_by_store":0,"computed_at_rest":1,"read":1},"mismatched":1,"oldest_success":"1970-01-01T00:00:01.500Z"}],"jobs":[]}"#);
    }

    #[actix_web::test]
    async fn only_what_the_filters_mean_is_counted() {
        let mut mocks = Mocks::default();
        let is_asked =
            |filter: &RecordFilter| filter.storages == ["main"] && filter.owner.as_deref() == Some("group");
        mocks.catalogue.expect_summary_of().withf(is_asked).returning(|_| Ok(counts()));
        mocks.jobs.expect_open().returning(|| Ok(vec![]));
        let answer = mocks.get("/api/v1/summary?storage=main&owner=group").await;
        assert_eq!(
            (answer.status, &answer.json()["models"][0]["records"]),
            (200, &8.into()),
            "{}",
            answer.body
        );
        let answer = Mocks::default().get("/api/v1/summary?kind=x").await;
        answer.is(400, r#"{"error":"kind does not have a valid value"}"#);
    }
}
