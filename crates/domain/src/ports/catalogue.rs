//! The catalogue: all records, by model and key.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::Stream;

use super::StoreError;
use super::page::{Page, PageRequest};
use super::scan_basis::ScanBasis;
use super::scanning::{CountLimit, Counted};
use super::sorting::{SortedPage, SortedPageRequest};
use crate::acceptance::{Acceptance, NewAcceptance};
use crate::digest::{Digest, EvidenceLevel};
use crate::failure::FailureKind;
use crate::key::RecordKey;
use crate::model::Model;
use crate::record::{Record, SourceRecord};
use crate::record_filter::RecordFilter;
use crate::selection::{Selection, State};
use crate::store_report::{ReportRules, Reported, StoredRecord};
use crate::time::Timestamp;

/// Records of one model in one storage whose last attempt failed in the same way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FailureGroup {
    /// The storage.
    pub storage: String,
    /// The kind of failure.
    pub kind: FailureKind,
    /// The model.
    pub model: Model,
    /// How many there are, at least 1.
    pub records: u64,
}

/// What applying entries changed, in records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// New to the catalogue.
    pub added: u64,
    /// Known, with another value in at least one field.
    pub changed: u64,
    /// Known, and the same in each field.
    pub unchanged: u64,
}

/// How far [`ModelSummary::oldest_success`] may lie before the oldest success: one slot of those that are kept.
pub const OLDEST_SUCCESS_WITHIN: Duration = Duration::from_millis(1 << 16);

/// Counts of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSummary {
    /// The model.
    pub model: Model,
    /// Records by state; a state without records may be left out.
    pub states: Vec<(State, u64)>,
    /// Failed records by kind; a kind without records may be left out.
    pub failures: Vec<(FailureKind, u64)>,
    /// Pending and started records by the kind of the failure with which their last attempt ended
    /// ([`crate::Status::last_failure`]): they failed, and are read again. A kind without records may be left out.
    pub rereading: Vec<(FailureKind, u64)>,
    /// Pending and started records that were good when they were last read: they are read again.
    pub good_before: u64,
    /// The sum of the known file sizes, in bytes.
    pub bytes: u64,
    /// Succeeded records by what their verdict rests on; a level without records may be left out.
    pub evidence: Vec<(EvidenceLevel, u64)>,
    /// Succeeded records whose content does not agree with the checksum that the source's own verification
    /// recorded ([`Record::matches_source`]).
    pub mismatched: u64,
    /// The time of the oldest success among the records that are `succeeded`, or were so when their model was marked
    /// ([`Jobs::advance`](super::Jobs::advance)) and have no other status since: until one is verified again, only what it was
    /// is stored. Or a time before it, by less than [`OLDEST_SUCCESS_WITHIN`], of a record that has been read again since.
    pub oldest_success: Option<Timestamp>,
}

/// How the attempts of one model ended on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayResults {
    /// The day ([`Timestamp::day`]).
    pub day: i64,
    /// The model.
    pub model: Model,
    /// Attempts that found good content.
    pub succeeded: u64,
    /// Attempts that failed.
    pub failed: u64,
}

/// How much there is to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// How many records.
    pub records: u64,
    /// The sum of their known sizes, in bytes.
    pub bytes: u64,
    /// How many of them have no known size.
    pub of_unknown_size: u64,
}

impl Amount {
    /// One record.
    pub fn of(record: &Record) -> Self {
        let of_unknown_size = u64::from(record.file_size.is_none());
        Self { records: 1, bytes: record.file_size.unwrap_or(0), of_unknown_size }
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_add(other.records),
            bytes: self.bytes.saturating_add(other.bytes),
            of_unknown_size: self.of_unknown_size.saturating_add(other.of_unknown_size),
        }
    }

    /// About what a part of it is: `part` of `whole`.
    #[must_use]
    pub fn share(self, part: u64, whole: u64) -> Self {
        let of = |number: u64| {
            let share = u128::from(number) * u128::from(part) / u128::from(whole.max(1));
            u64::try_from(share).unwrap_or(u64::MAX)
        };
        Self { records: of(self.records), bytes: of(self.bytes), of_unknown_size: of(self.of_unknown_size) }
    }
}

