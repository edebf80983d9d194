//! Taking the content of one record for good while somebody waits.

use async_trait::async_trait;

use super::StoreError;
use crate::key::RecordKey;
use crate::model::Model;
use crate::record::Record;

/// Why content was not taken for good. The record is as it was.
#[derive(Debug, thiserror::Error)]
pub enum AcceptanceError {
    /// The content cannot be taken for good, for the reason in the text.
    #[error("{0}")]
    Refused(String),
    /// The catalogue failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes the content of records for good as it is now.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ContentAcceptance: Send + Sync {
    /// Reads the record's content and takes it for good ([`super::Catalogue::accept`]) in the name of `by`, if the last
    /// attempt found it altered and something is left of it. Returns the record as it then is; `None` if there is none. A
    /// caller that stops waiting before the content was read changes nothing.
    async fn accept_now(
        &self,
        model: Model,
        key: &RecordKey,
        by: &str,
    ) -> Result<Option<Record>, AcceptanceError>;
}
