//! Databases for the tests, and short words for what all of them do.

use std::time::Duration;

use crate::contract::Ports;
use crate::contract::tasks::Iter;
use crate::ports::{
    Applied, ClaimFilter, CountLimit, CountedTo, Lease, LeaseTerms, ModelSyncState, Outcome, Page,
    PageRequest, PageStart, Reaped, Renewal, ScanLimit, SortOrder, SourceRecordStream, SyncApplied,
    SyncBatch, WorkerId, numbered,
};
use crate::{
    Digest, Failure, Job, JobState, Location, Model, NewAcceptance, NewJob, Record, RecordKey, Selection,
    SourceRecord, State, Timestamp,
};

/// The model that a test uses where one is enough. Its content never changes.
pub(crate) const MODEL: Model = Model::Uploads;
/// How long leases last.
pub(crate) const LEASE: Duration = Duration::from_secs(8 * 3600);
/// How long a lease lasts without a heartbeat.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(60);
/// Both.
pub(crate) const TERMS: LeaseTerms = LeaseTerms { duration: LEASE, heartbeat_timeout: HEARTBEAT };
/// A checksum.
pub(crate) const GOOD: Digest = Digest::Sha256([7; 32]);

/// An acceptance of such content by somebody, for no reason.
pub(crate) fn acceptance(checksum: Digest, size: Option<u64>) -> NewAcceptance {
    NewAcceptance { checksum: Some(checksum), size, by: "root@host".to_owned(), reason: None }
}

/// A point in time.
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A key of one part.
pub(crate) fn key(number: i64) -> RecordKey {
    RecordKey::integer(number)
}

/// A key of several parts.
pub(crate) fn composite(parts: &[i64]) -> RecordKey {
    RecordKey::from_parts(parts.to_vec()).unwrap()
}

/// An entry with nothing but a place.
pub(crate) fn entry(number: i64) -> SourceRecord {
    entry_of(key(number))
}

/// An entry with nothing but a place.
pub(crate) fn entry_of(key: RecordKey) -> SourceRecord {
    let path = format!("{key}.bin");
    SourceRecord::new(key, Location { storage: "main".to_owned(), path })
}

/// An entry in another storage.
pub(crate) fn entry_in(storage: &str, number: i64) -> SourceRecord {
    let mut entry = entry(number);
    storage.clone_into(&mut entry.location.storage);
    entry
}

/// A batch of entries of a stream, or the error that ends it.
pub(crate) type Batch = Result<Vec<SourceRecord>, Box<dyn std::error::Error + Send + Sync>>;

/// The stream of an import.
pub(crate) fn stream<'a>(
    batches: impl IntoIterator<IntoIter: Send + Unpin + 'a, Item = Batch>,
) -> SourceRecordStream<'a> {
    let mut number = 1;
    Box::pin(Iter::new(batches.into_iter().map(move |batch: Batch| {
        let batch = numbered(number, batch?);
        number += u64::try_from(batch.len()).unwrap();
        Ok(batch)
    })))
}

/// Imports entries into a model.
pub(crate) async fn import_into(
    store: &Ports,
    model: Model,
    entries: Vec<SourceRecord>,
    now: i64,
) -> Applied {
    store.as_of(at(now)).catalogue.import(model, stream([Ok(entries)])).await.unwrap()
}

/// Imports entries.
pub(crate) async fn import(store: &Ports, entries: Vec<SourceRecord>, now: i64) -> Applied {
    import_into(store, MODEL, entries, now).await
}

/// Imports records with these keys.
pub(crate) async fn import_numbers(store: &Ports, numbers: impl IntoIterator<Item = i64>, now: i64) {
    import(store, numbers.into_iter().map(entry).collect(), now).await;
}

/// What a source says, no range being whole.
pub(crate) fn batch(entries: Vec<SourceRecord>) -> SyncBatch {
    SyncBatch { records: entries, scanned_range: None }
}

/// Applies a batch, and keeps the state.
pub(crate) async fn sync(store: &Ports, batch: SyncBatch, state: &ModelSyncState, now: i64) -> SyncApplied {
    let worker = worker("sync");
    assert!(store.as_of(at(now)).sync_state.acquire_leader_lease(&worker, HEARTBEAT).await.unwrap());
    store.as_of(at(now)).sync_state.apply(&worker, batch, state).await.unwrap().unwrap()
}

/// Applies entries of the source.
pub(crate) async fn apply(store: &Ports, entries: Vec<SourceRecord>, now: i64) -> SyncApplied {
    sync(store, batch(entries), &ModelSyncState::new(MODEL), now).await
}

/// A worker's name.
pub(crate) fn worker(name: &str) -> WorkerId {
    WorkerId(name.to_owned())
}

/// Claims by a filter.
pub(crate) async fn claim_by(store: &Ports, filter: &ClaimFilter, now: i64) -> Option<Lease> {
    store.as_of(at(now)).queue.claim(&worker("w"), filter, TERMS).await.unwrap()
}

/// Claims anything, so many at once.
pub(crate) async fn claim(store: &Ports, limit: u32, now: i64) -> Option<Lease> {
    claim_by(store, &ClaimFilter::any(limit), now).await
}

