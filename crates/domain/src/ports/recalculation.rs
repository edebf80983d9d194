//! The recalculation of one record while somebody waits for it.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::key::RecordKey;
use crate::model::Model;
use crate::record::Record;

/// A record after a recalculation was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalculated {
    /// The record as it now is.
    pub record: Record,
    /// Whether the calculation ended; if not, it goes on in the background.
    pub finished: bool,
}

/// The recalculation of one record while somebody waits for it.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Recalculation: Send + Sync {
    /// Recalculates the record now and waits for the result, at the longest for `patience`. `None` if there
    /// is no such record. A caller that stops waiting does not stop the calculation.
    async fn recalculate_now(
        &self,
        model: Model,
        key: &RecordKey,
        patience: Duration,
    ) -> Result<Option<Recalculated>, StoreError>;
}
