//! `GET /api/v1/sync`: how far the sync of the catalogue with its source is.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use stocktake_domain::Timestamp;
use stocktake_domain::ports::{FullScan, ModelSyncState};
use stocktake_web::step;
use utoipa::ToSchema;

use crate::Context;
use crate::auth::Reader;
use crate::error::ApiResult;
use crate::record::{IdentifierBody, shown_time};
use crate::routing::Endpoint;
use crate::schema::{AdministratorRefusals, Identifier, ModelName};

/// The endpoint.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/api/v1/sync").get(sync)]
}

/// How far the sync of one model is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sync)]
pub(crate) struct SyncBody<'a> {
    /// The model's name.
    #[schema(value_type = ModelName)]
    model_name: &'static str,
    /// When new rows were last read completely.
    #[serde(serialize_with = "shown_time")]
    #[schema(value_type = Option<String>, required, format = DateTime)]
    read_at: Option<Timestamp>,
    /// Rows whose content was changed before this time were read.
    #[serde(serialize_with = "shown_time")]
    #[schema(value_type = Option<String>, required, format = DateTime)]
    changes_read_to: Option<Timestamp>,
    /// The full scan of all rows, in progress or completed.
    full_scan: FullScanBody<'a>,
    /// Why the model could not be read when last tried; null if it could.
    #[schema(required)]
    problem: Option<&'a str>,
}

/// A full scan reads all rows of a model, and so also finds what was changed or deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SyncFullScan)]
struct FullScanBody<'a> {
    /// All rows up to this record's were read; null if the full scan has not begun.
    #[schema(value_type = Option<Identifier>, required)]
    at: Option<IdentifierBody<'a>>,
    /// The model's records when the full scan began.
    records: u64,
    /// Records deleted in this full scan, because the source has no row for them any more.
    deleted: u64,
    /// Records kept in this full scan though the source has no row for them, because they were too many at once.
    kept: u64,
    /// When the next part of the full scan is to be read; null: at once.
    #[serde(serialize_with = "shown_time")]
    #[schema(value_type = Option<String>, required, format = DateTime)]
    due_at: Option<Timestamp>,
    /// When the last full scan ended.
    #[serde(serialize_with = "shown_time")]
    #[schema(value_type = Option<String>, required, format = DateTime)]
    ended_at: Option<Timestamp>,
}

impl<'a> From<&'a ModelSyncState> for SyncBody<'a> {
    fn from(state: &'a ModelSyncState) -> Self {
        Self {
            model_name: state.model.name(),
            read_at: state.read_at,
            changes_read_to: state.changes_read_to,
            full_scan: FullScanBody::from(&state.full_scan),
            problem: state.problem.as_deref(),
        }
    }
}

impl<'a> From<&'a FullScan> for FullScanBody<'a> {
    fn from(full_scan: &'a FullScan) -> Self {
        Self {
            at: full_scan.at.as_ref().map(IdentifierBody),
            records: full_scan.records,
            deleted: full_scan.deleted,
            kept: full_scan.kept,
            due_at: full_scan.due_at,
            ended_at: full_scan.ended_at,
        }
    }
}

/// Shows how far the sync with the source is, for each model that has been synced.
#[utoipa::path(
    get, path = "/api/v1/sync", tag = "operation",
    responses(
        (status = 200, body = Vec<SyncBody>, description = "All models at once; none without a source."),
        AdministratorRefusals,
    )
)]
async fn sync(_: Reader, context: web::Data<Context>) -> ApiResult {
    let states = step("sync_state.states", context.api.sync_state.states()).await?;
    Ok(HttpResponse::Ok().json(states.iter().map(SyncBody::from).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use stocktake_domain::Model;

    use super::*;
    use crate::testing::{Mocks, key, unavailable};

    #[actix_web::test]
    async fn each_model_shows_how_far_it_is() {
        let mut mocks = Mocks::default();
        mocks.sync_state.expect_states().returning(|| {
            let [read_at, changes_read_to, due_at, ended_at] =
                [1000, 2000, 3000, 4000].map(|millis| Some(Timestamp::from_millis(millis)));
            let at = Some(key(&[5, 100]));
            let full_scan =
                FullScan { at, records: 9, deleted: 2, kept: 1, due_at, ended_at, ..FullScan::default() };
            let problem = Some("the table uploads is missing".to_owned());
            Ok(vec![
                ModelSyncState {
                    read_at,
                    changes_read_to,
                    full_scan,
                    ..ModelSyncState::new(Model::Projects)
                },
                ModelSyncState { problem, ..ModelSyncState::new(Model::Uploads) },
            ])
        });
        mocks.get("/api/v1/sync").await.is(200, r#"[{"model_name":"projects","read_at":"1970-01-01T00:00:01.000Z","changes_read_to":"1970-01-01T00:00:02.000Z","full_scan":{"at":"NSAxMDA=","records":9,"deleted":2,"kept":1,"due_at":"1970-01-01T00:00:03.000Z","ended_at":"1970-01-01T00:00:04.000Z"},"problem":null},{"model_name":"uploads","read_at":null,"changes_read_to":null,"full_scan":{"at":null,"records":0,"deleted":0,"kept":0,"due_at":null,"ended_at":null},"problem":"the table uploads is missing"}]"#);
    }

    #[actix_web::test]
    async fn without_a_source_there_is_nothing() {
        let mut mocks = Mocks::default();
        mocks.sync_state.expect_states().returning(|| Ok(vec![]));
        mocks.get("/api/v1/sync").await.is(200, "[]");
        let mut mocks = Mocks::default();
        mocks.sync_state.expect_states().returning(|| Err(unavailable()));
        assert_eq!(mocks.get("/api/v1/sync").await.status, 503);
    }
}
