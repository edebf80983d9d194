//! Offset pagination: pages by number, with totals as long as counting is cheap.

use actix_web::{HttpRequest, HttpResponse};
use stocktake_domain::ports::{Beyond, CountLimit, CountedTo, Page, PageStart};
use stocktake_web::step;

use super::{ListQuery, with_records};
use crate::Context;
use crate::error::{ApiError, ApiResult};
use crate::links::Links;

/// Lists with more records than this carry no totals.
const MAX_COUNTED: u64 = 10_000;

/// The page of this number, with its neighbours' numbers and the totals.
pub(super) async fn answer(
    context: &Context,
    request: &HttpRequest,
    query: &ListQuery,
    number: u64,
) -> ApiResult {
    let per_page = u64::from(query.per_page);
    let limit = context.api.settings.offset_limit;
    let end = number.checked_mul(per_page).filter(|end| *end <= limit);
    let end = end.ok_or(ApiError::OffsetLimit { limit, model: query.target.model })?;
    let offset = end.saturating_sub(per_page);
    let page = query.page(context, PageStart::Offset(offset)).await?;
    let pages = Pages {
        number,
        per_page,
        // A page after the last one has no neighbours.
        next: (page.next != Beyond::Nothing).then(|| number.saturating_add(1)),
        previous: number.checked_sub(1).filter(|previous| *previous > 0 && !page.records.is_empty()),
        total: total(context, query, offset, &page).await?,
    };
    let mut answer = HttpResponse::Ok();
    for header in pages.headers() {
        answer.insert_header(header);
    }
    if let Some(link) = pages.links(request, context.api.settings.external_url.as_deref()).into_header() {
        answer.insert_header(link);
    }
    with_records(answer, &page)
}

/// How many records match, unless they are more than [`MAX_COUNTED`]. Counts only if the page itself does not show it.
async fn total(
    context: &Context,
    query: &ListQuery,
    offset: u64,
    page: &Page,
) -> Result<Option<u64>, ApiError> {
    let shown = u64::try_from(page.records.len()).unwrap_or(u64::MAX);
    let seen = offset.saturating_add(shown);
    let Some(selection) = &query.target.selection else { return Ok(Some(0)) };
    let has_next = page.next != Beyond::Nothing;
    let total = if has_next && seen >= MAX_COUNTED {
        return Ok(None);
    } else if !has_next && (shown > 0 || offset == 0) {
        seen
    } else {
        let limit = CountLimit::page(MAX_COUNTED + 1);
        let count = context.api.catalogue.count(query.target.model, selection, limit);
        let counted = step("catalogue.count", count).await?;
        if counted.to != CountedTo::End {
            return Ok(None);
        }
        counted.matches
    };
    Ok(Some(total).filter(|total| *total <= MAX_COUNTED))
}

/// A page among the others.
struct Pages {
    number: u64,
    per_page: u64,
    next: Option<u64>,
    previous: Option<u64>,
    total: Option<u64>,
}

impl Pages {
    /// How many pages there are, at least one; unknown without a total.
    fn count(&self) -> Option<u64> {
        self.total.map(|total| total.div_ceil(self.per_page).max(1))
    }

    fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let or_blank = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let always = [
            ("X-Page", self.number.to_string()),
            ("X-Per-Page", self.per_page.to_string()),
            ("X-Next-Page", or_blank(self.next)),
            ("X-Prev-Page", or_blank(self.previous)),
        ];
        let total = self.total.map(|total| ("X-Total", total.to_string()));
        let count = self.count().map(|count| ("X-Total-Pages", count.to_string()));
        always.into_iter().chain(total).chain(count)
    }

    fn links<'a>(&self, request: &'a HttpRequest, external_url: Option<&'a str>) -> Links<'a> {
        let mut links = Links::new(request, external_url);
        let per_page = self.per_page.to_string();
        let targets =
            [("prev", self.previous), ("next", self.next), ("first", Some(1)), ("last", self.count())];
        for (rel, number) in targets {
            if let Some(number) = number {
                links.add(rel, &[("page", &number.to_string()), ("per_page", &per_page)]);
            }
        }
        links
    }
}

#[cfg(test)]
mod tests {
    use stocktake_domain::ports::{Counted, CountedTo};

    use crate::testing::{Answer, Mocks, page};

    const BASE: &str = "/api/v4/admin/data_management/projects";

