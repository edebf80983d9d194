//! `GET /admin/data_management/:model_name`: the records of a model, page by page.

mod keyset;
mod offset;

use actix_web::{HttpRequest, HttpResponseBuilder, web};
use serde::Serializer as _;
use stocktake_domain::ports::{Page, PageRequest, PageStart, ScanLimit, SortOrder};
use stocktake_web::step;

use super::segment;
use crate::Context;
use crate::auth::Reader;
use crate::cursor::Cursor;
use crate::error::{ApiError, ApiResult, ErrorBody, ErrorText, ParamError};
use crate::parameters::Parameters;
use crate::record::RecordBody;
use crate::schema::{AdministratorRefusals, FilterParameters, ModelPath, PageParameters};
use crate::validation::{Checker, Target};

const DEFAULT_PER_PAGE: u64 = 20;
const MAX_PER_PAGE: u64 = 100;

/// Enough for most records in an answer.
const RECORD_BYTES: usize = 512;

/// The checked request.
struct ListQuery {
    target: Target,
    order: SortOrder,
    per_page: u32,
    position: Position,
}

/// Which page, in one of the two kinds of pagination.
enum Position {
    /// This page, from 1.
    Page(u64),
    /// The page at the cursor; without one the first.
    Cursor(Option<Cursor>),
}

/// Lists a model's records.
#[utoipa::path(
    get, operation_id = "list_records", path = "/api/v4/admin/data_management/{model_name}", tag = "data management",
    params(ModelPath, FilterParameters, PageParameters),
    responses(
        (status = 200, body = Vec<RecordBody>, description = "The page; empty when nothing matches.", headers(
            ("Link" = String, description = "Other pages: `next`; with offset pagination also `prev`, `first`, `last`."),
            ("X-Page" = String, description = "Offset pagination: this page."),
            ("X-Per-Page" = String, description = "Offset pagination: the most records on a page."),
            ("X-Next-Page" = String, description = "Offset pagination: the next page; empty if there is none."),
            ("X-Prev-Page" = String, description = "Offset pagination: the previous page; empty if there is none."),
            ("X-Total" = String, description = "Offset pagination: matching records, unless they are more than 10,000."),
            ("X-Total-Pages" = String, description = "Offset pagination: pages, unless there are more than 10,000 records."),
            ("X-Next-Cursor" = String, description = "Keyset pagination: the next page's cursor, while there is one."),
            ("X-Prev-Cursor" = String, description = "Keyset pagination: the previous page's cursor, while there is one."),
        )),
        (status = 400, body = ErrorBody, description = "Wrong parameters."),
        (status = 405, body = ErrorText, description = "Too deep for offset pagination.",
         headers(("Allow" = String, description = "The methods of this path."))),
        AdministratorRefusals,
    )
)]
pub(super) async fn list(_: Reader, context: web::Data<Context>, request: HttpRequest) -> ApiResult {
    let query = ListQuery::read(&request)?;
    match &query.position {
        Position::Page(number) => offset::answer(&context, &request, &query, *number).await,
        Position::Cursor(cursor) => keyset::answer(&context, &request, &query, cursor.as_ref()).await,
    }
}

impl ListQuery {
    fn read(request: &HttpRequest) -> Result<Self, ApiError> {
        let parameters = Parameters::of_query(request)?;
        let mut checker = Checker::new(&parameters);
        let model = checker.model(&segment(request, "model_name").unwrap_or_default());
        let state = checker.choice("checksum_state", |name| name.parse().ok());
        let identifiers = checker.identifiers();
        let page = checker.positive("page").unwrap_or(1);
        let per_page = checker.positive("per_page").unwrap_or(DEFAULT_PER_PAGE).min(MAX_PER_PAGE);
        let order = checker.choice("sort", order).unwrap_or_default();
        let keyset = checker.text("pagination") == Some("keyset");
        let position = if keyset { Position::Cursor(cursor(&mut checker)) } else { Position::Page(page) };
        let target = Target::new(checker.finish(model)?, state, &identifiers)?;
        Ok(Self { target, order, per_page: u32::try_from(per_page).unwrap_or(u32::MAX), position })
    }

    /// The page with this start.
    async fn page(&self, context: &Context, start: PageStart) -> Result<Page, ApiError> {
        let Some(selection) = self.target.selection.clone() else { return Ok(Page::default()) };
        let model = self.target.model;
        let (limit, scan_at_most) = (self.per_page, ScanLimit::PAGE);
        let request = PageRequest { model, selection, order: self.order, start, limit, scan_at_most };
        Ok(step("catalogue.page", context.api.catalogue.page(&request)).await?)
    }
}

fn order(name: &str) -> Option<SortOrder> {
    match name {
        "asc" => Some(SortOrder::Ascending),
        "desc" => Some(SortOrder::Descending),
        _ => None,
    }
}

fn cursor(checker: &mut Checker<'_>) -> Option<Cursor> {
    let text = checker.text("cursor").filter(|text| !text.is_empty())?;
    let cursor = Cursor::decode(text);
    if cursor.is_none() {
        checker.refuse("cursor", ParamError::Type);
    }
    cursor
}

