//! `GET /api/v1/findings`: the records with a problem, page by page; and the same records as lines of text, for programs
//! that read the catalogue without a server.

mod cursor;
mod finding;

use actix_web::{HttpRequest, HttpResponse, web};
use stocktake_domain::{Model, Timestamp};
use stocktake_web::{FindingsSelection, step};
use utoipa::IntoParams;

use crate::Context;
use crate::auth::Reader;
use crate::error::{ApiError, ApiResult, ErrorBody, ParamError};
use crate::filter::{self, RecordParameters};
use crate::links::Links;
use crate::parameters::Parameters;
use crate::routing::Endpoint;
use crate::schema::{AdministratorRefusals, FormatName, ModelName, Positive, StateName};
use crate::validation::Checker;
use cursor::FindingsCursor;
use finding::FindingBody;

pub use finding::{csv_header, csv_line, json};

const DEFAULT_PER_PAGE: u64 = 100;
const MAX_PER_PAGE: u64 = 1000;

/// The endpoint.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/api/v1/findings").get(findings)]
}

/// Which findings, and how they are written.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the document's description of what the checker reads")]
struct FindingParameters {
    /// Only records of this model; by default of all.
    #[param(inline)]
    model_name: Option<ModelName>,
    /// Only records in this state; by default those whose last attempt failed, whether they are `failed` or being read
    /// again.
    #[param(inline)]
    checksum_state: Option<StateName>,
    /// Instead, if `true`: records whose content does not agree with the checksum of GitLab's own verification.
    mismatched: Option<bool>,
    /// The form of the answer; `json` by default.
    #[param(inline)]
    format: Option<FormatName>,
    /// The most findings on the page; 100 by default, and values over 1000 mean 1000.
    #[param(inline)]
    per_page: Option<Positive>,
    /// A cursor from `X-Next-Cursor` or `Link`.
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Format {
    #[default]
    Json,
    Csv,
}

/// What is asked for.
struct Query {
    filter: FindingsSelection,
    format: Format,
    /// One model; `None`: all.
    model: Option<Model>,
    /// Where the page begins; `None`: with the first record.
    cursor: Option<FindingsCursor>,
    per_page: u32,
}

/// Lists what is wrong: by default the records of all models whose last attempt failed, by model and primary key.
#[utoipa::path(
    get, path = "/api/v1/findings", tag = "operation",
    params(FindingParameters, RecordParameters),
    responses(
        (status = 200, description = "The page; empty when there are no more. Each page of CSV has a header line.",
         content((Vec<FindingBody> = "application/json"), (String = "text/csv")),
         headers(
            ("Link" = String, description = "`next`, while there is a next page."),
            ("X-Next-Cursor" = String, description = "The next page's cursor, while there is one."),
         )),
        (status = 400, body = ErrorBody, description = "Wrong parameters."),
        AdministratorRefusals,
    )
)]
async fn findings(_: Reader, context: web::Data<Context>, request: HttpRequest) -> ApiResult {
    let query = Query::read(&request, context.api.clock.now())?;
    // One record more than is shown reveals whether there is another page.
    let after = query.cursor.map(|cursor| (cursor.model, cursor.key));
    let limit = query.per_page.saturating_add(1);
    let walk = query.filter.records(&*context.api.catalogue, query.model, after, limit);
    let mut records = step("findings", walk).await?;
    let shown = usize::try_from(query.per_page).unwrap_or(usize::MAX);
    let has_next = records.len() > shown;
    records.truncate(shown);
    let mut answer = HttpResponse::Ok();
    if let Some(last) = records.last().filter(|_| has_next) {
        let next = FindingsCursor { model: last.model, key: last.key.clone() }.encode();
        let mut links = Links::new(&request, context.api.settings.external_url.as_deref());
        links.add("next", &[("cursor", &next)]);
        if let Some(link) = links.into_header() {
            answer.insert_header(link);
        }
        answer.insert_header(("X-Next-Cursor", next));
    }
    Ok(match query.format {
        Format::Json => answer.json(records.iter().map(FindingBody::from).collect::<Vec<_>>()),
        Format::Csv => {
            let text = records.iter().fold(csv_header(), |text, record| text + &csv_line(record));
            answer.content_type("text/csv; charset=utf-8").body(text)
        }
    })
}

