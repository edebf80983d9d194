//! `GET /metrics`: what the process recorded, and the catalogue's counts, as Prometheus text.

use std::sync::Arc;

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use stocktake_domain::{FailureKind, State};

use crate::Context;
use crate::error::ApiError;
use crate::observe::LoggedCause;
use crate::openapi::OwnFault;
use crate::routing::{READ, get, resource};
use crate::summary::{Snapshot, in_state, of_kind};

/// The version of the text format is part of its type.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The route.
pub(crate) fn configure(routes: &mut web::ServiceConfig) {
    routes.service(resource("/metrics", READ).route(get().to(metrics)));
}

/// Shows the metrics. While the database is away, those of the process alone.
#[utoipa::path(
    get, path = "/metrics", tag = "monitoring", security(()),
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "Prometheus text."),
        OwnFault,
    )
)]
pub(crate) async fn metrics(context: web::Data<Context>, request: HttpRequest) -> HttpResponse {
    let mut text = (context.api.metrics)();
    match catalogue(&context).await {
        Ok((snapshot, open_jobs)) => {
            write_up(&mut text, 1);
            write_counts(&mut text, &snapshot, open_jobs);
        }
        Err(error) => {
            request.extensions_mut().insert(LoggedCause(error.chain()));
            write_up(&mut text, 0);
        }
    }
    HttpResponse::Ok().content_type(CONTENT_TYPE).body(text)
}

async fn catalogue(context: &Context) -> Result<(Arc<Snapshot>, usize), ApiError> {
    let snapshot = context.summary.get(&context.api).await?;
    Ok((snapshot, context.api.jobs.open().await?.len()))
}

fn write_up(text: &mut String, up: u8) {
    write_family(text, "stocktake_catalogue_up", "Whether the database answers.", [format!(" {up}")]);
}

fn write_counts(text: &mut String, snapshot: &Snapshot, open_jobs: usize) {
    let models = &snapshot.models;
    let records = models.iter().flat_map(|summary| {
        let model = summary.model;
        State::ALL
            .map(|state| format!("{{model=\"{model}\",state=\"{state}\"}} {}", in_state(summary, state)))
    });
    write_family(text, "stocktake_records", "Records by model and state.", records);
    let failures = models.iter().flat_map(|summary| {
        let model = summary.model;
        FailureKind::ALL
            .map(|kind| format!("{{model=\"{model}\",kind=\"{kind}\"}} {}", of_kind(summary, kind)))
    });
    write_family(text, "stocktake_failures", "Failed records by model and kind of failure.", failures);
    let bytes = models.iter().map(|summary| format!("{{model=\"{}\"}} {}", summary.model, summary.bytes));
    write_family(text, "stocktake_bytes", "The sum of the known sizes by model, in bytes.", bytes);
    let metadata_only =
        models.iter().map(|summary| format!("{{model=\"{}\"}} {}", summary.model, summary.metadata_only));
    let help = "Succeeded records of which only what their object store says was looked at, by model.";
    write_family(text, "stocktake_metadata_only", help, metadata_only);
    let oldest = models.iter().filter_map(|summary| {
        let millis = summary.oldest_success?.millis();
        Some(format!(
            "{{model=\"{}\"}} {}.{:03}",
            summary.model,
            millis.div_euclid(1000),
            millis.rem_euclid(1000)
        ))
    });
    let help = "The time of the oldest success among the records that are succeeded, in seconds since 1970.";
    write_family(text, "stocktake_oldest_success_seconds", help, oldest);
    write_family(text, "stocktake_jobs_open", "Bulk jobs that are not over.", [format!(" {open_jobs}")]);
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
    use stocktake_domain::ports::ModelSummary;
    use stocktake_domain::{Model, Timestamp};

    use super::*;
    use crate::testing::{Mocks, send, unavailable};

    #[actix_web::test]
    async fn process_and_catalogue_are_shown_without_a_token() {
        let mut mocks = Mocks::default();
        mocks.jobs.expect_open().returning(|| Ok(vec![]));
        mocks.catalogue.expect_summary().returning(|| {
            Ok(vec![ModelSummary {
                model: Model::Uploads,
                states: vec![(State::Failed, 3)],
                failures: vec![(FailureKind::Missing, 3)],
                bytes: 99,
                metadata_only: 2,
                oldest_success: Some(Timestamp::from_millis(1005)),
            }])
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
            "stocktake_oldest_success_seconds{model=\"uploads\"} 1.005",
            "stocktake_jobs_open 0",
        ] {
            assert!(answer.body.lines().any(|found| found == line), "{line} is not in\n{}", answer.body);
        }
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
