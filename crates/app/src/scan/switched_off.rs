//! Records that are switched off: nothing is gone with their files, and one that was retired is wanted again when its file
//! is back.

use std::collections::HashSet;

use stocktake_domain::ports::{CountLimit, Pages, StoreError};
use stocktake_domain::{Record, RecordFilter, RecordKey, Selection, SourceRecord, State};

use super::ScanOf;

/// The most keys that are kept; of more, each is looked up.
const MOST: u64 = 100_000;

/// Records read in one step.
const PAGE: u32 = 1_000;

/// The records of a model in a storage that are switched off.
#[derive(Default)]
pub(super) struct SwitchedOff {
    /// `None`: so many that each is looked up.
    keys: Option<HashSet<RecordKey>>,
}

impl SwitchedOff {
    /// Reads which there are.
    pub(super) async fn read(of: ScanOf<'_>) -> Result<Self, StoreError> {
        let filter = RecordFilter { storages: vec![of.storage.to_owned()], ..RecordFilter::default() };
        let selection = Selection { filter, ..Selection::in_state(State::Disabled) };
        if of.catalogue.count(of.model, &selection, CountLimit::page(MOST + 1)).await?.matches > MOST {
            return Ok(Self { keys: None });
        }
        let mut keys = HashSet::new();
        let mut pages = Pages::new(of.catalogue, of.model, selection, PAGE);
        while let Some(records) = pages.next().await? {
            keys.extend(records.into_iter().map(|record| record.key));
        }
        Ok(Self { keys: Some(keys) })
    }

    /// The record with this key, if it is switched off.
    pub(super) async fn get(&self, of: ScanOf<'_>, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        if self.keys.as_ref().is_some_and(|keys| !keys.contains(key)) {
            return Ok(None);
        }
        let record = of.catalogue.get(of.model, key).await?;
        Ok(record.filter(|record| record.state() == State::Disabled))
    }

    /// The record with this key, if it was retired: an administrator took it for right that its file is not there.
    pub(super) async fn retired(
        &self,
        of: ScanOf<'_>,
        key: &RecordKey,
    ) -> Result<Option<Record>, StoreError> {
        let Some(record) = self.get(of, key).await? else { return Ok(None) };
        let acceptances = of.catalogue.acceptances(of.model, key).await?;
        let standing = acceptances.iter().find(|acceptance| acceptance.taken_back.is_none());
        let is_retired = standing.is_some_and(|acceptance| acceptance.accepted.checksum.is_none());
        Ok(Some(record).filter(|_| is_retired))
    }
}

/// The entry that says of the record what is known of it.
pub(super) fn as_known(record: Record) -> SourceRecord {
    let disabled = record.state() == State::Disabled;
    SourceRecord {
        created_at: record.created_at,
        file_size: record.file_size,
        expected: record.expected,
        rule: record.rule,
        mutable: record.mutable,
        disabled,
        owner: record.owner,
        source_checksum: record.source_checksum,
        ..SourceRecord::new(record.key, record.location)
    }
}