/// Completes an answer with the page's records, which are written as they are.
fn with_records(mut answer: HttpResponseBuilder, page: &Page) -> ApiResult {
    let mut body = Vec::with_capacity(page.records.len().saturating_mul(RECORD_BYTES));
    serde_json::Serializer::new(&mut body).collect_seq(page.records.iter().map(RecordBody::from))?;
    Ok(answer.content_type("application/json").body(body))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stocktake_domain::ports::{Counted, CountedTo};
    use stocktake_domain::{Model, Selection, State};

    use super::*;
    use crate::testing::{Mocks, key, page};

    const BASE: &str = "/api/v4/admin/data_management/projects";

    /// The page that the query asks the catalogue for.
    async fn asked(query: &'static str) -> PageRequest {
        let asked = std::sync::Arc::new(std::sync::Mutex::new(None));
        let seen = std::sync::Arc::clone(&asked);
        let mut mocks = Mocks::default();
        mocks.catalogue.expect_page().times(1).returning(move |request| {
            *seen.lock().unwrap() = Some(request.clone());
            Ok(page([1], false, false))
        });
        let answer = mocks.get(&format!("{BASE}{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        asked.lock().unwrap().take().unwrap()
    }

    fn all() -> PageRequest {
        let (model, order) = (Model::Projects, SortOrder::Ascending);
        PageRequest {
            model,
            selection: Selection::default(),
            order,
            start: PageStart::Offset(0),
            limit: 20,
            scan_at_most: ScanLimit::PAGE,
        }
    }

    #[actix_web::test]
    async fn parameters_become_the_request() {
        for query in [
            "",
            "?unknown=1",
            "?page=&per_page=&cursor=",
            "?page=x&page=1",
            "?cursor=ignored",
            "?pagination=offset",
            "?pagination=none",
            "?pagination=",
            "?identifiers=,",
        ] {
            assert_eq!(asked(query).await, all(), "{query}");
        }
        assert_eq!(asked("?per_page=101").await, PageRequest { limit: 100, ..all() });
        assert_eq!(
            asked("?page=3&per_page=7").await,
            PageRequest { limit: 7, start: PageStart::Offset(14), ..all() }
        );
        assert_eq!(asked("?sort=desc").await, PageRequest { order: SortOrder::Descending, ..all() });
        assert_eq!(
            asked("?pagination=keyset&cursor=&page=9").await,
            PageRequest { start: PageStart::First, ..all() }
        );
        let selection = Selection {
            state: Some(State::Failed),
            keys: Some(vec![key(&[1]), key(&[2])]),
            ..Selection::default()
        };
        assert_eq!(
            asked("?checksum_state=failed&identifiers[]=2&identifiers[]=1").await,
            PageRequest { selection, ..all() }
        );
    }

    #[actix_web::test]
    async fn wrong_parameters_are_named_in_one_order() {
        let rows = [
            ("?checksum_state=FAILED", "checksum_state does not have a valid value"),
            ("?checksum_state=", "checksum_state does not have a valid value"),
            ("?checksum_state[]=failed", "checksum_state is invalid"),
            ("?sort=up", "sort does not have a valid value"),
            ("?pagination[]=keyset", "pagination is invalid"),
            ("?per_page=abc", "per_page is invalid"),
            ("?per_page=0", "per_page does not have a valid value"),
            ("?page=-1", "page does not have a valid value"),
            ("?identifiers[a]=1", "identifiers is invalid"),
            ("?pagination=keyset&cursor=x", "cursor is invalid"),
            (
                "?cursor=x&pagination=keyset&sort=&per_page=x&page=0&identifiers[a]=&checksum_state=x",
                "checksum_state does not have a valid value, identifiers is invalid, page does not have a valid \
                 value, per_page is invalid, sort does not have a valid value, cursor is invalid",
            ),
        ];
        for (query, error) in rows {
            Mocks::default()
                .get(&format!("{BASE}{query}"))
                .await
                .is(400, &format!(r#"{{"error":"{error}"}}"#));
        }
        let both = Mocks::default().get("/api/v4/admin/data_management/x?page=0&identifiers=!").await;
        both.is(
            400,
            r#"{"error":"model_name does not have a valid value, page does not have a valid value"}"#,
        );
    }

    #[actix_web::test]
    async fn nothing_is_asked_for_identifiers_no_record_can_have() {
        let answer = Mocks::default().get(&format!("{BASE}?identifiers=99999999999999999999")).await;
        answer.is(200, "[]");
        assert_eq!(answer.header("X-Total"), Some("0"));
        assert_eq!(answer.header("X-Total-Pages"), Some("1"));
        let keyset = Mocks::default().get(&format!("{BASE}?pagination=keyset&identifiers=YSBi")).await;
        keyset.is(200, "[]");
    }

    fn parameter() -> impl Strategy<Value = String> {
        let names = [
            "page",
            "per_page",
            "sort",
            "checksum_state",
            "identifiers",
            "identifiers[]",
            "pagination",
            "cursor",
        ];
        let values = prop_oneof![
            "[ -~]{0,8}".prop_map(|text| percent_encoding::utf8_percent_encode(
                &text,
                percent_encoding::CONTROLS
            )
            .to_string()
            .replace([' ', '"', '<', '>', '\\', '^', '`', '{', '|', '}', '#'], "")),
            prop::sample::select(vec![
                "keyset", "-1", "1", "desc", "failed", "%FF", "%", "%00", "NSAxMDA", "MW41"
            ])
            .prop_map(str::to_owned),
        ];
        (prop::sample::select(names.to_vec()), values).prop_map(|(name, value)| format!("{name}={value}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn no_query_makes_us_fail(parameters in prop::collection::vec(parameter(), 0..6)) {
            let mut mocks = Mocks::default();
            mocks.catalogue.expect_page().returning(|_| Ok(page([1, 2], true, true)));
            mocks.catalogue.expect_count().returning(|_, _, limit| {
                Ok(Counted { matches: limit.matches, to: CountedTo::MatchLimit })
            });
            mocks.catalogue.expect_knows_shape().returning(|_, _| Ok(false));
            let uri = format!("{BASE}?{}", parameters.join("&"));
            let answer = actix_web::rt::System::new().block_on(mocks.get(&uri));
            prop_assert!([200, 400, 405].contains(&answer.status), "{} {}", uri, answer.status);
        }
    }
}
