//! Implements the port for a bucket: which objects are inspected, and how many at a time.

use std::sync::Arc;

use async_trait::async_trait;
use stocktake_content::HashPool;
use stocktake_domain::ports::{
    ContentStore, FoundStream, Inspection, InspectionSink, ProbedStorage, StorageAddress, Watch,
};
use stocktake_domain::{ContentError, DigestRule, NotJudged, Observation, PathText};
use tokio::task::JoinSet;

use crate::access::{Access, unless_cancelled};
use crate::settings::{Mode, ObjectSettings, SettingsError};
use crate::throttle::Patience;
use crate::{key, list};

/// The objects of one bucket, below one prefix.
pub struct ObjectStorage {
    access: Arc<Access>,
}

impl ObjectStorage {
    /// A storage with these settings, hashed by `pool`. No request is sent yet.
    pub fn new(settings: ObjectSettings, pool: Arc<HashPool>) -> Result<Self, SettingsError> {
        Self::with_patience(settings, pool, Patience::default())
    }

    /// A storage that retries for another duration than the default.
    pub fn with_patience(
        settings: ObjectSettings,
        pool: Arc<HashPool>,
        patience: Patience,
    ) -> Result<Self, SettingsError> {
        let access = Access::new(settings, pool, patience)?;
        Ok(Self { access: Arc::new(access) })
    }
}

impl std::fmt::Debug for ObjectStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.access.remote.place.at(&self.access.prefix);
        f.debug_struct("ObjectStorage").field("at", &at).finish_non_exhaustive()
    }
}

#[async_trait]
impl ContentStore for ObjectStorage {
    async fn inspect(&self, pieces: Vec<Inspection>, watch: Arc<Watch>, sink: Arc<dyn InspectionSink>) {
        let asked = pieces.into_iter().enumerate().map(|(index, inspection)| Asked {
            report: Report { sink: Arc::clone(&sink), index, reported: false },
            inspection,
        });
        let mut asked: Vec<Asked> = asked.collect();
        if self.access.mode == Mode::Metadata {
            asked = self.access.sweep(asked, &watch).await;
        }
        // Dropped with this future, which cancels them.
        let mut tasks = JoinSet::new();
        for Asked { report, inspection } in asked {
            let permit = unless_cancelled(&watch, Arc::clone(&self.access.permits).acquire_owned()).await;
            let Ok(Ok(permit)) = permit else { continue };
            let (access, watch) = (Arc::clone(&self.access), Arc::clone(&watch));
            tasks.spawn(async move {
                report.tell(inspect(&access, &inspection, &watch).await);
                drop(permit);
            });
            while tasks.try_join_next().is_some() {}
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn probe(&self) -> Result<ProbedStorage, NotJudged> {
        self.access.probe().await
    }

    async fn address(&self) -> Option<StorageAddress> {
        let remote = &self.access.remote;
        Some(StorageAddress {
            service: remote.wire.bucket_url.clone(),
            bucket: remote.place.bucket.clone(),
            prefix: PathText::of_bytes(self.access.prefix.as_bytes()).into_string(),
        })
    }

    async fn look(&self, path: &str) -> Result<(), ContentError> {
        let key = key::of_path(&self.access.prefix, path)?;
        self.access.head(&DigestRule::Stored, &key, &Watch::default()).await.map(drop)
    }

    fn list(&self) -> FoundStream {
        list::list(Arc::clone(&self.access), self.access.prefix.clone())
    }
}

/// A piece that was asked for, and to whom it is reported.
pub(crate) struct Asked {
    pub(crate) report: Report,
    pub(crate) inspection: Inspection,
}

/// Reports a piece to the sink in any case: if it is dropped before, as cancelled.
pub(crate) struct Report {
    sink: Arc<dyn InspectionSink>,
    index: usize,
    reported: bool,
}

impl Report {
    pub(crate) fn tell(mut self, seen: Result<Observation, ContentError>) {
        self.reported = true;
        self.sink.report(self.index, seen);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.reported {
            self.sink.report(self.index, Err(ContentError::CANCELLED));
        }
    }
}

/// Inspects one object.
async fn inspect(access: &Access, piece: &Inspection, watch: &Watch) -> Result<Observation, ContentError> {
    let key = key::of_path(&access.prefix, &piece.path)?;
    match access.mode {
        Mode::Content => access.read(piece, &key, watch).await,
        Mode::Metadata => access.head(&piece.rule, &key, watch).await,
    }
}
