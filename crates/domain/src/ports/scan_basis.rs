//! What a scan numbers its records behind.

use crate::key::RecordKey;

/// What a scan of a storage knew of the catalogue when it numbered its new records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanBasis {
    /// The storage.
    pub storage: String,
    /// The largest key of the model's records in the storage, read before their paths were.
    pub largest_in_storage: Option<RecordKey>,
    /// The largest key of the model, read after the paths. Entries with larger keys are new records; their keys are
    /// integers.
    pub largest: Option<RecordKey>,
}

impl ScanBasis {
    /// The integer behind which the new records are numbered.
    pub fn numbered_behind(&self) -> i64 {
        numbered_behind(self.largest.as_ref())
    }

    /// Whether an entry with this key is a new record.
    pub fn is_new(&self, key: &RecordKey) -> bool {
        self.largest.as_ref().is_none_or(|largest| key > largest)
    }
}

/// The integer behind which records are numbered that come behind this key, the largest of a model. No integer key is larger
/// than the first part of the largest key, which may be composite.
pub fn numbered_behind(largest: Option<&RecordKey>) -> i64 {
    largest.and_then(|key| key.parts().first().copied()).unwrap_or(0).max(0)
}