impl ModelSummary {
    /// Whether these counts say of the records what there is, as it was `counted`.
    pub fn tells(&self, counted: &Self) -> bool {
        let within = match (self.oldest_success, counted.oldest_success) {
            (Some(oldest), Some(counted)) => {
                oldest <= counted && counted.since(oldest) < OLDEST_SUCCESS_WITHIN
            }
            (oldest, counted) => oldest == counted,
        };
        within && Self { oldest_success: counted.oldest_success, ..self.clone() } == *counted
    }

    /// A model without records.
    pub const fn new(model: Model) -> Self {
        Self {
            model,
            states: Vec::new(),
            failures: Vec::new(),
            rereading: Vec::new(),
            good_before: 0,
            bytes: 0,
            evidence: Vec::new(),
            mismatched: 0,
            oldest_success: None,
        }
    }

    /// Whether content of one of the records was looked at, however that ended, as far as their states tell.
    pub fn was_looked_at(&self) -> bool {
        let is_good = self.states.iter().any(|(state, count)| *state == State::Succeeded && *count > 0);
        // What is invalid names no place that could be looked at.
        let is_bad = |(kind, count): &(FailureKind, u64)| *kind != FailureKind::Invalid && *count > 0;
        is_good || self.good_before > 0 || self.failures.iter().chain(&self.rereading).any(is_bad)
    }

    /// Succeeded records whose verdict rests on this.
    pub fn resting_on(&self, level: EvidenceLevel) -> u64 {
        self.evidence.iter().filter(|(known, _)| *known == level).map(|(_, count)| count).sum()
    }

    /// Succeeded records of which only what an object store says was looked at, not the content.
    pub fn metadata_only(&self) -> u64 {
        let read = |level: &EvidenceLevel| *level == EvidenceLevel::Read;
        self.evidence.iter().filter(|(level, _)| !read(level)).map(|(_, count)| count).sum()
    }
}

/// A model of which other counts are kept than there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountDifference {
    /// What was counted.
    pub counted: ModelSummary,
    /// What was kept, of the same model and moment.
    pub kept: ModelSummary,
}

impl CountDifference {
    /// The models in which the two differ; both are in the order of the models.
    pub fn between(counted: Vec<ModelSummary>, kept: Vec<ModelSummary>) -> Vec<Self> {
        let mut models = BTreeMap::<Model, (Option<ModelSummary>, Option<ModelSummary>)>::new();
        for summary in counted {
            let model = summary.model;
            models.entry(model).or_default().0 = Some(summary);
        }
        for summary in kept {
            let model = summary.model;
            models.entry(model).or_default().1 = Some(summary);
        }
        let both = models.into_iter().map(|(model, (counted, kept))| Self {
            counted: counted.unwrap_or_else(|| ModelSummary::new(model)),
            kept: kept.unwrap_or_else(|| ModelSummary::new(model)),
        });
        both.filter(|pair| !pair.kept.tells(&pair.counted)).collect()
    }
}

/// An entry to import, with the number under which its source can find it again: that of its line, for example.
pub type NumberedRecord = (u64, SourceRecord);

/// Entries that their source numbers one by one, from `first` on.
pub fn numbered(first: u64, records: impl IntoIterator<Item = SourceRecord>) -> Vec<NumberedRecord> {
    (first..).zip(records).collect()
}

/// A batch of entries to import, or the error of their source that ends the import.
pub type RecordBatch = Result<Vec<NumberedRecord>, Box<dyn std::error::Error + Send + Sync>>;

/// Batches of entries to import, ending with the first error.
pub type SourceRecordStream<'a> = Pin<Box<dyn Stream<Item = RecordBatch> + Send + 'a>>;

