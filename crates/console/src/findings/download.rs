//! All findings of the filter, as the API writes them. Memory stays bounded whatever their number.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use stocktake_domain::ports::{Catalogue, StoreError};
use stocktake_domain::{Model, Record, RecordKey};
use stocktake_web::FindingsSelection;

use super::wanted::Query;
use crate::response::{Answer, PageResult};
use crate::visit::Visit;

/// How many records are read at once.
const BATCH: u32 = 1_000;

/// `GET /console/findings.csv`.
pub(crate) async fn csv(visit: Rc<Visit>) -> PageResult {
    let lines = visit.console.finding_lines;
    let head = stream::once(async move { Ok(Bytes::from((lines.csv_header)())) });
    let rows = batches(&visit)?.map(move |batch| {
        batch.map(|records| {
            Bytes::from(records.iter().map(|record| (lines.csv_line)(record)).collect::<String>())
        })
    });
    Ok(file("findings.csv", "text/csv; charset=utf-8", head.chain(rows)))
}

/// `GET /console/findings.json`: an array with an object a line.
pub(crate) async fn json(visit: Rc<Visit>) -> PageResult {
    let lines = visit.console.finding_lines;
    let mut is_first = true;
    let rows = batches(&visit)?.map(move |batch| {
        let mut text = String::new();
        for record in batch? {
            text.push_str(if is_first { "\n" } else { ",\n" });
            text.push_str(&(lines.json)(&record));
            is_first = false;
        }
        Ok(Bytes::from(text))
    });
    let around = |text: &'static str| stream::once(async move { Ok(Bytes::from_static(text.as_bytes())) });
    Ok(file("findings.json", "application/json", around("[").chain(rows).chain(around("\n]\n"))))
}

fn file(
    name: &str,
    kind: &'static str,
    content: impl Stream<Item = Result<Bytes, StoreError>> + 'static,
) -> Answer {
    let answer = HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(Box::pin(content));
    Answer::File(answer)
}

/// Where the next batch begins.
struct Place {
    catalogue: Arc<dyn Catalogue>,
    model: Option<Model>,
    findings: FindingsSelection,
    after: Option<(Model, RecordKey)>,
}

fn batches(
    visit: &Visit,
) -> Result<impl Stream<Item = Result<Vec<Record>, StoreError>> + 'static + use<>, crate::error::ConsoleError>
{
    let query = Query::read(&visit.query())?;
    let (catalogue, findings) = (Arc::clone(&visit.console.catalogue), query.selection());
    let place = Place { catalogue, model: query.model, findings, after: None };
    Ok(stream::try_unfold(Some(place), |place| async move {
        let Some(mut place) = place else { return Ok(None) };
        let after = place.after.take();
        let found = place.findings.records(&*place.catalogue, place.model, after, BATCH).await?;
        let Some(last) = found.last() else { return Ok(None) };
        place.after = Some((last.model, last.key.clone()));
        Ok(Some((found, Some(place))))
    }))
}
