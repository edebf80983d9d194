//! How fast content is read now, as far as some of it tells that is read for a moment.

use std::collections::BTreeMap;
use std::time::Duration;

use stocktake_domain::ports::Inspection;
use stocktake_domain::{ContentError, Record};
use tokio::time::{Instant, timeout};

use crate::accept::piece;
use crate::context::EngineContext;
use crate::reading::Reading;

/// What was read in a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tried {
    /// How many records were read to their end.
    pub records: u64,
    /// How many bytes were read, also of those that were not.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
}

/// See [`crate::Engine::try_reading`].
pub(crate) async fn try_reading(context: &EngineContext, records: &[Record], within: Duration) -> Tried {
    let mut pieces: BTreeMap<&str, Vec<Result<Inspection, ContentError>>> = BTreeMap::new();
    for record in records {
        pieces.entry(&record.location.storage).or_default().push(Ok(piece(context, record)));
    }
    let began = Instant::now();
    let mut readings: Vec<Reading> = pieces
        .into_iter()
        .filter_map(|(name, pieces)| {
            let storage = context.parts.storages.get(name)?;
            Some(Reading::begin(name, Some(storage), pieces))
        })
        .collect();
    let all = async {
        for reading in &mut readings {
            // After a panic in the adapter it has read what it has read.
            let _ = reading.ended().await;
        }
    };
    // Whether all were read or the time was over: what was read counts.
    let _ = timeout(within, all).await;
    let mut tried = Tried { took: began.elapsed(), ..Tried::default() };
    for reading in &readings {
        let mut seen = Vec::new();
        reading.collector.take(&mut seen);
        tried.records += u64::try_from(seen.len()).unwrap_or(u64::MAX);
        tried.bytes = tried.bytes.saturating_add(reading.watch.bytes());
    }
    tried
}