/// Paths with their keys, in the byte order of the paths.
pub type PathStream = Pin<Box<dyn Stream<Item = Result<(String, RecordKey), StoreError>> + Send>>;

/// Why an import did not happen. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The stream of entries ended with this error.
    #[error(transparent)]
    Source(Box<dyn std::error::Error + Send + Sync>),
    /// Two entries with this key say different things.
    #[error("the entries {first} and {second} both are of record {key}, and differ")]
    Conflict {
        /// The key of both.
        key: RecordKey,
        /// The number of the earlier entry.
        first: u64,
        /// The number of the later one.
        second: u64,
    },
    /// Records were added to this storage since the scan read its paths.
    #[error("others added records to storage {0:?} meanwhile")]
    Outdated(String),
    /// The catalogue failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A record whose content was there when it was last looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// The model.
    pub model: Model,
    /// The primary key.
    pub key: RecordKey,
    /// The path or key within its storage.
    pub path: String,
}

/// What a report of a store says of one record's object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedRecord {
    /// The record's key.
    pub key: RecordKey,
    /// The object's path in the storage.
    pub path: String,
    /// What is said of it.
    pub said: Reported,
}

/// What applying a report changed, in records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReportApplied {
    /// Good by the report.
    pub good: u64,
    /// Failed by the report, by kind.
    pub failed: BTreeMap<FailureKind, u64>,
}

