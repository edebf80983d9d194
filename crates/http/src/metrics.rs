//! `GET /metrics`: what the process recorded, and the catalogue's counts, as Prometheus text.

use std::fmt::Display;
use std::sync::Arc;

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use stocktake_domain::ports::ModelSyncState;
use stocktake_domain::{Condition, ConditionSubject, EvidenceLevel, FailureKind, Model, State, Timestamp};
use stocktake_web::{LoggedCause, Snapshot, in_state, of_kind, step};

use crate::Context;
use crate::auth::Public;
use crate::error::ApiError;
use crate::routing::Endpoint;
use crate::schema::InternalRefusal;

/// The version of the text format is part of its type.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The endpoint.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/metrics").get(metrics)]
}

/// Shows the metrics. While the database is unavailable, those of the process alone.
#[utoipa::path(
    get, path = "/metrics", tag = "monitoring", security(()),
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "Prometheus text."),
        InternalRefusal,
    )
)]
pub(crate) async fn metrics(_: Public, context: web::Data<Context>, request: HttpRequest) -> HttpResponse {
    let mut text = (context.api.metrics)();
    match catalogue(&context).await {
        Ok(catalogue) => {
            write_up(&mut text, 1);
            write_counts(&mut text, &catalogue.snapshot);
            write_jobs(&mut text, catalogue.open_jobs);
            write_syncs(&mut text, &catalogue.syncs);
            write_conditions(&mut text, &catalogue.conditions);
        }
        Err(error) => {
            request.extensions_mut().insert(LoggedCause(error.chain()));
            write_up(&mut text, 0);
        }
    }
    HttpResponse::Ok().content_type(CONTENT_TYPE).body(text)
}

/// What is read from the database.
struct Catalogue {
    snapshot: Arc<Snapshot>,
    open_jobs: u64,
    syncs: Vec<ModelSyncState>,
    conditions: Vec<Condition>,
}

async fn catalogue(context: &Context) -> Result<Catalogue, ApiError> {
    let snapshot = context.api.summary.get().await?;
    let open_jobs = step("jobs.count_open", context.api.jobs.count_open()).await?;
    Ok(Catalogue {
        snapshot,
        open_jobs,
        syncs: step("sync_state.states", context.api.sync_state.states()).await?,
        conditions: step("conditions.conditions", context.api.conditions.conditions()).await?,
    })
}

fn write_up(text: &mut String, up: u8) {
    write_family(text, "stocktake_catalogue_up", "Whether the database answers.", [format!(" {up}")]);
}

fn write_counts(text: &mut String, snapshot: &Snapshot) {
    let models = &snapshot.models;
    let records = models.iter().flat_map(|summary| {
        let model = summary.model;
        State::ALL
            .map(|state| format!("{{model=\"{model}\",state=\"{state}\"}} {}", in_state(summary, state)))
    });
    write_family(text, "stocktake_records", "Records by model and state.", records);
    let failures = models.iter().flat_map(|summary| {
        let model = summary.model;
        FailureKind::ALL.map(|kind| {
            let count = of_kind(&summary.failures, kind) + of_kind(&summary.rereading, kind);
            format!("{{model=\"{model}\",kind=\"{kind}\"}} {count}")
        })
    });
    let help =
        "Records whose last attempt failed, also while they are read again, by model and kind of failure.";
    write_family(text, "stocktake_failures", help, failures);
    let bytes = models.iter().map(|summary| by_model(summary.model, summary.bytes));
    write_family(text, "stocktake_bytes", "The sum of the known sizes by model, in bytes.", bytes);
    let metadata_only = models.iter().map(|summary| by_model(summary.model, summary.metadata_only()));
    let help = "Succeeded records of which only what their object store reports was compared, by model.";
    write_family(text, "stocktake_metadata_only", help, metadata_only);
    let evidence = models.iter().flat_map(|summary| {
        let model = summary.model;
        EvidenceLevel::ALL
            .map(|level| format!("{{model=\"{model}\",level=\"{level}\"}} {}", summary.resting_on(level)))
    });
    let help = "Succeeded records by model and by what their verdict rests on.";
    write_family(text, "stocktake_evidence", help, evidence);
    let mismatched = models.iter().map(|summary| by_model(summary.model, summary.mismatched));
    let help = "Succeeded records whose content does not agree with the checksum of GitLab's own verification, by model.";
    write_family(text, "stocktake_mismatched", help, mismatched);
    let oldest = models.iter().filter_map(|summary| {
        let at = summary.oldest_success?;
        Some(by_model(summary.model, seconds(at)))
    });
    let help = "The time of the oldest success among the records that are succeeded, in seconds since 1970.";
    write_family(text, "stocktake_oldest_success_seconds", help, oldest);
}