    /// The answer with the given page, and the given count if one may be asked for.
    async fn answer(query: &str, page: super::Page, count: Option<u64>) -> Answer {
        let mut mocks = Mocks::default();
        mocks.catalogue.expect_page().times(1).return_once(move |_| Ok(page));
        let counted = mocks.catalogue.expect_count().withf(|_, _, limit| limit.matches == 10_001);
        let found = move || Counted { matches: count.unwrap(), to: CountedTo::End };
        counted.times(usize::from(count.is_some())).returning(move |_, _, _| Ok(found()));
        let answer = mocks.get(&format!("{BASE}{query}")).await;
        assert_eq!(answer.status, 200);
        answer
    }

    fn headers(answer: &Answer) -> [Option<&str>; 6] {
        ["X-Page", "X-Per-Page", "X-Next-Page", "X-Prev-Page", "X-Total", "X-Total-Pages"]
            .map(|name| answer.header(name))
    }

    fn link(rels: &[(&str, u64)], query: &str) -> String {
        let own = "https://stock.test/api/v4/admin/data_management/projects";
        let links = rels
            .iter()
            .map(|(rel, number)| format!("<{own}?{query}page={number}&per_page=2>; rel=\"{rel}\""));
        links.collect::<Vec<_>>().join(", ")
    }

    #[actix_web::test]
    async fn a_page_in_the_middle_has_all_neighbours() {
        let answer = answer("?sort=asc&per_page=2&page=2", page([3, 4], true, true), Some(5)).await;
        assert_eq!(headers(&answer), ["2", "2", "3", "1", "5", "3"].map(Some));
        let rels = [("prev", 1), ("next", 3), ("first", 1), ("last", 3)];
        assert_eq!(answer.header("Link"), Some(link(&rels, "sort=asc&").as_str()));
        assert!(answer.body.starts_with(r#"[{"record_identifier":3,"#));
    }

    #[actix_web::test]
    async fn the_last_page_tells_the_total_without_counting() {
        let answer = answer("?per_page=2&page=3", page([5], true, false), None).await;
        assert_eq!(headers(&answer), ["3", "2", "", "2", "5", "3"].map(Some));
        assert_eq!(answer.header("Link"), Some(link(&[("prev", 2), ("first", 1), ("last", 3)], "").as_str()));
    }

    #[actix_web::test]
    async fn an_empty_list_has_one_page() {
        let answer = answer("?per_page=2", page([], false, false), None).await;
        assert_eq!(headers(&answer), ["1", "2", "", "", "0", "1"].map(Some));
        assert_eq!(answer.header("Link"), Some(link(&[("first", 1), ("last", 1)], "").as_str()));
        assert_eq!(answer.body, "[]");
    }

    #[actix_web::test]
    async fn a_page_behind_the_last_has_no_neighbours() {
        let answer = answer("?per_page=2&page=9", page([], true, false), Some(5)).await;
        assert_eq!(headers(&answer), ["9", "2", "", "", "5", "3"].map(Some));
        assert_eq!(answer.header("Link"), Some(link(&[("first", 1), ("last", 3)], "").as_str()));
    }

    #[actix_web::test]
    async fn totals_are_left_out_over_ten_thousand() {
        let many = [Some("1"), Some("2"), Some("2"), Some(""), None, None];
        let answered = answer("?per_page=2", page([1, 2], false, true), Some(10_001)).await;
        assert_eq!(headers(&answered), many);
        assert_eq!(answered.header("Link"), Some(link(&[("next", 2), ("first", 1)], "").as_str()));
        let just = answer("?per_page=2", page([1, 2], false, true), Some(10_000)).await;
        assert_eq!(just.header("X-Total"), Some("10000"));
        // The page itself shows that there are more.
        let deep = answer("?per_page=2&page=5000", page([9999, 10_000], true, true), None).await;
        assert_eq!(deep.header("X-Total"), None);
        let end = answer("?per_page=2&page=5001", page([10_001], true, false), None).await;
        assert_eq!(end.header("X-Total"), None);
    }

    #[actix_web::test]
    async fn an_offset_over_the_limit_is_405() {
        let message = r#"{"error":"Offset pagination has a maximum allowed offset of 50000 for requests that return objects of type Project. Remaining records can be retrieved using keyset pagination."}"#;
        for query in ["?page=501&per_page=100", "?page=2501", "?page=99999999999999999999"] {
            let refused = Mocks::default().get(&format!("{BASE}{query}")).await;
            refused.is(405, message);
            assert_eq!(refused.header("Allow"), Some("GET, HEAD, OPTIONS"));
        }
        let last = answer("?page=500&per_page=100", page([1], true, false), None).await;
        assert_eq!(last.header("X-Page"), Some("500"));
        let mut mocks = Mocks::default();
        mocks.settings.offset_limit = 10;
        assert_eq!(mocks.get(&format!("{BASE}?page=2&per_page=6")).await.status, 405);
    }
}
