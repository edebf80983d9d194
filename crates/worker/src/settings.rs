//! The settings of the worker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::ports::ContentStore;
use stocktake_domain::{Algorithm, Model, ModelKind};

use crate::hours::Hours;

/// A configured storage.
#[derive(Clone)]
pub struct Storage {
    /// Its content.
    pub content: Arc<dyn ContentStore>,
    /// When the worker may read from it; `None`: always. What somebody asks for and waits for is read at
    /// any time.
    pub hours: Option<Hours>,
}

/// The configured storages by name.
pub type Storages = BTreeMap<String, Storage>;

/// How checksums are made, and how long they and an attempt hold.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The algorithm of the checksum shown.
    pub algorithm: Algorithm,
    /// The algorithm for single models, before [`Policy::algorithm`].
    pub per_model: BTreeMap<Model, Algorithm>,
    /// Git repositories have Gitaly's own checksum, whatever the above say.
    pub gitaly: bool,
    /// The age at which a success is checked again.
    pub reverify_after: Duration,
    /// How long an attempt may go without progress before it counts as failed.
    pub lease: Duration,
}

impl Policy {
    /// The algorithm of this model's checksums.
    pub fn algorithm(&self, model: Model) -> Algorithm {
        if self.gitaly && model.kind() == ModelKind::GitRepository {
            return Algorithm::Gitaly;
        }
        self.per_model.get(&model).copied().unwrap_or(self.algorithm)
    }
}

/// How the engine works.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// How checksums are made.
    pub policy: Policy,
    /// Only these storages (a worker beside the disks); `None`: all, also ones no configuration names,
    /// whose records then fail.
    pub storages: Option<Vec<String>>,
    /// The most records in one lease, 1 to 1,000 (others are brought into that range). Fewer are claimed at
    /// once when there are so many storages that memory would not be bounded otherwise.
    pub claim_size: u32,
    /// The most leases held at once for one storage, at least 1. Two or more keep its readers busy while
    /// results are written.
    pub leases_per_storage: usize,
    /// How often to look for work without being woken.
    pub poll: Duration,
    /// The name of this host, under which it reports what keeps records from being judged.
    pub host: String,
    /// How long a foreground drain waits for a storage that cannot be read, or for what the process lacks, once nothing
    /// else is left.
    pub give_up_after: Duration,
    /// Whether records are recorded as missing without a look at whether their storage is whole.
    pub believe_missing: bool,
    /// Whether every record is looked at as deeply as its storage can.
    pub deep: bool,
    /// How long a lease outlives the last heartbeat of its worker.
    pub heartbeat_timeout: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_may_have_an_algorithm_of_its_own() {
        let policy = Policy {
            algorithm: Algorithm::Sha256,
            per_model: BTreeMap::from([(Model::Uploads, Algorithm::Md5)]),
            gitaly: false,
            reverify_after: Duration::ZERO,
            lease: Duration::ZERO,
        };
        assert_eq!(policy.algorithm(Model::Uploads), Algorithm::Md5);
        assert_eq!(policy.algorithm(Model::Projects), Algorithm::Sha256);
        let policy = Policy { gitaly: true, ..policy };
        assert_eq!(policy.algorithm(Model::Projects), Algorithm::Gitaly);
        assert_eq!(policy.algorithm(Model::ContainerRepositories), Algorithm::Sha256);
    }
}