fn write_jobs(text: &mut String, open: u64) {
    write_family(text, "stocktake_jobs_open", "Bulk jobs that have not ended.", [format!(" {open}")]);
}

fn write_syncs(text: &mut String, syncs: &[ModelSyncState]) {
    let at = |state: &ModelSyncState, time: Option<Timestamp>| Some(by_model(state.model, seconds(time?)));
    let read = syncs.iter().filter_map(|state| at(state, state.read_at));
    let help = "When the source's new rows were last read completely, in seconds since 1970, by model.";
    write_family(text, "stocktake_sync_read_seconds", help, read);
    let ended = syncs.iter().filter_map(|state| at(state, state.full_scan.ended_at));
    let help = "When the last full scan of the source's rows ended, in seconds since 1970, by model.";
    write_family(text, "stocktake_sync_full_scan_ended_seconds", help, ended);
    let kept = syncs.iter().map(|state| by_model(state.model, state.full_scan.kept));
    let help = "Records kept in this full scan though the source has no row for them, because they were too many, by model.";
    write_family(text, "stocktake_sync_kept", help, kept);
    let problem = syncs.iter().map(|state| by_model(state.model, u8::from(state.problem.is_some())));
    let help = "Whether the model could not be read from the source when last tried.";
    write_family(text, "stocktake_sync_problem", help, problem);
}

fn write_conditions(text: &mut String, conditions: &[Condition]) {
    let closed = conditions.iter().filter_map(|condition| match &condition.subject {
        ConditionSubject::Storage(name) => {
            Some(format!("{{storage=\"{}\",host=\"{}\"}} 1", escaped(name), escaped(&condition.host)))
        }
        ConditionSubject::Process => None,
    });
    let help = "Storages that a host cannot read as a whole, so that their records wait.";
    write_family(text, "stocktake_storage_closed", help, closed);
    let short = conditions.iter().filter(|condition| condition.subject == ConditionSubject::Process);
    let short = short.map(|condition| format!("{{host=\"{}\"}} 1", escaped(&condition.host)));
    let help = "Hosts on which a process lacks what it needs to read content.";
    write_family(text, "stocktake_process_short_of_resources", help, short);
}

/// A label's value, as the text format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// A sample of one model.
fn by_model(model: Model, value: impl Display) -> String {
    format!("{{model=\"{model}\"}} {value}")
}

