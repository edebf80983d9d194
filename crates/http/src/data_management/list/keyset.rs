//! Keyset pagination: pages by cursor, whose cost does not grow with their depth.

use actix_web::{HttpRequest, HttpResponse};
use stocktake_domain::RecordKey;
use stocktake_domain::ports::{Page, PageStart};
use stocktake_web::step;

use super::{ListQuery, with_records};
use crate::Context;
use crate::cursor::Cursor;
use crate::error::{ApiError, ApiResult, ParamError};
use crate::links::Links;

/// The page at the cursor, with the cursors of its neighbours.
pub(super) async fn answer(
    context: &Context,
    request: &HttpRequest,
    query: &ListQuery,
    cursor: Option<&Cursor>,
) -> ApiResult {
    let start = cursor.map_or(PageStart::First, |cursor| cursor.clone().into());
    let page = query.page(context, start).await?;
    if let Some(cursor) = cursor {
        check_shape(context, query, cursor.key(), &page).await?;
    }
    let mut answer = HttpResponse::Ok();
    if let Some(PageStart::After(key)) = page.after() {
        let next = Cursor::After(key).encode();
        let mut links = Links::new(request, context.api.settings.external_url.as_deref());
        links.add("next", &[("cursor", &next)]);
        if let Some(link) = links.into_header() {
            answer.insert_header(link);
        }
        answer.insert_header(("X-Next-Cursor", next));
    }
    if let Some(PageStart::Before(key)) = page.before() {
        answer.insert_header(("X-Prev-Cursor", Cursor::Before(key).encode()));
    }
    with_records(answer, &page)
}

/// Refuses a cursor whose key has a different number of parts than the model's keys. If the page itself has
/// such a key, no query is needed.
async fn check_shape(
    context: &Context,
    query: &ListQuery,
    key: &RecordKey,
    page: &Page,
) -> Result<(), ApiError> {
    let parts = key.parts().len();
    let shown = page.records.iter().any(|record| record.key.parts().len() == parts);
    if shown
        || step("catalogue.knows_shape", context.api.catalogue.knows_shape(query.target.model, key)).await?
    {
        return Ok(());
    }
    Err(ApiError::Parameters(vec![("cursor", ParamError::Type)]))
}

#[cfg(test)]
mod tests {
    use stocktake_domain::ports::PageStart;

    use super::*;
    use crate::testing::{Answer, Mocks, key, page};

    const BASE: &str = "/api/v4/admin/data_management/projects";

    /// The answer with the given page, which must be asked for with the given start.
    async fn answer(query: &str, start: PageStart, page: Page) -> Answer {
        let mut mocks = Mocks::default();
        let asked = mocks.catalogue.expect_page().withf(move |request| request.start == start);
        asked.times(1).return_once(move |_| Ok(page));
        mocks.get(&format!("{BASE}?pagination=keyset{query}")).await
    }

    fn cursors(answer: &Answer) -> (Option<Cursor>, Option<Cursor>) {
        assert_eq!(answer.status, 200, "{}", answer.body);
        for name in ["X-Page", "X-Next-Page", "X-Prev-Page", "X-Total", "X-Total-Pages"] {
            assert_eq!(answer.header(name), None);
        }
        let cursor = |name| answer.header(name).map(|text| Cursor::decode(text).unwrap());
        (cursor("X-Next-Cursor"), cursor("X-Prev-Cursor"))
    }

    #[actix_web::test]
    async fn the_first_page_leads_on() {
        let answer = answer("&per_page=2", PageStart::First, page([1, 2], false, true)).await;
        assert_eq!(cursors(&answer), (Some(Cursor::After(key(&[2]))), None));
        let next = answer.header("X-Next-Cursor").unwrap();
        let url = format!("https://stock.test{BASE}?cursor={next}&pagination=keyset&per_page=2");
        assert_eq!(answer.header("Link"), Some(format!("<{url}>; rel=\"next\"").as_str()));
    }

    #[actix_web::test]
    async fn a_cursor_leads_both_ways_and_is_replaced_in_the_link() {
        let after = Cursor::After(key(&[2]));
        let query = format!("&cursor={}&sort=desc", after.encode());
        let forward = answer(&query, after.into(), page([1, 0], true, true)).await;
        assert_eq!(cursors(&forward), (Some(Cursor::After(key(&[0]))), Some(Cursor::Before(key(&[1])))));
        let link = forward.header("Link").unwrap();
        assert_eq!(link.matches("cursor=").count(), 1);
        assert!(link.contains("?cursor=") && link.contains("&pagination=keyset&sort=desc>"), "{link}");
        let before = Cursor::Before(key(&[1]));
        let query = format!("&cursor={}", before.encode());
        let back = answer(&query, before.into(), page([0], false, true)).await;
        assert_eq!(cursors(&back), (Some(Cursor::After(key(&[0]))), None));
    }

    #[actix_web::test]
    async fn the_last_page_leads_nowhere() {
        let after = Cursor::After(key(&[2]));
        let query = format!("&cursor={}", after.encode());
        let answer = answer(&query, after.into(), page([3], true, false)).await;
        assert_eq!(cursors(&answer), (None, Some(Cursor::Before(key(&[3])))));
        assert_eq!(answer.header("Link"), None);
    }

    #[actix_web::test]
    async fn a_cursor_of_another_key_shape_is_400() {
        for (known, status) in [(false, 400), (true, 200)] {
            for found in [page([7], true, false), page([], true, false)] {
                let mut mocks = Mocks::default();
                mocks.catalogue.expect_page().return_once(|_| Ok(found));
                let asked = mocks.catalogue.expect_knows_shape().withf(|_, asked| *asked == key(&[5, 100]));
                asked.times(1).returning(move |_, _| Ok(known));
                let cursor = Cursor::After(key(&[5, 100])).encode();
                let answer = mocks.get(&format!("{BASE}?pagination=keyset&cursor={cursor}")).await;
                assert_eq!(answer.status, status);
                if status == 400 {
                    assert_eq!(answer.body, r#"{"error":"cursor is invalid"}"#);
                }
            }
        }
    }
}
