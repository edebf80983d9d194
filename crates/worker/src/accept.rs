//! Looking at content that is to be taken for good as it is now.

use stocktake_domain::ports::{Inspection, StoreError};
use stocktake_domain::{
    Algorithms, ContentError, Digest, Failure, FailureCause, Model, NotJudged, Record, RecordKey,
};

use crate::context::EngineContext;
use crate::reading::{Reading, Seen};
use crate::settings::Storage;

/// A record, and its content as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The record as it is.
    pub record: Record,
    /// The digest of the content; `None` where nothing is there, in a storage that is.
    pub checksum: Option<Digest>,
    /// The size of the content in bytes; `None` of a repository, which has none, and where nothing is there.
    pub size: Option<u64>,
    /// Whether nothing at all lies in the storage; looked at only where nothing is there.
    pub storage_is_empty: bool,
}

/// Why an acceptance is more likely a mistake than meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// The last attempt did not find the content altered.
    #[error("it was not found altered")]
    NotAltered,
    /// Nothing is left of the content.
    #[error("the file has 0 bytes")]
    Empty,
    /// Nothing is there, and the last attempt did not find it missing.
    #[error("nothing is there, and no verification has found it missing yet")]
    NotMissing,
    /// Nothing is there, as nothing else is in the storage.
    #[error("nothing at all is in its storage. Is it mounted?")]
    EmptyStorage,
}

impl Candidate {
    /// What speaks against accepting this content.
    pub fn doubt(&self) -> Option<Doubt> {
        let failure = self.record.status.last_failure();
        if self.checksum.is_none() {
            if !failure.is_some_and(is_of_absence) {
                return Some(Doubt::NotMissing);
            }
            return self.storage_is_empty.then_some(Doubt::EmptyStorage);
        }
        if !failure.is_some_and(Failure::may_be_accepted) {
            Some(Doubt::NotAltered)
        } else if self.size == Some(0) {
            Some(Doubt::Empty)
        } else {
            None
        }
    }
}

/// Why content cannot be taken for good.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The model has no such record.
    #[error("there is no such record")]
    UnknownRecord,
    /// The record's storage is not in the configuration.
    #[error("the record's storage {0:?} is not in the configuration")]
    UnknownStorage(String),
    /// The content cannot be read.
    #[error("{}", .0.text())]
    Content(Failure),
    /// Nothing can be said of the content.
    #[error("{0}")]
    NotJudged(NotJudged),
    /// The reading was given up half way.
    #[error("the reading was given up")]
    Interrupted,
    /// The catalogue failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// See [`crate::Engine::look_at`].
pub(crate) async fn look_at(
    context: &EngineContext,
    model: Model,
    key: &RecordKey,
) -> Result<Candidate, AcceptError> {
    let record = context.parts.catalogue.get(model, key).await?.ok_or(AcceptError::UnknownRecord)?;
    let name = &record.location.storage;
    let storage =
        context.parts.storages.get(name).ok_or_else(|| AcceptError::UnknownStorage(name.clone()))?;
    match read(context, &record, storage).await {
        Ok((checksum, size)) => {
            Ok(Candidate { record, checksum: Some(checksum), size, storage_is_empty: false })
        }
        Err(AcceptError::Content(failure)) if is_of_absence(&failure) => {
            let probed = storage.content.probe().await.map_err(AcceptError::NotJudged)?;
            Ok(Candidate { record, checksum: None, size: None, storage_is_empty: probed.is_empty })
        }
        Err(error) => Err(error),
    }
}

/// Whether nothing is there.
fn is_of_absence(failure: &Failure) -> bool {
    matches!(failure.cause(), FailureCause::MissingFile { .. } | FailureCause::MissingRepository)
}

/// The digest shown for the content as it is now, and the size in bytes of what the recorded size is of.
async fn read(
    context: &EngineContext,
    record: &Record,
    storage: &Storage,
) -> Result<(Digest, Option<u64>), AcceptError> {
    let name = &record.location.storage;
    let shown = context.settings.policy.algorithm(record.model);
    let mut reading = Reading::begin(name, Some(storage), vec![Ok(piece(context, record))]);
    // After a panic in the adapter nothing is reported, which is an error below.
    let _ = reading.ended().await;
    let mut seen: Vec<Seen> = Vec::new();
    reading.collector.take(&mut seen);
    let is_absent = |(_, seen): &Seen| {
        matches!(seen, Err(ContentError::MissingFile { .. } | ContentError::MissingRepository))
    };
    if seen.iter().any(is_absent) {
        let gone = context.confirm_gone(name, storage, &reading.watch, &record.location.path).await;
        gone.map_err(AcceptError::NotJudged)?;
    }
    match seen.pop() {
        Some((_, Ok(observation))) => {
            let recorded = observation.recorded();
            let size = recorded.map_err(|reason| {
                AcceptError::Content(Failure::unreadable(reason).at(&record.location.path))
            });
            let size = size?.size;
            Ok((observation.checksum(shown).ok_or(AcceptError::Interrupted)?, size))
        }
        None => Err(AcceptError::Interrupted),
        Some((_, Err(error))) => Err(match error.into_failure() {
            Ok(failure) => AcceptError::Content(failure.at(&record.location.path)),
            Err(NotJudged::Cancelled) => AcceptError::Interrupted,
            Err(not_judged) => AcceptError::NotJudged(not_judged),
        }),
    }
}

/// The record's content, of which the digest that is shown is wanted, by the deepest look.
pub(crate) fn piece(context: &EngineContext, record: &Record) -> Inspection {
    let algorithms = Algorithms::default().with(context.settings.policy.algorithm(record.model));
    let stored = Inspection::new(record.model, record.location.path.clone(), algorithms);
    Inspection { rule: record.rule.clone(), attempt: None, ..stored }
}
