//! Records of a selection, however many have to be looked at to find them.

use super::catalogue::Catalogue;
use super::error::StoreError;
use super::page::{PageRequest, PageStart, SortOrder};
use super::scanning::ScanLimit;
use crate::key::RecordKey;
use crate::model::Model;
use crate::record::Record;
use crate::selection::Selection;

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
        let request = PageRequest {
            model,
            selection: selection.clone(),
            order: SortOrder::Ascending,
            start,
            limit: missing,
            scan_at_most: ScanLimit::PAGE,
        };
        let page = catalogue.page(&request).await?;
        let next = page.after();
        found.extend(page.records);
        match next.filter(|_| found.len() < usize::try_from(limit).unwrap_or(usize::MAX)) {
            Some(next) => start = next,
            None => return Ok(found),
        }
    }
}
