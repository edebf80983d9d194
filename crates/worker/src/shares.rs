//! How much this process records of each storage, as others are told of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use stocktake_domain::ports::StorageShare;

/// What was recorded of each storage since the last announcement: records, and bytes.
#[derive(Debug, Default)]
pub(crate) struct Shares(Mutex<BTreeMap<String, (u64, u64)>>);

impl Shares {
    /// Adds what was recorded of a storage.
    pub(crate) fn add(&self, storage: &str, records: u64, bytes: u64) {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let share = shares.entry(storage.to_owned()).or_default();
        *share = (share.0.saturating_add(records), share.1.saturating_add(bytes));
    }

    /// The shares of these storages, which begin anew.
    pub(crate) fn take(&self, storages: &[String]) -> Vec<StorageShare> {
        let mut shares = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let of = |storage: &String| {
            let (records, bytes) = shares.remove(storage).unwrap_or_default();
            StorageShare { storage: storage.clone(), records, bytes }
        };
        storages.iter().map(of).collect()
    }
}