/// All records, by model and key.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Catalogue: Send + Sync {
    /// A page of a model's records in the order asked for, as they are at one moment: the state `started` is that of the
    /// leases at that moment. [`Page::next`] and [`Page::previous`] are also right for an empty page, whose start may
    /// lie behind the last record or before the first. A key asked for twice counts once.
    ///
    /// States, identifiers, kinds of failure and one storage are found by indexes; records that these find are looked at for
    /// the rest of the selection, in the order of the list, no more than [`PageRequest::scanned_ahead`] from where the page
    /// begins, and [`PageRequest::scanned_first`] on the other side. If that does not fill the page it has what was found, and
    /// [`Beyond::NotSearched`](super::Beyond) says from where to go on. A selection by state, by identifiers, by one storage, or
    /// by one kind in one storage looks at nothing else than what matches.
    async fn page(&self, request: &PageRequest) -> Result<Page, StoreError>;

    /// A page of a model's records sorted by another value than the key, as they are at one moment; the flags of the page are
    /// those of [`Catalogue::page`]. If more than [`SortedPageRequest::sorted_at_most`] match, or more than
    /// [`SortedPageRequest::scan_at_most`] would have to be looked at, none is sorted and none returned. Reads what matches, up to
    /// one record more than that, whatever the page's place in the list.
    async fn sorted_page(&self, request: &SortedPageRequest) -> Result<SortedPage, StoreError>;

    /// How many records match. Exact, and cheap whatever the limit, for a selection of which counts are kept
    /// ([`Selection::is_counted`]). Any other is counted in the order of the keys as far as the limit says, with 0 matches not at
    /// all; which records are looked at is as in [`Catalogue::page`].
    async fn count(
        &self,
        model: Model,
        selection: &Selection,
        limit: CountLimit,
    ) -> Result<Counted, StoreError>;

    /// How much the content of the matching records is.
    async fn amount(&self, model: Model, selection: &Selection) -> Result<Amount, StoreError>;

    /// How many records of all models lie in the storage. Cheap whatever their number: the counts are kept with each change.
    async fn count_in_storage(&self, storage: &str) -> Result<u64, StoreError>;

    /// Some records of the storage whose content was there when it was last looked at: their last attempt found it good,
    /// whatever their source said of them since, or altered. At most `limit`, spread over the models and over the
    /// keys of each; all of them, if there are no more. Cheap: of other records of the storage that lie between, some
    /// thousands are looked at and no more, beyond which such ones may be passed over. None is disabled, and none of a model whose content may
    /// rightly not be there ([`Model::may_be_absent`]).
    async fn witnesses(&self, storage: &str, limit: u32) -> Result<Vec<Witness>, StoreError>;

    /// Whether some record of the model has a key of as many parts as this one. Cheap, so that a wrong
    /// cursor costs no more than a right one: an adapter may look at the record with the key itself and at
    /// the model's first and last record only. A model without records knows every shape.
    async fn knows_shape(&self, model: Model, key: &RecordKey) -> Result<bool, StoreError>;

    /// One record.
    async fn get(&self, model: Model, key: &RecordKey) -> Result<Option<Record>, StoreError>;

    /// Adds or updates records, all of them or (on any error) none.
    ///
    /// A new record is pending, or disabled if the entry says so. A known one whose `location`, `expected`,
    /// `rule` or `mutable` changed is recalculated ([`crate::Verification::recalculate`]); a changed
    /// `expected` also forgets the baseline, and it or a changed `rule` an earlier acceptance; a changed
    /// `disabled` switches off or on again; a change of `created_at` or `file_size` alone leaves the state as
    /// it is. Two entries with one key, in one batch or several, must say the same: else it is
    /// [`ImportError::Conflict`]. The counts are of records. Wakes waiting workers if anything became due.
    ///
    /// A recalculation, and switching off, makes a running attempt void; the same entries again change nothing. But for a
    /// record whose row is damaged ([`crate::RowPart::Recorded`]), which any entry of it mends: it counts as changed, is
    /// recalculated, and an earlier acceptance of it, which nobody can be sure of, is forgotten.
    /// Imports at the same time, also of the same records, all end.
    async fn import<'a>(&self, model: Model, entries: SourceRecordStream<'a>)
    -> Result<Applied, ImportError>;

    /// The same of what a scan found. Entries for new records get other keys if records were added to other storages since,
    /// in the same order and behind all that there are, so that scans at the same time share no key. If any was added to this
    /// storage, nothing is written ([`ImportError::Outdated`]): its file may be among those that the scan takes for new.
    async fn import_scanned<'a>(
        &self,
        model: Model,
        basis: &ScanBasis,
        entries: SourceRecordStream<'a>,
    ) -> Result<Applied, ImportError>;

    /// The paths of a model's records in one storage, or of those of all models, with their keys, sorted by the bytes of the
    /// paths. Memory stays bounded whatever their number; a caller that drops the stream stops the reading.
    async fn paths(&self, model: Option<Model>, storage: &str) -> Result<PathStream, StoreError>;

    /// The first records of the model in the storage behind this key (`None`: of all), at most `limit`, in the order of their
    /// keys, as a report of the store is compared with them. Cheap: whether a row is damaged is not looked at.
    async fn stored(
        &self,
        model: Model,
        storage: &str,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<Vec<StoredRecord>, StoreError>;

    /// Records what a report of the store says of these records of a model in the storage, in one step: those of which
    /// [`ReportRules::judge`] says good or bad are written ([`crate::Verification::report`]), and a running
    /// attempt is void. None of them is due; one that fails is retried by its retry time, which counts from the report's. All others stay as they are: so do those that were looked at since the report was made, whose object
    /// has another path by now, or whose row is damaged. Counts for the report's day as attempts do.
    async fn apply_report(
        &self,
        model: Model,
        storage: &str,
        rules: ReportRules,
        said: Vec<ReportedRecord>,
    ) -> Result<ReportApplied, StoreError>;

    /// The first records of the model behind this key (`None`: of all) whose content does not agree with the
    /// checksum that the source's own verification recorded ([`Record::matches_source`]), at most `limit`, in the order of
    /// their keys. Only a record that succeeded, and was not accepted since, can be one.
    async fn mismatched(
        &self,
        model: Model,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<Vec<Record>, StoreError>;

    /// The first records of the model behind this key (`None`: of all) whose last attempt failed
    /// ([`crate::Status::last_failure`]), whether they are failed now or to be read again, at most `limit`, in the order of
    /// their keys.
    async fn findings(
        &self,
        model: Model,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<Vec<Record>, StoreError>;

    /// How many records failed when they were last read ([`crate::Status::last_failure`]), by storage, kind and model, in the
    /// order of these, exact at one moment. Cheap whatever the number of records: the counts are kept with each change.
    async fn failure_groups(&self) -> Result<Vec<FailureGroup>, StoreError>;

    /// How the attempts ended on the last days, today and at most 90 of them, in the order of the days and of [`Model::ALL`];
    /// a day of a model without any is left out. What was void
    /// when it was recorded does not count ([`Results::written`](crate::ports::Results::written)).
    async fn results_by_day(&self, days: u32) -> Result<Vec<DayResults>, StoreError>;

    /// Records of any model whose content was last good with this digest, at most `limit`: model by model, and
    /// those of a model in the order of their keys. Only such records are read.
    async fn with_checksum(&self, checksum: &Digest, limit: u32) -> Result<Vec<Record>, StoreError>;

    /// The largest key of the model.
    async fn largest_key(&self, model: Model) -> Result<Option<RecordKey>, StoreError>;

    /// The largest key of the model's records in the storage.
    async fn largest_key_in(&self, model: Model, storage: &str) -> Result<Option<RecordKey>, StoreError>;

    /// Takes this content for good ([`crate::Verification::accept`]), sets the file size to its size if it has one, and stops
    /// comparing with what was recorded. An attempt that is running is void, and the record is not due any more, also if it
    /// was disabled. A row that was damaged is taken as it is. In the same step the acceptance is kept, with what it replaced;
    /// a damaged baseline is left out. Returns the record as it then is; `None`
    /// if there is none. Content that is accepted and counts as good already changes nothing, and no acceptance is kept: two
    /// that accept the same at once are one.
    ///
    /// An acceptance without a checksum retires the record: it is switched off ([`crate::Status::disable`]), and all else of
    /// it stays as it is.
    async fn accept(
        &self,
        model: Model,
        key: &RecordKey,
        acceptance: &NewAcceptance,
    ) -> Result<Option<Record>, StoreError>;

    /// Takes back the last acceptance of the record that was not taken back yet: what it replaced counts again, also why
    /// the last attempt before it failed, and the record is recalculated. Several are taken back one after the other.
    /// Returns the record as it then is; `None` if there is none, or if the record is not [`Record::accepted`] now, or was
    /// by a program that kept no acceptances. One that retired the record is taken back only while it is switched off.
    async fn take_back(
        &self,
        model: Model,
        key: &RecordKey,
        by: &str,
        reason: Option<String>,
    ) -> Result<Option<Record>, StoreError>;

    /// All acceptances of the record, also those that were taken back, the last one first. They outlive the record.
    async fn acceptances(&self, model: Model, key: &RecordKey) -> Result<Vec<Acceptance>, StoreError>;

    /// Counts of every model that has records, in the order of [`Model::ALL`], exact at one moment. Cheap whatever the number
    /// of records: the counts are kept with each change, and only what leases hold is counted.
    async fn summary(&self) -> Result<Vec<ModelSummary>, StoreError> {
        self.summary_of(&RecordFilter::default()).await
    }

    /// The same of the records that the filter means. Cheap for a filter by storage and kind of failure alone; any other
    /// reads the whole catalogue.
    async fn summary_of(&self, filter: &RecordFilter) -> Result<Vec<ModelSummary>, StoreError>;

    /// Counts all records, and returns the models of which the counts that are kept say something else at the same moment:
    /// none, unless somebody changed the database past the program. Reads the whole catalogue.
    async fn count_differences(&self) -> Result<Vec<CountDifference>, StoreError>;

    /// The storages that records of each model lie in, in the order of [`Model::ALL`] and the byte order of the names. Cheap
    /// whatever the number of records.
    async fn storages(&self) -> Result<Vec<(Model, String)>, StoreError>;

    /// Whether the database answers, its schema is current, and it takes writes as far as that can be seen without one.
    /// The last may be true of a few seconds ago.
    async fn check(&self) -> Result<(), StoreError>;
}