impl Query {
    fn read(request: &HttpRequest, now: Timestamp) -> Result<Self, ApiError> {
        let parameters = Parameters::of_query(request)?;
        let mut checker = Checker::new(&parameters);
        let model = checker.choice("model_name", |name| name.parse().ok());
        let state = checker.choice("checksum_state", |name| name.parse().ok());
        let flag = |text: &str| text.parse().ok();
        // The parameter's former name is still accepted.
        let mismatched = checker.choice("mismatched", flag).or_else(|| checker.choice("differing", flag));
        let format = checker.choice("format", format).unwrap_or_default();
        let per_page = checker.positive("per_page").unwrap_or(DEFAULT_PER_PAGE).min(MAX_PER_PAGE);
        let cursor = cursor(&mut checker, model);
        let filter = filter::filter(&mut checker, now);
        let filter = match state {
            _ if mismatched.unwrap_or(false) => FindingsSelection::Mismatched(filter),
            Some(state) => FindingsSelection::InState(state, filter),
            None => FindingsSelection::Findings(filter),
        };
        let per_page = u32::try_from(per_page).unwrap_or(u32::MAX);
        checker.finish(Some(Self { filter, format, model, cursor, per_page }))
    }
}

fn format(name: &str) -> Option<Format> {
    match name {
        "json" => Some(Format::Json),
        "csv" => Some(Format::Csv),
        _ => None,
    }
}

