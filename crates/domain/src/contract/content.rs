//! The suite of `ContentStore`.

pub mod inspecting;
pub mod listing;

use std::any::Any;
use std::sync::{Arc, Mutex};

use crate::digest::{Algorithm, Algorithms};
use crate::model::Model;
use crate::ports::{ContentStore, Inspection, InspectionSink, Watch};
use crate::verdict::{ContentError, Observation};

/// A storage with content in it.
pub struct ContentFixture {
    /// The store of that storage.
    pub store: Arc<dyn ContentStore>,
    /// A model whose content lies in it, and must exist.
    pub model: Model,
    /// The paths of all content, which is good: at least two, in any order.
    pub present: Vec<String>,
    /// A path at which there is nothing.
    pub absent: String,
    /// What must live as long as the storage: its folder, its server.
    pub keep: Box<dyn Any + Send + Sync>,
}

/// What was reported of an inspection.
type Seen = Result<Observation, ContentError>;

/// Records what is reported, in the order of the reports.
#[derive(Default)]
struct Recorder(Mutex<Vec<(usize, Seen)>>);

impl InspectionSink for Recorder {
    fn report(&self, index: usize, seen: Seen) {
        self.0.lock().unwrap().push((index, seen));
    }
}

impl ContentFixture {
    /// Inspects these paths; what was reported of each, which must be one report.
    async fn inspect(&self, paths: &[String], watch: &Arc<Watch>) -> Vec<Seen> {
        let algorithms = Algorithms::default().with(Algorithm::Sha256);
        let pieces =
            paths.iter().map(|path| Inspection::new(self.model, path.as_str(), algorithms)).collect();
        let recorder = Arc::new(Recorder::default());
        let sink: Arc<dyn InspectionSink> = recorder.clone();
        self.store.inspect(pieces, Arc::clone(watch), sink).await;
        let mut reports = std::mem::take(&mut *recorder.0.lock().unwrap());
        reports.sort_by_key(|(index, _)| *index);
        let indices: Vec<usize> = reports.iter().map(|(index, _)| *index).collect();
        assert_eq!(indices, (0..paths.len()).collect::<Vec<_>>(), "one report for each of {paths:?}");
        reports.into_iter().map(|(_, seen)| seen).collect()
    }
}
