//! Pages and counts of a selection: what is looked at for them, and how far.

use super::tables::Tables;
use crate::key::RecordKey;
use crate::model::Model;
use crate::ports::{
    Beyond, CountLimit, Counted, CountedTo, Page, PageRequest, PageStart, SCANNED_FOR_EACH, ScanLimit,
    SortOrder, SortPosition, SortedPage, SortedPageRequest, SortedStart,
};
use crate::record::Record;
use crate::record_filter::RecordFilter;
use crate::selection::{Selection, State};

impl Tables {
    pub(super) fn page(&self, request: &PageRequest) -> Page {
        let mut list = self.scanned(request.model, &request.selection);
        let descending = request.order == SortOrder::Descending;
        if descending {
            list.reverse();
        }
        // How many come before the key in the list's order, or up to it.
        let before = |key: &RecordKey| {
            list.partition_point(|(record, _)| if descending { record.key > *key } else { record.key < *key })
        };
        let up_to = |key: &RecordKey| {
            list.partition_point(
                |(record, _)| {
                    if descending { record.key >= *key } else { record.key <= *key }
                },
            )
        };
        let bound = |most| if is_scanned(&request.selection) { most } else { u64::MAX };
        let [scanned, other] = [request.scanned_ahead(), request.scanned_first()]
            .map(|most| usize::try_from(bound(most)).unwrap_or(usize::MAX));
        let limit = usize::try_from(request.limit.max(1)).unwrap_or(usize::MAX);
        match &request.start {
            PageStart::First => found(list.iter(), [].iter(), [scanned, other], limit),
            PageStart::After(key) => {
                let (behind, ahead) = list.split_at(up_to(key));
                found(ahead.iter(), behind.iter().rev(), [scanned, other], limit)
            }
            PageStart::Before(key) => {
                let (ahead, behind) = list.split_at(before(key));
                let Page { mut records, next, previous } =
                    found(ahead.iter().rev(), behind.iter(), [scanned, other], limit);
                records.reverse();
                Page { records, next: previous, previous: next }
            }
            PageStart::Offset(offset) => {
                let offset = usize::try_from(*offset).unwrap_or(usize::MAX);
                let (mut passed, next) = look(list.iter(), scanned, limit.saturating_add(offset));
                let records = passed.split_off(offset.min(passed.len()));
                let previous = if offset == 0 { Beyond::Nothing } else { look(list.iter(), other, 0).1 };
                Page { records, next, previous }
            }
        }
    }

    /// The records that are looked at for a selection, each with whether it is one of them.
    fn scanned(&self, model: Model, selection: &Selection) -> Vec<(Record, bool)> {
        let RecordFilter { kinds, storages, .. } = selection.filter.clone();
        let indexed = RecordFilter { kinds, storages, ..RecordFilter::default() };
        let indexed = Selection { filter: indexed, ..selection.clone() };
        let records = self.matching(model, &indexed).into_iter();
        let is_meant = |record: Record| {
            let is_meant = record.is_meant_by(&selection.filter);
            (record, is_meant)
        };
        records.map(is_meant).collect()
    }

    pub(super) fn count(&self, model: Model, selection: &Selection, limit: CountLimit) -> Counted {
        let list = self.scanned(model, selection);
        let scanned = scan_limit(selection, limit.scanned);
        let matches = list.iter().take(scanned).filter(|(_, is_meant)| *is_meant).count();
        let matches = u64::try_from(matches).unwrap_or(u64::MAX);
        if selection.is_counted() {
            return Counted { matches, to: CountedTo::End };
        }
        let to = match matches >= limit.matches {
            true => CountedTo::MatchLimit,
            false if list.len() > scanned => CountedTo::ScanLimit,
            false => CountedTo::End,
        };
        Counted { matches: matches.min(limit.matches), to }
    }

