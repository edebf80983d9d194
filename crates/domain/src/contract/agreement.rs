//! What lists and counts say of the records of a model, against what each record says of itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::Ports;
use crate::contract::memory::summary_of;
use crate::contract::support::{claim_by, successes};
use crate::ports::{
    Amount, Beyond, ClaimFilter, CountLimit, Counted, CountedTo, FailureGroup, ModelSummary, Page,
    PageRequest, PageStart, ScanLimit, SortField, SortLimit, SortOrder, SortedPage, SortedPageRequest,
    SortedStart,
};
use crate::{FailureKind, Model, Record, RecordFilter, RecordKey, Selection, State, StoredRecord};

/// More records than a suite has of one model.
const ALL: u32 = 1000;

async fn page(
    store: &Ports,
    model: Model,
    selection: &Selection,
    (start, order): (PageStart, SortOrder),
    limit: u32,
) -> Page {
    let (selection, scan_at_most) = (selection.clone(), ScanLimit::PAGE);
    let request = PageRequest { model, selection, order, start, limit, scan_at_most };
    store.catalogue.page(&request).await.unwrap()
}

fn keys(records: &[Record]) -> Vec<&RecordKey> {
    records.iter().map(|record| &record.key).collect()
}

/// Those that the selection means.
fn selected(records: &[Record], selection: &Selection) -> Vec<Record> {
    let is_meant = |record: &&Record| {
        selection.state.is_none_or(|state| record.state() == state)
            && selection.keys.as_ref().is_none_or(|keys| keys.contains(&record.key))
            && record.is_meant_by(&selection.filter)
    };
    records.iter().filter(is_meant).cloned().collect()
}

/// Compares what a selection finds and counts with these, which are all records of the model.
async fn assert_selection(store: &Ports, model: Model, records: &[Record], selection: &Selection) {
    let expected = selected(records, selection);
    let found = page(store, model, selection, (PageStart::First, SortOrder::Ascending), ALL).await;
    assert_eq!(keys(&found.records), keys(&expected), "{selection:?}");
    let nothing = Beyond::Nothing;
    assert_eq!(found, Page { records: expected, next: nothing.clone(), previous: nothing }, "{selection:?}");
    let matches = u64::try_from(found.records.len()).unwrap();
    let counted = store.catalogue.count(model, selection, CountLimit::page(u64::MAX)).await.unwrap();
    assert_eq!(counted, Counted { matches, to: CountedTo::End }, "{selection:?}");
}

/// Compares the lists by state, and the counts of the model, with its records, which it returns.
pub(crate) async fn assert_states_agree(store: &Ports, model: Model) -> Vec<Record> {
    let first = (PageStart::First, SortOrder::Ascending);
    let records = page(store, model, &Selection::default(), first, ALL).await.records;
    for state in State::ALL {
        assert_selection(store, model, &records, &Selection::in_state(state)).await;
    }
    assert_summary(store, model, &records, RecordFilter::default()).await;
    records
}

/// Compares the model's counts under a filter with those of its records, which are these.
async fn assert_summary(store: &Ports, model: Model, records: &[Record], filter: RecordFilter) {
    let selection = Selection::filtered(filter);
    let summaries = store.catalogue.summary_of(&selection.filter).await.unwrap();
    let kept = summaries.into_iter().find(|summary| summary.model == model);
    let kept = kept.unwrap_or_else(|| ModelSummary::new(model));
    let chosen = selected(records, &selection);
    let counted = ModelSummary { oldest_success: kept.oldest_success, ..summary_of(model, &chosen) };
    assert_eq!(kept, counted, "{selection:?}");
    let succeeded = chosen.iter().filter(|record| record.state() == State::Succeeded);
    let oldest = succeeded.filter_map(|record| record.history().baseline()).map(|baseline| baseline.at).min();
    assert!(oldest.is_none_or(|oldest| kept.oldest_success <= Some(oldest)), "{oldest:?}: {kept:?}");
    assert!(oldest.is_none() || kept.oldest_success.is_some(), "{oldest:?}: {kept:?}");
}

