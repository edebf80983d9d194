//! The suite of `ContentStore`.

pub mod inspecting;
pub mod listing;
pub mod unreferenced;

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
    /// Takes away what refers to some of the content, and returns the paths of what is unreferenced then; of a kind of storage
    /// in which something refers to content, as far as a test can do so.
    pub abandon: Option<Abandon>,
    /// What must live as long as the storage: its folder, its server.
    pub keep: Box<dyn Any + Send + Sync>,
}

/// Makes some content of a storage unreferenced, and returns the paths.
pub type Abandon = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// What was reported of an inspection.
pub type Seen = Result<Observation, ContentError>;

/// A sink that records what is reported of each inspection of a call.
///
/// # Panics
/// If an inspection is reported twice.
#[derive(Debug)]
pub struct Recorder(Mutex<Vec<Option<Seen>>>);

impl Recorder {
    /// For a call with this many inspections.
    pub fn new(inspections: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(vec![None; inspections])))
    }

    /// What was reported of each.
    ///
    /// # Panics
    /// If one was not reported.
    pub fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().iter().cloned().map(Option::unwrap).collect()
    }
}

impl InspectionSink for Recorder {
    fn report(&self, index: usize, seen: Seen) {
        let before = self.0.lock().unwrap()[index].replace(seen);
        assert_eq!(before, None, "inspection {index} is reported once");
    }
}

impl ContentFixture {
    /// Inspects these paths; what was reported of each.
    async fn inspect(&self, paths: &[String], watch: &Arc<Watch>) -> Vec<Seen> {
        let algorithms = Algorithms::default().with(Algorithm::Sha256);
        let pieces =
            paths.iter().map(|path| Inspection::new(self.model, path.as_str(), algorithms)).collect();
        let recorder = Recorder::new(paths.len());
        let sink: Arc<dyn InspectionSink> = recorder.clone();
        self.store.inspect(pieces, Arc::clone(watch), sink).await;
        recorder.all()
    }
}
