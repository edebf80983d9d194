//! Taking content for good as it is now, after an *altered* finding.

use stocktake_domain::ports::{Inspection, StoreError};
use stocktake_domain::{Algorithms, Baseline, Digest, Failure, Model, NotJudged, Record, RecordKey};

use crate::context::EngineContext;
use crate::reading::Reading;

/// What an acceptance replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Previous {
    /// The digest recorded when the data was stored.
    pub expected: Option<Digest>,
    /// The size in bytes recorded when the data was stored.
    pub size: Option<u64>,
    /// The last good checksum of our own.
    pub baseline: Option<Baseline>,
}

/// Content that was taken for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The record as it now is.
    pub record: Record,
    /// What counted before.
    pub previous: Previous,
    /// The digest of the content.
    pub checksum: Digest,
    /// The size of the content in bytes; `None` of a repository, which has none.
    pub size: Option<u64>,
}

/// Why content was not taken for good. The record is as it was.
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

/// See [`crate::Engine::accept`].
pub(crate) async fn accept(
    context: &EngineContext,
    model: Model,
    key: &RecordKey,
) -> Result<Accepted, AcceptError> {
    let catalogue = &context.parts.catalogue;
    let record = catalogue.get(model, key).await?.ok_or(AcceptError::UnknownRecord)?;
    let (checksum, size) = read(context, &record).await?;
    let previous =
        Previous { expected: record.expected, size: record.file_size, baseline: record.history().baseline() };
    let accepted = catalogue.accept(model, key, checksum, size).await?;
    let record = accepted.ok_or(AcceptError::UnknownRecord)?;
    Ok(Accepted { record, previous, checksum, size })
}

/// The digest shown for the content as it is now, and the size in bytes of what the recorded size is of.
async fn read(context: &EngineContext, record: &Record) -> Result<(Digest, Option<u64>), AcceptError> {
    let name = &record.location.storage;
    let storage =
        context.parts.storages.get(name).ok_or_else(|| AcceptError::UnknownStorage(name.clone()))?;
    let shown = context.settings.policy.algorithm(record.model);
    let piece = Inspection {
        model: record.model,
        path: record.location.path.clone(),
        algorithms: Algorithms::default().with(shown),
        rule: record.rule.clone(),
        attempt: None,
    };
    let mut reading = Reading::begin(name, Some(storage), vec![Ok(piece)]);
    // After a panic in the adapter nothing is reported, which is an error below.
    let _ = reading.ended().await;
    let mut seen = Vec::new();
    reading.collector.take(&mut seen);
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