    /// The last record that is looked at behind a key for a batch of a bulk recalculation, if there are more.
    pub(super) fn last_scanned(
        &self,
        model: Model,
        selection: &Selection,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Option<RecordKey> {
        let most = limit.saturating_mul(usize::try_from(SCANNED_FOR_EACH).unwrap_or(usize::MAX));
        let most = if is_scanned(selection) { most } else { return None };
        let list = self.scanned(model, selection);
        let mut ahead = list.iter().map(|(record, _)| &record.key).skip_while(|key| Some(*key) <= after);
        let found = ahead.nth(most.saturating_sub(1));
        found.filter(|_| ahead.next().is_some()).cloned()
    }

    pub(super) fn sorted_page(&self, request: &SortedPageRequest) -> SortedPage {
        let SortedPageRequest { field, order, start, .. } = request;
        let scanned = self.scanned(request.model, &request.selection).len();
        if scanned > scan_limit(&request.selection, request.scan_at_most) {
            return SortedPage::NotSearched;
        }
        let records = self.matching(request.model, &request.selection);
        if records.len() > usize::try_from(request.sorted_at_most.records()).unwrap_or(usize::MAX) {
            return SortedPage::TooMany;
        }
        let mut placed: Vec<_> =
            records.into_iter().map(|record| (field.position(&record), record)).collect();
        placed.sort_by(|(a, _), (b, _)| a.compare(b, *order));
        // How many stand before the place, or up to it.
        let before =
            |place: &SortPosition| placed.partition_point(|(at, _)| at.compare(place, *order).is_lt());
        let up_to =
            |place: &SortPosition| placed.partition_point(|(at, _)| at.compare(place, *order).is_le());
        let limit = usize::try_from(request.limit.max(1)).unwrap_or(usize::MAX);
        let (from, to) = match start {
            SortedStart::First => (0, limit),
            SortedStart::After(place) => (up_to(place), up_to(place).saturating_add(limit)),
            SortedStart::Before(place) => (before(place).saturating_sub(limit), before(place)),
        };
        let beyond = |is_more| if is_more { Beyond::Matches } else { Beyond::Nothing };
        let (previous, next) = (beyond(from > 0), beyond(to < placed.len()));
        let page = placed.into_iter().take(to).skip(from).map(|(_, record)| record);
        SortedPage::Page(Page { records: page.collect(), next, previous })
    }
}

/// Whether records of a selection are found by looking at others as well.
fn is_scanned(selection: &Selection) -> bool {
    !selection.is_counted() && selection.keys.is_none() && selection.state != Some(State::Started)
}

/// How many records are looked at for a selection.
fn scan_limit(selection: &Selection, limit: ScanLimit) -> usize {
    let most = limit.records_for(selection);
    if is_scanned(selection) { usize::try_from(most).unwrap_or(usize::MAX) } else { usize::MAX }
}

/// The first matches of a list, up to a limit, and what lies behind them, when so many are looked at.
fn look<'a>(
    list: impl Iterator<Item = &'a (Record, bool)>,
    scanned: usize,
    limit: usize,
) -> (Vec<Record>, Beyond) {
    let (mut found, mut passed) = (Vec::new(), None);
    for (index, (record, is_meant)) in list.enumerate() {
        if let Some(key) = passed.take_if(|_| index == scanned) {
            return (found, Beyond::NotSearched(key));
        }
        if *is_meant && found.len() == limit {
            return (found, Beyond::Matches);
        }
        if *is_meant {
            found.push(record.clone());
        }
        passed = Some(record.key.clone());
    }
    (found, Beyond::Nothing)
}

/// The page with what lies ahead of where it begins, nearest first, and behind.
fn found<'a>(
    ahead: impl Iterator<Item = &'a (Record, bool)>,
    behind: impl Iterator<Item = &'a (Record, bool)>,
    [scanned, other]: [usize; 2],
    limit: usize,
) -> Page {
    let (records, next) = look(ahead, scanned, limit);
    Page { records, next, previous: look(behind, other, 0).1 }
}