/// Ends a lease at its deadline, up to which its worker lived and made no progress.
pub(crate) async fn time_out(store: &Ports, lease: &Lease, claimed: i64) -> Reaped {
    let deadline = at(claimed).after(LEASE);
    let alive = Renewal { lease: lease.id, progressed: false };
    let gone = store.as_of(deadline.before(HEARTBEAT / 2)).queue.renew(&[alive], TERMS).await.unwrap();
    assert!(gone.is_empty(), "{gone:?}");
    store.as_of(deadline).queue.reap(LEASE).await.unwrap()
}

/// The numbers of a lease's records.
pub(crate) fn numbers(lease: &Lease) -> Vec<i64> {
    lease.records.iter().map(|record| record.key.as_integer().unwrap()).collect()
}

/// A success for each record of a lease.
pub(crate) fn successes(lease: &Lease, now: i64) -> Vec<(RecordKey, Outcome)> {
    let good = |record: &crate::ports::ClaimedRecord| {
        let done = record.verification.clone().succeed(GOOD, at(now));
        (record.key.clone(), Outcome::Succeeded(done))
    };
    lease.records.iter().map(good).collect()
}

/// A success for each record of a lease, that compares so with the source's own checksum.
pub(crate) fn compared(lease: &Lease, matches_source: Option<bool>, now: i64) -> Vec<(RecordKey, Outcome)> {
    let good = |record: &crate::ports::ClaimedRecord| {
        let done = record.verification.clone().succeed(GOOD, at(now)).with_source_match(matches_source);
        (record.key.clone(), Outcome::Succeeded(done))
    };
    lease.records.iter().map(good).collect()
}

/// A failure for each record of a lease, to be tried again after 16 seconds the first time.
pub(crate) fn failures(lease: &Lease, now: i64) -> Vec<(RecordKey, Outcome)> {
    let bad = |record: &crate::ports::ClaimedRecord| {
        let failure = Failure::missing_file(&record.path);
        let done = record.verification.clone().fail(failure, at(now), 0);
        (record.key.clone(), Outcome::Failed(done))
    };
    lease.records.iter().map(bad).collect()
}

/// Claims everything that is due and ends it well; returns how many records that were.
pub(crate) async fn succeed_all(store: &Ports, now: i64) -> u64 {
    let mut written = 0;
    while let Some(lease) = claim(store, 1000, now).await {
        written += store.queue.complete(lease.id, &successes(&lease, now), true).await.unwrap();
    }
    written
}

/// Claims everything that is due and ends it badly; returns how many records that were.
pub(crate) async fn fail_all(store: &Ports, now: i64) -> u64 {
    let mut written = 0;
    while let Some(lease) = claim(store, 1000, now).await {
        written += store.queue.complete(lease.id, &failures(&lease, now), true).await.unwrap();
    }
    written
}

/// Has the whole model marked by a job, which it returns.
pub(crate) async fn mark(store: &Ports, model: Model, now: i64) -> Job {
    let new = NewJob { model, selection: Selection::default(), requested_by: "somebody".to_owned() };
    let queued = store.as_of(at(now)).jobs.enqueue(&new).await.unwrap();
    let job = store.as_of(at(now)).jobs.advance(1).await.unwrap().unwrap();
    let (state, then) = (JobState::Finished, Some(at(now)));
    assert_eq!(job, Job { state, started_at: then, finished_at: then, marked: job.marked, ..queued });
    job
}

/// A record that is there.
pub(crate) async fn get(store: &Ports, number: i64) -> Record {
    store.catalogue.get(MODEL, &key(number)).await.unwrap().unwrap()
}

/// The state of a record that is there.
pub(crate) async fn state(store: &Ports, number: i64) -> State {
    get(store, number).await.state()
}

/// Everything in a state.
pub(crate) fn in_state(state: State) -> Selection {
    Selection::in_state(state)
}

/// Only these numbers.
pub(crate) fn with_numbers(numbers: &[i64]) -> Selection {
    Selection { keys: Some(numbers.iter().copied().map(key).collect()), ..Selection::default() }
}

/// The numbers in a state, in order.
pub(crate) async fn numbers_in(store: &Ports, state: State) -> Vec<i64> {
    let page = page(store, in_state(state), PageStart::First, 1000).await;
    page.records.iter().map(|record| record.key.as_integer().unwrap()).collect()
}

/// A page in ascending order.
pub(crate) async fn page(store: &Ports, selection: Selection, start: PageStart, limit: u32) -> Page {
    let (model, order, scan_at_most) = (MODEL, SortOrder::Ascending, ScanLimit::PAGE);
    let request = PageRequest { model, selection, order, start, limit, scan_at_most };
    store.catalogue.page(&request).await.unwrap()
}

/// How many match, counted to the end.
pub(crate) async fn count(store: &Ports, selection: Selection) -> u64 {
    let counted = store.catalogue.count(MODEL, &selection, CountLimit::page(u64::MAX)).await.unwrap();
    assert_eq!(counted.to, CountedTo::End, "{selection:?}");
    counted.matches
}

/// What a batch does that only adds records.
pub(crate) fn added(added: u64) -> SyncApplied {
    SyncApplied { applied: Applied { added, ..Applied::default() }, ..SyncApplied::default() }
}
