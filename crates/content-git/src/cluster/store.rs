//! The store.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::future::{join_all, try_join_all};
use secrecy::SecretString;
use stocktake_domain::ports::{
    ContentStore, Extent, FoundStream, Inspection, InspectionSink, ProbedStorage, StorageAddress, Watch,
};
use stocktake_domain::{ContentError, NotJudged};
use stocktake_net::postgres::PostgresUrlError;

use super::praefect::{Praefect, Repository};
use super::verdict::{Plan, Seen, on_node};
use crate::repository;

/// How often repositories are read again that seem to be damaged while Praefect changes what it says of them.
const READINGS: u32 = 4;

/// Where a virtual storage is described.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// The URL of Praefect's database.
    pub praefect_database_url: SecretString,
    /// The name of the virtual storage, which is what GitLab calls the storage.
    pub virtual_storage: String,
}

/// The stores of the nodes, by Gitaly's names for their storages.
pub type Nodes = BTreeMap<String, Arc<dyn ContentStore>>;

/// The repositories of a virtual storage, each of which is all its replicas.
pub struct ClusterStore {
    praefect: Praefect,
    nodes: Nodes,
}

impl std::fmt::Debug for ClusterStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterStore").field("praefect", &self.praefect).finish_non_exhaustive()
    }
}

impl ClusterStore {
    /// Checks the settings; connects to nothing yet.
    pub fn new(settings: ClusterSettings, nodes: Nodes) -> Result<Self, PostgresUrlError> {
        let ClusterSettings { praefect_database_url, virtual_storage } = settings;
        Ok(Self { praefect: Praefect::new(&praefect_database_url, virtual_storage)?, nodes })
    }

    /// Reads these pieces, and returns what is to be looked at again if Praefect then says something else of it: what
    /// seems to be damaged.
    async fn read(
        &self,
        pieces: &[(usize, Inspection)],
        known: &HashMap<String, Repository>,
        watch: &Arc<Watch>,
        sink: &Arc<dyn InspectionSink>,
    ) -> HashMap<usize, ContentError> {
        let reading = Reading::new(Arc::clone(sink));
        let mut by_node: BTreeMap<&String, Vec<(usize, Inspection)>> = BTreeMap::new();
        for (index, piece) in pieces {
            let Some(repository) = known.get(path_of(piece)) else {
                let seen = repository::absent(piece);
                reading.told(*index, seen);
                continue;
            };
            match Plan::of(repository, self.nodes.keys()) {
                Err(error) => reading.told(*index, Err(error)),
                Ok(plan) => {
                    for node in self.nodes.keys().filter(|node| plan.current.contains(node)) {
                        let path = repository.replica_path.clone();
                        by_node.entry(node).or_default().push((*index, Inspection { path, ..piece.clone() }));
                    }
                    reading.expect(*index, plan);
                }
            }
        }
        let reading = Arc::new(reading);
        let nodes = by_node.into_iter().filter_map(|(node, pieces)| {
            let (indexes, pieces) = pieces.into_iter().unzip();
            let sink = NodeSink { node: node.clone(), indexes, reading: Arc::clone(&reading) };
            Some(self.nodes.get(node)?.inspect(pieces, Arc::clone(watch), Arc::new(sink)))
        });
        join_all(nodes).await;
        reading.doubtful()
    }

    /// The replicas of one repository that are up to date: the store of each, and the path in it.
    async fn current(
        &self,
        path: &str,
    ) -> Result<(Vec<(&String, &Arc<dyn ContentStore>)>, String), ContentError> {
        let path = path.trim_end_matches('/');
        let mut known = self.praefect.repositories(&[path]).await?;
        let repository = known.remove(path).ok_or(ContentError::MissingRepository)?;
        let plan = Plan::of(&repository, self.nodes.keys())?;
        let nodes = self.nodes.iter().filter(|(node, _)| plan.current.contains(node));
        Ok((nodes.collect(), repository.replica_path))
    }
}

/// The path by which Praefect knows a repository.
fn path_of(piece: &Inspection) -> &str {
    piece.path.trim_end_matches('/')
}

/// A reading of repositories by the nodes.
struct Reading {
    /// Those that nodes still read, by their indexes.
    open: Mutex<HashMap<usize, Open>>,
    doubtful: Mutex<HashMap<usize, ContentError>>,
    sink: Arc<dyn InspectionSink>,
}

/// A repository whose replicas are being read.
struct Open {
    plan: Plan,
    seen: BTreeMap<String, Seen>,
}

