//! The port `Catalogue`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use async_trait::async_trait;

use super::tables::{Row, Tables};
use super::{MemoryStore, storable, storable_number};
use crate::acceptance::{Acceptance, NewAcceptance, TakenBack};
use crate::contract::tasks::{Iter, next};
use crate::digest::Digest;
use crate::failure::FailureKind;
use crate::key::RecordKey;
use crate::model::Model;
use crate::ports::{
    Amount, Applied, Catalogue, CountDifference, CountLimit, Counted, DayResults, FailureGroup, ImportError,
    ModelSummary, Page, PageRequest, PathStream, ReportApplied, ReportedRecord, ScanBasis, SortedPage,
    SortedPageRequest, SourceRecordStream, StoreError, Witness, numbered_behind,
};
use crate::record::{Record, SourceRecord};
use crate::record_filter::RecordFilter;
use crate::selection::{Selection, State};
use crate::store_report::{ReportRules, ReportVerdict, StoredRecord};
use crate::time::Timestamp;

#[async_trait]
impl Catalogue for MemoryStore {
    async fn page(&self, request: &PageRequest) -> Result<Page, StoreError> {
        Ok(self.step(|tables: &mut Tables| tables.page(request)).await)
    }

    async fn sorted_page(&self, request: &SortedPageRequest) -> Result<SortedPage, StoreError> {
        Ok(self.step(|tables: &mut Tables| tables.sorted_page(request)).await)
    }

    async fn count(
        &self,
        model: Model,
        selection: &Selection,
        limit: CountLimit,
    ) -> Result<Counted, StoreError> {
        Ok(self.step(|tables: &mut Tables| tables.count(model, selection, limit)).await)
    }

    async fn amount(&self, model: Model, selection: &Selection) -> Result<Amount, StoreError> {
        let matching = self.step(|tables: &mut Tables| tables.matching(model, selection)).await;
        Ok(matching.iter().fold(Amount::default(), |sum, record| sum.and(Amount::of(record))))
    }

    async fn count_in_storage(&self, storage: &str) -> Result<u64, StoreError> {
        let count = |tables: &mut Tables| tables.rows().filter(|(.., row)| row.storage() == storage).count();
        Ok(u64::try_from(self.step(count).await).unwrap_or(u64::MAX))
    }

    async fn witnesses(&self, storage: &str, limit: u32) -> Result<Vec<Witness>, StoreError> {
        Ok(self.step(|tables: &mut Tables| tables.witnesses(storage, limit)).await)
    }

    async fn knows_shape(&self, model: Model, key: &RecordKey) -> Result<bool, StoreError> {
        let knows = |tables: &mut Tables| {
            let rows = tables.records.get(&model).filter(|rows| !rows.is_empty());
            rows.is_none_or(|rows| rows.keys().any(|known| known.parts().len() == key.parts().len()))
        };
        Ok(self.step(knows).await)
    }

    async fn get(&self, model: Model, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        Ok(self.step(|tables: &mut Tables| tables.record(model, key)).await)
    }

