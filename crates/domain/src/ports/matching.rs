//! Records of a selection, however many have to be looked at to find them.

use super::catalogue::Catalogue;
use super::error::StoreError;
use super::page::{PageRequest, PageStart};
use crate::key::RecordKey;
use crate::model::Model;
use crate::record::Record;
use crate::selection::Selection;

/// All records of a selection in the order of their keys, page by page, each of its own moment.
pub struct Pages<'c> {
    catalogue: &'c dyn Catalogue,
    /// The page that is read next; `None` behind the last one.
    next: Option<PageRequest>,
}

impl<'c> Pages<'c> {
    /// From the first record of the model that is selected, at most `limit` on a page.
    pub fn new(catalogue: &'c dyn Catalogue, model: Model, selection: Selection, limit: u32) -> Self {
        let first = PageRequest::by_key(model, selection, PageStart::First, limit);
        Self { catalogue, next: Some(first) }
    }

    /// The records of the next page, which may be none; `None` behind the last page, and after an error.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, StoreError> {
        let Some(request) = self.next.take() else { return Ok(None) };
        let page = self.catalogue.page(&request).await?;
        self.next = page.after().map(|start| PageRequest { start, ..request });
        Ok(Some(page.records))
    }
}

/// The model's first records of a selection behind this key (`None`: of all), at most `limit`, however many records have to
/// be looked at: in steps of [`Catalogue::page`], each bounded and of its own moment. For commands, whose caller waits.
pub async fn first_matching(
    catalogue: &dyn Catalogue,
    model: Model,
    selection: &Selection,
    after: Option<RecordKey>,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    let mut start = after.map_or(PageStart::First, PageStart::After);
    let mut found = Vec::new();
    loop {
        let missing = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
        let request = PageRequest::by_key(model, selection.clone(), start, missing);
        let page = catalogue.page(&request).await?;
        let next = page.after();
        found.extend(page.records);
        match next.filter(|_| found.len() < usize::try_from(limit).unwrap_or(usize::MAX)) {
            Some(next) => start = next,
            None => return Ok(found),
        }
    }
}