/// Walks the list of a state to its end and back, in both orders, and asks for places in it.
async fn assert_walks(store: &Ports, model: Model, records: &[Record], state: State) {
    let selection = Selection::in_state(state);
    let mut expected = selected(records, &selection);
    for order in [SortOrder::Ascending, SortOrder::Descending] {
        let ask = async |start, limit| page(store, model, &selection, (start, order), limit).await;
        let mut last = ask(PageStart::First, 7).await;
        let mut forwards = last.records.clone();
        while let Some(next) = last.after() {
            last = ask(next, 7).await;
            assert_eq!(last.previous, Beyond::Matches, "{state}");
            forwards.extend(last.records.clone());
        }
        assert_eq!(keys(&forwards), keys(&expected), "{state}");
        assert_eq!(forwards, expected, "{state}");
        let mut backwards = last.records.clone();
        while let Some(previous) = last.before() {
            last = ask(previous, 5).await;
            assert_eq!(last.next, Beyond::Matches, "{state}");
            backwards.splice(0..0, last.records.clone());
        }
        assert_eq!(keys(&backwards), keys(&expected), "{state}");
        for offset in [1, expected.len() / 2, expected.len()] {
            let found = ask(PageStart::Offset(u64::try_from(offset).unwrap()), 3).await;
            let wanted: Vec<_> = expected.iter().skip(offset).take(3).cloned().collect();
            assert_eq!(keys(&found.records), keys(&wanted), "{state} behind {offset}");
            let is_more = found.next == Beyond::Matches;
            assert_eq!(is_more, expected.len() > offset + 3, "{state} behind {offset}");
        }
        // Any record may be the end of a page, also one in another state.
        for record in records.iter().step_by(3) {
            let is_behind = |other: &&Record| match order {
                SortOrder::Ascending => other.key > record.key,
                SortOrder::Descending => other.key < record.key,
            };
            let found = ask(PageStart::After(record.key.clone()), 2).await;
            let wanted: Vec<_> = expected.iter().filter(is_behind).take(2).cloned().collect();
            assert_eq!(keys(&found.records), keys(&wanted), "{state} behind {}", record.key);
        }
        expected.reverse();
    }
}

/// Sorts the list of a state, and adds up its sizes.
async fn assert_sorted(store: &Ports, model: Model, records: &[Record], state: State) {
    let selection = Selection::in_state(state);
    let mut expected = selected(records, &selection);
    for field in SortField::ALL {
        expected.sort_by(|a, b| field.position(a).compare(&field.position(b), SortOrder::Descending));
        let request = SortedPageRequest {
            model,
            selection: selection.clone(),
            field,
            order: SortOrder::Descending,
            start: SortedStart::First,
            limit: ALL,
            sorted_at_most: SortLimit::PAGE,
            scan_at_most: ScanLimit::PAGE,
        };
        let sorted = store.catalogue.sorted_page(&request).await.unwrap();
        assert_eq!(
            sorted,
            SortedPage::Page(Page { records: expected.clone(), ..Page::default() }),
            "{state}"
        );
    }
    let amount = store.catalogue.amount(model, &selection).await.unwrap();
    assert_eq!(amount, expected.iter().fold(Amount::default(), |sum, record| sum.and(Amount::of(record))));
}

/// Compares what is told of failures, of other checksums and to reports.
async fn assert_findings(store: &Ports, model: Model, records: &[Record]) {
    let catalogue = &store.catalogue;
    let failed = |record: &&Record| record.status.last_failure().is_some();
    let expected: Vec<_> = records.iter().filter(failed).cloned().collect();
    assert_eq!(catalogue.findings(model, None, ALL).await.unwrap(), expected);
    if let [first, rest @ ..] = expected.as_slice() {
        let behind = catalogue.findings(model, Some(first.key.clone()), 2).await.unwrap();
        assert_eq!(behind, rest[..rest.len().min(2)]);
    }
    let mut groups = BTreeMap::<(String, FailureKind), u64>::new();
    for record in &expected {
        let kind = record.status.last_failure().unwrap().kind();
        *groups.entry((record.location.storage.clone(), kind)).or_default() += 1;
    }
    let group = |((storage, kind), records)| FailureGroup { storage, kind, model, records };
    let mut told = catalogue.failure_groups().await.unwrap();
    told.retain(|group| group.model == model);
    assert_eq!(told, groups.into_iter().map(group).collect::<Vec<_>>());
    let differs = |record: &&Record| record.matches_source() == Some(false);
    let expected: Vec<_> = records.iter().filter(differs).cloned().collect();
    assert_eq!(catalogue.mismatched(model, None, ALL).await.unwrap(), expected);
}