/// Seconds since 1970.
fn seconds(at: Timestamp) -> String {
    let millis = at.millis();
    format!("{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000))
}

/// Appends a family of gauges; each sample is its labels and its value.
fn write_family(text: &mut String, name: &str, help: &str, samples: impl IntoIterator<Item = String>) {
    for part in ["# HELP ", name, " ", help, "\n# TYPE ", name, " gauge\n"] {
        text.push_str(part);
    }
    for sample in samples {
        text.push_str(name);
        text.push_str(&sample);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use stocktake_domain::ports::{FullScan, ModelSummary};

    use super::*;
    use crate::testing::{Mocks, send, unavailable};

    #[actix_web::test]
    async fn process_and_catalogue_are_shown_without_a_token() {
        let mut mocks = Mocks::default();
        mocks.jobs.expect_count_open().returning(|| Ok(0));
        mocks.catalogue.expect_summary().returning(|| {
            Ok(vec![ModelSummary {
                model: Model::Uploads,
                states: vec![(State::Failed, 3)],
                failures: vec![(FailureKind::Missing, 2)],
                rereading: vec![(FailureKind::Missing, 1)],
                good_before: 0,
                bytes: 99,
                evidence: vec![(EvidenceLevel::SaidByStore, 2)],
                mismatched: 4,
                oldest_success: Some(Timestamp::from_millis(1005)),
            }])
        });
        mocks.sync_state.expect_states().returning(|| {
            let full_scan =
                FullScan { kept: 5, ended_at: Some(Timestamp::from_millis(3500)), ..FullScan::default() };
            let read_at = Some(Timestamp::from_millis(2000));
            let uploads = ModelSyncState { read_at, full_scan, ..ModelSyncState::new(Model::Uploads) };
            let problem = Some("no such table".to_owned());
            Ok(vec![ModelSyncState { problem, ..ModelSyncState::new(Model::Projects) }, uploads])
        });
        let at = Timestamp::from_millis(0);
        let condition = move |subject| Condition {
            subject,
            host: "a\\b".to_owned(),
            reason: "gone".to_owned(),
            since: at,
            reported_at: at,
        };
        mocks.conditions.expect_conditions().returning(move || {
            let storage = ConditionSubject::Storage("x\"\n".to_owned());
            Ok(vec![condition(storage), condition(ConditionSubject::Process)])
        });
        let answer = send(&mocks.context(), TestRequest::get().uri("/metrics")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("Content-Type"), Some(CONTENT_TYPE));
        for line in [
            "process_metric 1",
            "stocktake_catalogue_up 1",
            "# TYPE stocktake_records gauge",
            "stocktake_records{model=\"uploads\",state=\"failed\"} 3",
            "stocktake_records{model=\"uploads\",state=\"pending\"} 0",
            "stocktake_failures{model=\"uploads\",kind=\"missing\"} 3",
            "stocktake_bytes{model=\"uploads\"} 99",
            "stocktake_metadata_only{model=\"uploads\"} 2",
            "stocktake_evidence{model=\"uploads\",level=\"said_by_store\"} 2",
            "stocktake_evidence{model=\"uploads\",level=\"read\"} 0",
            "stocktake_mismatched{model=\"uploads\"} 4",
            "stocktake_oldest_success_seconds{model=\"uploads\"} 1.005",
            "stocktake_jobs_open 0",
            "# TYPE stocktake_sync_problem gauge",
            "stocktake_sync_read_seconds{model=\"uploads\"} 2.000",
            "stocktake_sync_full_scan_ended_seconds{model=\"uploads\"} 3.500",
            "stocktake_sync_kept{model=\"uploads\"} 5",
            "stocktake_sync_kept{model=\"projects\"} 0",
            "stocktake_sync_problem{model=\"uploads\"} 0",
            "stocktake_sync_problem{model=\"projects\"} 1",
            r#"stocktake_storage_closed{storage="x\"\n",host="a\\b"} 1"#,
            r#"stocktake_process_short_of_resources{host="a\\b"} 1"#,
        ] {
            assert!(answer.body.lines().any(|found| found == line), "{line} is not in\n{}", answer.body);
        }
        assert!(!answer.body.contains("stocktake_sync_read_seconds{model=\"projects\"}"));
    }

    #[actix_web::test]
    async fn without_the_database_the_process_is_shown() {
        let mut mocks = Mocks::default();
        mocks.catalogue.expect_summary().returning(|| Err(unavailable()));
        let answer = send(&mocks.context(), TestRequest::get().uri("/metrics")).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.ends_with("# TYPE stocktake_catalogue_up gauge\nstocktake_catalogue_up 0\n"));
    }
}