impl Reading {
    fn new(sink: Arc<dyn InspectionSink>) -> Self {
        Self { open: Mutex::default(), doubtful: Mutex::default(), sink }
    }

    fn expect(&self, index: usize, plan: Plan) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(index, Open { plan, seen: BTreeMap::new() });
    }

    /// What a node saw. With the last of them, the repository is judged.
    fn add(&self, index: usize, node: &str, seen: Seen) {
        let complete = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(of) = open.get_mut(&index) else { return };
            of.seen.insert(node.to_owned(), seen);
            if of.seen.len() == of.plan.current.len() { open.remove(&index) } else { None }
        };
        if let Some(Open { plan, seen }) = complete {
            self.told(index, plan.judge(&seen));
        }
    }

    /// Reports it, unless it might be Praefect that changed it meanwhile.
    fn told(&self, index: usize, seen: Seen) {
        match seen {
            Ok(_) | Err(ContentError::NotJudged(_)) => self.sink.report(index, seen),
            Err(error) => {
                self.doubtful.lock().unwrap_or_else(PoisonError::into_inner).insert(index, error);
            }
        }
    }

    fn doubtful(&self) -> HashMap<usize, ContentError> {
        std::mem::take(&mut *self.doubtful.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where a node tells what it sees.
struct NodeSink {
    node: String,
    /// The indexes of the pieces that it was given.
    indexes: Vec<usize>,
    reading: Arc<Reading>,
}

impl InspectionSink for NodeSink {
    fn report(&self, index: usize, seen: Seen) {
        if let Some(index) = self.indexes.get(index) {
            self.reading.add(*index, &self.node, seen);
        }
    }
}

#[async_trait]
impl ContentStore for ClusterStore {
    async fn inspect(&self, pieces: Vec<Inspection>, watch: Arc<Watch>, sink: Arc<dyn InspectionSink>) {
        let mut open = Vec::new();
        for (index, piece) in pieces.into_iter().enumerate() {
            match piece.refusal() {
                Some(refusal) => sink.report(index, Err(refusal)),
                None => open.push((index, piece)),
            }
        }
        let mut doubtful: HashMap<usize, ContentError> = HashMap::new();
        let mut before: HashMap<String, Repository> = HashMap::new();
        for reading in 0..=READINGS {
            if open.is_empty() {
                return;
            }
            let paths: Vec<&str> = open.iter().map(|(_, piece)| path_of(piece)).collect();
            let known = if watch.is_cancelled() {
                Err(ContentError::CANCELLED)
            } else {
                self.praefect.repositories(&paths).await
            };
            let known = match known {
                Ok(known) => known,
                Err(error) => {
                    return open.iter().for_each(|(index, _)| sink.report(*index, Err(error.clone())));
                }
            };
            // What Praefect says the same of as before is what it seemed to be.
            open.retain(|(index, piece)| {
                let path = path_of(piece);
                let is_same = reading > 0 && known.get(path) == before.get(path);
                match doubtful.remove(index).filter(|_| is_same) {
                    Some(error) => {
                        sink.report(*index, Err(error));
                        false
                    }
                    None => true,
                }
            });
            if reading == READINGS {
                break;
            }
            doubtful = self.read(&open, &known, &watch, &sink).await;
            open.retain(|(index, _)| doubtful.contains_key(index));
            before = known;
        }
        for (index, _) in open {
            sink.report(index, Err(ContentError::Unreadable("changed while being read".to_owned())));
        }
    }

    async fn probe(&self) -> Result<ProbedStorage, NotJudged> {
        let has_any = self.praefect.has_any().await.map_err(|error| match error {
            ContentError::NotJudged(fault) => fault,
            other => NotJudged::Storage(other.to_string()),
        })?;
        let nodes = self
            .nodes
            .iter()
            .map(|(node, store)| async move { store.probe().await.map_err(|fault| on_node(node, &fault)) });
        try_join_all(nodes).await?;
        Ok(ProbedStorage { identity: None, is_empty: !has_any, mounts: std::collections::BTreeSet::new() })
    }

    async fn address(&self) -> Option<StorageAddress> {
        None
    }

    async fn look(&self, path: &str) -> Result<(), ContentError> {
        let (nodes, replica) = self.current(path).await?;
        let nodes = nodes.into_iter().map(|(_, store)| store.look(&replica));
        try_join_all(nodes).await.map(drop)
    }

    fn list(&self) -> FoundStream {
        self.praefect.list()
    }

    async fn measure(&self, path: &str) -> Option<Extent> {
        let (nodes, replica) = self.current(path).await.ok()?;
        let (_, store) = nodes.first()?;
        store.measure(&replica).await
    }
}