/// Compares everything that lists and counts say of the model's records with `Catalogue::get` of each. Returns them.
pub(crate) async fn assert_agreement(store: &Ports, model: Model) -> Vec<Record> {
    let records = assert_states_agree(store, model).await;
    for record in &records {
        assert_eq!(store.catalogue.get(model, &record.key).await.unwrap().as_ref(), Some(record));
    }
    let storages: BTreeSet<_> = records.iter().map(|record| &record.location.storage).collect();
    let some = Some(records.iter().step_by(2).map(|record| record.key.clone()).collect::<Vec<_>>());
    let some = some.filter(|keys| !keys.is_empty());
    for state in State::ALL {
        assert_walks(store, model, &records, state).await;
        assert_sorted(store, model, &records, state).await;
        let state = Some(state);
        for storage in &storages {
            let filter = RecordFilter { storages: vec![(*storage).clone()], ..RecordFilter::default() };
            assert_selection(store, model, &records, &Selection { state, filter, ..Selection::default() })
                .await;
        }
        let text = Some("1".to_owned());
        let filter = RecordFilter { text, ..RecordFilter::default() };
        assert_selection(store, model, &records, &Selection { state, filter, ..Selection::default() }).await;
        let keys = some.clone();
        assert_selection(store, model, &records, &Selection { state, keys, ..Selection::default() }).await;
        let filter = RecordFilter { kinds: vec![FailureKind::Missing], ..RecordFilter::default() };
        assert_selection(store, model, &records, &Selection { state, filter, ..Selection::default() }).await;
    }
    for storage in storages {
        let filter = RecordFilter { storages: vec![storage.clone()], ..RecordFilter::default() };
        let there = selected(&records, &Selection::filtered(filter.clone()));
        let stored = store.catalogue.stored(model, storage, None, ALL).await.unwrap();
        assert_eq!(stored, there.iter().map(StoredRecord::of).collect::<Vec<_>>());
        assert_summary(store, model, &records, filter).await;
    }
    assert_findings(store, model, &records).await;
    assert_eq!(store.catalogue.count_differences().await.unwrap(), []);
    assert_outstanding(store, model, &records).await;
    records
}

/// Whatever is pending or started is left to be done, and what is failed if it is due.
async fn assert_outstanding(store: &Ports, model: Model, records: &[Record]) {
    let count = |states: &[State]| {
        let is_one = |record: &&Record| states.contains(&record.state());
        u64::try_from(records.iter().filter(is_one).count()).unwrap()
    };
    let of_model = ClaimFilter { models: vec![model], ..ClaimFilter::any(1) };
    let outstanding = store.queue.outstanding(&of_model, u64::from(ALL)).await.unwrap();
    let least = count(&[State::Pending, State::Started]);
    assert!((least..=least + count(&[State::Failed])).contains(&outstanding), "{outstanding}");
}

/// Ends well whatever is due of the model, which no lease holds: nothing stays due or pending. Returns the records.
pub(crate) async fn verify_the_rest(store: &Ports, model: Model, now: i64) -> Vec<Record> {
    let of_model = ClaimFilter { models: vec![model], ..ClaimFilter::any(7) };
    for _ in 0..ALL {
        let Some(lease) = claim_by(store, &of_model, now).await else { break };
        let written = store.queue.complete(lease.id, &successes(&lease, now), true).await.unwrap();
        assert_eq!(written, u64::try_from(lease.records.len()).unwrap());
    }
    assert_eq!(store.queue.outstanding(&of_model, 1).await.unwrap(), 0);
    let records = assert_agreement(store, model).await;
    let is_left = |record: &&Record| matches!(record.state(), State::Pending | State::Started);
    assert_eq!(records.iter().find(is_left), None);
    records
}