/// The cursor parameter, which must belong to the model, if only one is asked for.
fn cursor(checker: &mut Checker<'_>, model: Option<Model>) -> Option<FindingsCursor> {
    let text = checker.text("cursor").filter(|text| !text.is_empty())?;
    let cursor = FindingsCursor::decode(text).filter(|cursor| model.is_none_or(|only| only == cursor.model));
    if cursor.is_none() {
        checker.refuse("cursor", ParamError::Type);
    }
    cursor
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use stocktake_domain::ports::{FailureGroup, Page, PageStart, SortOrder};
    use stocktake_domain::{FailureKind, Record, RecordFilter, RecordKey, Selection, State};

    use super::*;
    use crate::testing::{Answer, Mocks, TOKEN, key, record, send, unavailable};

    /// A catalogue with this many records of each of these models, from key 1, all of which match.
    fn holding(models: &'static [(Model, i64)], state: State) -> Mocks {
        let mut mocks = Mocks::default();
        let records = |model, after: Option<RecordKey>, limit: u32| {
            let count = models.iter().find(|(known, _)| *known == model).map_or(0, |(_, count)| *count);
            let all = (1..=count).map(|id| Record { model, ..record(&[id]) });
            let behind = all.filter(|record| after.as_ref().is_none_or(|after| record.key > *after));
            behind.take(usize::try_from(limit).unwrap()).collect::<Vec<_>>()
        };
        let asked = mocks.catalogue.expect_page().withf(move |request| {
            request.selection == Selection::in_state(state) && request.order == SortOrder::Ascending
        });
        asked.returning(move |request| {
            let after = match &request.start {
                PageStart::First => None,
                PageStart::After(key) => Some(key.clone()),
                other => panic!("{other:?}"),
            };
            let records = records(request.model, after, request.limit);
            Ok(Page { records, ..Page::default() })
        });
        let catalogue = &mut mocks.catalogue;
        catalogue.expect_mismatched().returning(move |model, after, limit| Ok(records(model, after, limit)));
        catalogue.expect_findings().returning(move |model, after, limit| Ok(records(model, after, limit)));
        mocks
    }

    fn found(answer: &Answer) -> Vec<(String, i64)> {
        assert_eq!(answer.status, 200, "{}", answer.body);
        let list = answer.json();
        let found = list.as_array().unwrap().iter();
        found
            .map(|finding| {
                let name = finding["model_name"].as_str().unwrap().to_owned();
                (name, finding["record_identifier"].as_i64().unwrap())
            })
            .collect()
    }

    const BOTH: &[(Model, i64)] = &[(Model::LfsObjects, 3), (Model::Uploads, 2)];

    /// What all pages show, following the cursors.
    async fn walk(query: &str, state: State) -> Vec<Vec<(String, i64)>> {
        let context = holding(BOTH, state).context();
        let mut pages = Vec::new();
        let mut uri = format!("/api/v1/findings?{query}");
        loop {
            let request = TestRequest::get().uri(&uri).insert_header(("PRIVATE-TOKEN", TOKEN));
            let answer = send(&context, request).await;
            pages.push(found(&answer));
            let Some(cursor) = answer.header("X-Next-Cursor") else {
                assert_eq!(answer.header("Link"), None);
                return pages;
            };
            uri = format!("/api/v1/findings?cursor={cursor}&{query}");
            let link = format!("<https://stock.test{uri}>; rel=\"next\"");
            assert_eq!(answer.header("Link"), Some(link.as_str()));
        }
    }

    fn of(name: &str, ids: &[i64]) -> Vec<(String, i64)> {
        ids.iter().map(|id| (name.to_owned(), *id)).collect()
    }

    #[actix_web::test]
    async fn pages_go_on_over_the_models() {
        let failed = State::Failed;
        let all = [of("lfs_objects", &[1, 2, 3]), of("uploads", &[1, 2])].concat();
        for query in ["", "per_page=5", "per_page=6"] {
            assert_eq!(walk(query, failed).await.concat(), all, "{query}");
        }
        assert_eq!(walk("per_page=4", failed).await, [all[..4].to_vec(), all[4..].to_vec()]);
        let twos = all.chunks(2).map(<[_]>::to_vec).collect::<Vec<_>>();
        assert_eq!(walk("per_page=2", failed).await, twos);
        assert_eq!(walk("per_page=2&mismatched=true", State::Pending).await, twos);
        assert_eq!(walk("per_page=2&differing=true", State::Pending).await, twos);
        assert_eq!(walk("per_page=3", failed).await, [all[..3].to_vec(), all[3..].to_vec()]);
        assert_eq!(
            walk("per_page=3&checksum_state=failed", failed).await,
            [all[..3].to_vec(), all[3..].to_vec()]
        );
    }

    #[actix_web::test]
    async fn one_model_and_another_state_can_be_asked_for() {
        let uploads = of("uploads", &[1, 2]);
        assert_eq!(
            walk("model_name=uploads&per_page=1&checksum_state=disabled", State::Disabled).await,
            [uploads[..1].to_vec(), uploads[1..].to_vec()]
        );
        assert_eq!(walk("model_name=projects", State::Failed).await, [vec![]]);
    }

    #[actix_web::test]
    async fn filters_choose_among_them() {
        let filter = RecordFilter {
            kinds: vec![FailureKind::Missing],
            storages: vec!["main".to_owned()],
            ..RecordFilter::default()
        };
        for (query, state) in [("", None), ("&checksum_state=failed", Some(State::Failed))] {
            let mut mocks = Mocks::default();
            let selection = Selection { state, filter: filter.clone(), ..Selection::default() };
            let asked = mocks.catalogue.expect_page().withf(move |request| request.selection == selection);
            asked.returning(|_| Ok(Page { records: vec![record(&[1])], ..Page::default() }));
            let group = |model, storage: &str| FailureGroup {
                storage: storage.to_owned(),
                kind: FailureKind::Missing,
                model,
                records: 1,
            };
            let groups = vec![
                group(Model::Uploads, "attic"),
                group(Model::Projects, "main"),
                group(Model::Uploads, "main"),
            ];
            mocks.catalogue.expect_failure_groups().returning(move || Ok(groups.clone()));
            let uri = format!("/api/v1/findings?model_name=uploads&kind=missing&storage=main{query}");
            assert_eq!(found(&mocks.get(&uri).await).len(), 1, "{query}");
        }
    }

    #[actix_web::test]
    async fn a_page_has_at_most_a_thousand() {
        let answer = holding(&[(Model::Uploads, 2000)], State::Failed);
        assert_eq!(found(&answer.get("/api/v1/findings?per_page=5000").await).len(), 1000);
    }

    #[actix_web::test]
    async fn csv_has_a_header_on_each_page() {
        let answer = holding(BOTH, State::Failed).get("/api/v1/findings?format=csv&per_page=1").await;
        let line = csv_line(&Record { model: Model::LfsObjects, ..record(&[1]) });
        answer.is(200, &(csv_header() + &line));
        assert_eq!(answer.header("Content-Type"), Some("text/csv; charset=utf-8"));
        assert!(answer.header("X-Next-Cursor").is_some());
    }

    #[actix_web::test]
    async fn wrong_parameters_are_named_in_one_order() {
        let uploads = FindingsCursor { model: Model::Uploads, key: key(&[1]) }.encode();
        let of_another_model = format!("model_name=projects&cursor={uploads}");
        let all = "cursor=x&per_page=0&format=xml&mismatched=1&checksum_state=FAILED&model_name=x";
        let rows = [
            ("model_name=", "model_name does not have a valid value"),
            ("per_page=many", "per_page is invalid"),
            ("cursor=MW41", "cursor is invalid"),
            ("kind=gone&since=x", "kind does not have a valid value, since does not have a valid value"),
            (of_another_model.as_str(), "cursor is invalid"),
            (
                all,
                "model_name does not have a valid value, checksum_state does not have a valid value, mismatched does \
                 not have a valid value, format does not have a valid value, per_page does not have a valid value, \
                 cursor is invalid",
            ),
        ];
        for (query, error) in rows {
            let answer = Mocks::default().get(&format!("/api/v1/findings?{query}")).await;
            answer.is(400, &format!(r#"{{"error":"{error}"}}"#));
        }
    }

    #[actix_web::test]
    async fn an_unreachable_database_is_503() {
        let mut mocks = Mocks::default();
        mocks.catalogue.expect_findings().returning(|_, _, _| Err(unavailable()));
        assert_eq!(mocks.get("/api/v1/findings").await.status, 503);
    }
}