    async fn import<'a>(
        &self,
        model: Model,
        entries: SourceRecordStream<'a>,
    ) -> Result<Applied, ImportError> {
        let entries = gathered(entries).await?;
        let now = self.now();
        Ok(self.waking_step(|tables: &mut Tables| tables.apply_entries(model, entries, false, now)).await)
    }

    async fn import_scanned<'a>(
        &self,
        model: Model,
        basis: &ScanBasis,
        entries: SourceRecordStream<'a>,
    ) -> Result<Applied, ImportError> {
        let entries = gathered(entries).await?;
        let now = self.now();
        let apply = |tables: &mut Tables| {
            if tables.largest_key_in(model, &basis.storage) != basis.largest_in_storage {
                return (None, false);
            }
            let further = numbered_behind(tables.largest_key(model).as_ref()) - basis.numbered_behind();
            let further = further.max(0);
            let renumbered = entries.into_iter().map(|entry| match entry.key.as_integer() {
                Some(number) if basis.is_new(&entry.key) => {
                    SourceRecord { key: RecordKey::integer(number + further), ..entry }
                }
                _ => entry,
            });
            let (applied, due) = tables.apply_entries(model, renumbered.collect(), false, now);
            (Some(applied), due)
        };
        let applied = self.waking_step(apply).await;
        applied.ok_or_else(|| ImportError::Outdated(basis.storage.clone()))
    }

    async fn paths(&self, model: Option<Model>, storage: &str) -> Result<PathStream, StoreError> {
        let paths = |tables: &mut Tables| {
            let rows = tables
                .rows()
                .filter(|(of, _, row)| model.is_none_or(|model| model == *of) && row.storage() == storage);
            let mut paths: Vec<(String, RecordKey)> =
                rows.map(|(_, key, row)| (row.said.location.path.clone(), key.clone())).collect();
            paths.sort_unstable();
            paths
        };
        let paths = self.step(paths).await;
        Ok(Box::pin(Iter::new(paths.into_iter().map(Ok))))
    }

    async fn stored(
        &self,
        model: Model,
        storage: &str,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let lies_there = |record: &Record| record.location.storage == storage;
        let found =
            self.step(|tables: &mut Tables| tables.first_behind(model, after.as_ref(), limit, lies_there));
        Ok(found.await.iter().map(StoredRecord::of).collect())
    }

    async fn apply_report(
        &self,
        model: Model,
        storage: &str,
        rules: ReportRules,
        said: Vec<ReportedRecord>,
    ) -> Result<ReportApplied, StoreError> {
        Ok(self.step(|tables: &mut Tables| tables.apply_report(model, storage, rules, said)).await)
    }

    async fn mismatched(
        &self,
        model: Model,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<Vec<Record>, StoreError> {
        let matches = |record: &Record| record.matches_source() == Some(false);
        Ok(self.step(|tables: &mut Tables| tables.first_behind(model, after.as_ref(), limit, matches)).await)
    }

    async fn findings(
        &self,
        model: Model,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<Vec<Record>, StoreError> {
        let matches = |record: &Record| record.status.last_failure().is_some();
        Ok(self.step(|tables: &mut Tables| tables.first_behind(model, after.as_ref(), limit, matches)).await)
    }

    async fn failure_groups(&self) -> Result<Vec<FailureGroup>, StoreError> {
        Ok(self.step(|tables: &mut Tables| tables.failure_groups()).await)
    }

    async fn results_by_day(&self, days: u32) -> Result<Vec<DayResults>, StoreError> {
        let today = self.now().day();
        let shown = today - i64::from(days) + 1..=today;
        let results = |tables: &mut Tables| {
            let recent = tables.results.iter().filter(|((day, _), _)| shown.contains(day));
            let of = |(&(day, model), &(succeeded, failed)): (&(i64, Model), &(u64, u64))| DayResults {
                day,
                model,
                succeeded,
                failed,
            };
            recent.map(of).collect()
        };
        Ok(self.step(results).await)
    }

    async fn with_checksum(&self, checksum: &Digest, limit: u32) -> Result<Vec<Record>, StoreError> {
        let same = |tables: &mut Tables| {
            let is_same = |row: &Row| row.status.history().baseline.is_some_and(|of| of.digest == *checksum);
            let rows = tables.rows().filter(|(.., row)| is_same(row));
            let records = rows.filter_map(|(model, key, _)| tables.record(model, key));
            records.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect()
        };
        Ok(self.step(same).await)
    }

    async fn largest_key(&self, model: Model) -> Result<Option<RecordKey>, StoreError> {
        Ok(self.step(|tables: &mut Tables| tables.largest_key(model)).await)
    }

    async fn largest_key_in(&self, model: Model, storage: &str) -> Result<Option<RecordKey>, StoreError> {
        Ok(self.step(|tables: &mut Tables| tables.largest_key_in(model, storage)).await)
    }

    async fn accept(
        &self,
        model: Model,
        key: &RecordKey,
        acceptance: &NewAcceptance,
    ) -> Result<Option<Record>, StoreError> {
        let (now, acceptance) = (self.now(), acceptance.clone());
        storable_number(acceptance.size.unwrap_or(0), "file_size")?;
        storable(&acceptance.by, "by")?;
        storable(acceptance.reason.as_deref().unwrap_or_default(), "reason")?;
        Ok(self.step(|tables: &mut Tables| tables.accept(model, key, acceptance, now)).await)
    }

    async fn take_back(
        &self,
        model: Model,
        key: &RecordKey,
        by: &str,
        reason: Option<String>,
    ) -> Result<Option<Record>, StoreError> {
        storable(by, "by")?;
        storable(reason.as_deref().unwrap_or_default(), "reason")?;
        let undone = TakenBack { at: self.now(), by: by.to_owned(), reason };
        let take_back = |tables: &mut Tables| {
            let record = tables.take_back(model, key, undone);
            let due = record.is_some();
            (record, due)
        };
        Ok(self.waking_step(take_back).await)
    }

    async fn acceptances(&self, model: Model, key: &RecordKey) -> Result<Vec<Acceptance>, StoreError> {
        let kept = |tables: &mut Tables| tables.acceptances.get(&(model, key.clone())).cloned();
        let kept = self.step(kept).await.unwrap_or_default();
        Ok(kept.into_iter().rev().collect())
    }

    async fn summary_of(&self, filter: &RecordFilter) -> Result<Vec<ModelSummary>, StoreError> {
        let selection = Selection::filtered(filter.clone());
        Ok(self.step(|tables: &mut Tables| tables.summary(&selection)).await)
    }

    async fn count_differences(&self) -> Result<Vec<CountDifference>, StoreError> {
        // Every summary is counted.
        Ok(Vec::new())
    }

    async fn storages(&self) -> Result<Vec<(Model, String)>, StoreError> {
        let storages = |tables: &mut Tables| {
            let all: BTreeSet<(Model, String)> =
                tables.rows().map(|(model, _, row)| (model, row.storage().to_owned())).collect();
            all.into_iter().collect()
        };
        Ok(self.step(storages).await)
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// All entries of a stream, one of each key.
async fn gathered(mut entries: SourceRecordStream<'_>) -> Result<Vec<SourceRecord>, ImportError> {
    let mut gathered: BTreeMap<RecordKey, (u64, SourceRecord)> = BTreeMap::new();
    while let Some(batch) = next(&mut entries).await {
        for (second, entry) in batch.map_err(ImportError::Source)? {
            super::entries::check(&entry)?;
            let key = entry.key.clone();
            let (first, known) = gathered.entry(key.clone()).or_insert_with(|| (second, entry.clone()));
            if *known != entry {
                return Err(ImportError::Conflict { key, first: *first, second });
            }
        }
    }
    Ok(gathered.into_values().map(|(_, entry)| entry).collect())
}

impl Tables {
    fn largest_key(&self, model: Model) -> Option<RecordKey> {
        self.records.get(&model)?.keys().next_back().cloned()
    }

    fn largest_key_in(&self, model: Model, storage: &str) -> Option<RecordKey> {
        let mut rows = self.records.get(&model)?.iter().rev();
        rows.find(|(_, row)| row.storage() == storage).map(|(key, _)| key.clone())
    }

    /// The first records of the model behind this key that match.
    fn first_behind(
        &self,
        model: Model,
        after: Option<&RecordKey>,
        limit: u32,
        matches: impl Fn(&Record) -> bool,
    ) -> Vec<Record> {
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let rows = self.records.get(&model).into_iter().flat_map(|rows| rows.range::<RecordKey, _>(behind));
        let records = rows.filter_map(|(key, _)| self.record(model, key));
        records.filter(matches).take(usize::try_from(limit).unwrap_or(usize::MAX)).collect()
    }

    fn apply_report(
        &mut self,
        model: Model,
        storage: &str,
        rules: ReportRules,
        said: Vec<ReportedRecord>,
    ) -> ReportApplied {
        let mut applied = ReportApplied::default();
        for ReportedRecord { key, path, said } in said {
            let is_whole = self.row(model, &key).is_some_and(|row| row.damaged.is_empty());
            let record = self.record(model, &key).filter(|record| {
                is_whole && record.location.storage == storage && record.location.path == path
            });
            let Some(record) = record else { continue };
            let verdict = match rules.judge(&StoredRecord::of(&record), Some(&said)) {
                ReportVerdict::Good(checksum) => Ok(checksum),
                ReportVerdict::Bad(failure) => Err(failure.at(&path)),
                ReportVerdict::Newer
                | ReportVerdict::Silent
                | ReportVerdict::Agrees
                | ReportVerdict::Doubtful => continue,
            };
            let (good, failed) = if verdict.is_ok() { (1, 0) } else { (0, 1) };
            applied.good += good;
            if let Err(failure) = &verdict {
                *applied.failed.entry(failure.kind()).or_default() += 1;
            }
            self.set(model, &key, record.status.report(verdict, rules.made_at), None);
            let counted = self.results.entry((rules.made_at.day(), model)).or_default();
            (counted.0, counted.1) = (counted.0 + good, counted.1 + failed);
        }
        applied
    }

    fn failure_groups(&self) -> Vec<FailureGroup> {
        let mut groups: BTreeMap<_, u64> = BTreeMap::new();
        for (model, _, row) in self.rows() {
            if let Some(failure) = row.status.last_failure() {
                *groups.entry((row.storage().to_owned(), failure.kind(), model)).or_default() += 1;
            }
        }
        let group = |((storage, kind, model), records)| FailureGroup { storage, kind, model, records };
        groups.into_iter().map(group).collect()
    }

    fn witnesses(&self, storage: &str, limit: u32) -> Vec<Witness> {
        let is_there = |row: &Row| {
            let history = row.status.history();
            let was_good = history.baseline.is_some() || row.was_good;
            let is_altered =
                row.status.last_failure().is_some_and(|failure| failure.kind() == FailureKind::Altered);
            let is_there = is_altered || (was_good && history.failures.is_none());
            is_there && row.status.state() != State::Disabled
        };
        let rows = self
            .rows()
            .filter(|(model, _, row)| row.storage() == storage && !model.may_be_absent() && is_there(row));
        let good: Vec<Witness> = rows
            .map(|(model, key, row)| {
                let path = row.said.location.path.clone();
                Witness { model, key: key.clone(), path }
            })
            .collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(good.len());
        (0..limit).filter_map(|index| good.get(index * good.len() / limit.max(1)).cloned()).collect()
    }

    fn summary(&self, selection: &Selection) -> Vec<ModelSummary> {
        let of = |model: &Model| (*model, self.matching(*model, selection));
        let filled = self.records.keys().map(of).filter(|(_, records)| !records.is_empty());
        let summaries = filled.map(|(model, records)| ModelSummary {
            oldest_success: self.oldest_success(model, &records),
            ..summary_of(model, &records)
        });
        summaries.collect()
    }

    /// The oldest success among those of these records that are succeeded, or were when their model was marked.
    fn oldest_success(&self, model: Model, records: &[Record]) -> Option<Timestamp> {
        let success = |record: &Record| match record.state() {
            State::Succeeded => record.history().baseline.map(|baseline| baseline.at),
            _ => self.row(model, &record.key)?.marked_success,
        };
        records.iter().filter_map(success).min()
    }
}

/// The counts of these records, without their oldest success.
pub(in crate::contract) fn summary_of(model: Model, records: &[Record]) -> ModelSummary {
    let mut states = BTreeMap::<State, u64>::new();
    let (mut failures, mut rereading, mut evidence) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut summary = ModelSummary::new(model);
    for record in records {
        *states.entry(record.state()).or_default() += 1;
        if let Some(failure) = record.status.last_failure() {
            let kinds = if record.state() == State::Failed { &mut failures } else { &mut rereading };
            *kinds.entry(failure.kind()).or_default() += 1;
        }
        let is_read_again = matches!(record.state(), State::Pending | State::Started);
        summary.good_before += u64::from(is_read_again && record.history().checksum().is_some());
        summary.bytes = summary.bytes.saturating_add(record.file_size.unwrap_or(0));
        if let (State::Succeeded, Some(baseline)) = (record.state(), record.history().baseline) {
            *evidence.entry(baseline.digest.level()).or_default() += 1;
            summary.mismatched += u64::from(record.matches_source() == Some(false));
        }
    }
    summary.states = states.into_iter().collect();
    summary.failures = failures.into_iter().collect();
    summary.rereading = rereading.into_iter().collect();
    summary.evidence = evidence.into_iter().collect();
    summary
}
